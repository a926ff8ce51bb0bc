"""The shell scripts: names, arguments, folders and commands, with a stub in place of Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
MAPLE5 = "vit_b16_c2_ep5_batch4_2ctx"
MAPLE10 = "vit_b16_c2_ep10_batch4_2ctx"
COOP10 = "vit_b16_ep10_bs4_lr35"
XD = f"{MAPLE5}_cross_datasets"
COMMON = "train.py --root /data"
FILES = "--dataset-config-file configs/datasets/{}.yaml --config-file configs/trainers/{}.yaml"
BASE = "DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base"
NEW = "DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new"


def b2n(step, trainer, cfg):
    return f"output/base2new/{step}/dtd/shots_16/{trainer}/{cfg}/seed2"


def train(trainer, yaml, out, opts, seed=2, dataset="dtd"):
    files = FILES.format(dataset, yaml)
    return f"{COMMON} --seed {seed} --trainer {trainer} {files} --output-dir {out} {opts}".strip()


def evaluate(trainer, yaml, out, model, epoch, opts, **more):
    load = f"--model-dir {model} --load-epoch {epoch} --eval-only {opts}".strip()
    return train(trainer, yaml, out, load, **more)


def base_to_new(script, trainer, folder, cfg, epoch, suffix=""):
    yaml = f"{folder}/{cfg}"
    trained, tested = b2n("train_base", trainer, cfg), b2n("test_new", trainer, cfg)
    return [
        (f"{script}/base2new_train{suffix}.sh dtd 2", [train(trainer, yaml, trained, BASE)]),
        (
            f"{script}/base2new_test{suffix}.sh dtd 2",
            [evaluate(trainer, yaml, tested, trained, epoch, NEW)],
        ),
    ]


def few_shot(seed):
    out = f"output/dtd/CoOp/rn50_ep50_1shots/nctx16_cscTrue_ctpmiddle/seed{seed}"
    opts = (
        "TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC True "
        "TRAINER.COOP.CLASS_TOKEN_POSITION middle DATASET.NUM_SHOTS 1"
    )
    return train("CoOp", "CoOp/rn50_ep50", out, opts, seed=seed)


def transfer(seed):
    run = "CoOp/rn50_ep50_16shots/nctx16_cscFalse_ctpend"
    out, model = (
        f"output/evaluation/{run}/imagenetv2/seed{seed}",
        f"output/imagenet/{run}/seed{seed}",
    )
    opts = "TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end"
    more = {"seed": seed, "dataset": "imagenetv2"}
    return evaluate("CoOp", "CoOp/rn50_ep50", out, model, 50, opts, **more)


ZEROSHOT = (
    f"{COMMON} --trainer ZeroshotCLIP {FILES.format('dtd', 'CoOp/vit_b16')} "
    "--output-dir output/ZeroshotCLIP/vit_b16/dtd --eval-only"
)
CASES = [
    *base_to_new("maple", "MaPLe", "MaPLe", MAPLE5, 5),
    *base_to_new("maple", "MaPLe", "MaPLe", MAPLE5, 5, suffix="_maple"),
    *base_to_new("maple_dept", "MaPLeDePT", "MaPLe", MAPLE10, 10),
    *base_to_new("coop", "CoOp", "CoOp", "vit_b16_ctxv1", 200),
    *base_to_new("coop_dept", "CoOpDePT", "CoOp", COOP10, 10),
    (
        f"coop/base2new_train.sh dtd 2 {COOP10}",
        [train("CoOp", f"CoOp/{COOP10}", b2n("train_base", "CoOp", COOP10), BASE)],
    ),
    (
        "coop/base2new_train.sh imagenet 2",
        [
            train(
                "CoOp",
                "CoOp/vit_b16_ep50_ctxv1",
                b2n("train_base", "CoOp", "vit_b16_ep50_ctxv1").replace("dtd", "imagenet"),
                BASE,
                dataset="imagenet",
            )
        ],
    ),
    (
        "maple/xd_train_maple.sh imagenet 2",
        [
            train(
                "MaPLe",
                f"MaPLe/{XD}",
                f"output/imagenet/MaPLe/{XD}_16shots/seed2",
                "DATASET.NUM_SHOTS 16",
                dataset="imagenet",
            )
        ],
    ),
    (
        "maple/xd_test_maple.sh dtd 2",
        [
            evaluate(
                "MaPLe",
                f"MaPLe/{XD}",
                f"output/evaluation/MaPLe/{XD}_16shots/dtd/seed2",
                f"output/imagenet/MaPLe/{XD}_16shots/seed2",
                2,
                "",
            )
        ],
    ),
    ("coop/main.sh dtd rn50_ep50 middle 16 1 True", [few_shot(seed) for seed in (1, 2, 3)]),
    ("coop/eval.sh imagenetv2 rn50_ep50", [transfer(seed) for seed in (1, 2, 3)]),
    ("zsclip/zeroshot.sh dtd vit_b16", [ZEROSHOT]),
    ("coop/zeroshot.sh dtd vit_b16", [ZEROSHOT]),
]


@pytest.fixture
def checkout(tmp_path):
    """A copy of scripts/ and configs/, and a stub that notes its arguments and exits with CODE."""
    shutil.copytree(REPO / "scripts", tmp_path / "repo/scripts")
    shutil.copytree(REPO / "configs", tmp_path / "repo/configs")
    stub = tmp_path / "python"
    stub.write_text('#!/bin/sh\necho "$*" >> "$CALLS"\nexit ${CODE:-0}\n')
    stub.chmod(0o755)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path


def run(checkout, command, **env):
    """Call a script from another folder; return how it ended and the calls that it made."""
    script, *words = command.split()
    calls = checkout / "calls"
    calls.unlink(missing_ok=True)
    paths = {"PYTHON": str(checkout / "python"), "CALLS": str(calls), "DATA": "/data"}
    given = {"PATH": os.environ["PATH"], **paths, **env}
    done = subprocess.run(
        ["bash", str(checkout / "repo/scripts" / script), *words],
        cwd=checkout / "elsewhere",
        env={name: value for name, value in given.items() if value},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("command, expected", CASES, ids=[case[0] for case in CASES])
def test_commands(checkout, command, expected):
    done, calls = run(checkout, command)
    assert done.returncode == 0, done.stderr
    assert calls == expected


def test_every_script_has_a_case():
    scripts = {str(path.relative_to(REPO / "scripts")) for path in REPO.glob("scripts/*/*.sh")}
    assert scripts == {command.split()[0] for command, _ in CASES}


def test_a_finished_run_is_skipped_and_a_stopped_one_goes_on(checkout):
    folder = checkout / "repo" / b2n("train_base", "MaPLe", MAPLE5)
    command = "maple/base2new_train.sh dtd 2"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("=> result\n* accuracy: 50.0%\nepoch [2/5]\n")
    assert len(run(checkout, command)[1]) == 1
    (folder / "log.txt").write_text("Finished training\n=> result\n* accuracy: 50.0%\n")
    done, calls = run(checkout, command)
    assert calls == [] and "Skip: the result is in output/base2new/train_base" in done.stdout
    (folder / "log.txt").unlink()
    (folder / "result.json").write_text("{}")
    assert run(checkout, command)[1] == []


def test_an_old_evaluation_counts_by_its_log(checkout):
    folder = checkout / "repo" / b2n("test_new", "MaPLe", MAPLE5)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("=> result\n* total: 10\n* accuracy: 50.0%\n")
    assert run(checkout, "maple/base2new_test.sh dtd 2")[1] == []


def test_the_exit_code_is_that_of_train_py_and_ends_a_loop(checkout):
    done, calls = run(checkout, "coop/main.sh dtd rn50 end 16 16 False", CODE="3")
    assert done.returncode == 3 and len(calls) == 1


@pytest.mark.parametrize(
    "command, env, line",
    [
        ("maple/base2new_train.sh dtd", {}, "base2new_train.sh: needs the arguments DATASET SEED"),
        ("maple/base2new_train.sh dtd 1", {"DATA": ""}, "DATA is not set: export DATA="),
        ("coop/eval.sh dtd rn50_val", {}, "configs/trainers/CoOp/rn50_val.yaml: no MAX_EPOCH"),
    ],
)
def test_mistakes_are_one_line(checkout, command, env, line):
    done, calls = run(checkout, command, **env)
    assert done.returncode == 2 and calls == []
    assert done.stderr.startswith(f"error: {line}")


def test_data_may_be_a_folder_of_the_repository_or_relative_to_the_caller(checkout):
    (checkout / "repo/data").mkdir()
    _, calls = run(checkout, "zsclip/zeroshot.sh dtd vit_b16", DATA="")
    assert calls[0].startswith(f"train.py --root {checkout}/repo/data ")
    _, calls = run(checkout, "zsclip/zeroshot.sh dtd vit_b16", DATA="mine")
    assert calls[0].startswith(f"train.py --root {checkout}/elsewhere/mine ")
