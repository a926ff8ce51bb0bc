"""`--launcher slurm` over fake commands of SLURM and stub jobs."""

import json
import re
import time

import pytest

from tests.support.fake_slurm import FakeCluster

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
TWELVE = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1", "2", "3")
SLURM = ("--launcher", "slurm")
CSV = "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"


@pytest.fixture
def cluster(lab, tmp_path):
    """A fake cluster that the lab's runner finds."""
    made = FakeCluster(tmp_path / "cluster")
    lab.env |= made.environment
    yield made
    made.stop()


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(lab):
    return json.loads((lab.path / "results/slurm.json").read_text())["arrays"]


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


def test_a_runner_that_is_closed_adopts_what_is_queued(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.interrupt_after(2, *TWELVE, *SLURM, "--max-jobs", "2")
    assert first.returncode == 130
    assert "SLURM goes on with array 100; the same command watches again, `scancel 100`" in (
        first.stdout
    )
    assert "stopping" not in first.stdout
    assert [entry["job"] for entry in state(lab)] == ["100"]
    second = lab.start(*TWELVE, *SLURM)
    wait_until(lambda: cluster.folder.joinpath("calls").read_text().count("squeue") > 3)
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert "6 jobs are with SLURM already" in out and "submitted" not in out
    assert list(cluster.arrays()) == ["100"]
    assert len(lab.events("start")) == 12


def test_what_ended_while_nobody_watched_is_not_run_again(lab, cluster):
    first = lab.interrupt_after(1, *ONE, *SLURM)
    assert first.returncode == 130
    cluster.wait_for("100_0", "COMPLETED")
    second = lab.run(*ONE, *SLURM)
    assert second.returncode == 0 and "2 jobs, all done" in second.stdout
    assert len(lab.events("start")) == 2


def test_only_what_is_neither_done_nor_queued_is_submitted(lab, cluster):
    lab.rules = [{"match": "train_base/CoOp/dtd", "file": "go"}]
    assert lab.interrupt_after(1, *ONE, *SLURM).returncode == 130
    second = lab.start(*TWELVE, *SLURM)
    wait_until(lambda: len(cluster.arrays()) == 2)
    assert cluster.arrays()["101"]["count"] == 5
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert len(lab.events("start")) == 12


def test_what_failed_beside_others_that_still_run_is_submitted_anew(lab, cluster):
    """In one element: seed 1 has failed while nobody watched, seed 2 goes on."""
    lab.rules = [
        {"match": "train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1", "exit": 1, "fails": 1},
        {"match": "train_base", "file": "go"},
    ]
    two = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "2", *SLURM, "--jobs-per-gpu", "2")
    assert lab.interrupt_after(2, *two).returncode == 130
    wait_until(lambda: [*(lab.path / "results/slurm").glob("*/marks/0.ended")])
    second = lab.start(*two)
    wait_until(lambda: len(lab.events("end")) == 3)
    assert [array["count"] for array in cluster.arrays().values()] == [1, 1]
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert "1 job is with SLURM already" in out
    assert len(lab.events("start")) == 5


def test_an_array_above_the_limit_of_the_site_is_split(lab, cluster):
    cluster.set("max_array_size", "4")
    done = lab.run(*TWELVE, *SLURM, "--max-jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    arrays = [array["options"]["array"] for array in cluster.arrays().values()]
    assert arrays == ["0-3%2", "0-1%1"]


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


def test_the_site_may_forget_what_has_ended(lab, cluster):
    cluster.set("forget")
    done = lab.run(*ONE, *SLURM)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_time_limit_is_twice_what_such_runs_have_taken(lab, cluster):
    costs = {f"CoOp dtd {kind}": {"seconds": 1200.0} for kind in ("train", "test")}
    (lab.path / "outputs").mkdir()
    (lab.path / "outputs/times.json").write_text(json.dumps(costs))
    assert lab.run(*ONE, *SLURM).returncode == 0
    assert cluster.arrays()["100"]["options"]["time"] == "80"


def test_an_sbatch_whose_answer_was_lost_is_found_by_its_script(lab, cluster):
    cluster.set("silent")
    cluster.set("held")
    assert lab.run(*ONE, *SLURM).returncode == 2
    assert [entry["job"] for entry in state(lab)] == [None]
    cluster.unset("silent")
    cluster.unset("held")
    done = lab.run(*ONE, *SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(cluster.arrays()) == ["100"]
    assert len(lab.events("start")) == 2


def test_a_cancelled_element_fails_and_the_next_start_runs_it_again(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE, *SLURM)
    wait_until(lambda: lab.events("start"))
    cluster.set("100_0.cancel")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "FAILED" in out and "SLURM job 100_0 is gone; SLURM says of it: CANCELLED" in out
    assert "coop dtd seed1 test new" in out.split("training failed:")[1]
    (lab.path / "go").touch()
    second = lab.run(*ONE, *SLURM)
    assert second.returncode == 0, second.stdout
    assert list(cluster.arrays()) == ["100", "101"]


@pytest.mark.parametrize(
    "accounting, said", [(True, "CANCELLED by 0, exit code 0:15"), (False, "")]
)
def test_accounting_explains_where_there_is_some(lab, cluster, accounting, said):
    cluster.set("forget")
    if accounting:
        cluster.set("accounting")
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE, *SLURM)
    wait_until(lambda: lab.events("start"))
    cluster.set("100_0.cancel")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert f"SLURM says of it: {said or 'nothing any more'}\n" in out


def test_a_failed_run_is_tried_again_in_a_new_array(lab, cluster):
    lab.rules = [{"match": "train_base", "exit": 1, "fails": 1}]
    done = lab.run(*ONE, *SLURM, "--retries", "1")
    assert done.returncode == 0, done.stdout
    assert "exit code 1" in done.stdout
    assert list(cluster.arrays()) == ["100", "101"]
    assert [line["out"].split("/")[2] for line in lab.events("start")] == [
        *("train_base", "train_base", "test_new")
    ]


def test_a_failed_test_is_tried_again_without_its_training(lab, cluster):
    lab.rules = [{"match": "test_new", "exit": 1, "fails": 1}]
    done = lab.run(*ONE, *SLURM, "--retries", "1")
    assert done.returncode == 0, done.stdout
    assert len(lab.events("start")) == 3


@pytest.mark.parametrize("request_", ["requeue", "usr1"])
def test_a_requeued_element_goes_on_where_it_was(lab, cluster, request_):
    lab.rules = [{"match": "test_new", "file": "go"}]
    runner = lab.start(*ONE, *SLURM)
    wait_until(lambda: len(lab.events("start")) == 2)
    cluster.set(f"100_0.{request_}")
    cluster.wait_for("100_0", "RUNNING", restart=1)
    (lab.path / "go").touch()
    out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    assert list(cluster.arrays()) == ["100"]
    steps = [line["out"].split("/")[2] for line in lab.events("start")]
    assert steps == ["train_base", "test_new", "test_new"]


def test_a_lost_node_gives_its_run_to_the_restart(lab, cluster):
    """The processes on the lost node go on; the run is the restart's from its start on."""
    lab.rules = [{"match": "train_base", "file": "go"}]
    runner = lab.start(*ONE, *SLURM)
    wait_until(lambda: lab.events("start"))
    (console,) = (lab.path / "outputs/coop/console").glob("*.txt")
    old = console.with_suffix(".holder").read_text()
    cluster.set("100_0.lost")
    wait_until(lambda: len(lab.events("start")) == 2)
    new = json.loads(console.with_suffix(".holder").read_text())
    assert (json.loads(old)["restart"], new["restart"], new["node"]) == (0, 1, "n2")
    (lab.path / "go").touch()
    out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    assert len([line for line in lab.events("start") if "test_new" in line["out"]]) == 1


def test_options_for_sbatch_are_passed_on_as_they_are(lab, cluster):
    given = "--partition=main --time=60 --gpus-per-node=a100:1 --comment='two words'"
    assert lab.run(*ONE, *SLURM, "--slurm-args", given).returncode == 0
    words = cluster.arrays()["100"]["words"]
    assert words[-5:-1] == [
        *("--partition=main", "--time=60", "--gpus-per-node=a100:1", "--comment=two words")
    ]
    script = (lab.path / cluster.arrays()["100"]["script"]).read_text()
    assert "--gres" not in script and "--time" not in script


def test_several_chains_share_an_element(lab, cluster):
    lab.rules = [{"match": "train_base/CoOp/dtd", "ends": 0, "seconds": 0.5}]
    done = lab.run(*TWELVE, *SLURM, "--jobs-per-gpu", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.arrays()["100"]["count"] == 2
    trains = [line for line in lab.events("start") if "train_base/CoOp/dtd" in line["out"]]
    ends = [line["time"] for line in lab.events("end") if "train_base/CoOp/dtd" in line["out"]]
    assert len({line["CUDA_VISIBLE_DEVICES"] for line in trains}) == 1
    assert max(line["time"] for line in trains) < min(ends)  # all at once
    assert {line["OMP_NUM_THREADS"] for line in lab.events("start")} == {"1"}


def test_a_controller_that_does_not_answer_is_asked_again(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    runner = lab.start(*ONE, *SLURM)
    wait_until(lambda: lab.events("start"))
    cluster.set("down")
    calls = cluster.folder / "calls"
    before = calls.read_text().count("squeue")
    wait_until(lambda: calls.read_text().count("squeue") > before + 4)
    cluster.unset("down")
    (lab.path / "go").touch()
    out, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0 and out.count("squeue does not answer") == 1
    assert list(cluster.arrays()) == ["100"]


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
    wait_until(lambda: [*(lab.path / "results/slurm").glob("*/marks/0.ended")])
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


def test_a_state_file_that_is_cut_short_is_named(lab, cluster):
    (lab.path / "results").mkdir()
    (lab.path / "results/slurm.json").write_text('{"format": 1, "arr')
    done = lab.run(*ONE, *SLURM)
    assert done.returncode == 2
    assert done.stderr.startswith("error: results/slurm.json cannot be read: ")


@pytest.mark.parametrize(
    "words, said",
    [
        ((*SLURM, "--gpus", "0"), "--gpus: SLURM gives the GPUs out"),
        ((*SLURM, "--job-timeout", "9"), "--job-timeout: SLURM keeps the time; give --time"),
        (("--max-jobs", "3"), "--max-jobs has no effect without --launcher slurm"),
        (("--slurm-args", "--time=5"), "--slurm-args has no effect without --launcher slurm"),
        ((*SLURM, "--slurm-args", "-a 1"), "--slurm-args: -a cannot be given: the runner makes"),
        ((*SLURM, "--slurm-args", "--wrap='x"), "No closing quotation"),
        ((*SLURM, "--slurm-args"), "--slurm-args: expected one argument"),
        (SLURM, "--launcher slurm: sbatch, squeue, scancel not found; run on a login node"),
    ],
)
def test_mistakes_are_one_line_each(lab, words, said):
    done = lab.run(*ONE, *words)
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.count("\n") == 1
