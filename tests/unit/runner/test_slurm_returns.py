"""`--launcher slurm` where runner, elements, nodes or SLURM itself go away and come back."""

import pytest

from tests.unit.runner.lab import wait_until

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--launcher", "slurm")
TWELVE = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1,2,3", "--launcher", "slurm")


def arrays_at_work(lab):
    return [path.read_text().strip() for path in lab.path.glob("results/slurm/*/job")]


def test_a_runner_that_is_closed_adopts_what_is_queued(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.interrupt_after(2, *TWELVE, "--max-jobs", "2")
    assert first.returncode == 130
    assert "SLURM goes on with array 100; the same command watches again, `scancel 100`" in (
        first.stdout
    )
    assert "stopping" not in first.stdout
    assert arrays_at_work(lab) == ["100"]
    second = lab.start(*TWELVE)
    wait_until(lambda: cluster.folder.joinpath("calls").read_text().count("squeue") > 3)
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert "6 jobs are with SLURM already" in out and "submitted" not in out
    assert list(cluster.arrays()) == ["100"]
    assert len(lab.events("start")) == 12


def test_what_ended_while_nobody_watched_is_not_run_again(lab, cluster):
    first = lab.interrupt_after(1, *ONE)
    assert first.returncode == 130
    cluster.wait_for("100_0", "COMPLETED")
    second = lab.run(*ONE)
    assert second.returncode == 0 and "2 jobs, all done" in second.stdout
    assert len(lab.events("start")) == 2


def test_only_what_is_neither_done_nor_queued_is_submitted(lab, cluster):
    lab.rules = [{"match": "train_base/CoOp/dtd", "file": "go"}]
    assert lab.interrupt_after(1, *ONE).returncode == 130
    second = lab.start(*TWELVE)
    wait_until(lambda: len(cluster.arrays()) == 2)
    assert cluster.arrays()["101"]["count"] == 5
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert len(lab.events("start")) == 12


def test_what_failed_beside_others_that_still_run_is_submitted_anew(lab, cluster):
    """In one array: seed 1 has failed while nobody watched, seed 2 goes on."""
    lab.rules = [
        {"match": "train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1", "exit": 1, "fails": 1},
        {"match": "train_base", "file": "go"},
    ]
    two = (*ONE, "--seeds", "1", "2")
    assert lab.interrupt_after(2, *two).returncode == 130
    cluster.wait_for("100_0", "COMPLETED")
    second = lab.start(*two)
    wait_until(lambda: len(lab.events("end")) == 3)
    assert [array["count"] for array in cluster.arrays().values()] == [2, 1]
    (lab.path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert "1 job is with SLURM already" in out
    assert len(lab.events("start")) == 5


def test_the_site_may_forget_what_has_ended(lab, cluster):
    cluster.set("forget")
    done = lab.run(*ONE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cancelled_element_fails_and_the_next_start_runs_it_again(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE)
    wait_until(lambda: lab.events("start"))
    cluster.set("100_0.cancel")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "FAILED" in out and "SLURM job 100_0 is gone; SLURM says of it: CANCELLED" in out
    assert "coop dtd seed1 test new" in out.split("training failed:")[1]
    (lab.path / "go").touch()
    second = lab.run(*ONE)
    assert second.returncode == 0, second.stdout
    assert list(cluster.arrays()) == ["100", "101"]


def test_what_slurm_has_forgotten_is_said_to_be_gone(lab, cluster):
    cluster.set("forget")
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE)
    wait_until(lambda: lab.events("start"))
    cluster.set("100_0.cancel")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "SLURM says of it: nothing any more\n" in out
    assert arrays_at_work(lab) == []


@pytest.mark.parametrize("request_", ["requeue", "usr1"])
def test_a_requeued_element_goes_on_where_it_was(lab, cluster, request_):
    lab.rules = [{"match": "test_new", "file": "go"}]
    runner = lab.start(*ONE)
    wait_until(lambda: len(lab.events("start")) == 2)
    cluster.set(f"100_0.{request_}")
    cluster.wait_for("100_0", "RUNNING", restart=1)
    (lab.path / "go").touch()
    out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    assert list(cluster.arrays()) == ["100"]
    steps = [line["out"].split("/")[2] for line in lab.events("start")]
    assert steps == ["train_base", "test_new", "test_new"]


def test_a_restart_waits_for_the_processes_of_a_lost_node_that_go_on(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    runner = lab.start(*ONE)
    wait_until(lambda: lab.events("start"))
    cluster.set("100_0.lost")
    cluster.wait_for("100_0", "RUNNING", restart=1)
    (lab.path / "go").touch()
    out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, out + err
    assert len(lab.events("start")) == 2 and lab.events("collision") == []


def test_a_controller_that_does_not_answer_is_asked_again(lab, cluster):
    lab.rules = [{"match": "train_base", "file": "go"}]
    runner = lab.start(*ONE)
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
