"""Checks of the few-shot caches in a dataset's folder."""

import os
import re
from collections.abc import Callable
from typing import Any

from datasets.cache_fit import check_fit
from datasets.checking.findings import Report
from datasets.checking.lists import is_published_draw
from datasets.fewshot import (
    CACHES,
    REMEDY,
    TASK_CACHES,
    draw_lists,
    images_in_caches,
    read_cache,
    read_task_cache,
)
from datasets.json_caches import read_json_cache, source_sha256
from datasets.listed_dataset import Lists
from datasets.wording import counted, first_few

_NAME = re.compile(r"shot_(\d+)-seed_(\d+)\.(pkl|json)")
_FOREIGN = ("preprocessed.pkl", "preprocessed_mt.pkl")


def check_caches(report: Report, found: Any, lists: Lists | None) -> None:
    """Findings on the caches in `split_fewshot/`, and on files of other repositories that are not
    read.

    Args:
        found: the reader at its folder (see `listed.at`).
        lists: what it reads, or None; then only whether a cache can be read is told.
    """
    for name in _FOREIGN:
        if os.path.lexists(os.path.join(report.folder, name)):
            report.ok(f"{name} is a list of another repository; it is not read")
    folder = os.path.join(report.folder, CACHES)
    if not found.drawn_splits or not found.has_single_task_caches():
        if os.path.lexists(folder):
            report.ok(f"{folder} is not read: it is of other lists than those in use")
        return

    def read(path: str, shots: int, seed: int) -> Lists:
        if not path.endswith(".json"):
            images = images_in_caches(found.dataset_dir, found.images)
            return read_cache(path, images, found.drawn_splits)
        digest = source_sha256(found.source, lists, found.drawn_splits) if lists else None
        return read_json_cache(
            path,
            dataset=report.name,
            shots=shots,
            seed=seed,
            split_sha256=digest,
            splits=found.drawn_splits,
        )

    _check_folder(report, folder, read, found, lists)


def check_task_caches(
    report: Report,
    found: Any,
    lists: Lists | None,
    folder: str,
    task: int,
    *,
    compare: bool = True,
) -> None:
    """Findings on the caches in `split_fewshot_mt/` of a folder, for one of the tasks in them.

    Args:
        found, lists: see `check_caches`.
        compare: whether the draw of the task by itself can be compared.
    """
    names = {item.label: item.classname for item in lists["train"]} if lists else {}

    def read(path: str, shots: int, seed: int) -> Lists:
        images = images_in_caches(found.dataset_dir, found.images)
        return read_task_cache(path, images, found.drawn_splits, names, task)

    _check_folder(report, os.path.join(folder, TASK_CACHES), read, found, lists, compare=compare)


def _check_folder(
    report: Report,
    folder: str,
    read: Callable[[str, int, int], Lists],
    found: Any,
    lists: Lists | None,
    *,
    compare: bool = True,
) -> None:
    """Findings on all caches of a folder: each bad one, and how many are good."""
    if not os.path.isdir(folder):
        if os.path.islink(folder) and not os.path.exists(folder):
            report.wrong(f"{folder} is a broken link; {REMEDY}")
        elif os.path.lexists(folder):
            report.warn(f"{folder} is no folder; no cache is read from it")
        return
    with report.catching(folder):
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        good = []
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None:
                report.warn(f"{os.path.join(folder, name)} is no shot_K-seed_S cache; it is unused")
                continue
            path, shots, seed = os.path.join(folder, name), int(match[1]), int(match[2])
            with report.catching(path):
                cached = read(path, shots, seed)
                if lists is not None:
                    check_fit(cached, lists, found.image_dir, path)
                    if compare and not _is_drawn(report, found, lists, cached, path, (shots, seed)):
                        continue
                good.append(name)
        if good:
            state = "equal to the draw of the lists" if lists and compare else "readable"
            report.ok(f"{counted(len(good), 'cache')} in {folder} {state}: {first_few(good)}")


def _is_drawn(
    report: Report, found: Any, lists: Lists, cached: Lists, path: str, which: tuple[int, int]
) -> bool:
    """Whether a cache is the draw of (lists, shots, seed); else a warning."""
    shots, seed = which
    if cached == draw_lists(lists, cached, shots, seed):
        return True
    published = is_published_draw(report.name, cached, shots, seed)
    what = "holds the published draw, which is not" if published else "is stale: it does not hold"
    report.warn(
        f"{path} {what} the draw of {found.listed_by} for {shots} shots, seed {seed}; a run uses "
        "it; delete it to draw again"
    )
    return False
