"""Keys of the engine that a training does not read because of another key's value."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from trainers.parts.options import read_key

ADAPTIVE = ("adam", "amsgrad", "adamw", "radam")
DOMAIN_SAMPLERS = ("RandomDomainSampler", "SeqDomainSampler")


@dataclass(frozen=True)
class Idle:
    """Keys that count only while another has certain values.

    Attributes:
        keys: names below `node`.
        needs: the key that decides; its value is told.
        counts: whether that value lets the keys count.
    """

    node: str
    keys: tuple[str, ...]
    needs: str
    counts: Callable[[Any], bool]

    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.node}.{key}" for key in self.keys)


def _among(*names: str) -> Callable[[Any], bool]:
    return lambda value: value in names


def _has(*steps: str) -> Callable[[Any], bool]:
    return lambda value: any(step in value for step in steps)


def _warms_up(epochs: int) -> bool:
    return epochs > 0


_TRANSFORMS: Mapping[str, tuple[str, ...]] = {
    "CROP_PADDING": ("random_crop",),
    "RRCROP_SCALE": ("random_resized_crop",),
    "CUTOUT_N": ("cutout",),
    "CUTOUT_LEN": ("cutout",),
    "GN_MEAN": ("gaussian_noise",),
    "GN_STD": ("gaussian_noise",),
    "RANDAUGMENT_N": ("randaugment", "randaugment_fixmatch", "randaugment2"),
    "RANDAUGMENT_M": ("randaugment",),
    "COLORJITTER_B": ("colorjitter",),
    "COLORJITTER_C": ("colorjitter",),
    "COLORJITTER_S": ("colorjitter",),
    "COLORJITTER_H": ("colorjitter",),
    "RGS_P": ("randomgrayscale",),
    "GB_P": ("gaussian_blur",),
    "GB_K": ("gaussian_blur",),
    "PIXEL_MEAN": ("normalize",),
    "PIXEL_STD": ("normalize",),
}

IDLE = (
    Idle(
        "OPTIM",
        ("WARMUP_TYPE", "WARMUP_CONS_LR", "WARMUP_MIN_LR", "WARMUP_RECOUNT"),
        "OPTIM.WARMUP_EPOCH",
        _warms_up,
    ),
    Idle("OPTIM", ("WARMUP_CONS_LR",), "OPTIM.WARMUP_TYPE", _among("constant")),
    Idle("OPTIM", ("WARMUP_MIN_LR",), "OPTIM.WARMUP_TYPE", _among("linear")),
    Idle("OPTIM", ("STEPSIZE",), "OPTIM.LR_SCHEDULER", _among("single_step", "multi_step")),
    Idle("OPTIM", ("GAMMA",), "OPTIM.LR_SCHEDULER", _among("single_step", "multi_step")),
    Idle("OPTIM", ("NEW_LAYERS", "BASE_LR_MULT", "LR_EXP"), "OPTIM.STAGED_LR", bool),
    Idle("OPTIM", ("MOMENTUM",), "OPTIM.NAME", _among("sgd", "rmsprop")),
    Idle("OPTIM", ("SGD_DAMPNING", "SGD_NESTEROV"), "OPTIM.NAME", _among("sgd")),
    Idle("OPTIM", ("RMSPROP_ALPHA",), "OPTIM.NAME", _among("rmsprop")),
    Idle("OPTIM", ("ADAM_BETA1", "ADAM_BETA2", "ADAM_EPS"), "OPTIM.NAME", _among(*ADAPTIVE)),
    Idle("INPUT", ("TRANSFORMS",), "INPUT.NO_TRANSFORM", lambda value: not value),
    *[
        Idle("INPUT", (key,), "INPUT.TRANSFORMS", _has(*steps))
        for key, steps in _TRANSFORMS.items()
    ],
    *[
        Idle(node, ("N_DOMAIN",), f"{node}.SAMPLER", _among(*DOMAIN_SAMPLERS))
        for node in ("DATALOADER.TRAIN_X", "DATALOADER.TRAIN_U")
    ],
    *[
        Idle(node, ("N_INS",), f"{node}.SAMPLER", _among("RandomClassSampler"))
        for node in ("DATALOADER.TRAIN_X", "DATALOADER.TRAIN_U")
    ],
    Idle(
        "DATALOADER.TRAIN_U",
        ("SAMPLER", "BATCH_SIZE", "N_DOMAIN", "N_INS"),
        "DATALOADER.TRAIN_U.SAME_AS_X",
        lambda value: not value,
    ),
    Idle("DATASET", ("SAVE_FEWSHOT",), "DATASET.NUM_SHOTS", lambda shots: shots >= 1),
)

# Keys for trainers and datasets of the public engine that do not stand in this repository.
FOR_OTHERS = (
    *("DATASET.NUM_LABELED", "DATASET.VAL_PERCENT", "DATASET.STL10_FOLD"),
    *("DATASET.CIFAR_C_TYPE", "DATASET.CIFAR_C_LEVEL", "DATASET.ALL_AS_UNLABELED"),
    *("MODEL.HEAD.NAME", "MODEL.HEAD.HIDDEN_LAYERS", "MODEL.HEAD.ACTIVATION"),
    *("MODEL.HEAD.BN", "MODEL.HEAD.DROPOUT", "MODEL.BACKBONE.PRETRAINED"),
    "TRAIN.COUNT_ITER",
)


def idle_notices(cfg: CfgNode, typed: Collection[str]) -> list[str]:
    """A line for each key that a person set by hand and that does not count."""
    told: dict[str, str] = {}
    for idle in IDLE:
        value = read_key(cfg, idle.needs)
        if idle.counts(value):
            continue
        for key in idle.names():
            if key in typed:
                told.setdefault(key, f"Notice: {key} does not count with {idle.needs} {value}")
    others = [f"Notice: {key} is not read by any method here" for key in FOR_OTHERS if key in typed]
    return [*told.values(), *others]
