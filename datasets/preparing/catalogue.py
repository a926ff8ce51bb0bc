"""What datasets are made of: which files are published, where, and what they become.

Where the checksums come from: see `datasets.published`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import published
from datasets.parts.split_file_reader import SECOND_SOURCE, PublishedSplit
from datasets.preparing.unpack import Takes
from downloads import ALGORITHMS, Checksum

ARCHIVES = Path(published.__file__).with_name("archives.json")
SPLITS_URL = (
    "https://raw.githubusercontent.com/linzhiqiu/cross_modal_adaptation/"
    "c7e7e68ae4eeadfab98e7886b2d6c9cf48a7ceb5/splits"
)
NO_CHECKSUM = "nobody publishes a checksum of it, so it is not downloaded for you"


@dataclass(frozen=True)
class PublishedFile:
    """A file that a dataset is made from.

    Attributes:
        name: the published file name.
        url: a link that needs no login; "" if there is none, or none that works.
        checksum: None if it is not published; a file without is never downloaded.
        inner: path of the archive in this one that holds the images; "" for none.
    """

    name: str
    url: str = ""
    checksum: Checksum | None = None
    inner: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a dataset's folder, all of which comes from one file.

    Attributes:
        takes: paths below the dataset's folder -> where they stand in the archive, and also where
            they may stand in a folder into which it was unpacked by hand. What readers look for
            first comes last, so that it is there only when the rest is.
        files: files that it can be made from, any of them; none if it is the user's to find.
        page: where to get them.
        note: why they are not downloaded.
        to_make_split: needed only to make a split file.
        kind: archive, file (copied as it is), imagenet train or imagenet val.
        sorted_by: the file that says which class an image has, where the images do not.
    """

    takes: Takes
    files: tuple[PublishedFile, ...] = ()
    page: str = ""
    note: str = ""
    to_make_split: bool = False
    kind: str = "archive"
    sorted_by: PublishedFile | None = None


@dataclass(frozen=True)
class Catalogue:
    """Where everything is published.

    Attributes:
        table: DATASET.NAME -> its parts but the split file, as in archives.json.
        splits_url: folder of the split files whose checksum `published.sizes` knows.
    """

    table: Mapping[str, Any]
    splits_url: str = SPLITS_URL

    @classmethod
    def published(cls) -> "Catalogue":
        """The one that comes with the project."""
        return cls(json.loads(ARCHIVES.read_text(encoding="utf-8")))

    def parts_of(self, reader: Any) -> list[Part]:
        """The parts of a dataset by its reader class: images and lists, then its split file."""
        page = getattr(reader, "images_url", "")
        parts = [_parse(entry, page) for entry in self.table.get(reader.__name__, [])]
        if not parts:  # nobody publishes it as files that could be unpacked here
            images = getattr(reader, "images", "images")
            below = getattr(reader, "image_folders", ()) or ("",)
            parts = [Part({f"{images}/{part}".strip("/"): [] for part in below}, page=page)]
        if issubclass(reader, PublishedSplit):
            parts.append(_split_part(reader, self.splits_url))
        return parts


def _parse(entry: Mapping[str, Any], page: str) -> Part:
    files = tuple(_parse_file(file) for file in entry["files"])
    kind = entry.get("kind", "archive" if "takes" in entry else "file")
    return Part(
        takes=entry.get("takes") or {files[0].name: []},
        files=files,
        page=entry.get("page") or page,
        note=entry.get("note") or NO_CHECKSUM,
        to_make_split=entry.get("to_make_split", False),
        kind=kind,
        sorted_by=_parse_file(entry["sorted_by"]) if "sorted_by" in entry else None,
    )


def _parse_file(file: Mapping[str, str]) -> PublishedFile:
    found = [Checksum(name, file[name]) for name in ALGORITHMS if name in file]
    return PublishedFile(
        file["file"], file.get("url", ""), found[0] if found else None, file.get("inner", "")
    )


def _split_part(reader: type[PublishedSplit], splits_url: str) -> Part:
    sizes = published.sizes(reader.__name__)
    name, page, url, checksum = reader.split_file, reader.split_url, "", None
    if sizes is not None and sizes.split_sha256:
        page, url = f"{page} or {SECOND_SOURCE}", f"{splits_url}/{name}"
        checksum = Checksum("sha256", sizes.split_sha256)
    file = PublishedFile(name, url, checksum)
    return Part({name: []}, (file,), page, NO_CHECKSUM, kind="file")
