"""`TrainerBase`: registered models, the skeleton of a run, checkpoints, scalars."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from dassl.config import config_sha256
from dassl.engine import resume_state
from dassl.engine.checkpointing import CheckpointMixin
from dassl.engine.scalars import named_writer_errors
from dassl.engine.updates import UpdateMixin
from dassl.evaluation import TaskResult
from dassl.utils.errors import CheckFailedError, NotRegisteredError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestRecord:
    """What the last `test()` found.

    Attributes:
        split: "test" or "val".
        results: name -> percent, as the evaluator returned them.
        num_images: images tested.
        seconds: wall time of the test.
        tasks: a `TaskResult` for each task of a multi-task dataset, else empty.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    split: str
    results: dict[str, float] = field(default_factory=dict)
    num_images: int = 0
    seconds: float = field(default=0.0, compare=False)
    tasks: tuple[TaskResult, ...] = ()


class TrainerBase(CheckpointMixin, UpdateMixin):
    """Iterates over epochs; knows nothing of batches.

    Attributes:
        test_record: `TestRecord` of the last test, or None.
        val_accuracy: accuracy in percent of the deployed model on the validation images, or None.
        best_result, best_epoch: best validation result so far and the epoch (from 1) that gave it.
    """

    # class attributes, so that a trainer which fills `_models` by hand has them too
    test_record: TestRecord | None = None
    val_accuracy: float | None = None
    best_result: float = -float("inf")
    best_epoch: int | None = None
    _resumed_generators: dict[str, Any] | None = None

    def __init__(self) -> None:
        self._models: OrderedDict[str, nn.Module] = OrderedDict()
        self._optims: OrderedDict[str, Any] = OrderedDict()
        self._scheds: OrderedDict[str, Any] = OrderedDict()
        self._writer: Any = None

    def config_digest(self) -> str:
        """What the configuration of the run comes to; a resume state of another one is refused.

        Default: SHA-256 of the whole tree. A trainer that knows what it reads may leave out the
        rest.
        """
        return config_sha256(self.cfg)

    def backbone_facts(self) -> dict[str, Any] | None:
        """name, sha256, activation, activation_from and layout of the frozen backbone, for
        result.json; default: none, and the name in MODEL.BACKBONE is what is known."""
        return None

    # models

    def register_model(
        self, name: str = "model", model: Any = None, optim: Any = None, sched: Any = None
    ) -> None:
        """Make a model known to saving, loading, mode switches and updates.

        Raises:
            AttributeError: called before the base `__init__`.
            CheckFailedError: (an AssertionError) the name is taken.
        """
        if "_models" not in self.__dict__:
            raise AttributeError("cannot register a model before super().__init__() was called")
        if name in self._models:
            raise CheckFailedError(f'a model named "{name}" is already registered')
        self._models[name] = model
        self._optims[name] = optim
        self._scheds[name] = sched

    def get_model_names(self, names: str | Sequence[str] | None = None) -> list[str]:
        """All registered names, or the given ones.

        Raises:
            CheckFailedError: (an AssertionError) a name is not registered.
        """
        known = list(self._models)
        if names is None:
            return known
        wanted = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise CheckFailedError(
                f"no model {', '.join(unknown)} is registered, only {', '.join(known) or 'none'}"
            )
        return wanted

    def set_model_mode(self, mode: str = "train", names: str | Sequence[str] | None = None) -> None:
        """Switch registered models to `train`, or to `test` / `eval`.

        Raises:
            NotRegisteredError: (a KeyError) another mode.
        """
        if mode not in ("train", "test", "eval"):
            raise NotRegisteredError(f"mode {mode!r}: not one of train, test, eval")
        for name in self.get_model_names(names):
            self._models[name].train(mode == "train")

    # scalars

    def init_writer(self, log_dir: str) -> None:
        """Open a TensorBoard writer, once."""
        if getattr(self, "_writer", None) is None:
            # tensorboard takes a third of a second to import, and an evaluation never needs it
            from torch.utils.tensorboard import SummaryWriter

            logger.info("Initialize tensorboard (log_dir=%s)", log_dir)
            with named_writer_errors(log_dir):
                self._writer = SummaryWriter(log_dir=log_dir)

    def close_writer(self) -> None:
        if self._writer is not None:
            with named_writer_errors(getattr(self._writer, "log_dir", "TensorBoard's folder")):
                self._writer.close()

    def write_scalar(self, tag: str, scalar_value: Any, global_step: int | None = None) -> None:
        """Write a value to TensorBoard; does nothing before `init_writer`.

        Raises:
            WriteError: the event file cannot be written, e.g. no space left on device.
        """
        if self._writer is not None:
            with named_writer_errors(getattr(self._writer, "log_dir", "TensorBoard's folder")):
                self._writer.add_scalar(tag, scalar_value, global_step)

    # the run

    def train(self, start_epoch: int, max_epoch: int) -> None:
        """Epochs `start_epoch` to `max_epoch` - 1; a stopped run of the same folder goes on."""
        self.start_epoch = start_epoch
        self.max_epoch = max_epoch
        self.before_train()
        self._restore_generators()
        # a finished run trains nothing; its test still belongs to the last epoch
        self.epoch = max(min(self.start_epoch, self.max_epoch - 1), 0)
        for epoch in range(self.start_epoch, self.max_epoch):
            self.epoch = epoch
            self.before_epoch()
            self.run_epoch()
            self.check_losses()
            self.after_epoch()
            resume_state.save_resume_state(self, epoch + 1)
        self.after_train()

    def _restore_generators(self) -> None:
        # last thing before the epochs, so that nothing in between moves the generators
        if self._resumed_generators is not None:
            resume_state.restore_generators(self._resumed_generators)
            self._resumed_generators = None

    def before_train(self) -> None:
        pass

    def after_train(self) -> None:
        pass

    def before_epoch(self) -> None:
        pass

    def after_epoch(self) -> None:
        pass

    def run_epoch(self) -> None:
        raise NotImplementedError

    def test(self, split: str | None = None) -> float:
        raise NotImplementedError

    def parse_batch_train(self, batch: Any) -> Any:
        raise NotImplementedError

    def parse_batch_test(self, batch: Any) -> Any:
        raise NotImplementedError

    def forward_backward(self, batch: Any) -> dict[str, Any] | None:
        raise NotImplementedError

    def model_inference(self, input: Any) -> Any:
        raise NotImplementedError
