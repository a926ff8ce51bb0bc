"""What a user's mistake gets: one line that names it, exit code 2, nothing lost.

These call the command line's entry `train.run` in this process: starting Python forty times would
take minutes. tests/smoke/test_train.py shows that the process does the same.
"""

import json

import pytest
import torch

import train
from tests.support import command, small_pets


@pytest.fixture
def pets(tmp_path):
    return small_pets.write(tmp_path / "data")


@pytest.fixture
def run(pets, small_vit, tmp_path, capsys):
    """Calls train.run; returns its exit code and the lines of stderr that tell the mistake."""

    def call(trainer="CoOp", *, flags=(), replace=None, settings=(), output="out"):
        words, pairs = command.train_words(trainer, pets, small_vit, tmp_path / output, *settings)
        for flag, value in (replace or {}).items():
            words[words.index(flag) + 1] = str(value)
        capsys.readouterr()
        code = train.run([*words, *map(str, flags), *pairs])
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return code, error[error.find("error: ") :].strip()

    return call


def refused(outcome, *words):
    """Checks exit code 2, a single line, and that the line says all the words."""
    code, error = outcome
    assert code == 2, error
    assert "\n" not in error, error
    for word in words:
        assert word in error, error


def test_unknown_trainer_names_the_nearest(run):
    refused(run(replace={"--trainer": "MapleDePT"}), "MapleDePT", "did you mean MaPLeDePT?")


def test_unknown_dataset_names_the_nearest(run):
    refused(run(settings=("DATASET.NAME", "OxfordPet")), "OxfordPet", "OxfordPets")


def test_unknown_key_names_the_nearest_real_one(run):
    refused(
        run("MaPLe", settings=("TRAINER.MAPLE.DEPTH", 3)),
        "TRAINER.MAPLE.DEPTH",
        "did you mean TRAINER.MAPLE.PROMPT_DEPTH?",
    )


def test_all_problems_are_told_at_once(run):
    settings = ("OPTIM.LRR", 1, "OPTIM.MAX_EPOCH", "many", "TRAINER.COOP.PREC", "fp8")
    code, error = run(settings=(*settings, "TRAINER.COOP.CLASS_TOKEN_POSITION", "back"))
    assert code == 2 and error.startswith("error: 4 problems")
    for word in ("OPTIM.LRR", "OPTIM.MAX_EPOCH", "fp8", "end, middle, front"):
        assert word in error


def test_half_precision_typed_by_hand_on_a_cpu_is_an_error(run):
    settings = ("TRAINER.COOP.PREC", "fp16", "USE_CUDA", False)
    refused(run(settings=settings), "TRAINER.COOP.PREC fp16", "use fp32 or bf16")


def test_missing_files_and_folders_are_named(run, tmp_path):
    refused(run(replace={"--root": tmp_path / "nowhere"}), str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    refused(run(replace={"--root": tmp_path / "empty"}), str(tmp_path / "empty/oxford_pets"))
    config = "configs/trainers/CoOp/vit_b16_ep5.yaml"
    refused(run(replace={"--config-file": config}), config, "did you mean")


def test_option_without_a_value_is_named(run):
    refused(run(settings=("OPTIM.LR",)), "OPTIM.LR", "KEY VALUE")


def test_weights_cut_short_or_of_no_clip_are_named(run, small_vit, tmp_path):
    cut = tmp_path / "cut.pt"
    cut.write_bytes(small_vit.read_bytes()[:5000])
    refused(run(replace={"--backbone": cut}), str(cut))
    other = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2)}, other)
    refused(run(replace={"--backbone": other}), str(other))
    refused(run(replace={"--backbone": "ViT-B/17"}), "ViT-B/17", "ViT-B/16")


def test_input_size_has_to_be_the_backbones(run):
    refused(run(settings=("INPUT.SIZE", "(48, 48)")), "INPUT.SIZE", "(32, 32)")


def test_class_specific_contexts_do_not_score_other_classes(run, tmp_path):
    csc = ("TRAINER.COOP.CSC", True, "TRAINER.COOP.N_CTX", 4, "OPTIM.MAX_EPOCH", 1)
    assert run(settings=(*csc, "DATASET.SUBSAMPLE_CLASSES", "base"))[0] == 0
    flags = ("--eval-only", "--model-dir", tmp_path / "out", "--load-epoch", -1)
    for subset in ("new", "all"):
        outcome = run(
            flags=flags, settings=(*csc, "DATASET.SUBSAMPLE_CLASSES", subset), output=subset
        )
        refused(outcome, "TRAINER.COOP.CSC", "do not transfer")


def test_checkpoint_of_another_shape_or_method_is_refused(run, tmp_path):
    depth = "TRAINER.MAPLE.PROMPT_DEPTH"
    assert run("MaPLe", settings=(depth, 2, "OPTIM.MAX_EPOCH", 1))[0] == 0
    flags = ("--eval-only", "--model-dir", tmp_path / "out")
    refused(
        run("MaPLe", flags=flags, settings=(depth, 9), output="deeper"),
        "prompt_learner.compound_prompts_text.1",
    )
    refused(run("MaPLe", flags=flags, settings=(depth, 1), output="shallow"), "does not have")
    refused(run("MaPLeDePT", flags=flags, settings=(depth, 2), output="dept"), "film_lp")
    refused(run("CoOp", flags=flags, output="coop"), "holds MultiModalPromptLearner")
    context = ("TRAINER.MAPLE.N_CTX", 3, depth, 2)
    refused(
        run("MaPLe", flags=flags, settings=context, output="context"),
        "prompt_learner.ctx has shape [2, 64], this run needs [3, 64]",
    )
    flags = (*flags, "--load-epoch", 7)
    refused(run("MaPLe", flags=flags, settings=(depth, 2), output="epoch"), "epochs there are 1")


def test_unreadable_image_is_named(run, pets):
    bad = pets / "oxford_pets" / "images" / "beagle_train1.jpg"
    bad.write_bytes(b"no picture")
    refused(run(settings=("DATASET.NUM_SHOTS", 3)), str(bad))


def test_empty_class_is_named(run, pets):
    path = pets / "oxford_pets" / "split_zhou_OxfordPets.json"
    split = json.loads(path.read_text())
    split["train"] = [item for item in split["train"] if item[2] != "beagle"]
    path.write_text(json.dumps(split))
    refused(run(), "beagle")


def test_fewer_images_than_shots_is_a_warning(pets, small_vit, tmp_path):
    settings = ("DATASET.NUM_SHOTS", 8, "OPTIM.MAX_EPOCH", 1)
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out", *settings)
    assert train.run([*words, *pairs]) == 0
    log = (tmp_path / "out" / "log.txt").read_text()
    assert "have fewer training images than 8 shots: abyssinian has 3, beagle has 3, " in log


def test_options_may_follow_a_flag_that_takes_a_list():
    words = ["--transforms", "random_flip", "normalize", "OPTIM.LR", "0.1", "OPTIM.NAME", "adam"]
    args = train.build_parser().parse_args(words)
    assert args.transforms == ["random_flip", "normalize"]
    assert args.opts == ["OPTIM.LR", "0.1", "OPTIM.NAME", "adam"]


@pytest.mark.parametrize("words", [["--load-epoch", "x"], ["--seed", "abc"], ["--trainer"]])
def test_wrong_flags_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.run(words)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.startswith(f"error: {words[0]}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("fault", ["import nowhere", "raise SystemExit(3)", "def broken(:"])
def test_broken_trainer_file_is_named_and_hurts_only_its_own(fault, pets, small_vit, tmp_path):
    copy = command.copy_project(tmp_path / "copy")
    (copy / "trainers" / "aa_mine.py").write_text(f"{fault}\n")
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out")
    done = command.python("train.py", *words, "--no-train", *pairs, cwd=copy)
    assert done.returncode == 0, done.stderr
    (notice,) = [line for line in done.stdout.splitlines() if "aa_mine.py" in line]
    assert notice.startswith("Notice: ") and "could not be imported" in notice


def test_debug_shows_the_traceback(pets, small_vit, tmp_path):
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out", "OPTIM.LRR", 1)
    done = command.python("train.py", *words, "--debug", *pairs)
    assert done.returncode == 1 and "Traceback" in done.stderr
    plain = command.python("train.py", *words, *pairs)
    assert plain.returncode == 2 and len(plain.stderr.strip().splitlines()) == 1
