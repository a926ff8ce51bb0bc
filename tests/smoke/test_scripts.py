"""The shell scripts: every published script, its arguments, and the commands that it runs."""

import pytest

from tests.support.script_run import check_calls, copy_scripts, in_turn, script_paths

SRC = "vit_b16_c2_ep20_batch4_4+4ctx"
MAPLE = "vit_b16_c2_ep5_batch4_2ctx"
IVLP = "vit_b16_c2_ep5_batch4_2+2ctx"
LANGUAGE = "vit_b16_c2_ep5_batch4_4ctx_language_only"
VPT = "vit_b16_c2_ep5_batch4_4"
COCOOP = "vit_b16_c4_ep10_batch1_ctxv1"
KGCOOP = "vit_b16_ep100_ctxv1"
FEW_SHOT = "vit_b16_c2_ep50_batch4_4+4ctx_few_shot"
GPA = " TRAINER.PROMPTSRC.GPA_MEAN 45 TRAINER.PROMPTSRC.GPA_STD 5"
COOP10 = "vit_b16_ep10_bs4_lr35"
SHOTS = "DATASET.NUM_SHOTS 16"
BASE, NEW = (f"{SHOTS} DATASET.SUBSAMPLE_CLASSES {half}" for half in ("base", "new"))
SEEDS = (1, 2, 3)


def train(trainer, yaml, out, opts, *, seed=2, dataset="dtd"):
    """A train.py line; `seed` 0 for a line that names none."""
    named = f"--seed {seed} " if seed else ""
    files = f"--dataset-config-file configs/datasets/{dataset}.yaml"
    files += f" --config-file configs/trainers/{yaml}.yaml --output-dir {out}"
    return f"train.py --root /data {named}--trainer {trainer} {files} {opts}".strip()


def evaluate(trainer, yaml, out, model, epoch, opts, **more):
    load = f"--model-dir {model} --load-epoch {epoch} --eval-only {opts}"
    return train(trainer, yaml, out, load, **more)


def b2n(step, trainer, cfg, dataset="dtd"):
    return f"output/base2new/{step}/{dataset}/shots_16/{trainer}/{cfg}/seed2"


def base_to_new(folder, trainer, cfg, epoch, *, suffix="", yaml=""):
    """base2new_train and base2new_test of a folder, on dtd with seed 2."""
    file = f"{yaml or trainer.removesuffix('DePT')}/{cfg}"
    trained, tested = b2n("train_base", trainer, cfg), b2n("test_new", trainer, cfg)
    start = f"scripts/{folder}/base2new"
    return [
        (f"{start}_train{suffix}.sh dtd 2", [train(trainer, file, trained, BASE)]),
        (
            f"{start}_test{suffix}.sh dtd 2",
            [evaluate(trainer, file, tested, trained, epoch, NEW)],
        ),
    ]


def reproduced(script, trainer, cfg, epoch, config=""):
    """A script that tests published base-to-new weights on both halves."""
    lines = [
        evaluate(
            trainer, f"{trainer}/{cfg}", b2n(step, trainer, cfg), "/w/dtd/base/seed2", epoch, opts
        )
        for step, opts in (("test_base", BASE), ("test_new", NEW))
    ]
    return [(f"scripts/{script} dtd 2 /w/dtd{config}", lines)]


def transfer(folder, trainer, cfg, epoch, suffix="", source="imagenet "):
    """xd_train and xd_test of a folder."""
    file, run = f"{trainer.removesuffix('DePT')}/{cfg}", f"{trainer}/{cfg}_16shots"
    model = f"output/imagenet/{run}/seed2"
    out = f"output/evaluation/{run}/imagenet_r/seed2"
    return [
        (
            f"scripts/{folder}/xd_train{suffix}.sh {source}2",
            [train(trainer, file, model, SHOTS, dataset="imagenet")],
        ),
        (
            f"scripts/{folder}/xd_test{suffix}.sh imagenet_r 2",
            [evaluate(trainer, file, out, model, epoch, "", dataset="imagenet_r")],
        ),
    ]


def reproduced_transfer(script, trainer, cfg, epoch):
    out = f"output/evaluation/{trainer}/{cfg}_16shots/dtd/seed2"
    line = evaluate(trainer, f"{trainer}/{cfg}", out, "/w/imagenet/seed2", epoch, SHOTS)
    return [(f"scripts/{script} dtd 2 /w/imagenet", [line])]


def few_shot(folder, trainer, dataset, gpa=""):
    file, run = f"PromptSRC/{FEW_SHOT}", f"{dataset}/{trainer}/{FEW_SHOT}_4shots"
    opts = f"DATASET.NUM_SHOTS 4{gpa}"
    lines = [
        train(trainer, file, f"output/{run}/seed{s}", opts, seed=s, dataset=dataset) for s in SEEDS
    ]
    return [(f"scripts/{folder}/few_shot.sh {dataset} 4", lines)]


def reproduced_few_shot():
    file, run = f"PromptSRC/{FEW_SHOT}", f"dtd/PromptSRC/{FEW_SHOT}_4shots"
    lines = [
        evaluate(
            "PromptSRC",
            file,
            f"output/few_shot/{run}/seed{s}",
            f"/w/dtd/4shot/seed{s}",
            50,
            "DATASET.NUM_SHOTS 4",
            seed=s,
        )
        for s in SEEDS
    ]
    return [("scripts/promptsrc/reproduce_few_shot.sh dtd 4 /w/dtd", lines)]


def coop(folder, trainer):
    """main.sh and eval.sh of a folder."""
    keys = "TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC {} TRAINER.COOP.CLASS_TOKEN_POSITION {}"
    out = f"output/dtd/{trainer}/rn50_ep50_1shots/nctx16_cscTrue_ctpmiddle"
    opts = keys.format(True, "middle") + " DATASET.NUM_SHOTS 1"
    trained = [train(trainer, "CoOp/rn50_ep50", f"{out}/seed{s}", opts, seed=s) for s in SEEDS]
    run = f"{trainer}/rn50_ep50_16shots/nctx16_cscFalse_ctpend"
    tested = [
        evaluate(
            trainer,
            "CoOp/rn50_ep50",
            f"output/evaluation/{run}/imagenetv2/seed{s}",
            f"output/imagenet/{run}/seed{s}",
            50,
            keys.format(False, "end"),
            seed=s,
            dataset="imagenetv2",
        )
        for s in SEEDS
    ]
    return [
        (f"scripts/{folder}/main.sh dtd rn50_ep50 middle 16 1 True", trained),
        (f"scripts/{folder}/eval.sh imagenetv2 rn50_ep50", tested),
    ]


ZEROSHOT = train(
    "ZeroshotCLIP", "CoOp/vit_b16", "output/ZeroshotCLIP/vit_b16/dtd", "--eval-only", seed=0
)
COOP_IMAGENET = train(
    "CoOp",
    "CoOp/vit_b16_ep50_ctxv1",
    b2n("train_base", "CoOp", "vit_b16_ep50_ctxv1", "imagenet"),
    BASE,
    dataset="imagenet",
)
COOP_DEPTS = train("CoOp", f"CoOp/{COOP10}", b2n("train_base", "CoOp", COOP10), BASE)
CASES = [
    *base_to_new("promptsrc", "PromptSRC", SRC, 20),
    *base_to_new("promptsrc_dept", "PromptSRCDePT", SRC, 20),
    *reproduced("promptsrc/reproduce_base2novel_setting.sh", "PromptSRC", SRC, 20),
    *transfer("promptsrc", "PromptSRC", f"{SRC}_cross_datasets", 20),
    *reproduced_transfer("promptsrc/reproduce_xd.sh", "PromptSRC", f"{SRC}_cross_datasets", 20),
    *few_shot("promptsrc", "PromptSRC", "food101"),
    *few_shot("promptsrc", "PromptSRC", "dtd", GPA),
    *few_shot("promptsrc_dept", "PromptSRCDePT", "dtd", GPA),
    *reproduced_few_shot(),
    *transfer("promptsrc_dept", "PromptSRCDePT", f"{SRC}_cross_datasets", 20),
    *base_to_new("maple", "MaPLe", MAPLE, 5),
    *base_to_new("maple", "MaPLe", MAPLE, 5, suffix="_maple"),
    *transfer("maple_dept", "MaPLeDePT", f"{MAPLE}_cross_datasets", 2),
    *base_to_new("maple_dept", "MaPLeDePT", "vit_b16_c2_ep10_batch4_2ctx", 10),
    *reproduced("maple/reproduce_maple.sh", "MaPLe", MAPLE, 5),
    *transfer("maple", "MaPLe", f"{MAPLE}_cross_datasets", 2, "_maple"),
    *reproduced_transfer("maple/reproduce_maple_xd.sh", "MaPLe", f"{MAPLE}_cross_datasets", 2),
    *base_to_new("independent-vlp", "IVLP", SRC, 20, suffix="_ivlp"),
    *transfer("ivlp_dept", "IVLPDePT", IVLP, 5),
    *base_to_new("ivlp_dept", "IVLPDePT", SRC, 20),
    *reproduced("independent-vlp/reproduce_ivlp.sh", "IVLP", SRC, 20),
    *reproduced("independent-vlp/reproduce_ivlp.sh", "IVLP", IVLP, 5, f" {IVLP}"),
    *transfer("independent-vlp", "IVLP", IVLP, 5, "_ivlp"),
    *base_to_new("language-prompting", "IVLP", LANGUAGE, 5, suffix="_lp"),
    *reproduced("language-prompting/reproduce_lp.sh", "IVLP", LANGUAGE, 5),
    *transfer("language-prompting", "IVLP", LANGUAGE, 5, "_lp"),
    *base_to_new("vpt", "VPT", VPT, 5, suffix="_vpt"),
    *transfer("vpt_dept", "VPTDePT", VPT, 5),
    *base_to_new("vpt_dept", "VPTDePT", VPT, 5),
    *reproduced("vpt/reproduce_vpt.sh", "VPT", VPT, 5),
    *transfer("vpt", "VPT", VPT, 5, "_vpt"),
    *base_to_new("cocoop", "CoCoOp", COCOOP, 10),
    *transfer("cocoop_dept", "CoCoOpDePT", COCOOP, 10, source=""),
    *base_to_new("cocoop_dept", "CoCoOpDePT", COCOOP, 10),
    *transfer("cocoop", "CoCoOp", COCOOP, 10, source=""),
    *base_to_new("coop", "CoOp", "vit_b16_ctxv1", 200),
    *base_to_new("coop_dept", "CoOpDePT", COOP10, 10),
    ("scripts/coop/base2new_train.sh imagenet 2", [COOP_IMAGENET]),
    (f"scripts/coop/base2new_train.sh dtd 2 {COOP10}", [COOP_DEPTS]),
    *coop("coop", "CoOp"),
    *coop("coop_dept", "CoOpDePT"),
    ("scripts/zsclip/zeroshot.sh dtd vit_b16", [ZEROSHOT]),
    ("scripts/coop/zeroshot.sh dtd vit_b16", [ZEROSHOT]),
    *base_to_new("kgcoop_dept", "KgCoOpDePT", "vit_b16_ep10_ctxv1_bs4_lr35", 10),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_scripts(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("shell, command, expected", in_turn(CASES), ids=[c[0] for c in CASES])
def test_commands(checkout, command, expected, shell):
    check_calls(checkout, command, expected, shell=shell)


def test_every_script_of_a_method_has_a_case():
    scripts = {path for path in script_paths() if path.count("/") == 2}
    scripts = {path for path in scripts if "/softcpt_dept/" not in path}  # test_scripts_seeds.py
    assert scripts == {command.split()[0] for command, _ in CASES}
