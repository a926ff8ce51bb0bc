"""Scripts of KgCoOp, SoftCPT and the linear probe: they loop over seeds, datasets or tasks."""

import pytest

from tests.support.script_run import check_calls, copy_scripts, in_turn, run_script, script_paths

SEEDS = (1, 2, 3)
KGCOOP = "vit_b16_ep100_ctxv1"
ELEVEN = ["dtd", "eurosat", "fgvc_aircraft", "food101", "oxford_flowers", "oxford_pets"]
ELEVEN += ["stanford_cars", "ucf101", "caltech101", "sun397", "imagenet"]
TEN = ["ucf101", "sun397", "eurosat", "oxford_pets", "food101", "oxford_flowers", "stanford_cars"]
TEN += ["dtd", "caltech101", "fgvc_aircraft"]


def line(trainer, yaml, dataset, seed, out, opts):
    named = f"--seed {seed} " if seed else ""
    return (
        f"train.py --root /data {named}--trainer {trainer} "
        f"--dataset-config-file configs/datasets/{dataset}.yaml "
        f"--config-file configs/trainers/{yaml}.yaml --output-dir {out} {opts}"
    )


def load(model, epoch):
    return f"--model-dir {model} --load-epoch {epoch} --eval-only "


def kgcoop(step, dataset):
    shots = "TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES"
    context = "TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False"
    lines = []
    for seed in SEEDS:
        run = f"{dataset}/shots_16_8.0/KgCoOp/{KGCOOP}/seed{seed}"
        trained = f"output/base2new/train_base/{run}"
        out, opts = trained, f"{context} TRAINER.COOP.W 8.0 {shots} base"
        if step == "test":
            out = f"output/base2new/test_new/{run}"
            opts = f"{load(trained, 100)}{context} {shots} new"
        lines.append(line("KgCoOp", f"KgCoOp/{KGCOOP}", dataset, seed, out, opts))
    return lines


def kgcoop_all_classes():
    opts = (
        "TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False TRAINER.COOP.W 8.0 "
        "TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 4"
    )
    root = "output_1120_xd/base2new/train_base/{}/shots_4_8.0/KgCoOp/{}/seed{}"
    return [
        line("KgCoOp", f"KgCoOp/{KGCOOP}", d, s, root.format(d, KGCOOP, s), opts)
        for d in ELEVEN
        for s in SEEDS
    ]


NATA = "general10 rn50_ep50 4 0 False 4 False 16 False lin 1"
NATA_RUN = "rn50_ep50_4shots/cnctx0_ccscFalse_tnctx4_tcscFalse_nctx16_cscFalse_typelin_ratio1"
NATA_OPTS = (
    "TRAINER.MTCOOP.CLASS_N_CTX 0 TRAINER.MTCOOP.CLASS_CSC False TRAINER.MTCOOP.TASK_N_CTX 4 "
    "TRAINER.MTCOOP.TASK_CSC False TRAINER.MTCOOP.N_CTX 16 TRAINER.MTCOOP.CSC False "
    "TRAINER.MTCOOP.PG_TYPE lin TRAINER.MTCOOP.PG_RATIO 1"
)
CSTS = "plant6 rn50_ep50 8 4 True 4 True 16 True lin 1 0.1"
CSTS_RUN = "rn50_ep50_8shots/cnctx4_ccscTrue_tnctx4_tcscTrue_nctx16_cscTrue_typelin_ratio1_csr0.1"
CSTS_OPTS = (
    "TRAINER.MTCOOP.CLASS_N_CTX 4 TRAINER.MTCOOP.CLASS_CSC True TRAINER.MTCOOP.TASK_N_CTX 4 "
    "TRAINER.MTCOOP.TASK_CSC True TRAINER.MTCOOP.N_CTX 16 TRAINER.MTCOOP.CSC True "
    "TRAINER.MTCOOP.PG_TYPE lin TRAINER.MTCOOP.PG_RATIO 1 TRAINER.MTCOOP.CLS_SAMPLE_RATE 0.1"
)


def softcpt(trainer, out, opts, dataset="general10", yaml="MTCoOp/rn50_ep50"):
    """Lines of the three seeds; {} in `out` and `opts` is the seed."""
    return [line(trainer, yaml, dataset, s, out.format(s), opts.format(s)) for s in SEEDS]


def softcpt_cases(stem, base2new, trainer):
    """All classes, base and new; NATA."""
    all_classes = f"output/general10/{trainer}/{NATA_RUN}_loss/seed{{}}"
    halves = f"output/base2new/general10/{trainer}/{NATA_RUN}_loss/"
    shots = f"{NATA_OPTS} DATASET.NUM_SHOTS 4"
    base, new = halves + "base/seed{}", halves + "new/seed{}"
    tested = f"{load(base, 50)}{shots} DATASET.SUBSAMPLE_CLASSES new"
    return [
        (f"scripts/{stem}.sh {NATA}", softcpt(trainer, all_classes, shots)),
        (
            f"scripts/{base2new}_train.sh {NATA}",
            softcpt(trainer, base, f"{shots} DATASET.SUBSAMPLE_CLASSES base"),
        ),
        (f"scripts/{base2new}_test.sh {NATA}", softcpt(trainer, new, tested)),
    ]


def softcpt_loss_free(stem, sampled, hard):
    """Class sampling and the baselines, whose folders do not end in _loss."""
    settings = "TRAINER.MTCOOPH.N_CTX 16 TRAINER.MTCOOPH.CSC False TRAINER.MTCOOPH.TSC True"
    return [
        (
            f"scripts/{stem}_cls_sample.sh {CSTS}",
            softcpt(
                sampled,
                f"outputd/plant6/{sampled}/{CSTS_RUN}/seed{{}}",
                f"{CSTS_OPTS} DATASET.NUM_SHOTS 8",
                "plant6",
            ),
        ),
        (
            f"scripts/{stem}_hard.sh general10 vit_b16_ep50 2 16 False True",
            softcpt(
                hard,
                f"output/general10/{hard}/vit_b16_ep50_2shots/nctx16_cscFalse_tscTrue/seed{{}}",
                f"{settings} DATASET.NUM_SHOTS 2",
                yaml="MTCoOpHard/vit_b16_ep50",
            ),
        ),
    ]


def zeroshot(out, opts):
    return [line("ZeroshotCLIP", "ZeroShot/rn50", "general10", 0, out, f"--eval-only {opts}")]


def features(dataset, split, yaml, out, root="/data", opts=""):
    return (
        f"feat_extractor.py --split {split} --root {root} --seed 1 "
        f"--dataset-config-file ../configs/datasets/{dataset}.yaml "
        f"--config-file ../configs/trainers/{yaml}.yaml --output-dir {out} --eval-only{opts}"
    )


def probe(dataset, folder, more=""):
    return (
        f"linear_probe.py --dataset {dataset} --feature_dir {folder} --num_step 8 --num_run 3{more}"
    )


SPLITS = ("train", "val", "test")
TASK_FEATURES = [
    features(
        "plant6",
        split,
        "LP/rn101_val",
        f"../output/lpclip/plant6/rn101/{t}",
        opts=f" DATASET.SUBSAMPLE_TASKS task{t}",
    )
    for t in (0, 1)
    for split in SPLITS
]
TASK_PROBES = [
    probe("plant6", f"../output/lpclip/plant6/rn101/{t}", f" --task-id {t}") for t in (0, 1)
]
TASK2 = "DATASET.NUM_SHOTS 1 DATASET.SUBSAMPLE_TASKS task2"
CASES = [
    ("scripts/base2new_train.sh dtd 8.0", kgcoop("train", "dtd")),
    ("scripts/base2new_test.sh dtd 8.0", kgcoop("test", "dtd")),
    ("scripts/xd_train.sh", kgcoop_all_classes()),
    (
        "scripts/run.sh",
        [c for step in ("train", "test") for d in TEN for c in kgcoop(step, d)],
    ),
    *softcpt_cases("main_mtcoop", "main_mtcoop_base2new", "MTCoOp"),
    *softcpt_cases("softcpt_dept/main", "softcpt_dept/base2new", "SoftCPTDePT"),
    *softcpt_loss_free("main_mtcoop", "MTCoOp", "MTCoOpHard"),
    *softcpt_loss_free("softcpt_dept/main", "SoftCPTDePT", "SoftCPTHardDePT"),
    (
        "scripts/zeroshot.sh general10 rn50 2",
        zeroshot("output/ZeroshotCLIP/rn50/general10-2", TASK2),
    ),
    (
        "scripts/zeroshot_base2new.sh general10 rn50 2 new",
        zeroshot(
            "output/base2new/ZeroshotCLIP/rn50/new/general10-2",
            f"{TASK2} DATASET.SUBSAMPLE_CLASSES new",
        ),
    ),
    ("scripts/linearprob.sh plant6 rn101 1", [*TASK_FEATURES, *TASK_PROBES]),
    ("lpclip/feat_extractor.sh /data plant6 rn101 1", TASK_FEATURES),
    ("lpclip/linear_probe.sh plant6 rn101 1", TASK_PROBES),
    (
        "lpclip/feat_extractor.sh",
        [features("oxford_pets", split, "CoOp/rn50_val", "./clip_feat/") for split in SPLITS],
    ),
    ("lpclip/linear_probe.sh", [probe("OxfordPets", "clip_feat")]),
    (
        "lpclip/linear_probe.sh OxfordPets EuroSAT",
        [probe(name, "clip_feat") for name in ("OxfordPets", "EuroSAT")],
    ),
]


@pytest.fixture
def checkout(tmp_path):
    return copy_scripts(tmp_path)


@pytest.mark.parametrize("shell, command, expected", in_turn(CASES), ids=[c[0] for c in CASES])
def test_commands(checkout, command, expected, shell):
    check_calls(checkout, command, expected, shell=shell)


def test_every_script_that_loops_has_a_case():
    looping = {p for p in script_paths() if p.count("/") == 1 or "/softcpt_dept/" in p}
    assert looping == {command.split()[0] for command, _ in CASES}


@pytest.mark.parametrize(
    "shell, folder",
    in_turn([("repo",), ("repo/scripts",), ("repo/scripts/maple",), ("elsewhere",)]),
)
def test_scripts_run_from_any_folder(checkout, shell, folder):
    for command, expected in CASES[:1] + CASES[4:5]:
        check_calls(checkout, command, expected, cwd=folder, shell=shell)


def test_class_sampling_takes_up_runs_below_output(checkout):
    (checkout / f"repo/output/plant6/MTCoOp/{CSTS_RUN}").mkdir(parents=True)
    _, calls = run_script(checkout, f"scripts/main_mtcoop_cls_sample.sh {CSTS}")
    assert all(f"--output-dir output/plant6/MTCoOp/{CSTS_RUN}/seed" in call for call in calls)


def test_features_that_are_there_are_kept(checkout):
    folder = checkout / "repo/output/lpclip/plant6/rn101/0"
    folder.mkdir(parents=True)
    (folder / "val.npz").touch()
    _, calls = run_script(checkout, "lpclip/feat_extractor.sh /data plant6 rn101 1")
    assert calls == [TASK_FEATURES[0], *TASK_FEATURES[2:]]
