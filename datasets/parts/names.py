"""Names of datasets on the command lines of `python -m datasets`."""

import argparse
import difflib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError, UnknownNameError, UserError
from datasets import published
from datasets.parts.multitask import JointDataset

CONFIGS = Path(__file__).parents[2] / "configs" / "datasets"
PUBLISHED = published.NAMES  # as papers list them
_LIST = "python -m datasets list"


@dataclass(frozen=True)
class Named:
    """A dataset as a word on the command line names it.

    Attributes:
        name: DATASET.NAME.
        yaml: stem of the YAML in configs/datasets that says where it lies; "" if its reader does.
        folder: DATASET.FOLDER of that YAML.
    """

    name: str
    yaml: str = ""
    folder: str = ""

    @property
    def label(self) -> str:
        """The word for it in messages."""
        return self.yaml or self.name

    @property
    def reader(self) -> Any:
        """What is registered under the name."""
        return DATASET_REGISTRY.get(self.name)


def resolve(words: Sequence[str]) -> list[Named]:
    """Datasets, each once, in the order of the words.

    Args:
        words: DATASET.NAME or the stem of a YAML in configs/datasets, letter case ignored. A suite
            of datasets (General10, Plant6, DemoSuite) stands for its members. None: the 15
            published datasets.

    Raises:
        UnknownNameError: one line for each unknown word, with the nearest name.
    """
    known, problems = _known(), []
    found = [] if words else [Named(name) for name in PUBLISHED]
    for word in words:
        named = known.get(word.lower())
        if named is None:
            problems.append(_unknown(word, known))
        else:
            found += [Named(member) for member in suite_members(named.name)] or [named]
    if problems:
        raise UnknownNameError(problems)
    return list(dict.fromkeys(found))


def named_suites(words: Sequence[str]) -> list[Named]:
    """Those of the words that `resolve` takes for suites."""
    known = _known()
    found = dict.fromkeys(known[word.lower()] for word in words if word.lower() in known)
    return [named for named in found if suite_members(named.name)]


def _known() -> dict[str, Named]:
    """What a word may be, in small letters -> the dataset."""
    stems = {}
    for stem, settings in yaml_settings().items():
        named = Named(settings["NAME"])
        if settings.get("FOLDER") and not getattr(named.reader, "dataset_dir", ""):
            named = Named(named.name, stem, str(settings["FOLDER"]))
        stems[stem.lower()] = named
    return stems | {name.lower(): Named(name) for name in DATASET_REGISTRY.registered_names()}


def _unknown(word: str, known: dict[str, Named]) -> str:
    for file in CONFIGS.glob("*.yaml"):
        if file.stem.lower() == word.lower():
            try:
                _read_settings(file)
            except UserError as error:
                return str(error)
    near = difflib.get_close_matches(word.lower(), known, n=1)
    hint = f"did you mean {known[near[0]].label}?" if near else f"{_LIST} shows all names"
    return f"no dataset {word}; {hint}"


def yaml_settings() -> dict[str, dict[str, Any]]:
    """Stem of a YAML in configs/datasets -> what it says of DATASET; of datasets that are
    registered.
    """
    return _all_settings(CONFIGS)


@cache
def _all_settings(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        with suppress(UserError):  # told where it is named
            found[file.stem] = _read_settings(file)
    return found


def _read_settings(file: Path) -> dict[str, Any]:
    """What a YAML says of DATASET.

    Raises:
        BadFileError: it is no YAML, or its DATASET.NAME is none.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BadFileError(f"{file} cannot be read as YAML ({reason}); correct it") from error
    settings = content.get("DATASET") if isinstance(content, dict) else None
    name = settings.get("NAME") if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or name not in DATASET_REGISTRY.registered_names():
        given = "no DATASET.NAME" if name is None else f"DATASET.NAME {name!r} is no dataset"
        raise BadFileError(f"{file}: {given}; give one of those that {_LIST} shows")
    return settings


def suite_members(name: str) -> list[str]:
    """The datasets that a suite joins, by name; none for another dataset."""
    reader = DATASET_REGISTRY.get(name)
    if isinstance(reader, type) and issubclass(reader, JointDataset):
        return [member.__name__ for member in reader.members.values()]
    return []


def add_place(parser: argparse.ArgumentParser) -> None:
    """Give a command the options --root and --folder."""
    parser.add_argument("--root", default="", help="folder of the datasets (default: $DATA)")
    parser.add_argument(
        "--folder",
        default="",
        help="folder below the root, of ImageFolder and ImageCSV (default: that of the YAML)",
    )


def find_root(args: argparse.Namespace) -> Path:
    """The folder of the datasets, absolute.

    Raises:
        UserError: none is given, or it is no folder.
    """
    given = args.root or os.environ.get("DATA", "")
    if not given:
        raise UserError("no data folder: give --root or set the environment variable DATA")
    root = Path(os.path.abspath(os.path.expanduser(given)))
    if not root.is_dir():
        raise UserError(f"--root {root} is no folder; give the folder that holds the datasets")
    return root
