"""Names of datasets on the command lines of `python -m datasets`."""

import argparse
import difflib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import MissingFileError, UnknownNameError, UserError
from datasets.multitask import JointDataset

CONFIGS = Path(__file__).parents[2] / "configs" / "datasets"

# the published ones, as papers list them
PUBLISHED = (
    "ImageNet",
    "Caltech101",
    "OxfordPets",
    "StanfordCars",
    "OxfordFlowers",
    "Food101",
    "FGVCAircraft",
    "SUN397",
    "DescribableTextures",
    "EuroSAT",
    "UCF101",
    "ImageNetV2",
    "ImageNetSketch",
    "ImageNetA",
    "ImageNetR",
)


def resolve(words: Sequence[str]) -> list[str]:
    """Registry names of datasets, each once, in the order of the words.

    Args:
        words: DATASET.NAME or the stem of a YAML in configs/datasets, letter case ignored. A suite
            of datasets (General10, Plant6, DemoSuite) stands for its members. None: the 15
            published datasets.

    Raises:
        UnknownNameError: one line for each unknown word, with the nearest name.
    """
    if not words:
        return list(PUBLISHED)
    known = _known()
    found, problems = [], []
    for word in words:
        name = known.get(word.lower())
        if name is None:
            problems.append(_unknown(word, known))
        else:
            found += suite_members(name) or [name]
    if problems:
        raise UnknownNameError(problems)
    return list(dict.fromkeys(found))


def named_suites(words: Sequence[str]) -> list[str]:
    """Those of the words that `resolve` takes for suites, by registry name."""
    known = _known()
    found = [known[word.lower()] for word in words if word.lower() in known]
    return [name for name in dict.fromkeys(found) if suite_members(name)]


def _known() -> dict[str, str]:
    """What a word may be, in small letters -> registry name."""
    names = {stem.lower(): name for name, stem in yaml_stems().items()}
    return names | {name.lower(): name for name in DATASET_REGISTRY.registered_names()}


def _unknown(word: str, known: dict[str, str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1)
    hint = f"did you mean {known[near[0]]}?" if near else "python -m datasets list shows all names"
    return f"no dataset {word}; {hint}"


@cache
def yaml_stems() -> dict[str, str]:
    """DATASET.NAME -> stem of its YAML in configs/datasets; of datasets that are registered."""
    registered = DATASET_REGISTRY.registered_names()
    stems: dict[str, str] = {}
    for file in sorted(CONFIGS.glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        name = content.get("DATASET", {}).get("NAME")
        if name in registered:
            stems.setdefault(name, file.stem)
    return stems


def suite_members(name: str) -> list[str]:
    """The datasets that a suite joins, by name; none for another dataset."""
    reader = DATASET_REGISTRY.get(name)
    if isinstance(reader, type) and issubclass(reader, JointDataset):
        return [member.__name__ for member in reader.members.values()]
    return []


def add_root(parser: argparse.ArgumentParser) -> None:
    """Give a command the option --root."""
    parser.add_argument("--root", default="", help="folder of the datasets (default: $DATA)")


def find_root(args: argparse.Namespace) -> Path:
    """The folder of the datasets, absolute.

    Raises:
        UserError: none is given, or it is no folder.
    """
    given = args.root or os.environ.get("DATA", "")
    if not given:
        raise UserError("no data folder: give --root or set the environment variable DATA")
    root = Path(os.path.abspath(os.path.expanduser(given)))
    if root.is_dir():
        return root
    if os.path.lexists(root):
        raise UserError(f"--root {root} is no folder; give the folder that holds the datasets")
    raise MissingFileError(f"--root {root} does not exist; give the folder that holds the datasets")
