"""Linear probe: logistic regression on CLIP's frozen image features (arXiv:2103.00020).

Draw and search are those of the CoOp repository's lpclip/ (`trainers.parts.probe_search`).
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dassl.engine import TrainerX
from dassl.utils.errors import UserError
from trainers.parts.frozen_features import encode
from trainers.parts.options import Option, Options
from trainers.parts.probe_blocks import Block, blocks, joint_labels
from trainers.parts.probe_model import ProbeModel
from trainers.parts.probe_search import METRICS, Images, Search, draw
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer

logger = logging.getLogger(__name__)

LP_OPTIONS = Options(
    "TRAINER.LP",
    NUM_STEP=Option(8, "rounds of the search for the strength of regularisation", minimum=1),
)


@register_method()
class LinearProbe(PromptTrainer):
    """Fits the probe: SEED and DATASET.NUM_SHOTS name the run and the shots of the published
    program, whose own draw it is. Several tasks get a search each.

    Half precision on a GPU, float32 on a CPU; an epoch is the whole search.
    """

    model_class = ProbeModel
    options = (LP_OPTIONS,)
    checkpoint = {"linear_probe": ""}  # noqa: RUF012
    drawn_items: Mapping[str, list[Any]] = {}
    trainable = False  # not by steps on a loss: no optimizer, no schedule

    def build_data_loader(self) -> None:
        """The engine's loaders, of whole splits: the few shots are the probe's to draw."""
        run = self.cfg
        self.cfg = run.clone()
        self.cfg.defrost()
        self.cfg.DATASET.NUM_SHOTS = -1
        super().build_data_loader()
        self.cfg = run

    def build_model(self) -> None:
        super().build_model()
        self.register_model("linear_probe", self.model)
        self.max_epoch = 1

    def train(self) -> None:
        """The engine's loop with its one epoch; a finished run only tests again.

        Raises:
            UserError: no number of shots is given.
        """
        shots = self.cfg.DATASET.NUM_SHOTS
        if shots < 1:
            raise UserError(
                f"DATASET.NUM_SHOTS = {shots}: the linear probe draws that many images of each "
                f"class; use 1 or more"
            )
        TrainerX.train(self)

    def run_epoch(self) -> None:
        """Draws, encodes and searches, and keeps the coefficients of the last round's better end.

        Raises:
            UserError: there are no validation images, or too few of a class.
        """
        data, space = self.dm.dataset, self.model.space
        if not getattr(data, "val", None):
            raise UserError(f"{self.cfg.DATASET.NAME}: no validation images to choose C by")
        items = {"train": data.train_x, "val": data.val}
        labels = {split: joint_labels(items[split], space) for split in items}
        for block in blocks(space, data):
            search = Search(*self._few_shots(block, items, labels), METRICS[block.metric])
            self.model.take(self._last_round(search).best.classifier, block.start, block.end)

    def _few_shots(
        self, block: Block, items: dict[str, Any], labels: dict[str, np.ndarray]
    ) -> Iterator[Images]:
        """The drawn images of train and of val; only these are encoded."""
        own = {
            s: np.flatnonzero((labels[s] >= block.start) & (labels[s] < block.end)) for s in items
        }
        shots, seed = self.cfg.DATASET.NUM_SHOTS, self.cfg.SEED
        inside = {split: labels[split][own[split]] for split in own}
        drawn = draw(inside["train"], inside["val"], shots, seed, self.model.space.names)
        logger.info(
            f"Linear probe{block.name and ' of ' + block.name}: {len(drawn[0])} training and "
            f"{len(drawn[1])} validation images drawn with seed {seed}"
        )
        transform = self.test_loader.dataset.transform
        for split, places in zip(items, drawn, strict=True):
            chosen = [items[split][own[split][place]] for place in places]
            before = self.drawn_items.get(split, [])
            self.drawn_items = {**self.drawn_items, split: [*before, *chosen]}
            yield Images(
                encode(self.cfg, self.model.clip, chosen, transform), inside[split][places]
            )

    def _last_round(self, search: Search) -> Any:
        """Logs the search; returns its last round."""
        logger.info("Validation over the grid: " + " ".join(f"{x:.4f}" for x in search.grid))
        for number, found in enumerate(search.rounds(self.cfg.TRAINER.LP.NUM_STEP)):
            logger.info(
                f"Round {number}: C {found.left:.3g} {100 * found.fit_left.val:.2f}%, "
                f"C {found.right:.3g} {100 * found.fit_right.val:.2f}%, takes {found.strength:.3g}"
            )
        return found
