"""The command lines of the published guides, letter for letter."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.script_run import REPO, copy_scripts, script_environment

NATA = "output/general10/MTCoOp/rn50_ep50_{}shots/cnctx0_ccscFalse_tnctx4_tcsc{}_nctx16_cscFalse"
CATA = "outputd/general10/MTCoOp/rn50_ep50_1shots/cnctx4_ccscFalse_tnctx4_tcscFalse_nctx16_cscTrue"
HARD = "output/general10/MTCoOpHard/rn50_ep50_1shots"
SRC = "PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx"
# Line, number of calls, output folder of the first: guides of PromptSRC, MaPLe, CoOp, KgCoOp,
# SoftCPT.
LINES = [
    (
        "bash scripts/promptsrc/base2new_train.sh imagenet 1",
        1,
        f"output/base2new/train_base/imagenet/shots_16/{SRC}/seed1",
    ),
    (
        "bash scripts/promptsrc/few_shot.sh imagenet 4",
        3,
        "output/imagenet/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot_4shots/seed1",
    ),
    (
        "bash scripts/maple/xd_train_maple.sh imagenet 1",
        1,
        "output/imagenet/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets_16shots/seed1",
    ),
    (
        "bash scripts/coop/main.sh caltech101 rn50_ep50 end 16 1 False",
        3,
        "output/caltech101/CoOp/rn50_ep50_1shots/nctx16_cscFalse_ctpend/seed1",
    ),
    ("bash scripts/coop/zeroshot.sh imagenet rn50", 1, "output/ZeroshotCLIP/rn50/imagenet"),
    (
        "cd scripts && sh base2new_train.sh dtd 8.0",
        3,
        "output/base2new/train_base/dtd/shots_16_8.0/KgCoOp/vit_b16_ep100_ctxv1/seed1",
    ),
    (
        "cd scripts && sh run.sh",
        60,
        "output/base2new/train_base/ucf101/shots_16_8.0/KgCoOp/vit_b16_ep100_ctxv1/seed1",
    ),
    (
        "cd scripts && sh main_mtcoop.sh general10 rn50_ep50 1 0 False 4 False 16 False lin 1",
        3,
        f"{NATA.format(1, False)}_typelin_ratio1_loss/seed1",
    ),
    (
        "cd scripts && sh main_mtcoop.sh general10 rn50_ep50 16 0 False 4 True 16 False lin 1",
        3,
        f"{NATA.format(16, True)}_typelin_ratio1_loss/seed1",
    ),
    (
        "cd scripts && sh main_mtcoop_cls_sample.sh general10 rn50_ep50 1 4 False 4 False 16 True "
        "lin 1 0.1",
        3,
        f"{CATA}_typelin_ratio1_csr0.1/seed1",
    ),
    (
        "cd scripts && sh main_mtcoop_hard.sh general10 rn50_ep50 1 16 True False",
        3,
        f"{HARD}/nctx16_cscTrue_tscFalse/seed1",
    ),
    ("cd scripts && sh zeroshot.sh plant6 rn50 0", 1, "output/ZeroshotCLIP/rn50/plant6-0"),
    (
        "cd scripts && sh zeroshot_base2new.sh plant6 rn50 0 base",
        1,
        "output/base2new/ZeroshotCLIP/rn50/base/plant6-0",
    ),
    ("cd scripts && sh linearprob.sh general10 rn50 9", 40, "../output/lpclip/general10/rn50/0"),
]


def run_line(folder: Path, line: str) -> list[str]:
    """Types a line in the repository's folder; the calls of the stub `python`."""
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    done = subprocess.run(
        line,
        shell=True,
        cwd=folder / "repo",
        env=script_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return calls.read_text().splitlines()


@pytest.mark.parametrize("line, number, out", LINES, ids=[line for line, *_ in LINES])
def test_printed_lines_run(tmp_path, line, number, out):
    calls = run_line(copy_scripts(tmp_path), line)
    assert len(calls) == number
    assert f" --output-dir {out} " in f"{calls[0]} "


def test_the_parser_reads_the_folder_of_a_script(tmp_path):
    """`python parse_test_res.py DIR`, on the seeds of a script."""
    folder = copy_scripts(tmp_path)
    (folder / "bin/python").write_text(
        "#!/bin/sh\n"
        f'case "$1" in parse_test_res.py) exec {sys.executable} {REPO}/"$@" ;; esac\n'
        'echo call >> "$CALLS"\n'
        'while [ "$1" != --output-dir ]; do shift; done\n'
        'mkdir -p "$2"\n'
        'printf "Finish training\\n=> result\\n* accuracy: 81.5%%\\n" > "$2/log.txt"\n'
    )
    run_line(folder, "cd scripts && sh base2new_train.sh dtd 8.0")
    out = "output/base2new/train_base/dtd/shots_16_8.0/KgCoOp/vit_b16_ep100_ctxv1"
    assert len(list((folder / "repo" / out).glob("seed*/log.txt"))) == 3
    done = subprocess.run(
        f"python parse_test_res.py {out}",
        shell=True,
        cwd=folder / "repo",
        env=script_environment(folder),
        capture_output=True,
        text=True,
    )
    assert "* accuracy: 81.50% +- 0.00%" in done.stdout, done.stderr
