"""The command line: flags, lists, KEY VALUE words, and what a mistake is told."""

import re

import pytest

from runner.errors import UserError
from runner.plan.arguments import parse


def test_options_start_at_the_first_word_with_a_dot():
    arguments = parse(["--cfg", "coop", "--seeds", "1", "2", "OPTIM.LR", "0.1", "INPUT.SIZE", "4"])
    assert arguments.seeds == (1, 2)
    assert arguments.options == ("OPTIM.LR", "0.1", "INPUT.SIZE", "4")


def test_lists_take_commas_or_blanks():
    arguments = parse(["--cfg", "coop,maple", "zsclip", "--datasets", "dtd,", "eurosat"])
    assert arguments.cfg == ("coop", "maple", "zsclip")
    assert arguments.datasets == ("dtd", "eurosat")


@pytest.mark.parametrize("flag", ["--demo", "--dry-run", "--fresh", "--list", "--debug"])
def test_an_option_may_follow_a_flag_without_value(flag):
    assert parse(["--cfg", "coop", flag, "OPTIM.LR", "0.1"]).options == ("OPTIM.LR", "0.1")


@pytest.mark.parametrize("flag", ["--data", "--weights"])
def test_a_path_with_a_dot_is_no_option(flag):
    for words in ([flag, "./data.v2"], [f"{flag}=./data.v2"]):
        arguments = parse(["--cfg", "coop", *words, "--seeds", "1"])
        assert "./data.v2" in (arguments.data, arguments.weights) and arguments.options == ()


@pytest.mark.parametrize(
    "words, line",
    [
        (["--cfg", "coop", "--seed", "1"], "--seed: no such flag; did you mean --seeds?"),
        ([], "--cfg is missing: name an experiment; --list shows them"),
        (["--cfg", "coop", "--seeds", "one"], "--seeds: one: must be a whole number, 0 or more"),
        (["--cfg", "coop", "--shots", "0"], "--shots: 0: must be a whole number, 1 or more"),
        (["--cfg", "coop", "OPTIM.LR"], "OPTIM.LR: has no value; options are KEY VALUE"),
        (
            ["--cfg", "coop", "OPTIM.LR", "0.1", "--dry-run"],
            "--dry-run: flags stand before the KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "DATASET.NUM_SHOTS", "4"],
            "DATASET.NUM_SHOTS: set by the runner for every run; use --shots",
        ),
        (
            ["--cfg", "coop", "--seeds", "1", "0.5", "2"],
            "0.5: not a key; options are KEY VALUE, as OPTIM.LR 0.002",
        ),
        (
            ["--cfg", "coop", "--seeds", "1.5"],
            "--seeds: expected at least one argument; 1.5 has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--datasets", "x.yaml", "--seeds", "1"],
            "--datasets: expected at least one argument; x.yaml has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--seeds", "1", "--cfg", "configs.py"],
            "--cfg: expected at least one argument; configs.py has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--gpus", "OPTIM.LR", "0.1"],
            "--gpus: expected at least one argument; OPTIM.LR has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--retries", "0.5"],
            "--retries: expected one argument; 0.5 has a dot and so begins the KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--mode", "b2n.x"],
            "--mode: expected at least one argument; b2n.x has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--mode", "xx"],
            "--mode: xx: no such mode; did you mean xd?",
        ),
        (
            ["--cfg", "coop", "--grid", "OPTIM.LR", "0.1"],
            "--grid: expected at least one argument; OPTIM.LR has a dot and so begins the "
            "KEY VALUE options",
        ),
        (
            ["--cfg", "coop", "--grid", "OPTIM.LR="],
            "--grid OPTIM.LR=: must be KEY=a,b,c, as OPTIM.LR=0.002,0.02",
        ),
        (
            ["--cfg", "coop", "--grid", "DATASET.NUM_SHOTS=1,2"],
            "--grid DATASET.NUM_SHOTS: set by the runner for every run; use --shots",
        ),
        (
            ["--cfg", "coop", "--grid", "A.B=1", "A.B=2"],
            "--grid A.B: given twice",
        ),
        (
            ["--cfg", "coop", "--demo", "--data", "x"],
            "--data has no effect with --demo, whose datasets have a place of their own",
        ),
        (
            ["--cfg", "coop", "--cache", "a.b", "--no-cache"],
            "--cache a.b and --no-cache: one or the other",
        ),
    ],
)
def test_a_mistake_is_one_line(words, line):
    with pytest.raises(UserError) as error:
        parse(words)
    # Python before 3.12 quotes the choices.
    told = re.sub(
        r"choose from .*", lambda found: found[0].replace("'", ""), error.value.problems[0]
    )
    assert told == line


@pytest.mark.parametrize(
    "words, line",
    [
        (["--cfg", "maple_detp"], "--cfg maple_detp: no such experiment; did you mean maple_dept?"),
        (
            ["--cfg", "coop", "--datasets", "eurosatt"],
            "coop: no file configs/datasets/eurosatt.yaml; did you mean eurosat?",
        ),
        (
            ["--cfg", "coop", "--data", "/nowhere"],
            "data root /nowhere: no such folder; give --data",
        ),
    ],
)
def test_unknown_names_end_with_code_2_and_the_nearest(lab, words, line):
    done = lab.run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {line}")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_data_root_nothing_runs(lab):
    done = lab.run("--cfg", "coop", "--datasets", "dtd", data=False)
    assert done.returncode == 2
    assert (
        done.stderr == "error: no data root: give --data PATH or set DATA (--demo needs neither)\n"
    )


def test_dry_run_of_the_whole_protocol_needs_no_data(lab):
    done = lab.run("--cfg", "maple_dept", "--dry-run", data=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 11 * 3 * 2
    assert all("stub_train.py --root DATA --seed" in line for line in lines)
    assert sum("--eval-only" in line for line in lines) == 33


def test_datasets_of_the_protocol_without_a_file_are_named_together(lab):
    for name in ("dtd", "sun397"):
        (lab.path / f"configs/datasets/{name}.yaml").unlink()
    done = lab.run("--cfg", "coop", "--dry-run")
    assert done.returncode == 2
    lines = [line.partition(";")[0] for line in done.stderr.splitlines()]
    assert lines == [f"error: coop: no file configs/datasets/{x}.yaml" for x in ("dtd", "sun397")]


def test_dry_run_prints_commands_and_starts_nothing(lab):
    words = ["--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--shots", "4", "--dry-run"]
    done = lab.run(*words, "OPTIM.LR", "0.1")
    train, test = done.stdout.splitlines()
    folder = "CoOp/dtd/shots4/vit_b16_ep10_bs4_lr35/seed1"
    options = "DATASET.NUM_SHOTS 4 DATASET.SUBSAMPLE_CLASSES {} OPTIM.LR 0.1"
    assert "--seed 1 --trainer CoOp --dataset-config-file configs/datasets/dtd.yaml" in train
    assert f"--output-dir outputs/coop/train_base/{folder} --job-key" in train
    assert train.endswith(options.format("base")) and test.endswith(options.format("new"))
    tested = f"--model-dir outputs/coop/train_base/{folder} --load-epoch -1 --eval-only"
    assert f"--output-dir outputs/coop/test_new/{folder} {tested}" in test
    assert lab.events("start") == [] and not (lab.path / "outputs").exists()


def test_where_test_images_are_kept_is_passed_on_and_is_no_setting(lab):
    words = ["--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--dry-run"]
    plain = lab.run(*words).stdout.splitlines()
    for flags, passed in (
        (["--cache", "a.b/c"], " --cache a.b/c"),
        (["--no-cache"], " --no-cache"),
    ):
        lines = lab.run(*words, *flags).stdout.splitlines()
        assert all(passed in line for line in lines)
        assert [line.replace(passed, "") for line in lines] == plain  # the job keys too


def test_jobs_share_a_gpu_and_runs_have_a_limit_by_whole_numbers():
    found = parse(["--cfg", "coop", "--jobs-per-gpu", "3", "--job-timeout", "90"])
    assert (found.jobs_per_gpu, found.job_timeout) == (3, 90)
    assert parse(["--cfg", "coop"]).jobs_per_gpu is None
    for words in (["--jobs-per-gpu", "0"], ["--jobs-per-gpu", "auto"], ["--job-timeout", "0"]):
        with pytest.raises(UserError, match="must be a whole number, 1 or more"):
            parse(["--cfg", "coop", *words])
