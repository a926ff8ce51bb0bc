"""Checks of ImageNet and its variants, whose lists are the listings of their class folders."""

import os
from collections.abc import Sequence

from dassl.utils.errors import UserError
from datasets import published
from datasets.checking.caches import check_caches
from datasets.checking.findings import Report
from datasets.checking.folders import Tree, check_folder, check_image_folders, report_empty
from datasets.imagenet import ImageNet
from datasets.imagenetv2 import ImageNetV2
from datasets.parts.fewshot.files import CACHES
from datasets.parts.folders import is_image
from datasets.parts.imagenet_folders import WnidFolders, difference
from datasets.parts.wording import counted, first_few, prepare_command

_VAL_IMAGES = 50  # of each class of ImageNet
_V2_IMAGES = 10
_README = "README.txt"  # comes with ImageNet-A and -R; other repositories skip it by name


def check_imagenet(report: Report, root: str, reader: type[ImageNet]) -> None:
    """Folder, classnames.txt, class folders of train and val, and few-shot caches of ImageNet."""
    if not check_folder(report, root, reader):
        return
    found = reader.at(root)
    check_names(report, found, in_order=False)
    tree = Tree(found.image_dir)
    check_image_folders(report, reader, found.image_dir)
    wnids = published.wnids("ImageNet") or []
    sizes = published.sizes("ImageNet")
    for split in reader.image_folders:
        if not os.path.isdir(os.path.join(found.image_dir, split)):
            continue
        if split == "val" and _is_flat(report, tree, root):
            continue
        per_class = _VAL_IMAGES if split == "val" else None
        expected = getattr(sizes, split, None)
        _check_classes(report, tree, split, wnids, per_class, expected)
    report.counts["classes"] = len(tree.content("train").folders)
    report.counts["test"] = report.counts.get("val", 0)
    lists = None
    has_caches = os.path.lexists(os.path.join(report.folder, CACHES))
    if has_caches and report.complete:  # else the faults are told already
        with report.catching(found.image_dir):
            lists = found.read_lists()
    check_caches(report, found, lists)


def _is_flat(report: Report, tree: Tree, root: str) -> bool:
    content = tree.content("val")
    if content.folders or not content.files:
        return False
    report.wrong(
        f"0 class folders in {tree.absolute('val')}, but {len(content.files):,} files; run "
        f"{prepare_command('imagenet', root)}"
    )
    return True


def check_variant(report: Report, root: str, reader: type[WnidFolders]) -> None:
    """Folder, classnames.txt and class folders of a test set of ImageNet's classes."""
    if not check_folder(report, root, reader):
        return
    found = reader.at(root)
    numbered = issubclass(reader, ImageNetV2)
    check_names(report, found, in_order=numbered)
    if check_image_folders(report, reader, found.image_dir):
        tree = Tree(found.image_dir)
        wnids = published.wnids(report.name) or published.wnids("ImageNet") or []
        if numbered:
            wnids = [str(line) for line in range(len(wnids))]
        sizes = published.sizes(report.name)
        per_class = _V2_IMAGES if numbered else None
        _check_classes(report, tree, "", wnids, per_class, sizes.test if sizes else None)
        report.counts["classes"] = len(tree.content("").folders)
        stray = sorted(
            name for name in tree.content("").files if name[0] != "." and name != _README
        )
        if stray:
            line = f"{counted(len(stray), 'file')} beside the class folders of {found.image_dir}"
            report.warn(f"{line}: {first_few(stray)}; other repositories stop at them", stray)
    check_caches(report, found, None)


def check_names(report: Report, found: WnidFolders, *, in_order: bool) -> None:
    """A finding on classnames.txt: the published names of ImageNet's wnids; where the folders are
    numbers (`in_order`), in the published order.
    """
    wnids, names = published.wnids("ImageNet") or [], published.classnames("ImageNet") or []
    remedy = f"delete it and run {found.prepare_command}, which writes it"
    try:
        table = found.read_names()
    except UserError as error:
        level = report.missing if not os.path.lexists(found.names_file) else report.wrong
        for line in error.problems:
            level(line)
        return
    file = found.names_file
    if set(table) != set(wnids):
        what = difference("the file", table, "ImageNet", wnids)
        report.wrong(f"{file} has {len(table):,} lines, not {len(wnids):,}; {what}; {remedy}")
        return
    renamed = [wnid for wnid, name in zip(wnids, names, strict=True) if table[wnid] != name]
    if renamed:
        wnid = renamed[0]
        report.wrong(
            f"{file}: {len(renamed):,} names are not the published ones: {wnid} is {table[wnid]}, "
            f"published is {names[wnids.index(wnid)]}; {remedy}"
        )
    elif in_order and list(table) != list(wnids):
        report.wrong(f"{file}: the lines are not in the order of the wnids; {remedy}")
    else:
        report.ok(f"classnames.txt has the published {len(wnids):,} names")


def _check_classes(
    report: Report,
    tree: Tree,
    split: str,
    expected: Sequence[str],
    per_class: int | None,
    total: int | None,
) -> None:
    """Findings on a folder of class folders: their names, and the images in them."""
    folder = os.path.normpath(tree.absolute(split))
    folders = tree.content(split).folders
    if not folders:
        report.wrong(f"0 class folders in {folder}; unpack the images there")
        return
    if set(folders) != set(expected):
        what = difference("the folder", folders, "the published set", expected)
        line = f"{folder} has {len(folders):,} class folders, not {len(expected):,}; {what}"
        report.wrong(f"{line}; labels are places among them: unpack the images again")
    images = {name: _images(report, tree, split, name) for name in folders}
    other = [f"{name}/{file}" for name in folders for file in images[name] if not is_image(file)]
    if other:
        line = f"{counted(len(other), 'file')} in class folders of {folder} with no image's ending"
        report.wrong(f"{line}: {first_few(other)}; a run takes them as images: remove them", other)
    count = sum(map(len, images.values()))
    report.counts[split or "test"] = count
    bare = [name for name, files in images.items() if not files]
    if bare:
        line = f"{counted(len(bare), 'class folder')} of {folder} without images: {first_few(bare)}"
        report.wrong(f"{line}; unpack their images there", bare)
    odd = [name for name, files in images.items() if per_class and len(files) != per_class]
    if odd:
        line = (
            f"{counted(len(odd), 'class folder')} of {folder} with other than {per_class} images: "
        )
        line += f"{odd[0]} has {len(images[odd[0]])}"
        report.wrong(f"{line}; unpack the images again", odd)
    if total is not None and count != total:
        line = f"{folder} has {count:,} images, published are {total:,}"
        report.wrong(f"{line}; unpack the images again")
    elif not odd and not bare and set(folders) == set(expected):
        known = "the published " if total is not None else ""
        report.ok(f"{folder} has {known}{count:,} images in {len(folders):,} class folders")


def _images(report: Report, tree: Tree, split: str, name: str) -> list[str]:
    """Paths of the images of a class folder, as a reader takes them: all that is not hidden."""
    below = f"{split}/{name}" if split else name
    content = tree.content(below)
    if below in tree.unreadable:
        report.wrong(f"{tree.absolute(below)} cannot be listed ({tree.unreadable[below]})")
    if content.folders:
        inner = tree.absolute(f"{below}/{content.folders[0]}")
        report.wrong(f"{inner} is a folder among images; move its images up")
    files = sorted(file for file in content.files if not file.startswith("."))
    report_empty(report, [f"{below}/{file}" for file in files if not content.files[file]])
    report.images += [tree.absolute(f"{below}/{file}") for file in files if content.files[file]]
    return files
