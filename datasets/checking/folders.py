"""Folders of a data folder: which should be there, and what lies in them."""

import os
import stat
from collections.abc import Iterable
from typing import Any

from datasets.checking.findings import Report
from datasets.parts.folders import (
    LEGIBLE,
    check_dataset_folder,
    check_images_folder,
    images_remedy,
)
from datasets.parts.items import missing_images
from datasets.parts.wording import counted, first_few


def check_folder(report: Report, root: str, reader: Any) -> bool:
    """Whether the dataset's folder is there; else a finding says what to do."""
    with report.catching(report.folder):
        check_dataset_folder(report.folder, reader, root)
        return True
    return False


def check_image_folders(report: Report, reader: Any, image_dir: str) -> bool:
    """Whether the folders of images are there; a finding for each that is not."""
    good = 0
    belows = getattr(reader, "image_folders", ()) or ("",)
    for below in belows:
        path = os.path.normpath(os.path.join(image_dir, below))
        with report.catching(path):
            check_images_folder(path, reader, report.folder)
            good += 1
    return good == len(belows)


def size_of(path: str) -> int | None:
    """Bytes of a regular file; None for anything else, and where nothing is.

    Raises:
        PermissionError: a folder above it is closed to this user.
    """
    try:
        found = os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError):  # a loop of links, a null byte in the path
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def check_files(report: Report, image_dir: str, paths: Iterable[str], listed_in: str) -> None:
    """Findings on files that a list names: they are there, and not empty. Those that are good are
    added to the images to decode.
    """
    sizes: dict[str, int | None] = dict.fromkeys(paths)
    for path in sizes:
        try:
            sizes[path] = size_of(os.path.join(image_dir, path))
        except PermissionError:
            folder = os.path.normpath(os.path.dirname(os.path.join(image_dir, path)))
            report.wrong(f"{folder} cannot be listed (Permission denied); {LEGIBLE}")
    missing = [path for path, size in sizes.items() if size is None]
    report.images += [os.path.join(image_dir, path) for path, size in sizes.items() if size]
    if missing:
        line = missing_images(missing, len(sizes), image_dir, listed_in)
        report.missing(f"{line}; {images_remedy(report.reader)}", missing)
    elif sizes:
        report.ok(f"all {len(sizes):,} images of {listed_in} are in {image_dir}")
    report_empty(report, [path for path, size in sizes.items() if size == 0])


def report_empty(report: Report, empty: list[str]) -> None:
    """A finding on files of size 0, if there are any."""
    if empty:
        line = f"{counted(len(empty), 'empty file')} (0 bytes): {first_few(empty)}"
        report.wrong(f"{line}; {images_remedy(report.reader, missing=False)}", empty)
