"""Two runners over the same runs at once."""

import pytest

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
LR = ("OPTIM.LR", "0.1")


def test_a_run_that_goes_on_elsewhere_is_not_started_twice(lab):
    lab.rules = [{"match": "train_base", "file": "go"}]
    first = lab.start(*ONE)
    while not lab.events("start"):
        assert first.poll() is None
    second = lab.run(*ONE)
    assert second.returncode == 1
    assert "already running elsewhere" in second.stdout
    assert "train base is running; stop it before --fresh" in lab.run(*ONE, "--fresh").stderr
    (lab.path / "go").touch()
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert len(lab.events("start")) == 2


def test_what_another_runner_finishes_meanwhile_is_in_the_tables_of_both(lab):
    two = ("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")
    lab.rules = [{"match": "train_base/CoOp/dtd", "file": "go"}, {"match": "eurosat", "ends": 2}]
    first = lab.start(*ONE)
    while not lab.events("start"):
        assert first.poll() is None
    second = lab.start(*two)  # starts eurosat, which waits for both jobs of the first runner
    while len(lab.events("start")) < 2:
        assert second.poll() is None
    (lab.path / "go").touch()
    first.communicate(timeout=30)
    out, err = second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0), out + err
    assert "done meanwhile by another runner: coop dtd seed1 train base, coop dtd seed1" in out
    assert " failed:" not in out and "missing" not in out
    assert ",," not in next((lab.path / "results/coop").glob("*.csv")).read_text()
    assert len(lab.events("start")) == 4


@pytest.mark.parametrize("option, code, end", [((), 0, "by another runner"), (LR, 1, "holds")])
def test_a_job_that_another_runner_finishes_while_it_waits_is_left_alone(lab, option, code, end):
    two = ("--cfg", "coop", "--datasets", "eurosat,dtd", "--seeds", "1", "--jobs-per-gpu", "1")
    lab.rules = [{"match": "train_base/CoOp/eurosat", "ends": 2}]
    first = lab.start(*two, *option)
    while not lab.events("start"):
        assert first.poll() is None
    assert lab.run(*ONE).returncode == 0
    out, err = first.communicate(timeout=30)
    assert first.returncode == code, out + err
    assert end in out
    assert sum("dtd" in line["out"] for line in lab.events("start")) == 2
