"""Checks of datasets whose images are listed by files: split files, official lists, own ones."""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path

from datasets import published
from datasets.checking import lists as list_checks
from datasets.checking.caches import check_caches, check_task_caches
from datasets.checking.findings import Report
from datasets.checking.folders import check_files, check_folder, check_image_folders
from datasets.parts.fewshot.choice import TaskPlace
from datasets.parts.items import Lists
from datasets.parts.multitask import OWN_LINES, own_line
from datasets.parts.reader import ListedDataset
from datasets.parts.split_file_reader import SplitFileDataset


def check_split_dataset(report: Report, root: str, reader: type[SplitFileDataset]) -> None:
    """Folder, split file, images and few-shot caches of a dataset with a split file; also what
    SoftCPT's repository adds.
    """
    if not check_folder(report, root, reader):
        return
    found, task = reader.at(root), reader.at(root, TaskPlace(0))
    whole = check_image_folders(report, reader, found.image_dir)
    lists = task_lists = _check_split(report, found, whole)
    if lists is not None:
        report.counts = list_checks.count(lists)
    check_caches(report, found, lists)
    if task.source != found.source:
        task_lists = _check_split(report, task, whole)
    check_task_caches(report, task, task_lists, task.dataset_dir, 0)
    _check_own_lines(report)


def check_listed(report: Report, root: str, reader: type[ListedDataset]) -> None:
    """Lists, images and few-shot caches of a dataset without split file, as FGVC-Aircraft and your
    own pictures: whatever its reader says, and the files.
    """
    folder = os.path.relpath(report.folder, root)
    found = reader.at(root, folder=folder)
    if reader.dataset_dir:
        if not check_folder(report, root, reader):
            return
        whole = check_image_folders(report, reader, found.image_dir)
    else:
        with report.catching(report.folder):
            found.check_folders(root)
        whole = report.complete
        if not whole:
            return
    with _told(report):
        lists = _read(report, found)
    if lists is not None:
        report.counts = list_checks.count(lists)
        good = list_checks.check_content(report, lists, found.source)
        different = list_checks.differences(report.name, lists)
        for line in different:
            report.wrong(f"{found.source}: {line}; get the lists from {reader.images_url}")
        if good and not different:
            note = getattr(found, "split_note", "")
            words = list_checks.in_words(report.counts)
            known = "the published " if published.sizes(report.name) else ""
            report.ok(f"{found.source} has {known}{words}{f'; {note}' if note else ''}")
        _check_listed(report, found, whole, lists, found.source)
    check_caches(report, found, lists)
    if reader.dataset_dir:
        check_task_caches(report, found, lists, found.dataset_dir, 0)
        _check_own_lines(report)


@contextmanager
def _told(report: Report) -> Iterator[None]:
    """Turn what a reader logs inside into findings."""
    logger, kept = logging.getLogger("datasets"), BufferingHandler(capacity=1000)
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
        for record in kept.buffer:
            tell = report.warn if record.levelno >= logging.WARNING else report.ok
            tell(record.getMessage().removeprefix("Warning: ").removeprefix("Notice: "))


def _read(report: Report, found: ListedDataset) -> Lists | None:
    with report.catching(found.source):
        return found.read_lists()
    return None


def _check_listed(
    report: Report, found: ListedDataset, whole: bool, lists: Lists, listed_in: str
) -> None:
    """Findings on the listed files, where the folders of images are there (`whole`)."""
    if whole:
        paths = (item.path for items in lists.values() for item in items)
        check_files(report, found.image_dir, paths, listed_in)


def _check_split(report: Report, found: SplitFileDataset, whole: bool) -> Lists | None:
    """The lists of a split file, and findings on it; None if it cannot be read."""
    lists = _read(report, found)
    if lists is not None:
        if list_checks.check_content(report, lists, found.source):
            with report.catching(found.source):
                _compare_split(report, found, lists)
        _check_listed(report, found, whole, lists, os.path.basename(found.source))
    return lists


def _compare_split(report: Report, found: SplitFileDataset, lists: Lists) -> None:
    """One finding: whether a split file is the published one."""
    name, words = os.path.basename(found.source), list_checks.in_words(list_checks.count(lists))
    note = f", made by {found.split_note}" if found.split_note else ""
    different = list_checks.differences(report.name, lists)
    sizes = published.sizes(report.name)
    if sizes is None or found.source == found.task_source:
        if note or different:
            report.warn("; ".join([f"{found.source}: own split{note}: {words}", *different]))
        else:
            report.ok(f"{name} has {words}")
        return
    digest = hashlib.sha256(Path(found.source).read_bytes()).hexdigest()
    if sizes.split_sha256 and digest != sizes.split_sha256:
        different.append("its sha256 is not the published one")
    if not sizes.split_sha256 and not list_checks.has_published_draws(report.name, lists):
        different.append("its few-shot draws are not the published ones")
    if different or note:
        line = f"{found.source}: own split, not the published one{note}: {words}"
        report.warn("; ".join([line, *different, "numbers on it are not comparable"]))
    else:
        report.ok(f"{name} is the published split: {words}")


def _check_own_lines(report: Report) -> None:
    """A task's name and description: one line each, if they are there."""
    for name in OWN_LINES:
        with report.catching(name):
            own_line(report.folder, name)
