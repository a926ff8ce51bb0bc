"""The few shots of a reader: those of a draw that is kept in a file, or drawn now."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dassl.utils.errors import BadFileError
from dassl.utils.files import WriteError
from datasets import fewshot
from datasets.cache_fit import check_fit
from datasets.json_caches import (
    json_cache_path,
    read_json_cache,
    source_sha256,
    write_json_cache,
)

if TYPE_CHECKING:
    from datasets.listed_dataset import ListedDataset, Lists

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _KeptDraw:
    """A draw in a file.

    Attributes:
        read: gives its lists; raises BadFileError if it does not fit.
        published: whether another repository wrote it.
    """

    path: str
    read: Callable[[], Lists]
    published: bool = False


class FewShots:
    """Where the few shots of one reader and one run are kept, and what they are.

    Args:
        dataset: the reader.
        lists: all its images.
        shots: K, 1 or more.
        cfg: the whole tree.
    """

    def __init__(self, dataset: ListedDataset, lists: Lists, shots: int, cfg: Any) -> None:
        self.dataset = dataset
        self.lists = lists
        self.shots = shots
        self.seed: int = cfg.SEED
        self.name = type(dataset).__name__
        self.asked_for = cfg.DATASET.get("SAVE_FEWSHOT", False)  # a key that trainers add
        self.data_place, self.run_place = self._json_places(cfg.get("OUTPUT_DIR", ""))

    def read(self) -> Lists:
        """The drawn lists, see `ListedDataset`.

        Raises:
            BadFileError: a kept draw does not fit.
        """
        kept = self._kept_draws()
        cached = kept[0].read() if kept else None
        if cached and not _warn_of_others(kept, cached):
            path, listed_by = kept[0].path, self.dataset.listed_by
            fewshot.warn_if_not_drawn(cached, self.lists, self.shots, self.seed, path, listed_by)
        if cached and kept[0].published:
            return cached
        # With a draw of ours too, so that what follows has the random numbers of the run that
        # wrote it.
        drawn = {
            split: self.dataset.generate_fewshot_dataset(
                self.lists[split], num_shots=fewshot.shots_of(split, self.shots)
            )
            for split in self.dataset.drawn_splits
        }
        if cached:
            return cached
        return self._save() if self._is_saved() else drawn

    def _json_places(self, output_dir: str) -> tuple[str, str]:
        """Our cache in the dataset's folder and in the run's; "" for none."""
        dataset = self.dataset
        # of SoftCPT's split file, from which single-task runs do not draw, none is kept
        if self.seed < 0 or (dataset.as_task and not dataset.has_single_task_caches()):
            return "", ""
        data = json_cache_path(dataset.dataset_dir, self.shots, self.seed)
        if not output_dir:
            return data, ""
        run = json_cache_path(output_dir, self.shots, self.seed)
        if dataset.as_task:  # several members in one output folder
            run = os.path.join(os.path.dirname(run), self.name, os.path.basename(run))
        return data, run

    def _kept_draws(self) -> list[_KeptDraw]:
        """Those that are there, the one to use first."""
        found = []
        if self.run_place and fewshot.is_kept(self.run_place):
            found.append(_KeptDraw(self.run_place, partial(self._read_json, self.run_place)))
        found += self._published()[:1]
        if self.data_place and fewshot.is_kept(self.data_place):
            found.append(_KeptDraw(self.data_place, partial(self._read_json, self.data_place)))
        return found

    def _published(self) -> list[_KeptDraw]:
        """Published draws; of a task the multi-task dataset's comes first."""
        dataset, lists = self.dataset, self.lists
        places = []
        if dataset.as_task and dataset.as_task.folder:
            places.append((dataset.as_task.folder, dataset.as_task.task))
        if dataset.as_task or not dataset.has_single_task_caches():
            places.append((dataset.dataset_dir, 0))  # a file of its own has one task
        found = []
        for folder, task in places:
            path = fewshot.cache_path(folder, self.shots, self.seed, fewshot.TASK_CACHES)
            read = partial(dataset.read_task_cache, path, lists, task)
            found.append(_KeptDraw(path, read, published=True))
        if dataset.has_single_task_caches():
            path = fewshot.cache_path(dataset.dataset_dir, self.shots, self.seed)
            read = partial(dataset.read_cache, path, lists)
            found.append(_KeptDraw(path, read, published=True))
        return [draw for draw in found if fewshot.is_kept(draw.path)]

    def _read_json(self, path: str) -> Lists:
        """A draw of ours; the run's own may come from other lists, as long as it fits."""
        splits = self.dataset.drawn_splits
        cached = read_json_cache(
            path,
            dataset=self.name,
            shots=self.shots,
            seed=self.seed,
            split_sha256=None if path == self.run_place else self._source_sha256(),
            splits=splits,
        )
        check_fit(cached, self.lists, self.dataset.image_dir, path)
        return cached

    def _source_sha256(self) -> str:
        return source_sha256(self.dataset.source, self.lists, self.dataset.drawn_splits)

    def _is_saved(self) -> bool:
        if self.asked_for and not self.data_place:
            reason = (
                "there is no seed"
                if self.seed < 0
                else f"{self.dataset.source} is not what single-task runs draw from"
            )
            logger.info("Notice: %s: DATASET.SAVE_FEWSHOT writes nothing: %s", self.name, reason)
        return bool(self.data_place) and (self.asked_for or self.dataset.keeps_draws)

    def _save(self) -> Lists:
        """Draw as the seed says, whatever was drawn before, and write that if a folder takes it."""
        drawn = fewshot.draw_lists(self.lists, self.dataset.drawn_splits, self.shots, self.seed)
        split_sha256 = self._source_sha256()
        refused = ""
        for path in filter(None, (self.data_place, self.run_place)):
            try:
                write_json_cache(
                    path,
                    drawn,
                    dataset=self.name,
                    shots=self.shots,
                    seed=self.seed,
                    split_sha256=split_sha256,
                )
            except WriteError as error:
                refused += f"{path} cannot be written ({_reason(error)}); "
            else:
                line = f"Notice: {refused}the few-shot draw" if refused else "The few-shot draw"
                logger.info("%s is kept in %s", line, path)
                return drawn
        logger.info("Notice: %sthe few-shot draw is not kept", refused)
        return drawn


def _reason(error: WriteError) -> str:
    cause = error.__cause__
    return getattr(cause, "strerror", None) or str(cause)


def _warn_of_others(kept: list[_KeptDraw], used: Lists) -> bool:
    """Warn of the first kept draw that is not the one which is used; whether there is one."""
    for other in kept[1:]:
        try:
            same = other.read() == used
        except BadFileError:
            same = False
        if not same:
            logger.warning(
                "Warning: %s is used, not %s, which holds another draw; delete the one that is not "
                "wanted",
                kept[0].path,
                other.path,
            )
            return True
    return False
