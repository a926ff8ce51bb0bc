"""Named experiments of parallel_runner.py, as plain dicts.

A new method is one entry: a module-level dict with `train`. It is merged over `base`, key by key in
each section. `x_dept` need not be written where the trainer's file says `@register_method(dept=
True)`: it is `x` with the trainer's DePT variant and the same YAML (or one of its own, if
configs/trainers/<trainer>DePT has a file of that name).

Keys of `train`:
    trainer      registry name of the trainer
    cfg          YAML in configs/trainers/<trainer>, without .yaml
    cfg_trainer  folder of the YAML where it is not the trainer's own
    shots        images per class
    seeds        one run each
    loadep       epoch that tests load; -1 is the last one saved
    opts         KEY VALUE words for train.py; the command line's win over them
    demo_opts    the same, added in --demo: what its small CLIP needs
    cases        [{"when": {"mode"|"shots"|"dataset": value or list}, "cfg": ..., "opts": ...}]:
                 where published settings differ; a later case wins, its opts are added. Mode xd
                 holds for dg too (one training), b2n for fs-b2n, fs for mt
    zero_shot    True: nothing is trained, one test per class subset and one seed
    base_only    True: what is trained says nothing of other classes
    multi_task   True: trains on the tasks of a joint dataset
Beside it: `data`, lists of datasets in place of those of `base`; `mode`, where --mode is not given
(b2n); `modes`, the only ones that it has; `in_all` False: not in --cfg all; `dept` False: no
`x_dept`; `grid`, a sweep, {KEY: [values]}: every combination is run, its values win over
`opts` (docs/sweeps.md).
"""

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

from runner.errors import UserError, did_you_mean

_REGISTERED = re.compile(r"^@register_method\((.*?)\)\nclass (\w+)", re.MULTILINE | re.DOTALL)
_JOINT = ["general10", "plant6", "fashion20"]  # of kding1225/softcpt
base: dict[str, Any] = {
    "data": {
        "root": "",  # used where neither --data nor the environment variable DATA is given
        # Lists and order of Koorye/DePT, configs.py; there the variants stand in the second list.
        "datasets_base_to_new": [
            *("dtd", "caltech101", "eurosat", "ucf101", "oxford_flowers", "oxford_pets"),
            *("stanford_cars", "fgvc_aircraft", "food101", "sun397", "imagenet"),
        ],
        "source_dataset": "imagenet",  # what xd and dg train on
        "datasets_cross_dataset": [
            *("caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101"),
            *("fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101"),
        ],
        "datasets_domain_generalization": [
            *("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
        ],
        # Order of Koorye/SkipTuning, mode `all`.
        "datasets_few_shot": [
            *("imagenet", "sun397", "stanford_cars", "oxford_flowers", "food101", "ucf101"),
            *("caltech101", "fgvc_aircraft", "dtd", "oxford_pets", "eurosat"),
        ],
        "datasets_multi_task": _JOINT,
    },
    "train": {"shots": 16, "seeds": [1, 2, 3], "loadep": -1, "opts": []},
}

_COOP_FEW_SHOT: list[dict[str, Any]] = [
    {"when": {"mode": "fs", "shots": 1}, "cfg": "vit_b16_ep50"},
    {"when": {"mode": "fs", "shots": [2, 4]}, "cfg": "vit_b16_ep100"},
    {"when": {"mode": "fs", "shots": [8, 16]}, "cfg": "vit_b16"},
    {"when": {"mode": "fs", "dataset": "imagenet"}, "cfg": "vit_b16_ep50"},
]

# Base-to-new of the plain methods: Koorye/DePT, configs.py, where they were re-run beside their
# DePT variants. Those variants have the same YAML in xd and dg as well; the plain methods there
# have their own repository's.

# Few-shot: KaiyangZhou/CoOp, README and scripts/coop/main.sh (50, 100, 200 epochs by shots; 16
# context vectors). xd: KaiyangZhou/CoOp, COCOOP.md (CoOp with `a photo of a`, 50 epochs).
coop: dict[str, Any] = {
    "train": {
        "trainer": "CoOp",
        "cfg": "vit_b16_ep10_bs4_lr35",
        "cases": [*_COOP_FEW_SHOT, {"when": {"mode": "xd"}, "cfg": "vit_b16_ep50_ctxv1"}],
    }
}
coop_dept: dict[str, Any] = {
    "train": {
        "trainer": "CoOpDePT",
        "cfg": "vit_b16_ep10_bs4_lr35",
        "cfg_trainer": "CoOp",
        "cases": _COOP_FEW_SHOT,
    }
}

# xd: muzairkhattak/multimodal-prompt-learning, scripts/maple/xd_train_maple.sh.
maple: dict[str, Any] = {
    "train": {
        "trainer": "MaPLe",
        "cfg": "vit_b16_c2_ep10_batch4_2ctx",
        "cases": [
            {"when": {"mode": "xd"}, "cfg": "vit_b16_c2_ep5_batch4_2ctx_cross_datasets"},
        ],
    }
}
maple_dept: dict[str, Any] = {
    "train": {
        "trainer": "MaPLeDePT",
        "cfg": "vit_b16_c2_ep10_batch4_2ctx",
        "cfg_trainer": "MaPLe",
    }
}

# One YAML for all modes: that of KaiyangZhou/CoOp, COCOOP.md, and of Koorye/DePT.
cocoop: dict[str, Any] = {"train": {"trainer": "CoCoOp", "cfg": "vit_b16_c4_ep10_batch1_ctxv1"}}

# Few-shot: htyao89/KgCoOp, scripts/xd_train.sh (few-shot on all classes, despite its name).
kgcoop: dict[str, Any] = {
    "train": {
        "trainer": "KgCoOp",
        "cfg": "vit_b16_ep10_ctxv1_bs4_lr35",
        "cases": [
            {
                "when": {"mode": "fs"},
                "cfg": "vit_b16_ep100_ctxv1",
                "opts": [
                    *("TRAINER.COOP.N_CTX", 4, "TRAINER.COOP.CSC", False, "TRAINER.COOP.W", 8.0),
                    *("TRAINER.COOP.CLASS_TOKEN_POSITION", "end"),
                ],
            }
        ],
    }
}

# Base-to-new: muzairkhattak/PromptSRC, scripts/independent-vlp (4+4 tokens, 20 epochs). xd:
# muzairkhattak/multimodal-prompt-learning, the folder of the same name (2+2 tokens, 5 epochs).
ivlp: dict[str, Any] = {
    "train": {
        "trainer": "IVLP",
        "cfg": "vit_b16_c2_ep20_batch4_4+4ctx",
        "cases": [{"when": {"mode": "xd"}, "cfg": "vit_b16_c2_ep5_batch4_2+2ctx"}],
    }
}

# muzairkhattak/multimodal-prompt-learning, scripts/vpt, in base-to-new and xd.
vpt: dict[str, Any] = {"train": {"trainer": "VPT", "cfg": "vit_b16_c2_ep5_batch4_4"}}

# muzairkhattak/PromptSRC, scripts/promptsrc; docs/PromptSRC.md has the second group of averaging
# windows, which the few-shot YAML names in a comment.
promptsrc: dict[str, Any] = {
    "train": {
        "trainer": "PromptSRC",
        "cfg": "vit_b16_c2_ep20_batch4_4+4ctx",
        "cases": [
            {"when": {"mode": "xd"}, "cfg": "vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets"},
            {"when": {"mode": "fs"}, "cfg": "vit_b16_c2_ep50_batch4_4+4ctx_few_shot"},
            {
                "when": {
                    "mode": "fs",
                    "dataset": [
                        "stanford_cars",
                        "oxford_flowers",
                        "fgvc_aircraft",
                        "dtd",
                        "eurosat",
                    ],
                },
                "opts": ["TRAINER.PROMPTSRC.GPA_MEAN", 45, "TRAINER.PROMPTSRC.GPA_STD", 5],
            },
        ],
    }
}

# ShuvenduRoy/CoPrompt, trainers/constants.py: prompted depth, tokens, weight of the consistency
# terms; its train.py sets them after all else. fs and mt are ours; xd and dg take ImageNet's row.
_COPROMPT: dict[str, tuple[int, int, float]] = {
    **{"imagenet": (12, 4, 8.0), "caltech101": (12, 4, 4.0), "oxford_pets": (12, 2, 0.1)},
    **{"stanford_cars": (12, 4, 4.0), "oxford_flowers": (9, 4, 8.0), "food101": (9, 4, 0.5)},
    **{"fgvc_aircraft": (9, 4, 2.0), "sun397": (12, 4, 8.0), "dtd": (12, 2, 8.0)},
    **{"eurosat": (12, 2, 0.1), "ucf101": (12, 4, 2.0)},
}
_COPROMPT_KEYS = ("TRAINER.CoPrompt.PROMPT_DEPTH", "TRAINER.CoPrompt.N_CTX", "TRAINER.W")


def _coprompt_case(name: str, values: tuple[int, int, float]) -> dict[str, Any]:
    words = [word for pair in zip(_COPROMPT_KEYS, values, strict=True) for word in pair]
    return {
        "when": {"dataset": name},
        "opts": [*words, *(["OPTIM.MAX_EPOCH", 5] if name == "food101" else [])],
    }


coprompt: dict[str, Any] = {
    "train": {
        "trainer": "CoPrompt",
        "cfg": "coprompt",
        "cases": [_coprompt_case(name, values) for name, values in _COPROMPT.items()],
    }
}

# Koorye/SkipTuning: its YAML for base-to-new. htyao89/KgCoOp has RN50 only.
prograd: dict[str, Any] = {"train": {"trainer": "ProGrad", "cfg": "vit_b16_ep100_ctx"}}

# Koorye/SkipTuning: the YAML of its two with the batch and epochs of Koorye/DePT's re-runs.
clip_adapter: dict[str, Any] = {"train": {"trainer": "CLIPAdapter", "cfg": "vit_b16_ep10_bs4"}}

# yunncheng/MMRL, scripts/mmrl and scripts/mmrlpp. Weights by dataset are the method's own
# (trainers/parts/mmrl_settings.py).
_MMRL_CASES: list[dict[str, Any]] = [
    {"when": {"mode": "fs"}, "cfg": "vit_b16_few_shot", "opts": ["TASK", "FS"]},
    {"when": {"dataset": "imagenet"}, "cfg": "vit_b16_imagenet"},
    {"when": {"mode": "xd"}, "cfg": "vit_b16_cross_datasets", "opts": ["TASK", "CD"]},
]
mmrl: dict[str, Any] = {"train": {"trainer": "MMRL", "cfg": "vit_b16", "cases": _MMRL_CASES}}
mmrlpp: dict[str, Any] = {"train": {"trainer": "MMRLpp", "cfg": "vit_b16", "cases": _MMRL_CASES}}

# htyao89/Textual-based_Class-aware_prompt_tuning, scripts/base2new_train.sh: tests on ImageNet and
# SUN397 load epoch 25.
tcp: dict[str, Any] = {
    "train": {
        "trainer": "TCP",
        "cfg": "vit_b16_ep100_ctxv1",
        "cases": [{"when": {"dataset": ["imagenet", "sun397"]}, "opts": ["OPTIM.MAX_EPOCH", 25]}],
    }
}

# ZjjConan/Multi-Modal-Adapter, run_examples.sh and scripts/mmadapter: ImageNet has a file of its
# own, also as the source of xd.
mma: dict[str, Any] = {
    "train": {
        "trainer": "MMA",
        "cfg": "vit_b16_ep5",
        "cases": [
            {"when": {"dataset": "imagenet"}, "cfg": "vit_b16_ep5_imnet"},
            {"when": {"mode": "xd"}, "cfg": "vit_b16_ep5_imnet"},
        ],
    }
}

# MaxZanella/CLIP-LoRA, run_utils.py: few-shot, one setting for all datasets and shots.
clip_lora: dict[str, Any] = {"train": {"trainer": "CLIPLoRA", "cfg": "vit_b16"}}

# geekyutao/TaskRes, train_regular.sh and test_dg.sh: rates, epochs and weights of its RN50 runs, on
# ViT-B/16, for which it has ImageNet's settings alone. On other classes it is zero-shot CLIP, and
# xd would show nothing; b2n, mt and DePT are ours.
taskres: dict[str, Any] = {
    "modes": ["b2n", "dg", "fs", "fs-b2n", "mt"],
    "train": {
        "trainer": "TaskRes",
        "cfg": "vit_b16_ep200",
        "cases": [
            {"when": {"mode": "fs", "shots": [1, 2, 4]}, "cfg": "vit_b16_ep100"},
            {"when": {"dataset": "imagenet"}, "cfg": "adam_lr2e-4_B256_ep200_ViT16"},
            {
                "when": {"mode": "fs", "shots": [1, 2, 4], "dataset": "imagenet"},
                "cfg": "adam_lr2e-4_B256_ep100",
                "opts": ["MODEL.BACKBONE.NAME", "ViT-B/16"],
            },
            {"when": {"mode": "xd"}, "cfg": "generalization_vit16"},
            {
                "when": {"dataset": "oxford_flowers"},
                "opts": ["TRAINER.TaskRes.RESIDUAL_SCALE", 1.0],
            },
        ],
    },
}

# gaopengcuhk/Tip-Adapter, configs/*.yaml: start of alpha, and ends of the grids of beta and alpha;
# epochs of Tip-Adapter-F. Published on RN50, few-shot alone; ViT-B/16, b2n and mt are ours. Other
# classes have no entries in the cache: they get zero-shot CLIP's score, and xd would show nothing.
_TIP: dict[str, tuple[float, str]] = {
    "caltech101": (3, "(12.0, 5.0)"),
    "dtd": (2, "(13.0, 13.0)"),
    "eurosat": (2, "(12.0, 10.0)"),
    "fgvc_aircraft": (5, "(30.0, 30.0)"),
    "food101": (1.17, "(10.0, 10.0)"),
    "oxford_flowers": (10, "(50.0, 50.0)"),
    "stanford_cars": (3, "(20.0, 10.0)"),
    "sun397": (1.17, "(12.0, 10.0)"),
    "ucf101": (3, "(7.0, 3.0)"),
}


def _tip(trainer: str, more: dict[str, list[Any]], **entry: Any) -> dict[str, Any]:
    node = "TRAINER.TIPADAPTER"
    opts = {
        name: [f"{node}.INIT_ALPHA", alpha, f"{node}.SEARCH_SCALE", scale, *more.get(name, [])]
        for name, (alpha, scale) in _TIP.items()
    }
    cases = [{"when": {"dataset": name}, "opts": words} for name, words in opts.items()]
    train = {"trainer": trainer, "cfg_trainer": "TipAdapter", "cfg": "vit_b16", "cases": cases}
    return {"modes": ["b2n", "dg", "fs", "fs-b2n", "mt"], "train": train, **entry}


tip_adapter: dict[str, Any] = _tip("TipAdapter", {}, dept=False)  # trains nothing
tip_adapter_f: dict[str, Any] = _tip("TipAdapterF", {"eurosat": ["OPTIM.MAX_EPOCH", 100]})

# Nothing is trained: of CoOp's file only backbone, test transform and test batch size matter
# (KaiyangZhou/CoOp, scripts/coop/zeroshot.sh).
zsclip: dict[str, Any] = {
    "train": {
        "trainer": "ZeroshotCLIP",
        "cfg": "vit_b16",
        "cfg_trainer": "CoOp",
        "seeds": [1],
        "zero_shot": True,
        # kding1225/softcpt, scripts/zeroshot.sh.
        "cases": [{"when": {"dataset": _JOINT}, "cfg": "rn50"}],
    }
}
zsclip2: dict[str, Any] = {"train": {**zsclip["train"], "trainer": "ZeroshotCLIP2"}}


def _joint(trainer: str, folder: str, opts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One setting of kding1225/softcpt: RN50, 50 epochs on several tasks, opts of its scripts."""
    node = {"MTCoOp": "MTCOOP", "MTCoOpHard": "MTCOOPH"}[folder]
    words = [word for key, value in opts.items() for word in (f"TRAINER.{node}.{key}", value)]
    return {
        "mode": "mt",
        "data": {
            "datasets_base_to_new": ["general10"],
            "datasets_few_shot": _JOINT,
        },
        "train": {
            **{"trainer": trainer, "cfg_trainer": folder, "cfg": "rn50_ep50", "opts": words},
            **{"multi_task": True, "cases": more.pop("cases", [])},
            "demo_opts": [f"TRAINER.{node}.N_CTX", 4],  # its text tower has seen short prompts only
        },
        **more,
    }


def _softcpt(class_part: str, task_part: str, **more: Any) -> dict[str, Any]:
    """A sharing variant, README and scripts/main_mtcoop*.sh. Class part: NA none, CA one context
    for all classes, CS one a class; task part: TA one context for all tasks, TS one a task."""
    by_class = class_part != "NA"
    opts = {
        **{"CLASS_N_CTX": 4 if by_class else 0, "CLASS_CSC": class_part == "CS"},
        **{"TASK_N_CTX": 4, "TASK_CSC": task_part == "TS", "N_CTX": 16, "CSC": by_class},
        **{"PG_TYPE": "lin", "PG_RATIO": 1},
    }
    if by_class:  # main_mtcoop_cls_sample.sh, used on General-10
        sampled = ["TRAINER.MTCOOP.CLS_SAMPLE_RATE", 0.1]
        more["cases"] = [{"when": {"dataset": "general10"}, "opts": sampled}]
    return _joint("SoftCPT", "MTCoOp", opts, **more)


def _softcpt_hard(csc: bool, tsc: bool, **more: Any) -> dict[str, Any]:
    """A hard baseline, scripts/main_mtcoop_hard.sh."""
    opts = {"N_CTX": 16, "CSC": csc, "TSC": tsc}
    return _joint("SoftCPTHard", "MTCoOpHard", opts, in_all=False, **more)


# Contexts of their own for each class say nothing of new classes.
_ALL_CLASSES = ["fs", "mt"]
softcpt_nata: dict[str, Any] = {**_softcpt("NA", "TA"), "mode": "b2n"}
softcpt_nats: dict[str, Any] = _softcpt("NA", "TS", in_all=False)
softcpt_cata: dict[str, Any] = _softcpt("CA", "TA", in_all=False)
softcpt_csta: dict[str, Any] = _softcpt("CS", "TA", in_all=False, modes=_ALL_CLASSES)
softcpt_cats: dict[str, Any] = _softcpt("CA", "TS", in_all=False)
softcpt_csts: dict[str, Any] = _softcpt("CS", "TS", in_all=False, modes=_ALL_CLASSES)
softcpt_hard_shared: dict[str, Any] = _softcpt_hard(csc=False, tsc=False)
softcpt_hard_task: dict[str, Any] = _softcpt_hard(csc=False, tsc=True)
softcpt_hard_class: dict[str, Any] = _softcpt_hard(csc=True, tsc=False, modes=_ALL_CLASSES)

# Search and shots of KaiyangZhou/CoOp, lpclip; from ImageNet to its variants as htyao89/KgCoOp,
# linear_probe_transfer.py; several tasks as kding1225/softcpt, linearprob.sh. Published on RN50
# (YAML rn50), which stays where SoftCPT is to be compared; else with the others' backbone.
linear_probe: dict[str, Any] = {
    "modes": ["b2n", "dg", "fs", "fs-b2n", "mt"],
    "train": {
        "trainer": "LinearProbe",
        "cfg": "vit_b16",
        "base_only": True,
        "cases": [{"when": {"dataset": _JOINT}, "cfg": "rn50"}],
    },
}


def experiments() -> list[str]:
    """Return the names that `get_config` accepts: the entries and their DePT variants."""
    names = []
    for name, value in globals().items():
        if name == "base" or name.startswith("_"):
            continue
        if isinstance(value, dict) and "train" in value:
            names.append(name)
            has_dept = value.get("dept", True) and value["train"].get("trainer") in with_dept()
            if has_dept and f"{name}_dept" not in globals():
                names.append(f"{name}_dept")
    return names


@cache
def with_dept() -> frozenset[str]:
    """Return the trainers that have a DePT variant, as the files in trainers/ register them; these
    are read, since importing them takes torch."""
    files = (Path(__file__).parent / "trainers").glob("*.py")
    found = [each for file in files for each in _REGISTERED.findall(file.read_text("utf-8"))]
    return frozenset(name for words, name in found if re.search(r"\bdept\s*=\s*True\b", words))


def get_config(name: str) -> dict[str, Any]:
    """Return the named experiment merged over `base`; the caller owns the copy.

    Raises:
        UserError: no such experiment.
    """
    if name not in experiments():
        raise UserError(f"--cfg {name}: no such experiment{did_you_mean(name, experiments())}")
    entry = globals().get(name)
    if entry is None:
        plain = globals()[name.removesuffix("_dept")]
        trainer = plain["train"]["trainer"]
        folder = plain["train"].get("cfg_trainer", trainer)
        train = {**plain["train"], "trainer": f"{trainer}DePT", "cfg_trainer": folder}
        entry = {**plain, "train": train}
    merged = copy.deepcopy(base)
    for section, values in copy.deepcopy(entry).items():
        if isinstance(values, dict):
            merged.setdefault(section, {}).update(values)
        else:
            merged[section] = values
    return merged
