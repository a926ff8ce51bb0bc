"""What a user's mistake gets: one line that names it, exit code 2, nothing lost.

These call the command line's entry `train.run` in this process: starting Python forty times would
take minutes. tests/smoke/test_train.py shows that the process does the same.
"""

import hashlib
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


@pytest.fixture(scope="module")
def trained(small_vit, tmp_path_factory):
    """(data root, folder) of a CoOp run of one epoch, which tests only read."""
    root = tmp_path_factory.mktemp("trained")
    pets = small_pets.write(root / "data")
    words, pairs = command.train_words("CoOp", pets, small_vit, root / "out", epochs=1)
    assert train.run([*words, *pairs]) == 0
    return pets, root / "out"


@pytest.mark.parametrize(
    ("flags", "settings", "says"),
    [
        ("--model-dir OUT", "", "--model-dir OUT|--eval-only|MODEL.INIT_WEIGHTS OUT"),
        ("--model-dir OUT/none", "", "--model-dir|--eval-only|MODEL.INIT_WEIGHTS"),
        ("--no-train --model-dir OUT", "", "--model-dir|--no-train|--eval-only"),
        ("--load-epoch 2", "", "--load-epoch 2|--eval-only|MODEL.INIT_WEIGHTS"),
        ("--eval-only", "", "--eval-only|--model-dir|--untrained"),
        ("--eval-only --untrained --model-dir OUT", "", "--untrained|--model-dir"),
        ("--untrained", "", "--untrained|--eval-only"),
        ("--eval-only --model-dir OUT/none", "", "--model-dir OUT/none|no such folder"),
        ("--eval-only --model-dir OUT/prompt_learner", "", "did you mean OUT?"),
        ("--eval-only --model-dir OUT/..", "", "did you mean OUT?"),
        ("--eval-only --model-dir OUT --resume OUT", "", "--resume|--eval-only"),
        ("--resume OUT/none", "", "--resume|no such folder"),
        ("--resume OUT/tensorboard", "", "--resume|no checkpoint of prompt_learner"),
        ("--eval-only --model-dir OUT", "TEST.NO_TEST True", "--eval-only|TEST.NO_TEST"),
        ("--old-data-path /a", "", "--old-data-path|--new-data-path"),
        ("--seed 1", "SEED 2", "--seed 1|SEED 2"),
        ("", "OPTIM.LR 0.1 --seed 2", "--seed|flags stand before the KEY VALUE options"),
        ("", "OPTIM.NAME adam OPTIM.ADAM_EPS 1e-50", "OPTIM.ADAM_EPS|float32"),
        ("", "MODEL.INIT_WEIGHTS OUT/none", "no checkpoint file OUT/none"),
    ],
)
def test_contradictions_are_refused_in_one_line(flags, settings, says, trained, small_vit, capsys):
    pets, out = trained
    output = out.with_name("other")
    flags, settings, says = (text.replace("OUT", str(out)) for text in (flags, settings, says))
    words, pairs = command.train_words("CoOp", pets, small_vit, output, *settings.split())
    capsys.readouterr()
    code = train.run([*words, *flags.split(), *pairs])
    error = capsys.readouterr().err
    refused((code, error[error.find("error: ") :].strip()), *says.split("|"))
    assert not (output / "result.json").exists()


def test_what_was_tested_stands_in_the_result(trained, small_vit, tmp_path):
    """Untrained on purpose, and a training from the tensors of another run, on all images."""
    pets, out = trained

    def result(name, *flags, settings=()):
        words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / name, *settings)
        assert train.run([*words, *map(str, flags), *pairs]) == 0
        return json.loads((tmp_path / name / "result.json").read_text())

    found = result("untrained", "--eval-only", "--untrained")
    assert found["provenance"]["checkpoint"] == "untrained"
    assert (found["epoch"], found["epochs"]) == (0, None)
    found = result("tested", "--eval-only", "--model-dir", out)
    (file,) = found["provenance"]["checkpoint"]["files"]
    assert (tmp_path / "tested" / file["path"]).samefile(out / "prompt_learner/model.pth.tar-1")
    assert (found["epoch"], found["epochs"]) == (1, None)
    settings = ("MODEL.INIT_WEIGHTS", out, "DATASET.NUM_SHOTS", 0)
    found = result("tuned", settings=settings)
    assert found["provenance"]["initial_weights"]["sha256"] == file["sha256"]
    assert found["provenance"]["dataset"]["num_train"] == 12
    weights = small_vit.read_bytes()
    backbone = found["provenance"]["backbone"]
    assert (backbone["name"], backbone["activation"]) == (small_vit.name, "quick_gelu")
    assert backbone["activation_from"] and backbone["layout"]
    assert backbone["sha256"] == hashlib.sha256(weights).hexdigest()
    log = (tmp_path / "tuned" / "log.txt").read_text()
    assert "Notice: DATASET.NUM_SHOTS 0: trains on every training image" in log


@pytest.mark.parametrize("key", ["ctx", "nothing"])
def test_a_checkpoint_that_is_no_number_is_named(key, trained, small_vit, tmp_path, capsys):
    """Before anything is tested; without a tensor in the file, the outputs say it."""
    pets, out = trained
    place = tmp_path / "bad" / "prompt_learner"
    place.mkdir(parents=True)
    content = torch.load(out / "prompt_learner/model.pth.tar-1", weights_only=True)
    content["state_dict"]["ctx"][0] = torch.nan if key == "ctx" else 3e38
    torch.save(content, place / "model.pth.tar-1")
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out")
    capsys.readouterr()
    code = train.run([*words, "--eval-only", "--model-dir", str(tmp_path / "bad"), *pairs])
    error = capsys.readouterr().err
    says = [str(place), "ctx: infinite"] if key == "ctx" else ["batch 1 of 1"]
    refused((code, error[error.find("error: ") :].strip()), *says)
    assert not (tmp_path / "out" / "result.json").exists()


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


def test_broken_trainer_files_are_named_and_hurt_only_their_own(pets, small_vit, tmp_path):
    copy = command.copy_project(tmp_path / "copy")
    faults = ["import nowhere", "raise SystemExit(3)", "def broken(:"]
    for number, fault in enumerate(faults):
        (copy / "trainers" / f"aa_mine{number}.py").write_text(f"{fault}\n")
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out")
    done = command.python("train.py", *words, "--no-train", *pairs, cwd=copy)
    assert done.returncode == 0, done.stderr
    notices = [line for line in done.stdout.splitlines() if "aa_mine" in line]
    assert len(notices) == len(faults)
    assert all(n.startswith("Notice: ") and "could not be imported" in n for n in notices)


def test_debug_shows_the_traceback(pets, small_vit, tmp_path):
    words, pairs = command.train_words("CoOp", pets, small_vit, tmp_path / "out", "OPTIM.LRR", 1)
    done = command.python("train.py", *words, "--debug", *pairs)
    assert done.returncode == 1 and "Traceback" in done.stderr
