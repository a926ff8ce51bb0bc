"""Trainers."""

from dassl.engine.base import TestRecord, TrainerBase
from dassl.engine.build import TRAINER_REGISTRY, build_trainer
from dassl.engine.simple import SimpleTrainer
from dassl.engine.simple_net import SimpleNet
from dassl.engine.trainer import TrainerX, TrainerXU

__all__ = [
    "TRAINER_REGISTRY",
    "SimpleNet",
    "SimpleTrainer",
    "TestRecord",
    "TrainerBase",
    "TrainerX",
    "TrainerXU",
    "build_trainer",
]
