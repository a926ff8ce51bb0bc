"""From runs to the sections of a report: a protocol at a number of shots, and its methods."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from runner.plan import demo
from runner.results import layouts
from runner.results.groups import make_tables
from runner.results.lines import Line, merge
from runner.results.tables import Table
from runner.show.text import starred

TITLES = {
    "b2n": "Base to new",
    "gb2n": "Base and new together",
    "xd": "Cross-dataset",
    "dg": "Domain generalization",
    "fs": "Few-shot, all classes",
    "mt": "Several datasets together",
}
Found = dict[tuple[bool, int, str, int], list[Table]]
"""(of the demo, number of the protocol, joint dataset, shots) -> tables"""


@dataclass(frozen=True)
class Section:
    """One protocol at one number of shots.

    Attributes:
        methods: a row of its tables each, with the lines that belong to the section, and a label
            that tells it apart from the others.
        protocol: `b2n`, `gb2n`, `xd`, `dg`, `fs`, `mt`.
        shots: 0 where no run names them.
        joint: name of the joint dataset of `mt`.
        demo: whether its datasets are those of the demo.
    """

    protocol: str
    shots: int
    methods: tuple[Table, ...]
    joint: str = ""
    demo: bool = False

    @cached_property
    def lines(self) -> list[Line]:
        """The columns of its tables: datasets or tasks, and averages."""
        return merge([method.lines for method in self.methods])

    @cached_property
    def averages(self) -> list[Line]:
        """What stands for a whole method: averages, else the first line."""
        return [line for line in self.lines if line.average] or self.lines[:1]

    @cached_property
    def measures(self) -> tuple[str, ...]:
        return max((method.measures for method in self.methods), key=len)

    @property
    def main_measure(self) -> str:
        return "H" if "H" in self.measures else self.measures[-1]

    @property
    def title(self) -> str:
        shots = f", {self.shots} shot{'s' if self.shots > 1 else ''}" if self.shots else ""
        joint = f": {self.joint}" if self.joint else ""
        return f"{TITLES[self.protocol]}{joint}{shots}{' (demo)' if self.demo else ''}"

    @property
    def kind(self) -> tuple[str, str, bool]:
        """What sections that differ in shots alone share."""
        return self.protocol, self.joint, self.demo

    @property
    def key(self) -> str:
        """A name for links within the page."""
        words = [self.protocol, str(self.shots), self.joint, "demo" if self.demo else ""]
        return re.sub(r"[\W_]", "-", "-".join(filter(None, words)))

    def name(self, line: Line) -> str:
        """Return what a table calls a line, with a star where a split is not a published one."""
        return starred(line.name.removeprefix(f"{self.joint}/"), self.methods, line.name)


def make_sections(runs: pd.DataFrame) -> list[Section]:
    """Return the sections in the order of protocols, runs of the demo behind the others."""
    found: Found = defaultdict(list)
    order = list(TITLES)
    of_demo = runs["dataset"].isin([*demo.DATASETS, *demo.VARIANTS, demo.JOINT])
    several = runs["dataset"].isin(runs["dataset"][runs.duplicated("folder")])
    joint = runs["dataset"].where(several & (runs["mode"] == "fs"), "")
    parts = _with_one_yaml(runs).groupby([of_demo, joint])
    for key, part in parts:
        is_demo, name = bool(key[0]), str(key[1])
        for table in make_tables(part):
            if len({run["shots"] for run in table.members}) > 1:
                continue  # the table by shots, whose columns are tables of their own
            for protocol, view in _views(table, name):
                place = (is_demo, order.index(protocol), name, table.members[0]["shots"])
                found[place].append(view)
    _spread_zero_shot(found)
    return [
        Section(order[place], shots, _labelled(tables), name, is_demo)
        for (is_demo, place, name, shots), tables in sorted(found.items(), key=lambda f: f[0])
    ]


def _with_one_yaml(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with one name of a YAML for an experiment of this runner that has several,
    each for other datasets: configs.py has such settings, and they are one method."""
    mode = runs["mode"].replace("dg", "xd")
    method = [runs["layout"], runs["experiment"], runs["trainer"], runs["shots"], mode]
    pairs = runs.assign(pair=runs["cfg"] + "\n" + runs["dataset"]).groupby(method)
    disjoint = pairs["pair"].transform("nunique") == pairs["dataset"].transform("nunique")
    joined = pairs["cfg"].transform(lambda names: "+".join(sorted(set(names))))
    one = disjoint & (runs["layout"] == layouts.RUNNER)
    return runs.assign(cfg=runs["cfg"].mask(one, joined))


def _views(table: Table, joint: str) -> Iterable[tuple[str, Table]]:
    """Yield the protocols that a table belongs to, and its lines there."""
    mode = table.mode.name
    if not table.mode.transfer:
        yield ("mt" if joint else mode), table
        return
    for protocol in ("xd", "dg"):
        lines = tuple(line for line in table.lines if line.section in ("source", protocol))
        if any(line.section == protocol and not line.average for line in lines):
            yield protocol, replace(table, lines=lines)
    if all(line.section == "source" or line.average for line in table.lines):
        yield mode, replace(table, lines=tuple(x for x in table.lines if not x.average))


def _spread_zero_shot(found: Found) -> None:
    """Put methods without training beside the others at every number of shots."""
    trained = [place for place, tables in found.items() if not all(map(_untrained, tables))]
    for place, tables in list(found.items()):
        free = [table for table in tables if _untrained(table)]
        others = [other for other in trained if other[:3] == place[:3] and other != place]
        for other in others:
            found[other] += [table for table in free if table not in found[other]]
        if others and len(free) == len(tables):
            del found[place]


def _untrained(table: Table) -> bool:
    return table.trainer.startswith("Zeroshot")


def _labelled(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Return the tables by the shortest names that tell them apart: those without training first, a
    plain one before its variants."""
    names = [
        [" ".join(table.members[0][word] for word in words.split()) for table in tables]
        for words in ("experiment", "trainer", "experiment trainer", "trainer cfg")
    ]
    apart = (labels for labels in names if len(set(labels)) == len(labels) and all(labels))
    labels = next(apart, [table.label for table in tables])
    methods = [replace(table, label=label) for label, table in zip(labels, tables, strict=True)]
    return tuple(sorted(methods, key=lambda method: (not _untrained(method), method.label)))
