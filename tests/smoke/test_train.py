"""train.py as a user runs it: small pictures in OxfordPets' format, a small CLIP, two epochs.

The first run, and those that are killed or meet a full disk, are processes; the others call the
same entry in this one.
"""

import json
import re
import signal
import subprocess
from types import SimpleNamespace

import pytest
import torch

import train as program
from tests.support import command, small_pets
from trainers.parts.execution import below_chance


@pytest.fixture
def pets(tmp_path):
    return small_pets.write(tmp_path / "data")


@pytest.fixture
def words(pets, small_vit, tmp_path):
    """The command line of a trainer into tmp_path/<output>: flags first, then config pairs."""

    def call(trainer, output, *flags, settings=()):
        first, pairs = command.train_words(trainer, pets, small_vit, tmp_path / output, *settings)
        return [*first, *map(str, flags), *pairs]

    return call


@pytest.fixture
def train(words, capsys):
    """Runs a trainer by the command line's entry in this process: what it ends with and prints."""

    def call(*line, **more):
        capsys.readouterr()
        code = program.run(words(*line, **more))
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return call


def checkpoint(folder, name, epoch):
    path = folder / name / f"model.pth.tar-{epoch}"
    return torch.load(path, weights_only=True)["state_dict"]


def test_base_to_new_run_leaves_log_checkpoint_and_result(train, words, tmp_path):
    half = ("DATASET.SUBSAMPLE_CLASSES", "base")
    base = command.python("train.py", *words("MaPLeDePT", "base", "--seed", 1, settings=half))
    assert base.returncode == 0, base.stderr
    log = (tmp_path / "base" / "log.txt").read_text()
    assert "Loading trainer: MaPLeDePT" in log and "epoch [2/2] batch [2/2]" in log
    result = json.loads((tmp_path / "base" / "result.json").read_text())
    assert f"* accuracy: {result['accuracy']:.1f}%" in log
    assert result["trainer"] == "MaPLeDePT" and result["dataset"] == "OxfordPets"
    assert (result["seed"], result["shots"], result["subsample_classes"]) == (1, 2, "base")
    assert result["num_test"] == 4 and result["precision"] == "fp32"
    assert re.search(r"Notice: precision fp16 needs a GPU; this run uses fp32", log)
    assert {"build", "train", "test"} == set(result["seconds"])
    assert result["peak_memory_mb"] > 0 and len(result["config_sha256"]) == 64
    assert (result["epochs"], result["val_accuracy"]) == (2, None)
    trained = torch.load(next((tmp_path / "base").rglob("model.pth.tar-2")), weights_only=True)
    count = sum(tensor.numel() for tensor in trained["state_dict"].values())
    assert result["trainable_parameters"] == count > 0

    new = train(
        "MaPLeDePT",
        "new",
        *("--model-dir", tmp_path / "base", "--load-epoch", 2, "--eval-only", "--job-key", "abc"),
        settings=("DATASET.SUBSAMPLE_CLASSES", "new"),
    )
    assert new.returncode == 0, new.stderr
    assert 'Loading weights to MultiModalPromptLearner from "' in new.stdout
    result = json.loads((tmp_path / "new" / "result.json").read_text())
    assert result["subsample_classes"] == "new" and result["job_key"] == "abc"


def test_the_validation_accuracy_is_there_on_request_and_changes_nothing_else(train, tmp_path):
    results = []
    for wanted in (False, True):
        words = ("--seed", 1, "--output-dir", tmp_path / str(wanted))
        done = train("CoOp", str(wanted), *words, settings=("TEST.VALIDATE_AT_END", wanted))
        assert done.returncode == 0, done.stderr
        results.append(json.loads((tmp_path / str(wanted) / "result.json").read_text()))
    without, validated = results
    assert without["val_accuracy"] is None
    assert 0 <= validated["val_accuracy"] <= 100
    assert "Evaluate on the *val* set" in done.stdout
    assert validated["accuracy"] == without["accuracy"]
    assert validated["split"] == "test"


def test_the_same_seed_gives_the_same_tensors_and_seed_0_counts(train, tmp_path):
    for output in ("first", "second"):
        done = train("CoOp", output, "--seed", 0)
        assert done.returncode == 0, done.stderr
        assert "Setting fixed seed: 0" in done.stdout
    first, second = (checkpoint(tmp_path / o, "prompt_learner", 2) for o in ("first", "second"))
    assert torch.equal(first["ctx"], second["ctx"])


def test_data_root_comes_from_the_environment_and_transforms_from_the_flag(
    words, pets, tmp_path, capsys, monkeypatch
):
    flags = ["--no-train", "--transforms", "random_flip", "normalize", "--seed", "1"]
    line = words("CoOp", "out", *flags)
    assert line.pop(0) == "--root" and line.pop(0) == str(pets)
    monkeypatch.setenv("DATA", str(pets))
    assert program.run(line) == 0
    printed = capsys.readouterr().out
    assert "+ random flip" in printed and "random resized crop" not in printed
    assert not (tmp_path / "out" / "prompt_learner").exists()
    monkeypatch.delenv("DATA")
    assert program.run(line) == 2
    said = capsys.readouterr().err.strip()
    assert said.endswith("give --root or set the environment variable DATA")


def test_resume_flag_goes_on_from_another_folder(train, tmp_path):
    assert train("CoOp", "first", "--seed", 1).returncode == 0
    done = train("CoOp", "second", "--seed", 1, "--resume", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    assert f"Found checkpoint at {tmp_path / 'first'}" in done.stdout
    assert "epoch [" not in done.stdout, "both epochs were trained before"


def test_domains_and_head_reach_the_config(train):
    flags = ("--source-domains", "a", "b", "--target-domains", "c", "--head", "mlp", "--no-train")
    done = train("CoOp", "out", *flags)
    assert done.returncode == 0, done.stderr
    assert "SOURCE_DOMAINS: ('a', 'b')" in done.stdout
    assert "TARGET_DOMAINS: ('c',)" in done.stdout
    assert "NAME: mlp" in done.stdout


def test_zero_shot_tests_without_a_model(words, capsys):
    line = words("CoOp", "out")
    line[line.index("CoOp")] = "ZeroshotCLIP"
    assert program.run(["--eval-only", *line]) == 0
    assert "a photo of a great pyrenees, a type of pet." in capsys.readouterr().out
    assert program.run(line) == 2
    assert "has nothing to train" in capsys.readouterr().err


def test_killed_run_ends_with_the_tensors_of_an_unbroken_one(train, words, tmp_path):
    trainer, folder, settings = "MaPLeDePT", "MultiModalPromptLearner", ("OPTIM.MAX_EPOCH", 6)
    whole = train(trainer, "whole", "--seed", 3, settings=settings)
    assert whole.returncode == 0, whole.stderr
    process = command.Forked(
        ["train.py", *words(trainer, "cut", "--seed", 3, settings=settings)],
        cwd=command.PROJECT,
        env=command.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for text in process.stdout:
        if text.startswith("epoch [3/6]"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait(timeout=60)
    again = train(trainer, "cut", "--seed", 3, settings=settings)
    assert again.returncode == 0, again.stderr
    (log,) = (tmp_path / "cut").glob("log.txt-*")
    epochs = [int(n) for n in re.findall(r"epoch \[(\d)/6\]", log.read_text())]
    assert epochs and min(epochs) >= 3 and max(epochs) == 6
    expected, actual = (checkpoint(tmp_path / o, folder, 6) for o in ("whole", "cut"))
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_a_resume_state_of_another_configuration_is_refused(train, tmp_path):
    assert train("CoOp", "out", "--seed", 1).returncode == 0
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.pth.tar*")}
    other = train("CoOp", "out", "--seed", 1, settings=("OPTIM.LR", "0.5"))
    assert other.returncode == 2 and "resume.pth.tar" in other.stderr
    assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.pth.tar*")}


@pytest.mark.parametrize(("limit", "file"), [(60_000, "resume.pth.tar"), (3_000, "log.txt")])
def test_no_room_on_disk_is_one_line_and_loses_nothing(limit, file, train, words, tmp_path):
    """A limit on the size of files, in bytes, stands for a full disk; then the command finishes."""
    code = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, 2 * ({limit},)); "
    code += "runpy.run_path('train.py', run_name='__main__')"
    process = command.Forked(
        ["-c", code, *words("MaPLe", "out", "--seed", 1)],
        cwd=command.PROJECT,
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert said.strip().count("\n") == 0 and file in said
    assert not list((tmp_path / "out").rglob("*.pth.tar*")), "half a file is left"
    assert train("MaPLe", "out", "--seed", 1).returncode == 0


def test_help_needs_no_torch():
    assert "--dataset-config-file" in command.help_without_torch("train")


def test_a_plan_tells_what_would_train_and_leaves_nothing(train, tmp_path):
    done = train("MaPLe", "planned", "--plan")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["MultiModalPromptLearner.prompt_learner.ctx", "2", "x", "64"] in [r[:4] for r in rows]
    assert "4 steps an epoch, 2 epochs, 8 steps" in done.stdout
    assert re.search(r"forecast: [1-9]\d* MiB of tensors, [1-9]\d* of them towers", done.stdout)
    assert not (tmp_path / "planned").exists()
    trained = train("MaPLe", "trained")
    result = json.loads((tmp_path / "trained/result.json").read_text())
    assert f"tensors of {result['trainable_parameters']:,} numbers in all" in done.stdout
    assert re.search(
        r"First epoch: \d+\.\d s, peak memory [\d,]+ MiB, 1 epoch left", trained.stdout
    )
    assert "Hint" not in trained.stdout  # of four classes twice chance is half


@pytest.mark.parametrize(("accuracy", "hinted"), [(3.9, True), (4.0, False)])
def test_an_accuracy_below_twice_chance_gets_a_hint(accuracy, hinted):
    record = SimpleNamespace(results={"accuracy": accuracy}, tasks=())
    said = below_chance(SimpleNamespace(test_record=record, num_classes=50))
    assert said.startswith("Hint: 3.9% is below twice chance (2.0% of 50 classes)") == hinted
    assert bool(said) == hinted
