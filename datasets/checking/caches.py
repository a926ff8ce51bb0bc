"""Checks of the few-shot caches in a dataset's folder."""

import os
import re
from collections.abc import Sequence
from typing import Any

from datasets.checking.findings import Report
from datasets.checking.lists import is_published_draw
from datasets.parts.fewshot.choice import KeptDraw
from datasets.parts.fewshot.draw import draw_lists
from datasets.parts.fewshot.files import CACHES, REMEDY, TASK_CACHES
from datasets.parts.folders import visible
from datasets.parts.items import Lists
from datasets.parts.wording import counted, first_few

_NAME = re.compile(r"shot_(\d+)-seed_(\d+)\.(pkl|json)")


def check_caches(report: Report, found: Any, lists: Lists | None) -> None:
    """Findings on the caches in `split_fewshot/`.

    Args:
        found: the reader at its folder (see `ListedDataset.at`).
        lists: what it reads, or None; then only whether a cache can be read is told.
    """
    folder = os.path.join(report.folder, CACHES)
    if found.drawn_splits and found.has_single_task_caches():
        _check_draws(report, found, lists, _draws(report, folder))
    elif os.path.lexists(folder):
        report.ok(f"{folder} is not read: it is of other lists than those in use")


def check_task_caches(
    report: Report, found: Any, lists: Lists | None, folder: str, task: int, *, compare: bool = True
) -> None:
    """Findings on the caches in `split_fewshot_mt/` of a folder, for one of the tasks in them.

    Args:
        found, lists: see `check_caches`.
        compare: whether the draw of the task by itself can be compared.
    """
    draws = _draws(report, os.path.join(folder, TASK_CACHES), task)
    _check_draws(report, found, lists, draws, compare)


def _draws(report: Report, folder: str, task: int | None = None) -> list[KeptDraw]:
    """The draws in a folder, and a finding on whatever else is there."""
    if os.path.islink(folder) and not os.path.exists(folder):
        report.wrong(f"{folder} is a broken link; {REMEDY}")
    elif os.path.lexists(folder) and not os.path.isdir(folder):
        report.warn(f"{folder} is no folder; no cache is read from it")
    draws: list[KeptDraw] = []
    if not os.path.isdir(folder):
        return draws
    with report.catching(folder):
        for name in visible(folder):
            path, match = os.path.join(folder, name), _NAME.fullmatch(name)
            if match is None or (task is not None and match[3] != "pkl"):
                report.warn(f"{path} is no shot_K-seed_S cache; it is unused")
            else:
                draws.append(KeptDraw(path, int(match[1]), int(match[2]), task))
    return draws


def _check_draws(
    report: Report, found: Any, lists: Lists | None, draws: Sequence[KeptDraw], compare: bool = True
) -> None:
    """Findings on all caches of a folder: each bad one, and how many are good."""
    good = []
    for draw in draws:
        with report.catching(draw.path):
            cached = draw.read(found, lists)
            if lists is None or not compare or _is_drawn(report, found, lists, cached, draw):
                good.append(os.path.basename(draw.path))
    if good:
        state = "equal to the draw of the lists" if lists and compare else "readable"
        folder = os.path.dirname(draws[0].path)
        report.ok(f"{counted(len(good), 'cache')} in {folder} {state}: {first_few(good)}")


def _is_drawn(report: Report, found: Any, lists: Lists, cached: Lists, draw: KeptDraw) -> bool:
    """Whether a cache is the draw of (lists, shots, seed); else a warning."""
    if cached == draw_lists(lists, cached, draw.shots, draw.seed):
        return True
    published = is_published_draw(report.name, cached, draw.shots, draw.seed)
    what = "holds the published draw, which is not" if published else "is stale: it does not hold"
    report.warn(
        f"{draw.path} {what} the draw of {found.listed_by} for {draw.shots} shots, seed "
        f"{draw.seed}; a run uses it; delete it to draw again"
    )
    return False
