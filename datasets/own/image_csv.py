"""Your own pictures, listed in a table."""

import csv
import io
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError, MissingFileError
from datasets.own.reader import OwnDataset
from datasets.parts.items import SPLITS, Item, is_relative
from datasets.parts.reader import Lists
from datasets.parts.text_lists import read_text

ONE_FILE = "images.csv"
PART_FILES = {f"{split}.csv": split for split in SPLITS}
_REQUIRED = ("path", "classname")
_MAX_DIGITS = 9  # of a label; Python itself takes no number of over 4,300
_SHOWN = 20  # letters of a wrong label


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        where: file and line, for messages.
        path: of the image, below the folder, forward slashes.
        label: class, from 0; None where the table has no such column.
        split: train, val or test; "" where nothing says it.
    """

    where: str
    path: str
    label: int | None
    classname: str
    split: str


@DATASET_REGISTRY.register()
class ImageCSV(OwnDataset):
    """A folder with `images.csv`, or with `train.csv` and `test.csv` or `val.csv`: UTF-8, comma-
    separated, columns `path` and `classname`, and optionally `label` and, in images.csv, `split`
    (train, val or test); others are not read.

    Paths are relative to the folder. Without labels, classes count in the sorted order of their
    names. Without splits, the images of each class are cut.

    Raises:
        UserError: (also MissingFileError, BadFileError) no table, a missing column, a malformed
            line, which is named as file:line, or missing images.
    """

    list_file = ONE_FILE
    holds = "images.csv, or train.csv and test.csv"
    listed_by = "the table"

    def read_parts(self) -> Lists:
        """See `OwnDataset`."""
        rows = [row for file in self._tables() for row in read_rows(file)]
        if not rows:
            raise BadFileError(f"{self.source} lists no image; give each one a line")
        _check_labels(rows)
        places = {name: k for k, name in enumerate(sorted({row.classname for row in rows}))}
        labels = [places[row.classname] if row.label is None else row.label for row in rows]
        items = [Item(r.path, label, r.classname) for r, label in zip(rows, labels, strict=True)]
        if not rows[0].split:
            return self.cut(items, "a column split (train, val, test) says it otherwise")
        lists: Lists = {split: [] for split in SPLITS}
        for row, item in zip(rows, items, strict=True):
            lists[row.split].append(item)
        return lists

    def _tables(self) -> list[str]:
        folder = self.dataset_dir
        names = [n for n in (ONE_FILE, *PART_FILES) if os.path.isfile(os.path.join(folder, n))]
        if not names:
            raise MissingFileError(
                f"ImageCSV: neither {ONE_FILE} nor train.csv in {folder}; write one with the "
                "columns path, classname and, if you like, label and split"
            )
        if ONE_FILE in names and len(names) > 1:
            raise BadFileError(
                f"ImageCSV: {folder} has {' and '.join(names)}; keep {ONE_FILE} or the others"
            )
        return [os.path.join(folder, name) for name in names]


def read_rows(file: str) -> list[Row]:
    """The lines of a table; empty ones are skipped.

    Raises:
        BadFileError: it cannot be opened, is no UTF-8 text, lacks a column, or a line is malformed
            (the first is named).
    """
    part = PART_FILES.get(os.path.basename(file), "")
    reader = csv.DictReader(
        io.StringIO(read_text(file, "save it as UTF-8", "table")),
        skipinitialspace=True,
        strict=True,
    )
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_header(header, file)
        reader.fieldnames = header
        return [_row(fields, f"{file}:{reader.line_num}", part) for fields in reader]
    except csv.Error as error:
        raise BadFileError(
            f"{file}:{reader.reader.line_num}: no comma-separated line ({error}); put a field that "
            "holds a comma or a quote in double quotes"
        ) from error


def _check_header(header: Sequence[str], file: str) -> None:
    missing = [name for name in _REQUIRED if name not in header]
    if missing or len(set(header)) < len(header):
        fault = f"no column {' and '.join(missing)}" if missing else "two columns of one name"
        raise BadFileError(
            f"{file}:1: {fault} in the header {','.join(header)[:80]!r}; the first line names the "
            "columns, separated by commas: path,classname or path,label,classname,split"
        )


def _row(fields: dict[Any, Any], where: str, part: str) -> Row:
    if None in fields or None in fields.values():
        raise BadFileError(
            f"{where}: not as many fields as in the header; put a field that holds a comma in "
            "double quotes"
        )
    path, name = fields["path"], fields["classname"].strip()
    if not is_relative(path) or "\\" in path:
        raise BadFileError(
            f"{where}: the path {path!r} does not stay in the table's folder; give it from there "
            "on, with forward slashes and without '..'"
        )
    if not name:
        raise BadFileError(f"{where}: no classname; give the class in words")
    label = fields.get("label", "").strip()
    if "label" in fields and not re.fullmatch(rf"[0-9]{{1,{_MAX_DIGITS}}}", label):
        raise BadFileError(
            f"{where}: the label {label[:_SHOWN]!r} is no whole number from 0 of at most "
            f"{_MAX_DIGITS} digits; correct it, or leave the column out: classes count by name then"
        )
    split = part or fields.get("split", "").strip().lower()
    if "split" in fields and split not in SPLITS:
        raise BadFileError(f"{where}: the split {split!r} is none of {', '.join(SPLITS)}")
    number = int(label) if "label" in fields else None
    return Row(where, posixpath.normpath(path), number, name, split)


def _check_labels(rows: Sequence[Row]) -> None:
    """Check that every name has one label.

    Raises:
        BadFileError: names the second of two lines that contradict each other.
    """
    classes: dict[str, Row] = {}
    for row in rows:
        first = classes.setdefault(row.classname, row)
        if row.label != first.label:
            raise BadFileError(
                f"{row.where}: the class {row.classname} has label {row.label}, and {first.label} "
                f"in {first.where}; give each class one label"
            )
