"""Methods that are fitted to the training images at once, without an optimizer and epochs."""

from typing import ClassVar

from dassl.engine import TrainerX
from dassl.utils.errors import UserError
from trainers.parts.trained_parts import folder_module
from trainers.parts.trainer import PromptTrainer


class FittedTrainer(PromptTrainer):
    """One call of `fit` stands for all epochs; saved, resumed, tested and tallied as any run.

    Attributes:
        needs_shots: what the method does with the few shots, where it needs them; "" where it does
            not. A sentence's end, for the error of a run without.
    """

    trainable = False  # not by steps on a loss: no optimizer, no schedule
    needs_shots: ClassVar[str] = ""

    def fit(self) -> None:
        """Fills the model's tensors from `self.dm.dataset`."""
        raise NotImplementedError

    def build_model(self) -> None:
        super().build_model()
        for folder, children in self.checkpoint_folders().items():
            self.register_model(folder, folder_module(self.model, children))
        self.max_epoch = 1

    def train(self) -> None:
        """The engine's loop with its one epoch; a finished run only tests again.

        Raises:
            UserError: no number of shots is given to a method that needs one.
        """
        check_shots(self.cfg.DATASET.NUM_SHOTS, self.needs_shots)
        TrainerX.train(self)

    def run_epoch(self) -> None:
        self.fit()


def check_shots(shots: int, use: str) -> None:
    """Raises UserError where a method with that use for the shots gets none."""
    if use and shots < 1:
        raise UserError(f"DATASET.NUM_SHOTS = {shots}: {use}; use 1 or more")
