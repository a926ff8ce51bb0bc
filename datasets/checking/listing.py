"""`python -m datasets list`: every dataset that a run can name."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from datasets.checking.lists import SUITE_CLASSES
from datasets.demo.suite import DemoDataset, DemoSuite
from datasets.fashion20 import Fashion20
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.parts.folders import images_url
from datasets.parts.imagenet_folders import WnidFolders
from datasets.parts.items import SPLITS
from datasets.parts.multitask import JointDataset
from datasets.parts.names import PUBLISHED, suite_members, yaml_settings, yaml_stems
from datasets.parts.reader import ListedDataset
from datasets.parts.split_file_reader import SplitFileDataset

_GROUPS = ("Published", "Multi-task suites", "Members of suites", "Demo", "Own data", "Others")
_HEADERS = ("DATASET.NAME", "YAML", "folder", "classes", "train / val / test", "lists", "from")


@dataclass(frozen=True)
class Row:
    """A dataset in the table.

    Attributes:
        group: heading that it stands under.
        name, yaml: DATASET.NAME, and the stem of its file in configs/datasets; "" for none.
        folder: below the root.
        classes, train, val, test: published numbers; None where none is.
        lists: the split file, or what lists the images else.
        url: where the images are published.
    """

    group: str
    name: str
    yaml: str
    folder: str
    classes: int | None
    train: int | None
    val: int | None
    test: int | None
    lists: str
    url: str


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "list",
        help="show every dataset, with its folder and published sizes",
        description="Shows every dataset that a run can name. Folders are below --root of a run.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; returns the exit code 0."""
    found = rows()
    if args.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
        return 0
    for group in dict.fromkeys(row.group for row in found):
        cells = [_cells(row) for row in found if row.group == group]
        print(f"{group}\n\n{tabulate(cells, _HEADERS, tablefmt='plain')}\n")
    return 0


def rows() -> list[Row]:
    """Every registered dataset, group by group, and each further YAML of it."""
    groups = {name: "Published" for name in PUBLISHED}
    others = [name for name in DATASET_REGISTRY.registered_names() if name not in groups]
    members = {member for name in others for member in suite_members(name)}
    groups |= {name: _group(name, members) for name in others}
    names = sorted(groups, key=lambda name: _GROUPS.index(groups[name]))  # stable in each group
    first, settings = yaml_stems(), yaml_settings()
    found = []
    for name in names:
        stems = [stem for stem in settings if settings[stem]["NAME"] == name] or [""]
        stems.sort(key=lambda stem: stem != first.get(name))
        found += [_row(name, groups[name], stem) for stem in stems]
    return found


def _group(name: str, members: set[str]) -> str:
    reader = DATASET_REGISTRY.get(name)
    if not isinstance(reader, type):
        return "Others"
    kinds: Sequence[tuple[tuple[type, ...], str]] = (
        ((DemoDataset, DemoSuite), "Demo"),
        ((JointDataset, Fashion20), "Multi-task suites"),
    )
    for classes, group in kinds:
        if issubclass(reader, classes):
            return group
    if issubclass(reader, ListedDataset) and not reader.dataset_dir:
        return "Own data"  # whose folder is DATASET.FOLDER
    return "Members of suites" if name in members else "Others"


def _row(name: str, group: str, stem: str) -> Row:
    reader: Any = DATASET_REGISTRY.get(name)
    sizes = published.sizes(name)
    return Row(
        group=group,
        name=name,
        yaml=stem,
        folder=_folder(name, reader, stem),
        classes=sizes.classes if sizes else SUITE_CLASSES.get(name),
        train=sizes.train if sizes else None,
        val=sizes.val if sizes else None,
        test=sizes.test if sizes else None,
        lists=_lists(name, reader),
        url=_url(name, reader, group),
    )


def _folder(name: str, reader: Any, stem: str) -> str:
    if suite_members(name):
        return "those of its members"
    given = yaml_settings().get(stem, {}).get("FOLDER")
    return getattr(reader, "dataset_dir", "") or str(given or "DATASET.FOLDER")


def _lists(name: str, reader: Any) -> str:
    if not isinstance(reader, type):
        return ""
    if suite_members(name):
        return ", ".join(suite_members(name))
    if issubclass(reader, SplitFileDataset):
        return reader.split_file or reader.task_split_name()
    if issubclass(reader, Fashion20):
        return f"{reader.split_file}, task_info.csv"
    if issubclass(reader, WnidFolders):
        return "class folders, classnames.txt"
    if issubclass(reader, FGVCAircraft):
        return "variants.txt, images_variant_*.txt"
    return getattr(reader, "holds", "") or _text(getattr(reader, "listed_by", ""))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""  # a property of the class is no text


def _url(name: str, reader: Any, group: str) -> str:
    if group == "Demo":
        return "made on first use"
    if group == "Own data":
        return "you"
    if suite_members(name):
        return "see its members"
    return images_url(reader)


def _cells(row: Row) -> list[str]:
    numbers = [getattr(row, split) for split in SPLITS]
    sizes = " / ".join("-" if number is None else f"{number:,}" for number in numbers)
    known = any(number is not None for number in numbers)
    classes = "-" if row.classes is None else f"{row.classes:,}"
    return [row.name, row.yaml, row.folder, classes, sizes if known else "-", row.lists, row.url]
