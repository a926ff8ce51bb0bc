"""From runs to the sections of a report: a protocol at a number of shots, and its methods."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from runner.plan import demo
from runner.results import layouts
from runner.results.groups import Table, make_tables
from runner.results.runs import Run
from runner.results.scores import Line, merge
from runner.results.stats import Summary

TITLES = {
    "b2n": "Base to new",
    "xd": "Cross-dataset",
    "dg": "Domain generalization",
    "fs": "Few-shot, all classes",
    "mt": "Several datasets together",
}
_UNTRAINED = "Zeroshot"


@dataclass(frozen=True)
class Method:
    """One row of a section's tables: an experiment's trainer.

    Attributes:
        label: tells it apart from the others of its section.
        summary: the numbers, of the lines that belong to the section.
        cfgs: the YAML files that its runs name.
    """

    label: str
    table: Table
    summary: Summary
    cfgs: tuple[str, ...]

    @property
    def trainer(self) -> str:
        return self.table.study.trainer

    @property
    def runs(self) -> tuple[Run, ...]:
        """All its runs, also those that gave way to a newer one of the same cell."""
        return (*self.table.runs, *self.table.spare)


@dataclass(frozen=True)
class Section:
    """One protocol at one number of shots.

    Attributes:
        protocol: `b2n`, `xd`, `dg`, `fs`, `mt`.
        shots: 0 where no run names them.
        joint: name of the joint dataset of `mt`.
        demo: whether its datasets are those of the demo.
    """

    protocol: str
    shots: int
    methods: tuple[Method, ...]
    joint: str = ""
    demo: bool = False

    @cached_property
    def lines(self) -> list[Line]:
        """The columns of its tables: datasets or tasks, and averages."""
        return merge([method.summary.lines for method in self.methods])

    @property
    def measures(self) -> tuple[str, ...]:
        longest = max((method.summary.measures for method in self.methods), key=len)
        return tuple(longest)

    @property
    def main_measure(self) -> str:
        return "H" if "H" in self.measures else self.measures[-1]

    @property
    def title(self) -> str:
        shots = f", {self.shots} shot{'s' if self.shots > 1 else ''}" if self.shots else ""
        joint = f": {self.joint}" if self.joint else ""
        return f"{TITLES[self.protocol]}{joint}{shots}{' (demo)' if self.demo else ''}"

    @property
    def key(self) -> str:
        """A name for links within the page and labels in LaTeX."""
        words = [self.protocol, str(self.shots), self.joint, "demo" if self.demo else ""]
        joined = "-".join(word for word in words if word)
        return "".join(letter if letter.isalnum() else "-" for letter in joined)


def make_sections(runs: Sequence[Run]) -> list[Section]:
    """Return the sections in the order of protocols, runs of the demo behind the others."""
    found: dict[tuple[bool, int, str, int], list[tuple[Table, Summary]]] = defaultdict(list)
    order = list(TITLES)
    every = {(run.experiment, run.trainer, run.folder): run.cfg for run in runs}
    for is_demo in (False, True):
        chosen = [run for run in runs if _of_demo(run) == is_demo]
        for joint, part in _by_joint(chosen).items():
            for table in make_tables(_with_one_yaml(part)):
                if len({run.shots for run in table.runs}) > 1:
                    continue  # the table by shots, whose columns are tables of their own
                for protocol, summary in _views(table, joint):
                    place = (is_demo, order.index(protocol), joint, table.runs[0].shots)
                    found[place].append((table, summary))
    _spread_zero_shot(found)
    return [
        Section(order[place], shots, _labelled(members, every), joint, is_demo)
        for (is_demo, place, joint, shots), members in sorted(found.items(), key=lambda f: f[0])
    ]


def _of_demo(run: Run) -> bool:
    return run.dataset in (*demo.DATASETS, *demo.VARIANTS, demo.JOINT)


def _by_joint(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by joint dataset: those on all classes of one; others at no name."""
    joint = {run.dataset for run in runs if len(run.tasks) > 1}
    parts: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        parts[run.dataset if run.mode == "fs" and run.dataset in joint else ""].append(run)
    return parts


def _with_one_yaml(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with one name of a YAML for an experiment of this runner that has several,
    each for other datasets: configs.py has such settings, and they are one method."""
    groups: dict[tuple[object, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def place(run: Run) -> tuple[object, ...]:
        mode = "xd" if run.mode == "dg" else run.mode
        return run.experiment, run.trainer, run.shots, mode

    for run in runs:
        if run.layout == layouts.RUNNER:
            groups[place(run)][run.cfg].add(run.dataset)
    joined = {}
    for key, by_cfg in groups.items():
        disjoint = sum(map(len, by_cfg.values())) == len(set().union(*by_cfg.values()))
        if len(by_cfg) > 1 and disjoint:
            joined[key] = "+".join(sorted(by_cfg))
    return [
        replace(run, cfg=joined.get(place(run), run.cfg)) if run.layout == layouts.RUNNER else run
        for run in runs
    ]


def _views(table: Table, joint: str) -> Iterable[tuple[str, Summary]]:
    """Yield the protocols that a table belongs to, and its numbers there."""
    mode, summary = table.study.mode.name, table.summary
    if not table.study.mode.transfer:
        yield ("mt" if joint else mode), summary
        return
    for protocol in ("xd", "dg"):
        lines = tuple(line for line in summary.lines if line.section in ("source", protocol))
        if any(line.section == protocol and not line.average for line in lines):
            yield protocol, replace(summary, lines=lines)
    if all(line.section == "source" or line.average for line in summary.lines):
        yield mode, replace(summary, lines=tuple(x for x in summary.lines if not x.average))


def _spread_zero_shot(
    found: dict[tuple[bool, int, str, int], list[tuple[Table, Summary]]],
) -> None:
    """Put methods without training beside the others at every number of shots."""
    for place, members in list(found.items()):
        free = [member for member in members if member[0].study.trainer.startswith(_UNTRAINED)]
        others = [
            other
            for other, rows in found.items()
            if other[:3] == place[:3]
            and other != place
            and any(not row[0].study.trainer.startswith(_UNTRAINED) for row in rows)
        ]
        for other in others:
            found[other] += [member for member in free if member not in found[other]]
        if others and len(free) == len(members):
            del found[place]


def _place(table: Table, label: str) -> tuple[bool, str]:
    """Order of methods: those without training first, a plain one before its variants."""
    return not table.study.trainer.startswith(_UNTRAINED), label


def _labelled(
    members: Sequence[tuple[Table, Summary]], cfgs: Mapping[tuple[str, str, Path], str]
) -> tuple[Method, ...]:
    """Return the methods by the shortest names that tell them apart."""
    names: list[Callable[[Table], str]] = [
        lambda table: table.experiment,
        lambda table: table.study.trainer,
        lambda table: f"{table.experiment} {table.study.trainer}",
        lambda table: f"{table.study.trainer} {table.runs[0].cfg}",
        lambda table: f"{table.experiment} {table.study.trainer} {table.runs[0].cfg}",
        lambda table: table.study.label,
    ]
    for name in names:
        labels = [name(table) for table, _ in members]
        if len(set(labels)) == len(labels) and all(labels):
            break
    methods = []
    named = sorted(zip(labels, members, strict=True), key=lambda each: _place(each[1][0], each[0]))
    for label, (table, summary) in named:
        used = {cfgs[run.experiment, run.trainer, run.folder] for run in table.runs}
        methods.append(Method(label, table, summary, tuple(sorted(used))))
    return tuple(methods)
