"""Files of datasets whose content is known, so that nobody need fetch them."""

import json
from pathlib import Path
from typing import Any

from datasets import published
from datasets.imagenetv2 import ImageNetV2
from datasets.parts.imagenet_folders import WnidFolders, published_names
from datasets.parts.text_lists import parse_json, read_text


def derived_files(reader: Any, *, for_split: bool = False) -> dict[str, str]:
    """File name -> content, of the files that belong in a dataset's folder.

    ImageNet and its variants need classnames.txt, all 1000 lines of it. With `for_split` also what
    only the maker of a split file reads: the flowers' cat_to_name.json, labels from 1.
    """
    if issubclass(reader, WnidFolders):
        lines = [f"{wnid} {name}\n" for wnid, name in published_names().items()]
        return {"classnames.txt": "".join(lines)}
    if for_split and reader.__name__ == "OxfordFlowers":
        names = published.classnames("OxfordFlowers")
        assert names is not None
        numbered = {str(number): name for number, name in enumerate(names, start=1)}
        return {"cat_to_name.json": json.dumps(numbered, indent=4) + "\n"}
    return {}


def is_as_derived(path: Path, content: str, reader: Any) -> bool:
    """Whether a file that is there says the same as `derived_files`.

    Raises:
        BadFileError: it cannot be read.
    """
    found = read_text(str(path), "delete it")
    if path.suffix == ".json":
        return bool(parse_json(found, str(path), "delete it") == json.loads(content))
    lines, wanted = ([line.strip() for line in text.split("\n")] for text in (found, content))
    if not issubclass(reader, ImageNetV2):  # whose folders are places in the file
        lines, wanted = sorted(lines), sorted(wanted)
    return list(filter(None, lines)) == list(filter(None, wanted))
