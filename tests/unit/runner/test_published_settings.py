"""What every experiment runs in every mode, against a table written down from the published code.

Sources, by row: README and scripts of KaiyangZhou/CoOp, muzairkhattak/multimodal-prompt-learning
(MaPLe), muzairkhattak/PromptSRC, htyao89/KgCoOp, kding1225/softcpt; configs.py of Koorye/DePT;
tower_settings.py.
Where nothing is published for a mode, the row says `ours`.
"""

import contextlib
import io
import shlex
from collections import defaultdict
from functools import cache

import pytest
import yaml

import configs
from parallel_runner import REPO, main
from runner.plan.experiment import read_experiment
from runner.plan.modes import MODES
from tests.unit.runner.tower_settings import CROSS, ELEVEN, FEW, IMAGENET, JOINT, TOWERS

VARIANTS = {"imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"}
GPA_B = {"stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat"}
KG_W8 = "TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False TRAINER.COOP.W 8.0 "
KG_W8 += "TRAINER.COOP.CLASS_TOKEN_POSITION end"
GPA_45 = "TRAINER.PROMPTSRC.GPA_MEAN 45 TRAINER.PROMPTSRC.GPA_STD 5"


def mtcoop(class_n_ctx, class_csc, task_csc, csc):
    """Options of the SoftCPT repository's scripts; sampling is on General-10 alone."""
    values = {
        **{"CLASS_N_CTX": class_n_ctx, "CLASS_CSC": class_csc, "TASK_N_CTX": 4},
        **{"TASK_CSC": task_csc, "N_CTX": 16, "CSC": csc, "PG_TYPE": "lin", "PG_RATIO": 1},
    }
    return " ".join(f"TRAINER.MTCOOP.{key} {value}" for key, value in values.items())


def hard(csc, tsc):
    node = "TRAINER.MTCOOPH"
    return f"{node}.N_CTX 16 {node}.CSC {csc} {node}.TSC {tsc}"


SAMPLED = " TRAINER.MTCOOP.CLS_SAMPLE_RATE 0.1"
SOFTCPT = {
    "softcpt_nata": mtcoop(0, False, False, False),
    "softcpt_nats": mtcoop(0, False, True, False),
    "softcpt_cata": mtcoop(4, False, False, True),
    "softcpt_csta": mtcoop(4, True, False, True),
    "softcpt_cats": mtcoop(4, False, True, True),
    "softcpt_csts": mtcoop(4, True, True, True),
    "softcpt_hard_shared": hard(False, False),
    "softcpt_hard_task": hard(False, True),
    "softcpt_hard_class": hard(True, False),
}


def softcpt_rows():
    """SoftCPT: RN50, 50 epochs. 16 shots in mt, all in fs; base-to-new is published for NATA. The
    DePT variants are ours."""
    for name, options in SOFTCPT.items():
        cfg = "MTCoOpHard/rn50_ep50" if "hard" in name else "MTCoOp/rn50_ep50"
        general = options + (SAMPLED if name[8:10] in ("ca", "cs") else "")
        for mode, shots in (("mt", (16,)), ("fs", FEW)):
            names = f"{name} {name}_dept"
            yield names, mode, shots, {"general10"}, cfg, 50, general
            yield names, mode, shots, JOINT - {"general10"}, cfg, 50, options
        yield f"{name} {name}_dept", "b2n", (16,), {"general10"}, cfg, 50, general


def one_yaml(names, cfg, epochs):
    """Rows of a method that has the same YAML in every mode."""
    places = {"b2n": ((16,), ELEVEN), "xd": ((16,), IMAGENET), "fs": (FEW, ELEVEN)}
    for mode, (shots, datasets) in {**places, "mt": ((16,), JOINT)}.items():
        yield names, mode, shots, datasets, cfg, epochs, ""


def taskres_rows():
    """TaskRes: 100 epochs up to 4 shots, 200 from 8 on; ImageNet a tenth of the rate; Flowers102
    the whole residual."""
    names, alpha = "taskres taskres_dept", "TRAINER.TaskRes.RESIDUAL_SCALE 1.0"
    imagenet, vit = "TaskRes/adam_lr2e-4_B256_ep200_ViT16", "MODEL.BACKBONE.NAME ViT-B/16"
    flowers = {"oxford_flowers"}
    long = [("b2n", (16,)), ("fs", (8, 16))]
    for mode, shots, epochs in (*((*each, 200) for each in long), ("fs", (1, 2, 4), 100)):
        yaml_name = f"TaskRes/vit_b16_ep{epochs}"
        yield names, mode, shots, CROSS - flowers, yaml_name, epochs, ""
        yield names, mode, shots, flowers, yaml_name, epochs, alpha
    for mode, shots in long:
        yield names, mode, shots, IMAGENET, imagenet, 200, ""
    yield names, "fs", (1, 2, 4), IMAGENET, "TaskRes/adam_lr2e-4_B256_ep100", 100, vit
    yield names, "xd", (16,), IMAGENET, "TaskRes/generalization_vit16", 200, ""
    yield names, "mt", (16,), JOINT, "TaskRes/vit_b16_ep200", 200, ""


TIP = {  # start of alpha; ends of the grids of beta and alpha
    **{
        "caltech101": (3, "(12.0, 5.0)"),
        "dtd": (2, "(13.0, 13.0)"),
        "eurosat": (2, "(12.0, 10.0)"),
    },
    **{"fgvc_aircraft": (5, "(30.0, 30.0)"), "food101": (1.17, "(10.0, 10.0)")},
    **{"oxford_flowers": (10, "(50.0, 50.0)"), "stanford_cars": (3, "(20.0, 10.0)")},
    **{"sun397": (1.17, "(12.0, 10.0)"), "ucf101": (3, "(7.0, 3.0)")},
}


def tip_rows():
    """Tip-Adapter: a YAML with ImageNet's and the pets' numbers, options for the others."""
    for names in ("tip_adapter", "tip_adapter_f tip_adapter_f_dept"):
        for mode, shots in (("b2n", (16,)), ("fs", FEW)):
            yield names, mode, shots, ELEVEN - set(TIP), "TipAdapter/vit_b16", 20, ""
            for dataset, (alpha, scale) in TIP.items():
                node = "TRAINER.TIPADAPTER"
                options = f"{node}.INIT_ALPHA {alpha} {node}.SEARCH_SCALE {scale}"
                if dataset == "eurosat" and names != "tip_adapter":
                    options += " OPTIM.MAX_EPOCH 100"
                yield names, mode, shots, {dataset}, "TipAdapter/vit_b16", 20, options
        yield names, "xd", (16,), IMAGENET, "TipAdapter/vit_b16", 20, ""
        yield names, "mt", (16,), JOINT, "TipAdapter/vit_b16", 20, ""


COPROMPT = {  # depth, tokens, weight
    **{"imagenet": (12, 4, 8.0), "caltech101": (12, 4, 4.0), "oxford_pets": (12, 2, 0.1)},
    **{"stanford_cars": (12, 4, 4.0), "oxford_flowers": (9, 4, 8.0), "food101": (9, 4, 0.5)},
    **{"fgvc_aircraft": (9, 4, 2.0), "sun397": (12, 4, 8.0), "dtd": (12, 2, 8.0)},
    **{"eurosat": (12, 2, 0.1), "ucf101": (12, 4, 2.0)},
}


def coprompt_rows():
    names, node = "coprompt coprompt_dept", "TRAINER.CoPrompt"
    for dataset, (depth, tokens, weight) in COPROMPT.items():
        options = f"{node}.PROMPT_DEPTH {depth} {node}.N_CTX {tokens} TRAINER.W {weight}"
        options += " OPTIM.MAX_EPOCH 5" if dataset == "food101" else ""
        for mode, shots in (("b2n", (16,)), ("fs", FEW), ("xd", (16,))):
            if mode != "xd" or dataset == "imagenet":
                yield names, mode, shots, {dataset}, "CoPrompt/coprompt", 8, options
    yield names, "mt", (16,), JOINT, "CoPrompt/coprompt", 8, ""


# experiments; mode of training; shots; datasets; YAML; epochs (0: nothing is trained); options
TABLE = [
    # DePT: plain methods and DePT variants, base-to-new.
    ("coop coop_dept", "b2n", (16,), ELEVEN, "CoOp/vit_b16_ep10_bs4_lr35", 10, ""),
    ("cocoop cocoop_dept", "b2n", (16,), ELEVEN, "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 10, ""),
    ("kgcoop kgcoop_dept", "b2n", (16,), ELEVEN, "KgCoOp/vit_b16_ep10_ctxv1_bs4_lr35", 10, ""),
    ("maple maple_dept", "b2n", (16,), ELEVEN, "MaPLe/vit_b16_c2_ep10_batch4_2ctx", 10, ""),
    # DePT: the same YAML in xd.
    ("coop_dept", "xd", (16,), IMAGENET, "CoOp/vit_b16_ep10_bs4_lr35", 10, ""),
    ("cocoop_dept", "xd", (16,), IMAGENET, "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 10, ""),
    ("kgcoop kgcoop_dept", "xd", (16,), IMAGENET, "KgCoOp/vit_b16_ep10_ctxv1_bs4_lr35", 10, ""),
    ("maple_dept", "xd", (16,), IMAGENET, "MaPLe/vit_b16_c2_ep10_batch4_2ctx", 10, ""),
    # CoOp: few-shot by shots, ImageNet always 50 epochs; the DePT variant likewise (ours).
    ("coop coop_dept", "fs", (1,), CROSS, "CoOp/vit_b16_ep50", 50, ""),
    ("coop coop_dept", "fs", (2, 4), CROSS, "CoOp/vit_b16_ep100", 100, ""),
    ("coop coop_dept", "fs", (8, 16), CROSS, "CoOp/vit_b16", 200, ""),
    ("coop coop_dept", "fs", FEW, IMAGENET, "CoOp/vit_b16_ep50", 50, ""),
    ("coop", "xd", (16,), IMAGENET, "CoOp/vit_b16_ep50_ctxv1", 50, ""),
    ("cocoop", "xd", (16,), IMAGENET, "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 10, ""),
    ("cocoop cocoop_dept", "fs", FEW, ELEVEN, "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 10, ""),
    # KgCoOp, xd_train.sh; the DePT variant likewise (ours).
    ("kgcoop kgcoop_dept", "fs", FEW, ELEVEN, "KgCoOp/vit_b16_ep100_ctxv1", 100, KG_W8),
    # MaPLe: cross-dataset; few-shot is ours.
    ("maple", "xd", (16,), IMAGENET, "MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets", 2, ""),
    ("maple maple_dept", "fs", FEW, ELEVEN, "MaPLe/vit_b16_c2_ep10_batch4_2ctx", 10, ""),
    # IVLP: base-to-new of PromptSRC, cross-dataset of MaPLe; few-shot and DePT are ours.
    ("ivlp ivlp_dept", "b2n", (16,), ELEVEN, "IVLP/vit_b16_c2_ep20_batch4_4+4ctx", 20, ""),
    ("ivlp ivlp_dept", "xd", (16,), IMAGENET, "IVLP/vit_b16_c2_ep5_batch4_2+2ctx", 5, ""),
    ("ivlp ivlp_dept", "fs", FEW, ELEVEN, "IVLP/vit_b16_c2_ep20_batch4_4+4ctx", 20, ""),
    ("vpt vpt_dept", "b2n", (16,), ELEVEN, "VPT/vit_b16_c2_ep5_batch4_4", 5, ""),
    ("vpt vpt_dept", "xd", (16,), IMAGENET, "VPT/vit_b16_c2_ep5_batch4_4", 5, ""),
    ("vpt vpt_dept", "fs", FEW, ELEVEN, "VPT/vit_b16_c2_ep5_batch4_4", 5, ""),
    # PromptSRC; DePT is ours.
    (
        *("promptsrc promptsrc_dept", "b2n", (16,), ELEVEN),
        *("PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx", 20, ""),
    ),
    (
        *("promptsrc promptsrc_dept", "xd", (16,), IMAGENET),
        *("PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets", 20, ""),
    ),
    (
        *("promptsrc promptsrc_dept", "fs", FEW, ELEVEN - GPA_B),
        *("PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot", 50, ""),
    ),
    (
        *("promptsrc promptsrc_dept", "fs", FEW, GPA_B),
        *("PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot", 50, GPA_45),
    ),
    *TOWERS,
    # Zero-shot: CoOp's YAML, one seed. Few-shot is one run, whatever the shots.
    ("zsclip zsclip2", "b2n", (16,), ELEVEN, "CoOp/vit_b16", 0, ""),
    ("zsclip zsclip2", "xd", (16,), IMAGENET, "CoOp/vit_b16", 0, ""),
    ("zsclip zsclip2", "fs", (16,), ELEVEN, "CoOp/vit_b16", 0, ""),
    # The linear probe with ViT-B/16 is ours; RN50 on joint datasets is SoftCPT's.
    ("linear_probe", "b2n", (16,), ELEVEN, "LinearProbe/vit_b16", 1, ""),
    ("linear_probe", "xd", (16,), IMAGENET, "LinearProbe/vit_b16", 1, ""),
    ("linear_probe", "fs", FEW, ELEVEN, "LinearProbe/vit_b16", 1, ""),
    ("linear_probe", "mt", (16,), JOINT, "LinearProbe/rn50", 1, ""),
    ("zsclip zsclip2", "mt", (16,), JOINT, "CoOp/rn50", 0, ""),
    # Several tasks with methods for one are ours: the settings of few-shot.
    ("coop coop_dept", "mt", (16,), JOINT, "CoOp/vit_b16", 200, ""),
    ("cocoop cocoop_dept", "mt", (16,), JOINT, "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1", 10, ""),
    ("kgcoop kgcoop_dept", "mt", (16,), JOINT, "KgCoOp/vit_b16_ep100_ctxv1", 100, KG_W8),
    ("maple maple_dept", "mt", (16,), JOINT, "MaPLe/vit_b16_c2_ep10_batch4_2ctx", 10, ""),
    ("ivlp ivlp_dept", "mt", (16,), JOINT, "IVLP/vit_b16_c2_ep20_batch4_4+4ctx", 20, ""),
    ("vpt vpt_dept", "mt", (16,), JOINT, "VPT/vit_b16_c2_ep5_batch4_4", 5, ""),
    (
        *("promptsrc promptsrc_dept", "mt", (16,), JOINT),
        *("PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot", 50, ""),
    ),
    *softcpt_rows(),
    # Koorye/SkipTuning: its YAML in b2n; one YAML in all modes, and DePT, are ours.
    *one_yaml("prograd prograd_dept", "ProGrad/vit_b16_ep100_ctx", 100),
    *one_yaml("clip_adapter clip_adapter_dept", "CLIPAdapter/vit_b16_ep10_bs4", 10),
    # geekyutao/TaskRes, train_regular.sh, its RN50 settings on ViT-B/16; b2n, mt, DePT are ours.
    *taskres_rows(),
    # gaopengcuhk/Tip-Adapter, its RN50 settings on ViT-B/16; b2n, xd, mt, DePT are ours.
    *tip_rows(),
    # ShuvenduRoy/CoPrompt, trainers/constants.py; fs, mt and DePT are ours.
    *coprompt_rows(),
]
TRAINERS = {
    **{"coop": "CoOp", "cocoop": "CoCoOp", "kgcoop": "KgCoOp", "maple": "MaPLe", "ivlp": "IVLP"},
    **{"vpt": "VPT", "promptsrc": "PromptSRC", "linear_probe": "LinearProbe"},
    **{"zsclip": "ZeroshotCLIP", "zsclip2": "ZeroshotCLIP2"},
    **{"prograd": "ProGrad", "clip_adapter": "CLIPAdapter", "clip_lora": "CLIPLoRA"},
    **{"tcp": "TCP", "mma": "MMA", "mmrl": "MMRL", "mmrlpp": "MMRLpp", "taskres": "TaskRes"},
    **{"coprompt": "CoPrompt", "tip_adapter": "TipAdapter", "tip_adapter_f": "TipAdapterF"},
    **{name: "SoftCPTHard" if "hard" in name else "SoftCPT" for name in SOFTCPT},
}
SAME_TRAINING = {"dg": "xd", "fs-b2n": "b2n"}
ENTRIES = {name: read_experiment(name, configs.get_config(name)) for name in configs.experiments()}
CASES = [  # gb2n is nowhere published; its trainings are those of b2n
    (name, mode) for name, entry in ENTRIES.items() for mode in entry.modes if mode != "gb2n"
]
WITH_ROWS = {name for names, *_ in TABLE for name in names.split()}
PUBLISHED = [case for case in CASES if case[0] in WITH_ROWS]  # other experiments may choose


def expected(name, mode):
    """{(shots, dataset): (YAML, epochs, options)} of the table for one experiment and mode."""
    found = {}
    for names, given, shots, datasets, cfg, epochs, options in TABLE:
        if name in names.split() and given == SAME_TRAINING.get(mode, mode):
            several = mode == "fs-b2n" and not ENTRIES[name].zero_shot
            for each in (4, 8, 16) if several else shots:
                assert found.keys().isdisjoint((each, dataset) for dataset in datasets)
                found |= {(each, dataset): (cfg, epochs, options) for dataset in datasets}
    return found


@cache
def planned(name, mode):
    """The commands of a dry run, as dicts of flags and options."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["--cfg", name, "--mode", mode, "--dry-run"]) == 0
    commands = []
    for line in printed.getvalue().splitlines():
        words = shlex.split(line.replace(" --eval-only ", " --eval-only yes "))
        words = words[words.index("--root") :]
        commands.append(dict(zip(words[::2], words[1::2], strict=True)))
    return commands


def dataset_of(command):
    return command["--dataset-config-file"].split("/")[-1].removesuffix(".yaml")


@cache
def epochs_in(path):
    return yaml.safe_load((REPO / path).read_text()).get("OPTIM", {}).get("MAX_EPOCH", 1)


def settings(command):
    """YAML, its epochs, and the options beside shots and class subset."""
    path = command["--config-file"]
    options = [
        f"{key} {value}" for key, value in command.items() if not key.startswith(("--", "DATASET."))
    ]
    name = path.removeprefix("configs/trainers/").removesuffix(".yaml")
    return name, epochs_in(path), " ".join(options)


def test_the_table_names_experiments_only():
    assert set(configs.experiments()) >= WITH_ROWS


@pytest.mark.parametrize("name, mode", CASES)
def test_a_model_is_named_where_one_is_tested_and_nowhere_else(name, mode):
    for command in planned(name, mode):
        tested = "--eval-only" in command and not ENTRIES[name].zero_shot
        assert ("--model-dir" in command) == ("--load-epoch" in command) == tested


@pytest.mark.parametrize("name, mode", PUBLISHED)
def test_every_training_has_the_published_settings(name, mode):
    untrained = ENTRIES[name].zero_shot
    table = expected(name, mode)
    seeds = defaultdict(set)
    for command in planned(name, mode):
        if "--model-dir" in command:
            continue
        place = int(command["DATASET.NUM_SHOTS"]), dataset_of(command)
        if untrained and mode in ("xd", "dg"):
            place = (16, "imagenet")  # every dataset is tested as the source is
        cfg, epochs, options = table[place]
        assert settings(command) == (cfg, epochs or epochs_in(command["--config-file"]), options)
        plain = TRAINERS[name.removesuffix("_dept")]
        assert command["--trainer"] == (f"{plain}DePT" if name.endswith("_dept") else plain)
        seeds[place].add(command["--seed"])
    assert set(seeds) == set(table)
    assert all(found == ({"1"} if untrained else {"1", "2", "3"}) for found in seeds.values())


@pytest.mark.parametrize("name, mode", CASES)
def test_tests_load_the_last_epoch_of_their_own_training(name, mode):
    commands = planned(name, mode)
    trained = {c["--output-dir"]: c for c in commands if "--model-dir" not in c}
    tested = [c for c in commands if "--model-dir" in c]
    base_to_new = mode in ("b2n", "fs-b2n")
    for command in tested:
        source = trained[command["--model-dir"]]
        assert command["--load-epoch"] == "-1"
        assert settings(command) == settings(source)
        assert command["--seed"] == source["--seed"]
        assert source["DATASET.SUBSAMPLE_CLASSES"] == ("base" if base_to_new else "all")
        assert command["DATASET.SUBSAMPLE_CLASSES"] == ("new" if base_to_new else "all")
    if tested and mode in ("xd", "dg") and name in WITH_ROWS:
        assert {dataset_of(c) for c in trained.values()} == IMAGENET
        assert {dataset_of(c) for c in tested} == (CROSS if mode == "xd" else VARIANTS)


@pytest.mark.parametrize("name", configs.experiments())
def test_other_modes_are_refused(name, capsys):
    for mode in MODES.keys() - {*ENTRIES[name].modes}:
        assert main(["--cfg", name, "--mode", mode, "--dry-run"]) == 2
        assert capsys.readouterr().err.startswith(f"error: --mode {mode}: {name} has ")


def test_dg_runs_no_training_that_xd_does_not():
    for name in ("coop", "coop_dept", "maple", "promptsrc", "ivlp"):
        keys = [
            {c["--job-key"] for c in planned(name, mode) if "--model-dir" not in c}
            for mode in ("xd", "dg")
        ]
        assert keys[0] == keys[1] and len(keys[0]) == 3
