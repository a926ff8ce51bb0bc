"""Registering a method: its trainer, its DePT variant, its aliases and its options, in one line."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dassl.engine import TRAINER_REGISTRY
from dassl.utils.discovery import BrokenModule
from trainers.parts.dept import dept_options, dept_variant
from trainers.parts.options import OPTIONS
from trainers.parts.trainer import SHARED_OPTIONS, PromptTrainer

Trainer = TypeVar("Trainer", bound=type[PromptTrainer])

ALIASES: dict[str, str] = {}  # published name -> the name here
BROKEN: list[BrokenModule] = []  # files of trainers/ that could not be imported


def register_method(
    *, aliases: Sequence[str] = (), dept: bool = False, dept_aliases: Sequence[str] = ()
) -> Callable[[Trainer], Trainer]:
    """Registers a trainer class under its name, its aliases and, with `dept`, as `<name>DePT`
    too."""

    def register(trainer: Trainer) -> Trainer:
        # Names first: a copied file is told of the taken name, with both files.
        _register(trainer, aliases)
        if dept:
            _register(dept_variant(trainer), dept_aliases)
        OPTIONS.declare(
            (*SHARED_OPTIONS, *trainer.options, *(dept_options(trainer) if dept else ()))
        )
        return trainer

    return register


def _register(trainer: type[PromptTrainer], aliases: Sequence[str]) -> None:
    TRAINER_REGISTRY.register(trainer)
    for alias in aliases:
        # The registry's key is a class's own name, so that an alias is a class of that name.
        TRAINER_REGISTRY.register(type(alias, (trainer,), {"__doc__": trainer.__doc__}))
        ALIASES[alias] = trainer.__name__
