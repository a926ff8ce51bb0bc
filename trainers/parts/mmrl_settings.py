"""Keys of MMRL and MMRL++, and what their published code sets for each dataset (yunncheng/MMRL,
trainers/config.py)."""

from collections.abc import Mapping
from typing import Any

from yacs.config import CfgNode

from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC

TASK = Options(
    "",
    TASK=Option(
        "B2N",
        "protocol of MMRL: base-to-new, few-shot on all classes, cross-dataset",
        ("B2N", "FS", "CD"),
    ),
)


def common_options() -> dict[str, Option]:
    """The keys that both methods have."""
    return {
        "ALPHA": Option(0.7, "a, share of the class feature in loss and logits", minimum=0),
        "REG_WEIGHT": Option(1.0, "g, weight of the pull to frozen CLIP", minimum=0),
        "REP_LAYERS": Option((), "blocks, from 1, that the tokens enter"),
        "REP_DIM": Option(512, "d, width of the shared space", minimum=1),
        "N_REP_TOKENS": Option(5, "n, representation tokens", minimum=1),
        "PREC": PREC,
    }


_MMRL = {  # REG_WEIGHT
    **{"StanfordCars": 7.0, "FGVCAircraft": 6.0, "SUN397": 6.0, "DescribableTextures": 6.0},
    **{"Food101": 5.0, "OxfordFlowers": 4.0, "UCF101": 3.0, "ImageNet": 0.5, "Caltech101": 0.5},
    **{"OxfordPets": 0.2, "EuroSAT": 0.01},
}
_PLUS = {  # BETA, REG_WEIGHT
    **{"ImageNet": (0.9, 0.2), "FGVCAircraft": (0.9, 2.0), "UCF101": (0.9, 3.0)},
    **{"DescribableTextures": (0.9, 7.0), "OxfordPets": (0.7, 0.01), "StanfordCars": (0.7, 6.0)},
    **{"Caltech101": (0.6, 3.0), "SUN397": (0.5, 3.0), "OxfordFlowers": (0.4, 7.0)},
    **{"EuroSAT": (0.2, 0.01), "Food101": (0.1, 1.0)},
}
_PLUS_CROSS = {  # BETA
    **{"ImageNet": 0.9, "ImageNetV2": 0.9, "ImageNetR": 0.9, "ImageNetA": 0.8},
    **{"ImageNetSketch": 0.7, "FGVCAircraft": 0.9, "UCF101": 0.9, "SUN397": 0.7},
    **{"OxfordPets": 0.6, "Caltech101": 0.6, "DescribableTextures": 0.5, "OxfordFlowers": 0.4},
    **{"StanfordCars": 0.3, "EuroSAT": 0.3, "Food101": 0.3},
}
_CROSS_WEIGHT = {"ImageNet": 0.1}  # REG_WEIGHT of MMRL++


def weights_of(method: str, cfg: CfgNode) -> Mapping[str, Any]:
    """What is published for the run's dataset and TASK, in place of the YAML's.

    EuroSAT's wider space holds where it is trained: a cross-dataset test has ImageNet's.
    """
    name, task, node = cfg.DATASET.NAME, cfg.TASK, f"TRAINER.{method}"
    if method == "MMRL":
        values = {"REG_WEIGHT": _MMRL.get(name)}
        if name == "EuroSAT" and task != "CD":
            values["REP_DIM"] = 2048
    elif task == "CD":
        values = {"BETA": _PLUS_CROSS.get(name), "REG_WEIGHT": _CROSS_WEIGHT.get(name)}
    else:
        values = dict(zip(("BETA", "REG_WEIGHT"), _PLUS.get(name, (None, None)), strict=True))
    return {f"{node}.{key}": value for key, value in values.items() if value is not None}


def knows_the_classes(cfg: CfgNode) -> bool:
    """Whether a test is on the classes of the training: by TASK and names, as published."""
    by_task = {"FS": True, "CD": cfg.DATASET.NAME == "ImageNet"}
    return by_task.get(cfg.TASK, cfg.DATASET.SUBSAMPLE_CLASSES == "base")
