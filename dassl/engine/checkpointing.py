"""Saving, loading and resuming of a trainer's registered models."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from dassl.engine import resume_state
from dassl.utils.checkpoints import (
    BEST_NAME,
    NUMBERED_PREFIX,
    load_model_file,
    load_strict,
    load_training_state,
    numbered_epochs,
    save_checkpoint,
)
from dassl.utils.errors import BadFileError, MissingFileError
from dassl.utils.run_folders import near_folders_hint

logger = logging.getLogger(__name__)

Checkpoints = dict[str, tuple[Path, dict[str, Any]]]  # registered name -> file and its content


class CheckpointMixin:
    """The part of a trainer that reads and writes checkpoints."""

    _models: dict[str, nn.Module]
    _optims: dict[str, Any]
    _scheds: dict[str, Any]
    _resumed_generators: dict[str, Any] | None
    best_result: float
    best_epoch: int | None
    check_losses: Callable[[], None]

    # what a trainer may override

    def checkpoint_extra(self) -> dict[str, Any]:
        """Lists, numbers and tensors of the trainer that a resumed run needs; default none."""
        return {}

    def load_extra(self, extra: dict[str, Any]) -> None:
        """Take back what `checkpoint_extra` gave; called when a run is resumed."""

    def model_state(self, name: str) -> Mapping[str, Any]:
        """The state dict that `save_model` writes for a registered model; default all of it."""
        return self._models[name].state_dict()

    def load_weights(self, name: str, state_dict: Mapping[str, Any], path: Path) -> None:
        """Put a file's `state_dict` into a registered model; default strict.

        Raises:
            CheckpointMismatchError: (a RuntimeError) it does not fit.
        """
        load_strict(self._models[name], state_dict, path)

    # public

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Write `directory/<name>/model.pth.tar-<epoch + 1>` (or `model_name`) per model.

        Raises:
            NonFiniteLossError: (a FloatingPointError) a loss since the last check was not finite;
                nothing is written.
        """
        self.check_losses()
        extra = self.checkpoint_extra()
        for name in self.get_model_names():
            optimizer, scheduler = self._optims[name], self._scheds[name]
            state = {
                "state_dict": self.model_state(name),
                "epoch": epoch + 1,
                "optimizer": None if optimizer is None else optimizer.state_dict(),
                "scheduler": None if scheduler is None else scheduler.state_dict(),
                "val_result": val_result,
            }
            if extra:
                state["extra"] = extra
            folder = os.path.join(directory, name)
            save_checkpoint(state, folder, is_best=is_best, model_name=model_name)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load weights for a test.

        Args:
            directory: output folder of a run; empty: a note, nothing is loaded.
            epoch: None: model-best.pth.tar; -1: the highest epoch that every model has.

        Raises:
            MissingFileError: (a FileNotFoundError) with the path, before anything is loaded.
            CheckpointMismatchError: (a RuntimeError) the weights do not fit.
        """
        if not directory:
            logger.info(
                "Note that load_model() is skipped as no pretrained model is given "
                "(ignore this if it's done on purpose)"
            )
            return
        if epoch == -1:
            common = self._common_epochs(Path(directory))
            epoch = common[-1] if common else None
        file_name = BEST_NAME if epoch is None else f"{NUMBERED_PREFIX}{epoch}"
        paths = {name: Path(directory) / name / file_name for name in self.get_model_names()}
        missing = [
            f"no model at {path}{self._what_is_there(path.parent)}"
            for path in paths.values()
            if not path.is_file()
        ]
        if missing:
            missing[-1] += near_folders_hint(Path(directory), list(paths))
            raise MissingFileError(missing)
        for name, path in paths.items():
            checkpoint = load_model_file(path)
            result = checkpoint.get("val_result")
            shown = "" if result is None else f", val_result={result:.1f}"
            logger.info("Load %s to %s (epoch=%s%s)", path, name, checkpoint["epoch"], shown)
            self.load_weights(name, checkpoint["state_dict"], path)

    def resume_model_if_exist(self, directory: str) -> int:
        """Resume from a folder; returns the number of finished epochs, 0 if there is nothing.

        `resume.pth.tar` is preferred: it holds all that an unbroken run would go on with. Without
        it the highest epoch that is whole in every model's folder is taken, and the schedule is
        rebuilt.
        """
        state = resume_state.read_resume_state(self, directory)
        if state is not None:
            path = Path(directory) / resume_state.FILE_NAME
            logger.info("Found checkpoint at %s (will resume training)", directory)
            logger.info('Loading checkpoint from "%s"', path)
            resume_state.apply_resume_state(self, state, path)
            self._resumed_generators = state["generators"]
            logger.info("Previous epoch: %s", state["epoch"])
            return state["epoch"]
        found = self._newest_whole(Path(directory))
        if not found:
            logger.info("No checkpoint found, train from scratch")
            return 0
        logger.info("Found checkpoint at %s (will resume training)", directory)
        for name, (path, checkpoint) in found.items():
            logger.info('Loading checkpoint from "%s"', path)
            self.load_weights(name, checkpoint["state_dict"], path)
            logger.info("Loaded model weights")
            load_training_state(checkpoint, path, self._optims[name], self._scheds[name])
        first = next(iter(found.values()))[1]
        if first.get("extra"):
            self.load_extra(first["extra"])
        logger.info("Previous epoch: %s", first["epoch"])
        return first["epoch"]

    def can_resume(self, directory: str) -> bool:
        """Whether a folder holds something that `resume_model_if_exist` would go on from."""
        folder, names = Path(directory), self.get_model_names()
        if (folder / resume_state.FILE_NAME).is_file() or self._common_epochs(folder):
            return True
        return bool(names) and all((folder / name / BEST_NAME).is_file() for name in names)

    # which files

    def _common_epochs(self, directory: Path) -> list[int]:
        folders = [directory / name for name in self.get_model_names()]
        sets = [set(numbered_epochs(folder)) for folder in folders]
        return sorted(set.intersection(*sets)) if sets else []

    @staticmethod
    def _what_is_there(folder: Path) -> str:
        if not folder.is_dir():
            return ": there is no such folder; check --model-dir and the trainer"
        epochs = ", ".join(map(str, numbered_epochs(folder)))
        best = "model-best.pth.tar (give no epoch)" if (folder / BEST_NAME).is_file() else ""
        there = " and ".join(filter(None, [epochs and f"epochs {epochs} (--load-epoch)", best]))
        return f": the folder has {there or 'no checkpoint'}"

    def _newest_whole(self, directory: Path) -> Checkpoints:
        """The highest epoch whose files can be read for every model; empty if there is none."""
        names = self.get_model_names()
        if not names or not all((directory / name).is_dir() for name in names):
            return {}
        found: Checkpoints = {}
        for epoch in reversed(self._common_epochs(directory)):
            found = self._read_all(directory, f"{NUMBERED_PREFIX}{epoch}")
            if found:
                break
        best = self._read_all(directory, BEST_NAME)
        if best:
            content = next(iter(best.values()))[1]
            if content.get("val_result") is not None:
                # a worse model of the resumed run must not replace this file
                self.best_result = content["val_result"]
                self.best_epoch = content["epoch"]
            if not found or content["epoch"] > next(iter(found.values()))[1]["epoch"]:
                found = best
        return found

    def _read_all(self, directory: Path, file_name: str) -> Checkpoints:
        """One file of every model, all of one epoch; empty if one is missing or broken."""
        found: Checkpoints = {}
        for name in self.get_model_names():
            path = directory / name / file_name
            if not path.is_file():
                return {}
            try:
                found[name] = (path, load_model_file(path))
            except BadFileError as error:
                logger.warning("Skipped: %s", error)
                return {}
        epochs = {content.get("epoch") for _, content in found.values()}
        return found if len(epochs) == 1 else {}
