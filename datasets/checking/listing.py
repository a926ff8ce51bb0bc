"""`python -m datasets list`: every dataset that a run can name."""

import argparse
import json
from typing import Any

from tabulate import tabulate

from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from datasets.demo.suite import DemoDataset, DemoSuite
from datasets.fashion20 import Fashion20
from datasets.parts.folders import images_url
from datasets.parts.items import SPLITS
from datasets.parts.multitask import JointDataset
from datasets.parts.names import PUBLISHED, suite_members, yaml_settings
from datasets.parts.reader import ListedDataset
from datasets.parts.split_file_reader import SplitFileDataset

_GROUPS = ("Published", "Multi-task suites", "Members of suites", "Demo", "Own data", "Others")
_HEADERS = ("DATASET.NAME", "YAML", "folder", "classes", "train / val / test", "lists", "from")


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
        print(json.dumps(found, indent=2))
        return 0
    for group in dict.fromkeys(row["group"] for row in found):
        cells = [_cells(row) for row in found if row["group"] == group]
        print(f"{group}\n\n{tabulate(cells, _HEADERS, tablefmt='plain')}\n")
    return 0


def rows() -> list[dict[str, Any]]:
    """Every registered dataset, group by group, and each further YAML of it.

    Returns:
        of each the group (heading that it stands under), name (DATASET.NAME), yaml (stem of its
        file in configs/datasets; "" for none), folder (below the root), classes, train, val and
        test (published numbers; None where none is), lists (what lists the images) and url (where
        the images are published).
    """
    names = [*PUBLISHED, *DATASET_REGISTRY.registered_names()]
    members = {member for name in names for member in suite_members(name)}
    groups = {name: _group(name, members) for name in names}
    settings = yaml_settings()
    found = []
    for name in sorted(groups, key=lambda name: _GROUPS.index(groups[name])):  # stable
        stems = [stem for stem in settings if settings[stem]["NAME"] == name] or [""]
        stems.sort(key=lambda stem: len(settings.get(stem, ())))  # the one that says least first
        found += [_row(name, groups[name], stem) for stem in stems]
    return found


def _group(name: str, members: set[str]) -> str:
    reader = DATASET_REGISTRY.get(name)
    kind = reader if isinstance(reader, type) else object
    if name in PUBLISHED:
        return "Published"
    if issubclass(kind, DemoDataset | DemoSuite):
        return "Demo"
    if issubclass(kind, JointDataset | Fashion20):
        return "Multi-task suites"
    if issubclass(kind, ListedDataset) and not kind.dataset_dir:
        return "Own data"  # whose folder is DATASET.FOLDER
    return "Members of suites" if name in members else "Others"


def _row(name: str, group: str, stem: str) -> dict[str, Any]:
    reader: Any = DATASET_REGISTRY.get(name)
    sizes, members = published.sizes(name), suite_members(name)
    given = yaml_settings().get(stem, {}).get("FOLDER")
    folder = getattr(reader, "dataset_dir", "") or str(given or "DATASET.FOLDER")
    url = {"Demo": "made on first use", "Own data": "you"}.get(group) or images_url(reader)
    return {
        "group": group,
        "name": name,
        "yaml": stem,
        "folder": "those of its members" if members else folder,
        "classes": sizes.classes if sizes else published.suite_classes(name),
        **{split: getattr(sizes, split, None) for split in SPLITS},
        "lists": ", ".join(members) or _lists(reader),
        "url": "see its members" if members and group != "Demo" else url,
    }


def _lists(reader: Any) -> str:
    """What lists the images of a dataset, in words."""
    kind = reader if isinstance(reader, type) else object
    if issubclass(kind, SplitFileDataset):
        return kind.split_file or kind.task_split_name()
    words = getattr(kind, "holds", "") or getattr(kind, "listed_by", "")
    return words if isinstance(words, str) else ""  # a property of the class is no text


def _cells(row: dict[str, Any]) -> list[str]:
    numbers = {key: "-" if row[key] is None else f"{row[key]:,}" for key in ("classes", *SPLITS)}
    sizes = " / ".join(numbers[split] for split in SPLITS)
    sizes = "-" if sizes == "- / - / -" else sizes
    names = [row[key] for key in ("name", "yaml", "folder")]
    return [*names, numbers["classes"], sizes, row["lists"], row["url"]]
