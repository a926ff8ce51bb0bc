"""What changes a job key, and what does not."""

import hashlib

import pytest

from dassl.config.digest import IGNORED_KEYS
from runner.plan.jobkey import IGNORED, job_key, normalise, weights_id


@pytest.fixture
def yamls(tmp_path):
    paths = [tmp_path / "dataset.yaml", tmp_path / "trainer.yaml"]
    paths[0].write_text("DATASET:\n  NAME: EuroSAT\n")
    paths[1].write_text("MODEL:\n  BACKBONE:\n    NAME: ViT-B/16\n")
    return paths


def key(yamls, **changes):
    given = {
        "yamls": yamls,
        "options": ["OPTIM.LR", "0.1"],
        "trainer": "CoOp",
        "dataset": "eurosat",
        "seed": 1,
        "weights": "ViT-B/16",
        "evaluates": "",
        "training": "",
    }
    return job_key(**{**given, **changes})


def test_key_and_config_digest_leave_out_the_same_options():
    assert IGNORED == IGNORED_KEYS


@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": "MaPLe"},
        {"dataset": "dtd"},
        {"seed": 2},
        {"options": ["OPTIM.LR", "0.2"]},
        {"options": []},
        {"weights": "ViT-B/32"},
        {"training": "x"},
        {"evaluates": "zero-shot"},
    ],
)
def test_what_makes_another_run(yamls, changes):
    assert key(yamls, **changes) != key(yamls)


@pytest.mark.parametrize(
    "options",
    [
        ["OPTIM.LR", "1e-1"],
        ["OPTIM.LR", "5", "OPTIM.LR", "0.1"],
        ["DATALOADER.NUM_WORKERS", "0", "OPTIM.LR", "0.1", "TRAIN.PRINT_FREQ", "1"],
    ],
)
def test_what_does_not(yamls, options):
    assert key(yamls, options=options) == key(yamls)


def test_the_order_of_options_does_not_count():
    assert normalise(["B.C", "1", "A.B", "x"]) == normalise(["A.B", "x", "B.C", "1"])


@pytest.mark.parametrize("number", [0, 1])
def test_the_bytes_of_both_files_count(yamls, tmp_path, number):
    before = key(yamls)
    changed = tmp_path / "other.yaml"
    changed.write_text(yamls[number].read_text() + "# a comment\n")
    assert key([*yamls[:number], changed, *yamls[number + 1 :]]) != before


def test_weights_are_a_name_or_the_content_of_a_file(yamls, tmp_path):
    assert weights_id(yamls, [], [tmp_path]) == "ViT-B/16"
    (tmp_path / "mine.pt").write_bytes(b"weights")
    options = ["MODEL.BACKBONE.NAME", "mine.pt"]
    expected = hashlib.sha256(b"weights").hexdigest()
    assert weights_id(yamls, options, [tmp_path / "elsewhere", tmp_path]) == expected
    options[1] = "open_clip:ViT-B-32/laion2b_s34b_b79k@mine.pt"  # the tag says how it is computed
    whole = f"open_clip:ViT-B-32/laion2b_s34b_b79k@{expected}"
    assert weights_id(yamls, options, [tmp_path]) == whole
    options[1] = "open_clip:ViT-B-32/laion2b_s34b_b79k"
    assert weights_id(yamls, options, [tmp_path]) == options[1]
