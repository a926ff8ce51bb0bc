"""Named experiments of parallel_runner.py, as plain dicts.

A new method is one entry: a module-level dict with `train`. It is merged over `base`, key by key in
each section. `x_dept` need not be written: it is `x` with the trainer's DePT variant and the same
YAML (or one of its own, if configs/trainers/<trainer>DePT has a file of that name).

Keys of `train`:
    trainer      registry name of the trainer
    cfg          YAML in configs/trainers/<trainer>, without .yaml
    cfg_trainer  folder of the YAML where it is not the trainer's own
    shots        images per class
    seeds        one run each
    loadep       epoch that tests load; -1 is the last one saved
    opts         KEY VALUE words for train.py; the command line's win over them
    zero_shot    True: nothing is trained, one test per class subset and one seed
    cases        [{"when": {"mode"|"shots"|"dataset": value or list}, "cfg": ..., "opts": ...}]:
                 where published settings differ; a later case wins, its opts are added
"""

import copy
from typing import Any

from runner.errors import UserError, did_you_mean

base: dict[str, Any] = {
    "data": {
        "root": "",  # used where neither --data nor the environment variable DATA is given
        "datasets_base_to_new": [
            "dtd",
            "caltech101",
            "eurosat",
            "ucf101",
            "oxford_flowers",
            "oxford_pets",
            "stanford_cars",
            "fgvc_aircraft",
            "food101",
            "sun397",
            "imagenet",
        ],
    },
    "train": {"shots": 16, "seeds": [1, 2, 3], "loadep": -1, "opts": []},
}

# Settings of Koorye/DePT, configs.py, where plain methods were re-run beside their DePT variants.
coop: dict[str, Any] = {"train": {"trainer": "CoOp", "cfg": "vit_b16_ep10_bs4_lr35"}}
maple: dict[str, Any] = {"train": {"trainer": "MaPLe", "cfg": "vit_b16_c2_ep10_batch4_2ctx"}}

# Nothing is trained: of CoOp's file only backbone, test transform and test batch size matter.
zsclip: dict[str, Any] = {
    "train": {
        "trainer": "ZeroshotCLIP",
        "cfg": "vit_b16",
        "cfg_trainer": "CoOp",
        "seeds": [1],
        "zero_shot": True,
    }
}


def experiments() -> list[str]:
    """Return the names that `get_config` accepts: the entries and their DePT variants."""
    names = []
    for name, value in globals().items():
        if name == "base" or name.startswith("_"):
            continue
        if isinstance(value, dict) and "train" in value:
            names.append(name)
            dept = f"{name}_dept"
            own = name.endswith("_dept") or value["train"].get("zero_shot")
            if not own and dept not in globals():
                names.append(dept)
    return names


def get_config(name: str) -> dict[str, Any]:
    """Return the named experiment merged over `base`; the caller owns the copy.

    Raises:
        UserError: no such experiment.
    """
    if name not in experiments():
        raise UserError(f"--cfg {name}: no such experiment{did_you_mean(name, experiments())}")
    entry = globals().get(name)
    if entry is None:
        plain = globals()[name.removesuffix("_dept")]["train"]
        trainer = plain["trainer"]
        folder = plain.get("cfg_trainer", trainer)
        entry = {"train": {**plain, "trainer": f"{trainer}DePT", "cfg_trainer": folder}}
    merged = copy.deepcopy(base)
    for section, values in copy.deepcopy(entry).items():
        if isinstance(values, dict):
            merged.setdefault(section, {}).update(values)
        else:
            merged[section] = values
    return merged
