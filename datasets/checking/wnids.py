"""Checks of ImageNet and its variants, whose lists are the listings of their class folders."""

import os
from collections.abc import Sequence

from datasets import published
from datasets.checking.caches import check_caches
from datasets.checking.findings import Report
from datasets.checking.folders import check_folder, check_image_folders, report_empty, size_of
from datasets.imagenet import ImageNet
from datasets.imagenetv2 import ImageNetV2
from datasets.parts.fewshot.files import CACHES
from datasets.parts.folders import is_image, subfolders, visible
from datasets.parts.imagenet_folders import (
    PARTIAL,
    WnidFolders,
    difference,
    published_names,
    renamed,
)
from datasets.parts.wording import counted, first_few, prepare_command


def check_imagenet(report: Report, root: str, reader: type[ImageNet]) -> None:
    """Folder, classnames.txt, class folders of train and val, and few-shot caches of ImageNet."""
    if not check_folder(report, root, reader):
        return
    found = reader.at(root)
    check_names(report, found, in_order=False)
    check_image_folders(report, reader, found.image_dir)
    sizes = published.sizes("ImageNet")
    for split in reader.image_folders:
        folder = os.path.join(found.image_dir, split)
        if os.path.isdir(folder):
            wnids = published.wnids("ImageNet") or []
            _check_classes(report, folder, split, wnids, getattr(sizes, split, None))
    report.counts["classes"] = len(subfolders(os.path.join(found.image_dir, "train")))
    report.counts["test"] = report.counts.get("val", 0)
    lists = None
    has_caches = os.path.lexists(os.path.join(report.folder, CACHES))
    if has_caches and report.complete:  # else the faults are told already
        with report.catching(found.image_dir):
            lists = found.read_lists()
    check_caches(report, found, lists)


def check_variant(report: Report, root: str, reader: type[WnidFolders]) -> None:
    """Folder, classnames.txt and class folders of a test set of ImageNet's classes."""
    if not check_folder(report, root, reader):
        return
    found = reader.at(root)
    numbered = issubclass(reader, ImageNetV2)
    check_names(report, found, in_order=numbered)
    if check_image_folders(report, reader, found.image_dir):
        wnids = published.wnids(report.name) or published.wnids("ImageNet") or []
        sizes = published.sizes(report.name)
        classes = [str(line) for line in range(len(wnids))] if numbered else wnids
        _check_classes(report, found.image_dir, "test", classes, sizes.test if sizes else None)
        report.counts["classes"] = len(subfolders(found.image_dir))
    check_caches(report, found, None)


def check_names(report: Report, found: WnidFolders, *, in_order: bool) -> None:
    """A finding on classnames.txt: the published names of ImageNet's wnids; where the folders are
    numbers (`in_order`), in the published order.
    """
    known, file = published_names(), found.names_file
    remedy = f"delete it and run {found.prepare_command}, which writes it"
    table: dict[str, str] = {}
    with report.catching(file):
        table = found.read_names()
    if not table:
        return
    if set(table) != set(known):
        what = difference("the file", table, "ImageNet", known)
        report.wrong(f"{file} has {len(table):,} lines, not {len(known):,}; {what}; {remedy}")
    elif words := renamed(table):
        report.wrong(f"{file}: {words}; {remedy}")
    elif in_order and list(table) != list(known):
        report.wrong(f"{file}: the lines are not in the order of the wnids; {remedy}")
    else:
        report.ok(f"classnames.txt has the published {len(known):,} names")


def _check_classes(
    report: Report, folder: str, split: str, classes: Sequence[str], total: int | None
) -> None:
    """Findings on a folder of class folders: their names, and the images in them.

    Args:
        split: the list that they are.
        classes, total: published names of the folders, and number of all images.
    """
    folders, again = subfolders(folder), "unpack the images again"
    if not folders:
        command = prepare_command(report.name, os.path.dirname(report.folder))
        line = f"0 class folders in {folder}, but {len(visible(folder)):,} files"
        report.wrong(f"{line}; unpack the images there, or run {command}")
        return
    whole, missing_only = set(folders) == set(classes), set(folders) < set(classes)
    if not whole:
        what = difference("the folder", folders, "the published set", classes)
        line = f"{folder} has {len(folders):,} class folders, not {len(classes):,}; {what}"
        subset = f"; or, for a wanted subset, run with {PARTIAL}" if missing_only else ""
        report.wrong(f"{line}; labels are places among them: {again}{subset}")
    images = {name: _images(report, folder, name) for name in folders}
    other = [f"{name}/{file}" for name in folders for file in images[name] if not is_image(file)]
    if other:
        line = f"{counted(len(other), 'file')} in class folders of {folder} with no image's ending"
        report.wrong(f"{line}: {first_few(other)}; a run takes them as images: remove them", other)
    count = report.counts[split] = sum(map(len, images.values()))
    bare = [name for name, files in images.items() if not files]
    if bare:
        line = f"{counted(len(bare), 'class folder')} of {folder} without images: {first_few(bare)}"
        report.wrong(f"{line}; unpack their images there", bare)
    if total not in (None, count):
        report.wrong(f"{folder} has {count:,} images, published are {total:,}; {again}")
    elif not bare and whole:
        known = "the published " if total is not None else ""
        report.ok(f"{folder} has {known}{count:,} images in {len(folders):,} class folders")


def _images(report: Report, folder: str, name: str) -> list[str]:
    """Names of the images of a class folder, as a reader takes them: all that is not hidden."""
    path = os.path.join(folder, name)
    sizes: dict[str, int | None] = {}
    with report.catching(path):
        sizes = {file: size_of(os.path.join(path, file)) for file in visible(path)}
    inner = [file for file in sizes if os.path.isdir(os.path.join(path, file))]
    if inner:
        report.wrong(f"{path}/{inner[0]} is a folder among images; move its images up")
    files = [file for file, size in sizes.items() if size is not None]
    below = os.path.relpath(path, os.path.join(report.folder, report.reader.images))
    report_empty(report, [f"{below}/{file}" for file in files if not sizes[file]])
    report.images += [os.path.join(path, file) for file in files if sizes[file]]
    return files
