"""Learning-rate schedules, stepped once an epoch, with a warm-up in front."""

import math
import warnings
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dassl.utils.errors import BadValueError, UnknownNameError, WrongTypeError

SCHEDULERS = ["single_step", "multi_step", "cosine"]


class _WarmupScheduler(LRScheduler):
    """Moves itself for `warmup_epoch` epochs, after that only `successor`."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.successor = successor
        self.warmup_epoch = warmup_epoch
        super().__init__(optimizer, last_epoch)

    def _warmup_lr(self) -> list[Any]:
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        if self.last_epoch >= self.warmup_epoch:
            return self.successor.get_last_lr()
        return self._warmup_lr()

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch >= self.warmup_epoch:
            self.successor.step(epoch)
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers; the successor's are nested under `successor`."""
        state = {k: v for k, v in vars(self).items() if k not in ("optimizer", "successor")}
        return {**state, "successor": self.successor.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the numbers; a successor that was saved as an object is not taken over."""
        own = dict(state_dict)
        successor = own.pop("successor", None)
        vars(self).update(own)
        if isinstance(successor, dict):
            self.successor.load_state_dict(successor)


class ConstantWarmupScheduler(_WarmupScheduler):
    """Every group at `cons_lr` for `warmup_epoch` epochs, then `successor`."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        cons_lr: float,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.cons_lr = cons_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch, verbose)

    def _warmup_lr(self) -> list[Any]:
        return [self.cons_lr] * len(self.base_lrs)


class LinearWarmupScheduler(_WarmupScheduler):
    """Epoch 1 at `min_lr`, epoch e <= W at LR (e - 1) / W, W = `warmup_epoch`; then `successor`."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        min_lr: float,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.min_lr = min_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch, verbose)

    def _warmup_lr(self) -> list[Any]:
        if self.last_epoch == 0:
            return [self.min_lr] * len(self.base_lrs)
        return [base * self.last_epoch / self.warmup_epoch for base in self.base_lrs]


def build_lr_scheduler(optimizer: Optimizer, optim_cfg: Any) -> LRScheduler:
    """The schedule `optim_cfg.LR_SCHEDULER`, behind a warm-up if WARMUP_EPOCH > 0.

    Raises:
        UnknownNameError: (a ValueError) unknown LR_SCHEDULER or WARMUP_TYPE.
        WrongTypeError: (a TypeError) STEPSIZE of the wrong kind.
        BadValueError: (a ValueError) negative MAX_EPOCH; GAMMA or a rate that is not finite.
    """
    scheduler = _main_schedule(optimizer, optim_cfg)
    if optim_cfg.WARMUP_EPOCH <= 0:
        return scheduler
    if not optim_cfg.WARMUP_RECOUNT:
        scheduler.last_epoch = optim_cfg.WARMUP_EPOCH
    if optim_cfg.WARMUP_TYPE == "constant":
        return ConstantWarmupScheduler(
            optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_CONS_LR
        )
    if optim_cfg.WARMUP_TYPE == "linear":
        return LinearWarmupScheduler(
            optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_MIN_LR
        )
    raise UnknownNameError(
        f"OPTIM.WARMUP_TYPE = {optim_cfg.WARMUP_TYPE!r}: not one of constant, linear"
    )


def _main_schedule(optimizer: Optimizer, optim_cfg: Any) -> LRScheduler:
    name, stepsize = optim_cfg.LR_SCHEDULER, optim_cfg.STEPSIZE
    if name not in SCHEDULERS:
        raise UnknownNameError(f"OPTIM.LR_SCHEDULER = {name!r}: not one of {', '.join(SCHEDULERS)}")
    if optim_cfg.MAX_EPOCH < 0:
        raise BadValueError(f"OPTIM.MAX_EPOCH = {optim_cfg.MAX_EPOCH}: must be 0 or more")
    for key in ("GAMMA", "WARMUP_CONS_LR", "WARMUP_MIN_LR"):
        if not math.isfinite(optim_cfg[key]):
            raise BadValueError(f"OPTIM.{key} = {optim_cfg[key]}: must be a finite number")
    epochs = max(optim_cfg.MAX_EPOCH, 1)  # without an epoch no schedule moves
    if name == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(epochs))
    if name == "multi_step":
        entries = stepsize if isinstance(stepsize, list | tuple) else [None]
        if not all(isinstance(entry, int | float) for entry in entries):
            raise WrongTypeError(f"OPTIM.STEPSIZE = {stepsize!r}: must be a list of epochs")
        return torch.optim.lr_scheduler.MultiStepLR(
            optimizer, milestones=list(stepsize), gamma=optim_cfg.GAMMA
        )
    last = stepsize[-1] if isinstance(stepsize, list | tuple) and stepsize else stepsize
    if not isinstance(last, int):
        raise WrongTypeError(f"OPTIM.STEPSIZE = {stepsize!r}: must end in a number of epochs")
    return torch.optim.lr_scheduler.StepLR(
        optimizer, step_size=last if last > 0 else epochs, gamma=optim_cfg.GAMMA
    )


def advance_schedule(scheduler: LRScheduler, epochs: int) -> None:
    """Bring a new schedule to where it stands after `epochs` epochs."""
    with warnings.catch_warnings():
        # torch warns when a schedule moves before the optimizer has; here that is meant
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(epochs):
            scheduler.step()
