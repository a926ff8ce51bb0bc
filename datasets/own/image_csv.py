"""Your own pictures, listed in a table."""

import csv
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError, MissingFileError
from datasets.own.reader import OwnDataset
from datasets.parts.folders import LEGIBLE
from datasets.parts.items import SPLITS, Item, is_relative
from datasets.parts.reader import Lists

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

    holds = "images.csv, or train.csv and test.csv"
    listed_by = "the table"

    @property
    def source(self) -> str:
        """images.csv, or the folder of the other tables."""
        path = os.path.join(self.dataset_dir, ONE_FILE)
        return path if os.path.isfile(path) else self.dataset_dir

    def read_parts(self) -> Lists:
        """See `OwnDataset`."""
        rows = [row for file in self._tables() for row in read_rows(file)]
        if not rows:
            raise BadFileError(f"{self.source} lists no image; give each one a line")
        _check_rows(rows)
        items = _items(rows)
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
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, skipinitialspace=True, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            _check_header(header, file)
            return [
                _row(dict(zip(header, fields, strict=False)), f"{file}:{reader.line_num}", part)
                for fields in reader
                if _has_fields(fields, header, f"{file}:{reader.line_num}")
            ]
    except UnicodeDecodeError as error:
        raise BadFileError(f"{file} is no UTF-8 text ({error.reason}); save it as UTF-8") from error
    except PermissionError as error:
        raise BadFileError(f"{file} cannot be opened (Permission denied); {LEGIBLE}") from error
    except csv.Error as error:
        raise BadFileError(
            f"{file}:{reader.line_num}: no comma-separated line ({error}); put a field that holds "
            "a comma or a quote in double quotes"
        ) from error


def _check_header(header: Sequence[str], file: str) -> None:
    missing = [name for name in _REQUIRED if name not in header]
    if missing or len(set(header)) < len(header):
        fault = f"no column {' and '.join(missing)}" if missing else "two columns of one name"
        raise BadFileError(
            f"{file}:1: {fault} in the header {','.join(header)[:80]!r}; the first line names the "
            "columns, separated by commas: path,classname or path,label,classname,split"
        )


def _has_fields(fields: Sequence[str], header: Sequence[str], where: str) -> bool:
    """Whether a line is not empty.

    Raises:
        BadFileError: it has fewer or more fields than the header.
    """
    if fields and len(fields) != len(header):
        raise BadFileError(
            f"{where}: {len(fields)} fields, but the header has {len(header)}; put a field that "
            "holds a comma in double quotes"
        )
    return bool(fields)


def _row(fields: dict[str, str], where: str, part: str) -> Row:
    path, name = fields["path"], fields["classname"].strip()
    if not is_relative(path) or "\\" in path:
        raise BadFileError(
            f"{where}: the path {path!r} does not stay in the table's folder; give it from there "
            "on, with forward slashes and without '..'"
        )
    if not name:
        raise BadFileError(f"{where}: no classname; give the class in words")
    label = fields.get("label", "").strip()
    if "label" in fields and not _is_label(label):
        shown = label if len(label) <= _SHOWN else f"{label[:_SHOWN]}..."
        raise BadFileError(
            f"{where}: the label {shown!r} is no whole number from 0 of at most {_MAX_DIGITS} "
            "digits; correct it, or leave the column out to number the classes by name"
        )
    split = part or fields.get("split", "").strip().lower()
    if "split" in fields and split not in SPLITS:
        raise BadFileError(f"{where}: the split {split!r} is none of {', '.join(SPLITS)}")
    number = int(label) if "label" in fields else None
    return Row(where, posixpath.normpath(path), number, name, split)


def _is_label(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def _check_rows(rows: Sequence[Row]) -> None:
    """Check that every image has one line, every label one name and every name one label.

    Raises:
        BadFileError: names the second of two lines that contradict each other.
    """
    paths: dict[str, Row] = {}
    labels: dict[int, Row] = {}
    names: dict[str, Row] = {}
    for row in rows:
        if row.path in paths:
            first = paths[row.path].where
            raise BadFileError(f"{row.where}: {row.path} is listed in {first} too; list it once")
        paths[row.path] = row
        first_name = names.setdefault(row.classname, row)
        if row.label != first_name.label:
            own, other = (
                "no label" if label is None else f"label {label}"
                for label in (row.label, first_name.label)
            )
            raise BadFileError(
                f"{row.where}: the class {row.classname} has {own}, and {other} in "
                f"{first_name.where}; give each class one label"
            )
        if row.label is not None:
            first_label = labels.setdefault(row.label, row)
            if first_label.classname != row.classname:
                raise BadFileError(
                    f"{row.where}: label {row.label} is {row.classname}, and "
                    f"{first_label.classname} in {first_label.where}; give each class one label"
                )


def _items(rows: Sequence[Row]) -> list[Item]:
    places = {name: k for k, name in enumerate(sorted({row.classname for row in rows}))}
    return [
        Item(row.path, places[row.classname] if row.label is None else row.label, row.classname)
        for row in rows
    ]
