"""Output folders that cannot be used, hold what is not ours, or run full."""

import json

import pytest

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
RUN = "CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"


@pytest.mark.parametrize("place", ["outputs", "outputs/coop"])
def test_a_file_in_place_of_an_output_folder_is_one_line_before_anything_runs(lab, place):
    (lab.path / place).parent.mkdir(parents=True, exist_ok=True)
    (lab.path / place).write_text("mine")
    done = lab.run(*ONE)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: cannot write {lab.path / 'outputs/coop/console'}/")
    assert (lab.path / place).read_text() == "mine" and lab.events("start") == []


def test_failures_are_named_also_where_a_table_cannot_be_written(lab):
    lab.rules = [{"match": "seed2", "exit": 1}]
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2")
    lab.run(*words)
    table = next((lab.path / "results/coop").glob("*.csv"))
    table.unlink()
    table.mkdir()
    done = lab.run(*words)
    assert done.returncode == 2
    assert done.stderr == f"error: cannot write {table}: Is a directory\n"
    assert "1 run failed:" in done.stdout and "not run, since their training" in done.stdout


def test_fresh_leaves_a_link_and_what_it_points_to(lab):
    lab.run(*ONE)
    folder = lab.path / "outputs/coop/train_base" / RUN
    folder.rename(lab.path / "elsewhere")
    folder.symlink_to(lab.path / "elsewhere")
    done = lab.run(*ONE, "--fresh")
    assert done.returncode == 2
    said = f"error: cannot delete outputs/coop/train_base/{RUN}: Cannot call rmtree on a symbolic"
    assert done.stderr.startswith(said) and (lab.path / "elsewhere/result.json").exists()
    assert len(list(lab.path.glob("outputs/coop/test_new/**/result.json"))) == 1


def test_what_another_program_left_is_kept_under_another_name(lab):
    folder = lab.path / "outputs/coop/train_base" / RUN
    folder.mkdir(parents=True)
    (folder / "result.json").write_text('{"loss": 0.1}')
    (folder / "log.txt").write_text("of another program")
    assert lab.run(*ONE).returncode == 0
    assert next(folder.glob("old-result.json-*")).read_text() == '{"loss": 0.1}'
    assert (folder / "log.txt").read_text() == "of another program"


@pytest.mark.parametrize("record", [{"accuracy": 60.0}, {"format": 0, "accuracy": 60, "key": 1}])
def test_a_result_without_job_key_is_refused_in_one_line(lab, record):
    folder = lab.path / "outputs/coop/train_base" / RUN
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(record))
    done = lab.run(*ONE)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (
        "1 of 2 runs were made with other options, YAML or weights, or not by this" in done.stderr
    )
    assert json.loads((folder / "result.json").read_text()) == record


def test_fresh_first_says_what_it_deletes(lab):
    words = ("--cfg", "coop", "maple", "--datasets", "dtd,eurosat", "--seeds", "1")
    lab.run(*words)
    done = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1", "--fresh")
    assert done.stdout.splitlines()[0] == ("--fresh: deletes 4 runs in outputs/coop")
    assert "maple" not in done.stdout.split("\n\n")[0]
    assert len(list(lab.path.glob("outputs/maple/**/result.json"))) == 4


def test_fresh_without_earlier_runs_deletes_nothing_and_says_nothing(lab):
    done = lab.run(*ONE, "--fresh")
    assert done.returncode == 0 and "deletes" not in done.stdout


def test_a_console_on_a_full_disk_is_one_line(lab):
    console = lab.path / f"outputs/coop/console/train_base-{RUN.replace('/', '-')}.txt"
    console.parent.mkdir(parents=True)
    console.symlink_to("/dev/full")
    done = lab.run(*ONE)
    assert done.returncode == 2
    assert done.stderr == f"error: cannot write {console}: No space left on device\n"
