"""A script on each function of scripts/common.sh for real on the demo suite; `make test-scripts`
runs them all."""

import json

import pytest

from tests.support.script_lab import ScriptLab

B2N = "output/base2new/train_base/dtd/shots_16"
KGCOOP = "output/base2new/train_base/dtd/shots_16_8.0/KgCoOp/vit_b16_ep100_ctxv1"
FAMILIES = [
    ("promptsrc/base2new_train.sh dtd 1", f"{B2N}/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx/seed1"),
    ("zsclip/zeroshot.sh dtd vit_b16", "output/ZeroshotCLIP/vit_b16/dtd"),
    ("zeroshot.sh plant6 rn50 0", "output/ZeroshotCLIP/rn50/plant6-0"),
    ("base2new_train.sh dtd 8.0", f"{KGCOOP}/seed3"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = ScriptLab(tmp_path_factory.mktemp("lab"))
    lab.mark_done(f"{KGCOOP}/seed1", f"{KGCOOP}/seed2")
    return lab


@pytest.mark.parametrize("line, out", FAMILIES, ids=[line for line, _ in FAMILIES])
def test_a_script_leaves_a_result(lab, line, out):
    printed = lab.run(f"scripts/{line}")
    result = json.loads((lab.repo / out / "result.json").read_text())
    assert 0 <= result["accuracy"] <= 100 and result["num_test"] > 0
    assert "=> result" in printed
    assert f"Skip: the result is in {out}" in lab.run(f"scripts/{line}")


def test_a_dept_test_takes_the_model_of_the_training(lab):
    lab.run("scripts/vpt_dept/base2new_train.sh dtd 1")
    printed = lab.run("scripts/vpt_dept/base2new_test.sh dtd 1")
    assert "model.pth.tar-1" in printed and "test_new/dtd/shots_16/VPTDePT" in printed
