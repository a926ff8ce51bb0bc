"""Files of datasets whose content is known, so that nobody need fetch them."""

import json
from typing import Any

from datasets import published
from datasets.wnid_folders import WnidFolders


def derived_files(reader: Any, *, for_split: bool = False) -> dict[str, str]:
    """File name -> content, of the files that belong in a dataset's folder.

    ImageNet and its variants need classnames.txt, all 1000 lines of it. With `for_split` also what
    only the maker of a split file reads: the flowers' cat_to_name.json, labels from 1.
    """
    if issubclass(reader, WnidFolders):
        wnids, names = published.wnids("ImageNet"), published.classnames("ImageNet")
        pairs = zip(wnids or (), names or (), strict=True)
        return {"classnames.txt": "".join(f"{wnid} {name}\n" for wnid, name in pairs)}
    if for_split and reader.__name__ == "OxfordFlowers":
        names = published.classnames("OxfordFlowers")
        assert names is not None
        numbered = {str(number): name for number, name in enumerate(names, start=1)}
        return {"cat_to_name.json": json.dumps(numbered, indent=4) + "\n"}
    return {}
