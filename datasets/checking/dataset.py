"""The checks of one dataset, by the kind of its reader."""

import os
from pathlib import Path
from typing import Any

from dassl.data.datasets import DATASET_REGISTRY
from datasets.checking.findings import Report
from datasets.checking.images import unreadable
from datasets.checking.listed import check_listed, check_split_dataset
from datasets.checking.suites import check_fashion20, check_joint_caches
from datasets.checking.wnids import check_imagenet, check_variant
from datasets.demo.suite import DemoDataset
from datasets.fashion20 import Fashion20
from datasets.imagenet import ImageNet
from datasets.parts.folders import images_remedy
from datasets.parts.imagenet_folders import WnidFolders
from datasets.parts.multitask import JointDataset
from datasets.parts.reader import ListedDataset
from datasets.parts.split_file_reader import SplitFileDataset
from datasets.parts.wording import counted, first_few


def check_dataset(name: str, root: Path, folder: str = "") -> Report:
    """What is there of a dataset and what is not; no image is decoded.

    Args:
        name: DATASET.NAME.
        root: folder of the datasets.
        folder: DATASET.FOLDER, for readers that fix none.
    """
    reader: Any = DATASET_REGISTRY.get(name)
    below = getattr(reader, "dataset_dir", "")
    report = Report(name, os.path.normpath(root / (below or folder)), reader=reader)
    with report.catching(report.folder):
        _choose_checks(report, str(root), reader)
    return report


def _choose_checks(report: Report, root: str, reader: Any) -> None:
    if not isinstance(reader, type):
        report.warn(f"{report.name} is no dataset class; it is not checked")
    elif issubclass(reader, JointDataset):
        check_joint_caches(report, root, reader)
    elif issubclass(reader, Fashion20):
        check_fashion20(report, root)
    elif issubclass(reader, ImageNet):
        check_imagenet(report, root, reader)
    elif issubclass(reader, WnidFolders):
        check_variant(report, root, reader)
    elif issubclass(reader, DemoDataset) and not os.path.lexists(report.folder):
        report.ok(f"{report.folder} is not there yet; it is made on first use")
    elif issubclass(reader, SplitFileDataset):
        check_split_dataset(report, root, reader)
    elif issubclass(reader, ListedDataset):
        check_listed(report, root, reader)
    else:
        report.warn(f"{report.name} has a reader of its own kind; it is not checked")


def decode_images(report: Report, jobs: int, max_pixels: int) -> None:
    """Decode the images that a check has found; a finding on those that cannot be. See
    `unreadable`.
    """
    paths = list(dict.fromkeys(report.images))
    if not paths:
        return
    with report.catching("decoding"):
        bad = unreadable(paths, report.name, jobs, max_pixels)
        if not bad:
            report.ok(f"all {len(paths):,} images can be decoded")
            return
        shown = [f"{path} ({reason})" for path, reason in bad.items()]
        line = f"{len(bad):,} of {counted(len(paths), 'image')} cannot be decoded: "
        remedy = images_remedy(report.reader, missing=False)
        report.wrong(f"{line}{first_few(shown)}; {remedy}", list(bad))
