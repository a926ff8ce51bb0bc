"""Two runners over the same runs at once."""

import pytest

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
LR = ("OPTIM.LR", "0.1")


@pytest.mark.parametrize("serves", ["", "1"])
def test_a_run_that_goes_on_elsewhere_is_waited_for_and_not_started_twice(lab, serves):
    lab.env["STUB_SERVES"] = serves
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE)
    lab.wait_for_start(first)
    assert "train base is running; stop it before --fresh" in lab.run(*ONE, "--fresh").stderr
    second = lab.start(*ONE)
    said = ""
    while "elsewhere" not in said:
        said = second.stdout.readline()
        assert said
    assert "train base: already running elsewhere, waiting for it to end" in said
    (lab.path / "go").touch()
    first.communicate(timeout=30)
    second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(lab.events("start")) == 2


def test_a_run_that_its_own_runner_has_left_is_started_again_once_it_has_ended(lab):
    lab.rules = [{"match": "train_base", "file": "go", "exit": 1, "fails": 1}]
    first = lab.start(*ONE)
    lab.wait_for_start(first)
    first.kill()
    first.communicate()
    second = lab.start(*ONE)
    while "elsewhere" not in second.stdout.readline():
        assert second.poll() is None
    (lab.path / "go").touch()
    second.communicate(timeout=30)
    assert second.returncode == 0
    assert len(lab.events("start")) == 3


def test_what_another_runner_finishes_meanwhile_is_in_the_tables_of_both(lab):
    two = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")
    lab.rules = [{"match": "train_base/CoOp/dtd", "file": "go"}, {"match": "eurosat", "ends": 2}]
    first = lab.start(*ONE)
    lab.wait_for_start(first)
    second = lab.start(*two)  # starts eurosat, which waits for both jobs of the first runner
    lab.wait_for_start(second, 2)
    (lab.path / "go").touch()
    first.communicate(timeout=30)
    out, err = second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0), out + err
    assert out.count("by another runner") == 2
    assert " failed:" not in out and "missing" not in out
    assert ",," not in next((lab.path / "results/coop").glob("*.csv")).read_text()
    assert len(lab.events("start")) == 4


@pytest.mark.parametrize("option, code, end", [((), 0, "by another runner"), (LR, 1, "holds")])
def test_a_job_that_another_runner_finishes_while_it_waits_is_left_alone(lab, option, code, end):
    two = ("--cfg", "coop", "--datasets", "eurosat,dtd", "--seeds", "1", "--jobs-per-gpu", "1")
    lab.rules = [{"match": "train_base/CoOp/eurosat", "ends": 2}]
    first = lab.start(*two, *option)
    lab.wait_for_start(first)
    assert lab.run(*ONE).returncode == 0
    out, err = first.communicate(timeout=30)
    assert first.returncode == code, out + err
    assert end in out
    assert sum("dtd" in line["out"] for line in lab.events("start")) == 2
