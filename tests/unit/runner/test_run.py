"""The runner as a person calls it, over stub jobs."""

import csv
import json
import signal

import pytest

from runner.launch import schedule
from tests.unit.runner.lab import alive

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")


def test_it_trains_tests_tallies_and_a_second_start_finds_all_done(lab):
    first = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1", "2")
    assert first.returncode == 0, first.stderr
    assert "8 jobs: 0 done, 8 to run on" in first.stdout
    assert len(lab.events("start")) == 8
    table = lab.path / "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv"
    rows = list(csv.DictReader(table.open()))
    assert [row["dataset"] for row in rows] == ["dtd", "eurosat", "average"]
    assert rows[0]["base_acc_seed2"] == "72.0"
    assert rows[2]["base_acc"] == "71.5"
    assert table.with_suffix(".png").is_file()
    lab.forget()
    second = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1", "2")
    assert second.returncode == 0
    assert "8 jobs, all done" in second.stdout
    assert lab.events("start") == []
    assert second.stdout.split("\n\n")[1:] == first.stdout.split("\n\n")[1:]


def test_folders_are_the_published_ones(lab):
    lab.run("--cfg", "maple_dept", "--datasets", "dtd", "--seeds", "1")
    run = "MaPLeDePT/dtd/shots16/vit_b16_c2_ep10_batch4_2ctx/seed1/result.json"
    assert (lab.path / "outputs/maple_dept/train_base" / run).is_file()
    assert (lab.path / "outputs/maple_dept/test_new" / run).is_file()


def test_zero_shot_is_two_tests_of_one_seed(lab):
    done = lab.run("--cfg", "zsclip", "--datasets", "dtd", "--seeds", "1", "2", "3")
    assert done.returncode == 0, done.stderr
    assert {line["out"].split("/")[2] for line in lab.events("start")} == {"test_base", "test_new"}
    assert len(lab.events("start")) == 2
    header = (lab.path / "results/zsclip/b2n-ZeroshotCLIP-vit_b16.csv").read_text().split("\n")[0]
    assert header == "dataset,base_acc_seed1,new_acc_seed1,H_seed1,base_acc,new_acc,H"


def test_demo_has_its_own_datasets_yaml_and_root(lab):
    lab.env["PROMPTLAB_CACHE"] = "/somewhere/cache"
    shown = lab.run("--cfg", "coop", "maple_dept", "zsclip", "--demo", "--dry-run")
    lines = shown.stdout.splitlines()
    assert len(lines) == 18 + 18 + 6
    assert all("--root /somewhere/cache " in line for line in lines)
    assert "configs/trainers/MaPLe/demo.yaml" in lines[18]
    assert (
        "outputs/demo/maple_dept/train_base/MaPLeDePT/demo_shapes/shots16/demo/seed1" in lines[18]
    )
    assert "--eval-only" in lines[-1] and "--model-dir" not in lines[-1]


def test_several_shots_are_several_tables(lab):
    words = ("--cfg", "coop", "zsclip", "--datasets", "dtd", "--seeds", "1", "--shots", "4,16")
    done = lab.run(*words)
    assert done.returncode == 0
    names = {path.name for path in (lab.path / "results/coop").glob("*.csv")}
    stem = "b2n-CoOp-vit_b16_ep10_bs4_lr35"
    assert names == {f"{stem}.csv", f"{stem}-shots4.csv"}
    assert "coop, 4 shots" in done.stdout and len(lab.events("start")) == 2 + 2 + 2


def test_comparison_of_experiments_is_one_table_and_one_picture(lab):
    done = lab.run("--cfg", "coop", "maple", "--datasets", "dtd", "--seeds", "1", "2")
    assert (lab.path / "results/coop+maple/b2n.png").is_file()
    rows = [line.split() for line in done.stdout.splitlines() if "±" in line]
    assert rows[0][:2] == ["dtd", "coop"] and rows[1][0] == "maple"
    assert "population standard deviation" in done.stdout


def test_a_failed_run_is_named_with_its_log_and_the_others_go_on(lab):
    lab.rules = [{"match": "train_base/CoOp/dtd", "exit": 1, "says": "CUDA out of memory"}]
    done = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")
    assert done.returncode == 1
    assert "1 run failed:" in done.stdout
    report = done.stdout.split("1 run failed:")[1]
    assert "coop dtd seed1 train base: exit code 1" in report
    assert "| CUDA out of memory" in report and "command: " in report
    assert "not run, since their training failed: coop dtd seed1 test new" in report
    text = next((lab.path / "results/coop").glob("*.csv")).read_text()
    assert "dtd,,,,,,\n" in text and "average,71.0," in text
    assert "not there: coop dtd seed1 train base, coop dtd seed1 test new" in done.stdout
    lab.rules = []
    lab.forget()
    assert lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1").returncode == 0
    assert len(lab.events("start")) == 2


def test_a_run_without_a_result_has_failed(lab):
    lab.rules = [{"match": "train_base", "no_result": True}]
    done = lab.run(*ONE)
    assert done.returncode == 1
    assert "ended without a whole result.json" in done.stdout


def test_retries_run_a_failed_job_again_but_not_a_mistake_of_the_user(lab, monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PAUSE", 0.01)
    lab.rules = [{"match": "train_base/CoOp/dtd", "exit": 1, "fails": 2}]
    assert lab.run(*ONE, "--retries", "2").returncode == 0
    assert len(lab.events("start")) == 4
    lab.forget()
    lab.rules = [{"match": "eurosat", "exit": 2, "says": "error: no folder eurosat"}]
    done = lab.run("--cfg", "coop", "--datasets", "eurosat", "--seeds", "1", "--retries", "2")
    assert done.returncode == 2
    assert len(lab.events("start")) == 1
    assert "| error: no folder eurosat" in done.stdout


def test_a_mistake_that_all_runs_share_is_named_once_at_the_end(lab):
    line = "error: OPTIM.LRR: no such option; did you mean OPTIM.LR?"
    lab.rules = [{"match": "seed", "exit": 2, "says": line}]
    done = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat")
    assert (done.returncode, done.stderr) == (2, f"{line}\n")
    assert len(lab.events("start")) == 6
    not_run = done.stdout.split("not run, since their training failed: ")[1]
    assert "coop dtd seed1 test new" in not_run


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stop_ends_whole_process_groups_and_the_next_start_goes_on(lab, number, code):
    lab.rules = [{"match": "seed1", "seconds": 30, "child": True}]
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2", "--jobs-per-gpu", "1")
    done = lab.interrupt_after(1, *words, number=number)
    assert done.returncode == code
    assert "stopped with 4 jobs left" in done.stdout
    child = int(next(lab.path.glob("outputs/**/child.pid")).read_text())
    assert not alive(child) and not alive(lab.events("start")[0]["pid"])
    lab.rules = []
    assert lab.run(*words).returncode == 0


def test_a_job_deaf_to_sigterm_is_killed(lab):
    lab.rules = [{"match": "seed1", "seconds": 30, "ignore_term": True}]
    process = lab.start(*ONE)
    lab.wait_for_start(process)
    process.send_signal(signal.SIGINT)
    while "stopping" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)  # the second one does not wait for the grace time
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert not alive(lab.events("start")[0]["pid"])


def test_the_console_of_a_run_is_kept(lab):
    lab.run(*ONE)
    text = next((lab.path / "outputs/coop/console").glob("train_base-*.txt")).read_text()
    assert text.startswith("$ ") and "--output-dir outputs/coop/train_base" in text


def test_results_in_full_precision_on_screen_and_rounded_per_seed_in_the_csv(lab):
    lab.rules = [
        {"match": "train_base", "accuracy": 71.26},
        {"match": "test_new", "accuracy": 60.54},
    ]
    done = lab.run(*ONE)
    assert "71.26" in done.stdout
    assert ",71.3,60.5," in next((lab.path / "results/coop").glob("*.csv")).read_text()


def test_result_keys_are_what_the_runner_planned(lab):
    lab.run(*ONE)
    shown = lab.run(*ONE, "--dry-run").stdout
    for path in lab.path.glob("outputs/coop/**/result.json"):
        assert json.loads(path.read_text())["job_key"] in shown
