"""Which few shots a run has: those of a draw that a file keeps, or drawn now."""

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dassl.utils.errors import BadFileError
from dassl.utils.files import WriteError
from datasets.parts.fewshot.draw import draw_lists, shots_of
from datasets.parts.fewshot.files import (
    TASK_CACHES,
    cache_path,
    images_in_caches,
    is_kept,
    json_cache_path,
)
from datasets.parts.fewshot.fit import check_fit
from datasets.parts.fewshot.json_files import read_json_cache, source_sha256, write_json_cache
from datasets.parts.fewshot.pickles import read_cache, read_task_cache
from datasets.parts.items import Lists

if TYPE_CHECKING:
    from datasets.parts.reader import ListedDataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskPlace:
    """Where a dataset stands in a multi-task one.

    Attributes:
        task: its number there.
        folder: the multi-task dataset's own folder, which may hold few-shot caches of all tasks; ""
            if it has none.
    """

    task: int
    folder: str = ""


@dataclass(frozen=True)
class KeptDraw:
    """A draw in a file.

    Attributes:
        path: the file: .json is ours, .pkl another repository's.
        shots, seed: what it is the draw of.
        task: the number of the dataset in it, where it tells tasks apart; None where it does not.
    """

    path: str
    shots: int
    seed: int
    task: int | None = None

    def read(
        self, dataset: "ListedDataset", lists: Lists | None, *, same_source: bool = True
    ) -> Lists:
        """Its lists.

        Args:
            dataset: the reader.
            lists: all its images, which the draw has to fit; None: that is not looked at.
            same_source: whether one of ours must have been drawn from these very lists.

        Raises:
            BadFileError: it cannot be read, or does not fit.
        """
        splits = dataset.drawn_splits
        images = images_in_caches(dataset.dataset_dir, dataset.images)
        if self.task is not None:
            names = {item.label: item.classname for item in lists["train"]} if lists else {}
            drawn = read_task_cache(self.path, images, splits, names, self.task)
        elif self.path.endswith(".pkl"):
            drawn = read_cache(self.path, images, splits)
        else:
            key = draw_key(dataset, lists if same_source else None, self.shots, self.seed)
            drawn = read_json_cache(self.path, splits, **key)
        if lists:
            check_fit(drawn, lists, dataset.image_dir, self.path)
        return drawn


def draw_key(
    dataset: "ListedDataset", lists: Lists | None, shots: int, seed: int
) -> dict[str, Any]:
    """What a draw of ours is of, see `write_json_cache`; without `lists`, of any lists."""
    sha256 = source_sha256(dataset.source, lists, dataset.drawn_splits) if lists else None
    name = type(dataset).__name__
    return {"dataset": name, "shots": shots, "seed": seed, "split_sha256": sha256}


class FewShots:
    """Where the few shots of one reader and one run are kept, and what they are.

    Args:
        dataset: the reader.
        lists: all its images.
        shots: K, 1 or more.
        cfg: the whole tree.
    """

    def __init__(self, dataset: "ListedDataset", lists: Lists, shots: int, cfg: Any) -> None:
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
        kept = [draw for draw in self._places() if is_kept(draw.path)]
        cached = self._read(kept[0]) if kept else None
        if cached:
            self._warn_of_others(kept, cached)
        if cached and kept[0].path.endswith(".pkl"):
            return cached
        # With a draw of ours too, so that what follows has the random numbers of the run that
        # wrote it.
        drawn = {
            split: self.dataset.generate_fewshot_dataset(
                self.lists[split], num_shots=shots_of(split, self.shots)
            )
            for split in self.dataset.drawn_splits
        }
        if cached:
            return cached
        return self._save() if self._is_saved() else drawn

    def _json_places(self, output_dir: str) -> tuple[str, str]:
        """Our file in the dataset's folder and in the run's; "" for none."""
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

    def _places(self) -> list[KeptDraw]:
        """Where a draw may be kept, the one to use first: the run's own, the first that is there of
        the published ones, the data folder's."""
        published = next((draw for draw in self._published() if is_kept(draw.path)), None)
        ours = [KeptDraw(path, self.shots, self.seed) for path in (self.run_place, self.data_place)]
        found = [ours[0], published, ours[1]]
        return [draw for draw in found if draw and draw.path]

    def _published(self) -> list[KeptDraw]:
        """Places of published draws; of a task the multi-task dataset's comes first."""
        dataset, which = self.dataset, (self.shots, self.seed)
        single = dataset.has_single_task_caches()
        found = []
        if dataset.as_task and dataset.as_task.folder:
            path = cache_path(dataset.as_task.folder, *which, TASK_CACHES)
            found.append(KeptDraw(path, *which, dataset.as_task.task))
        if dataset.as_task or not single:  # a file of its own has one task
            path = cache_path(dataset.dataset_dir, *which, TASK_CACHES)
            found.append(KeptDraw(path, *which, task=0))
        if single:
            found.append(KeptDraw(cache_path(dataset.dataset_dir, *which), *which))
        return found

    def _read(self, draw: KeptDraw) -> Lists:
        """A kept draw; the run's own may come from other lists, as long as it fits."""
        return draw.read(self.dataset, self.lists, same_source=draw.path != self.run_place)

    def _warn_of_others(self, kept: list[KeptDraw], used: Lists) -> None:
        """Warn of the first kept draw that is not the one which is used; without one, where that
        is not what the lists give."""
        for other in kept[1:]:
            try:
                same = self._read(other) == used
            except BadFileError:
                same = False
            if not same:
                line = f"{kept[0].path} is used, not {other.path}, which holds another draw"
                logger.warning("Warning: %s; delete the one that is not wanted", line)
                return
        if self.seed >= 0 and used != draw_lists(self.lists, used, self.shots, self.seed):
            line = f"{kept[0].path} is used, but holds other images than {self.dataset.listed_by} "
            line += f"gives for {self.shots} shots, seed {self.seed}; delete it to draw again"
            logger.warning("Warning: %s", line)

    def _is_saved(self) -> bool:
        if self.asked_for and not self.data_place:
            logger.info(
                "Notice: %s: DATASET.SAVE_FEWSHOT writes nothing without a seed, or of a split "
                "file that single-task runs do not draw from",
                self.name,
            )
        return bool(self.data_place) and (self.asked_for or self.dataset.keeps_draws)

    def _save(self) -> Lists:
        """Draw as the seed says, whatever was drawn before, and write that if a folder takes it."""
        drawn = draw_lists(self.lists, self.dataset.drawn_splits, self.shots, self.seed)
        key = draw_key(self.dataset, self.lists, self.shots, self.seed)
        refused = ""
        for path in filter(None, (self.data_place, self.run_place)):
            try:
                write_json_cache(path, drawn, **key)
            except WriteError as error:
                reason = getattr(error.__cause__, "strerror", None) or error.__cause__
                refused += f"{path} cannot be written ({reason}); "
            else:
                line = f"Notice: {refused}the few-shot draw" if refused else "The few-shot draw"
                logger.info("%s is kept in %s", line, path)
                return drawn
        logger.info("Notice: %sthe few-shot draw is not kept", refused)
        return drawn
