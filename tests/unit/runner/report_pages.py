"""Folders of runs of every protocol, and readers of the page and the tables made of them."""

import re
from html.parser import HTMLParser
from pathlib import Path

from runner.results import load_runs
from runner.show.page.document import make_report, render
from tests.unit.runner.folders import result, run_folder

VOID = ("meta", "br")
HEAD = """** Arguments **
opts: ['DATASET.NUM_SHOTS', '16', 'OPTIM.MAX_EPOCH', '7']
** Config **
MODEL:
  BACKBONE:
    NAME: {backbone}
TRAINER:
  COOP:
    PREC: fp16
  MTCOOP:
    CSC: False
    TASK_CSC: True
"""


def run(root, accuracy, step="train_base", *, backbone="ViT-B/16", more=None, **place):
    """A run with a result and the head of a log."""
    more = {"split": "test", "precision": "amp", "device": "H200", **(more or {})}
    folder = run_folder(root, step, **place)
    result(folder, accuracy, trainer=place.get("trainer", "CoOp"), **more)
    (folder / "log.txt").write_text(HEAD.format(backbone=backbone))
    return folder


def base_to_new(root: Path, trainer="CoOp", gain=0.0, datasets=("dtd", "eurosat"), seeds=(1, 2, 3)):
    for place, dataset in enumerate(datasets):
        for seed in seeds:
            for step, sub, start in (("train_base", "base", 80), ("test_new", "new", 60)):
                value = start + place + 0.37 * seed + gain
                more = {"subsample_classes": sub}
                run(root, value, step, more=more, dataset=dataset, seed=seed, trainer=trainer)


def every_protocol(root: Path) -> Path:
    """Two methods in b2n, xd with dg, fs at two shots; one over several tasks; one failed run."""
    for name, trainer, gain in (("coop", "CoOp", 0.0), ("coop_dept", "CoOpDePT", 1.25)):
        base_to_new(root / name, trainer, gain)
        for seed in (1, 2):
            for place, dataset in enumerate(("imagenet", "dtd", "food101", "imagenetv2")):
                value = 70 - 5 * place + seed / 3 + gain
                run(root / name, value, "", dataset=dataset, seed=seed, trainer=trainer)
            for shots in (1, 4):
                place = {"dataset": "dtd", "seed": seed, "shots": shots, "trainer": trainer}
                run(root / name, 50 + shots + seed / 7 + gain, "train_all", **place)
    tasks = [
        {"name": "a", "dataset": "dtd", "metric": 61.0},
        {"name": "b", "dataset": "food101", "metric": 71.0},
    ]
    place = {"dataset": "general10", "trainer": "SoftCPT"}
    run(root / "softcpt", 66.0, "train_all", more={"tasks": tasks}, backbone="RN50", **place)
    failed = run_folder(root / "coop", "train_base", dataset="eurosat", seed=4)
    failed.mkdir(parents=True)
    console = root / "coop/console/train_base-CoOp-eurosat-shots16-vit_b16-seed4.txt"
    console.parent.mkdir(parents=True)
    console.write_text("# started now\nloading <b>\nTraceback (most\nValueError: too deep & wide\n")
    return root


def report_of(*folders: Path, baseline=""):
    return make_report([str(folder) for folder in folders], load_runs(*folders), baseline)


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn.

    Attributes:
        tables: rows of cell texts.
        loads: addresses that a browser would fetch.
    """

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        found = dict(attrs)
        self.tags.add(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "srcset", "data", "action")
        ]
        if tag in ("link", "image"):
            self.loads.append(tag)
        if tag == "use" and not found["xlink:href"].startswith("#"):
            self.loads.append(tag)
        self.ids += [found["id"]] if "id" in found and "defs" not in self.open else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.words += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def table(self, *heads: str) -> dict[str, list[str]]:
        """The first table with these headings: cells by the first of their row,
        of which the first holds."""
        for rows in self.tables:
            if [head for row in rows for head in row if head][: len(heads)] == list(heads):
                return {row[0]: row[1:] for row in reversed(rows[1:])}
        raise AssertionError(f"no table {heads}")


def page_of(*folders: Path, baseline="") -> Page:
    return Page(html_of(*folders, baseline=baseline))


def html_of(*folders: Path, baseline="") -> str:
    return render(report_of(*folders, baseline=baseline), "page.html")


def numbers(cell: str) -> tuple[str, str]:
    """Mean and standard deviation of a cell as printed."""
    found = re.match(r"[^-+\d]*([-+\d.,]+)(?:\W*?±\W*([\d.]+))?", cell)
    return (found[1], found[2] or "") if found else ("", "")
