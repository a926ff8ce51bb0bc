"""`--launcher slurm` over fake commands of SLURM and stub jobs."""

import re

import pytest

from runner.launch import schedule
from tests.unit.runner.lab import wait_until

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
TWELVE = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1", "2", "3")
SLURM = ("--launcher", "slurm")
CSV = "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"


def test_twelve_runs_end_in_the_table_of_the_local_launcher(lab, cluster):
    done = lab.run(*TWELVE, *SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 jobs: 0 done, 12 to run by SLURM" in done.stdout
    assert "submitted array 100: 6 elements for 12 jobs" in done.stdout
    table = (lab.path / CSV).read_text()
    assert len(lab.events("start")) == 12
    for line in lab.events("start"):  # as SLURM has set it, the launcher has not
        assert re.fullmatch(r"100-\d", line["CUDA_VISIBLE_DEVICES"])
        assert line["OMP_NUM_THREADS"] == "4"
    options = cluster.arrays()["100"]["options"]
    assert options["array"] == "0-5" and options["gres"] == "gpu:1"
    assert options["time"] == "1440" and options["signal"] == "B:USR1@120"
    assert "requeue" in options and options["open-mode"] == "append"
    assert "already" not in lab.run(*TWELVE, *SLURM).stdout
    folders = sorted(path.relative_to(lab.path) for path in lab.path.rglob("result.json"))
    for path in folders:
        (lab.path / path).unlink()
    (lab.path / CSV).unlink()
    assert lab.run(*TWELVE).returncode == 0
    assert (lab.path / CSV).read_text() == table
    assert sorted(path.relative_to(lab.path) for path in lab.path.rglob("result.json")) == folders


def test_a_chain_runs_one_after_the_other_in_one_element(lab, cluster):
    assert lab.run(*TWELVE, *SLURM, "--max-jobs", "2").returncode == 0
    assert list(cluster.arrays()) == ["100"]
    assert cluster.arrays()["100"]["options"]["array"] == "0-5%2"
    for start in lab.events("start"):
        if "test_new" in start["out"]:
            train = start["out"].replace("test_new", "train_base")
            (end,) = [line for line in lab.events("end") if line["out"] == train]
            assert end["time"] < start["time"]
            (first,) = [line for line in lab.events("start") if line["out"] == train]
            assert first["CUDA_VISIBLE_DEVICES"] == start["CUDA_VISIBLE_DEVICES"]


def test_an_array_above_the_limit_of_the_site_is_split(lab, cluster):
    cluster.set("max_array_size", "4")
    done = lab.run(*TWELVE, *SLURM, "--max-jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    arrays = [array["options"]["array"] for array in cluster.arrays().values()]
    assert arrays == ["0-3%3", "0-1%3"]


def test_what_sbatch_says_is_passed_on_and_nothing_is_lost(lab, cluster):
    cluster.set("max_array_size", "4")
    cluster.set("refuse", "Batch job submission failed: Invalid partition name specified")
    done = lab.run(*TWELVE, *SLURM, "--slurm-args", "--partition=nowhere")
    assert done.returncode == 2
    said = "Batch job submission failed: Invalid partition name specified"
    assert done.stderr == f"error: sbatch refused: {said}\n"
    assert lab.events("start") == [] and cluster.arrays() == {}
    cluster.unset("refuse")
    assert lab.run(*TWELVE, *SLURM).returncode == 0


def test_a_dry_run_shows_the_script_that_would_be_submitted_and_its_commands(lab):
    words = ("--max-jobs", "2", "--slurm-args", "--partition=cpu --gpus=0")
    shown = lab.run(*TWELVE, *SLURM, *words, "--dry-run")
    assert shown.returncode == 0 and shown.stderr == "12 jobs, 0 of them done\n"
    lines = shown.stdout.splitlines()
    assert lines[0] == "# results/slurm/<time>/array.sh, submitted by"
    assert lines[1].startswith("# sbatch --parsable --array=0-5%2 --chdir=")
    assert " --partition=cpu --gpus=0 " in lines[1] and lines[2] == "#!/bin/sh"
    assert "#SBATCH --time=1440" in lines and "gres" not in shown.stdout
    elements = shown.stdout.split("# element ")[1:]
    local = lab.run(*TWELVE, "--dry-run").stdout.splitlines()
    assert sorted(line for each in elements for line in each.splitlines()[1:]) == sorted(local)
    for element in elements:
        _, train, test = element.splitlines()
        assert test.split(" --model-dir ")[1].split()[0] in train
    assert not (lab.path / "results").exists()


def test_a_failed_run_is_tried_again_in_a_new_array(lab, cluster, monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PAUSE", 0.01)
    lab.rules = [{"match": "train_base", "exit": 1, "fails": 1}]
    done = lab.run(*ONE, *SLURM, "--retries", "1")
    assert done.returncode == 0, done.stdout
    assert "ended without a whole result.json of this job, trying again" in done.stdout
    assert list(cluster.arrays()) == ["100", "101"]
    assert [line["out"].split("/")[2] for line in lab.events("start")] == [
        *("train_base", "train_base", "test_new")
    ]


def test_a_mistake_of_the_user_is_not_tried_again(lab, cluster):
    lab.rules = [{"match": "train_base", "exit": 2, "says": "error: no folder data/dtd"}]
    done = lab.run(*ONE, *SLURM, "--retries", "1")
    assert done.returncode == 2 and "no folder data/dtd" in done.stdout
    assert len(lab.events("start")) == 1


def test_a_failed_test_is_tried_again_without_its_training(lab, cluster, monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PAUSE", 0.01)
    lab.rules = [{"match": "test_new", "exit": 1, "fails": 1}]
    done = lab.run(*ONE, *SLURM, "--retries", "1")
    assert done.returncode == 0, done.stdout
    assert len(lab.events("start")) == 3


def test_options_for_sbatch_are_passed_on_as_they_are(lab, cluster):
    given = "--partition=main --time=60 --gpus-per-node=a100:1 --comment='two words'"
    assert lab.run(*ONE, *SLURM, "--slurm-args", given).returncode == 0
    words = cluster.arrays()["100"]["words"]
    assert words[-5:-1] == [
        *("--partition=main", "--time=60", "--gpus-per-node=a100:1", "--comment=two words")
    ]
    script = (lab.path / cluster.arrays()["100"]["script"]).read_text()
    assert "--gres" not in script


def test_a_run_that_is_queued_with_other_settings_is_left_alone(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    assert lab.interrupt_after(1, *ONE, *SLURM).returncode == 130
    other = lab.run(*ONE, *SLURM, "OPTIM.LR", "0.1")
    assert other.returncode == 1 and "of other settings" in other.stdout
    assert len(cluster.arrays()) == 1
    fresh = lab.run(*ONE, *SLURM, "--fresh")
    assert fresh.returncode == 2
    assert "coop dtd seed1 train base is with SLURM; `scancel 100_0` before --fresh" in fresh.stderr


def test_a_local_runner_and_an_element_do_not_run_the_same_at_once(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    local = lab.start(*ONE)
    wait_until(lambda: lab.events("start"))
    slurm = lab.start(*ONE, *SLURM)
    cluster.wait_for("100_0", "COMPLETED")
    (lab.path / "go").touch()
    out, err = local.communicate(timeout=60)
    assert local.returncode == 0, out + err
    slurm.communicate(timeout=60)
    assert len(lab.events("start")) == 2


def test_an_array_that_cannot_start_says_why(lab, cluster):
    (lab.path / "results/slurm").mkdir(parents=True)
    lab.env["PYTHONHOME"] = "/nowhere"  # no job's Python comes up
    done = lab.run(*ONE, *SLURM)
    assert done.returncode == 1
    assert "No module named 'encodings'" in done.stdout
    assert "SLURM says of it: FAILED" in done.stdout


def test_an_interval_that_is_none_is_named(lab, cluster):
    lab.env["PROMPTLAB_SLURM_INTERVAL"] = "often"
    done = lab.run(*ONE, *SLURM)
    assert done.returncode == 2
    assert done.stderr == "error: PROMPTLAB_SLURM_INTERVAL often: must be a number, seconds\n"


@pytest.mark.parametrize(
    "words, said",
    [
        ((*SLURM, "--gpus", "0"), "--gpus: SLURM gives the GPUs out"),
        ((*SLURM, "--job-timeout", "9"), "--job-timeout: SLURM keeps the time; give --time"),
        (("--max-jobs", "3"), "--max-jobs has no effect without --launcher slurm"),
        (("--slurm-args", "--time=5"), "--slurm-args has no effect without --launcher slurm"),
        ((*SLURM, "--slurm-args", "-a 1"), "--slurm-args: -a cannot be given: what it says"),
        ((*SLURM, "--slurm-args", "--clusters far"), "--clusters cannot be given: what it says"),
        ((*SLURM, "--jobs-per-gpu", "2"), "--jobs-per-gpu: SLURM gives every element a GPU of its"),
        ((*SLURM, "--slurm-args", "--wrap='x"), "--slurm-args: --wrap='x: No closing quotation"),
        ((*SLURM, "--slurm-args"), "--slurm-args: expected one argument"),
        (SLURM, "--launcher slurm: sbatch, squeue, scancel not found; run on a login node"),
    ],
)
def test_mistakes_are_one_line_each(lab, words, said):
    done = lab.run(*ONE, *words)
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.count("\n") == 1
