"""Tensors that hold a row for each class they were trained on, and say nothing of other classes.

C classes of the run.
"""

import logging
from typing import Any

import torch
from torch import Tensor

from dassl.utils.errors import CheckpointMismatchError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel

logger = logging.getLogger(__name__)


class ClassBoundModel(PromptModel):
    """A model whose trained tensors belong to the classes it was trained on.

    Its formula gives other classes the score of zero-shot CLIP: a residual of 0, or no entry of a
    cache. A part of the classes (ImageNet-A of ImageNet) finds its rows by folder id.
    """

    class_bound = True
    trained_space: ClassSpace | None = None  # None: the run's own classes

    def rows(self) -> list[int]:
        """Where each of the C classes stands among those trained on; -1 where it does not."""
        if self.trained_space is None:
            return list(range(len(self.space)))
        return self.space.rows_in(self.trained_space) or [-1] * len(self.space)

    def own_rows(self, trained: Tensor) -> Tensor:
        """Of rows [N, ...] of the classes trained on those of the run's classes [C, ...]; 0 for
        others."""
        if self.trained_space is None:
            return trained
        return torch.cat([trained, torch.zeros_like(trained[:1])])[self.rows()]

    def rows_in_file(self, state: dict[str, Tensor]) -> int | None:
        """How many classes a checkpoint's tensors are of; None where the shapes do not say."""
        raise NotImplementedError

    def checkpoint_extra(self) -> dict[str, Any]:
        return {**super().checkpoint_extra(), **(self.trained_space or self.space).to_plain()}

    def prepare_load(self, state: dict[str, Tensor], extra: dict[str, Any]) -> None:
        """Takes over the file's classes; says how many of the run's are not among them.

        A published file has no list. It is taken to be of the run's classes, or by folder id of all
        of ImageNet's for its variants, except in a run on new classes.

        Raises:
            CheckpointMismatchError: (a UserError) it is of another number of classes.
        """
        super().prepare_load(state, extra)
        if "classnames" in extra:
            self.trained_space = ClassSpace.from_plain(extra)
        else:
            self.trained_space = self.published_space(self.rows_in_file(state))
        unknown = self.rows().count(-1)
        if unknown:
            logger.info(
                f"Notice: {unknown} of {len(self.space)} classes were not trained on; "
                f"they are scored as zero-shot CLIP does"
            )

    def published_space(self, found: int | None) -> ClassSpace:
        """The classes of a published file that has so many rows and no list of them.

        Raises:
            CheckpointMismatchError: (a UserError) they cannot be the run's.
        """
        if self.cfg.DATASET.SUBSAMPLE_CLASSES == "new":
            return ClassSpace(("",) * (found or 0))
        if found in (None, len(self.space)):
            return self.space
        if found == len(self.space.all_ids):
            return self.space.whole()
        raise CheckpointMismatchError(
            f"the checkpoint is of {found} classes, this run has {len(self.space)}; "
            f"check DATASET.NAME and DATASET.SUBSAMPLE_CLASSES"
        )
