"""`python -m runner` and parse_test_res.py as programs, over folders of real runs."""

import csv
import re
import subprocess
import sys

import pytest

from tests.support import command

PARSER = command.PROJECT / "parse_test_res.py"


def runner(*words, cwd):
    """`python -m runner WORDS` from any folder."""
    return command.python("-m", "runner", *words, cwd=cwd, PYTHONPATH=str(command.PROJECT))


def test_tally_of_real_runs_is_the_runners_own_table_with_costs(demo_lab, tmp_path):
    done = runner(
        "tally", "outputs/demo/coop", "--mode", "b2n", "--out", tmp_path / "b2n.csv", cwd=demo_lab
    )
    assert done.returncode == 0, done.stderr
    written = demo_lab / "results/demo/coop/b2n-CoOp-demo-shots1.csv"
    assert (tmp_path / "b2n.csv").read_text() == written.read_text()
    costs = [line.split(":")[1] for line in done.stdout.splitlines() if line.startswith("cost: ")]
    assert costs == [
        *(" seconds per epoch", " peak memory, MiB", " trainable parameters"),
        " test images per second",
    ]


def test_the_long_file_has_every_run_with_what_it_cost(demo_lab, tmp_path):
    done = runner("tally", "outputs/demo/coop", "--out", tmp_path / "tables", cwd=demo_lab)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "tables/runs.csv").open() as file:
        rows = list({row["folder"]: row for row in csv.DictReader(file)}.values())
    assert sorted((row["subset"], row["dataset"]) for row in rows) == [
        *(("all", "demo_digits"), ("all", "demo_digits"), ("all", "demo_shapes")),
        *(("all", "demo_suite"), ("base", "demo_digits"), ("new", "demo_digits")),
    ]
    for row in rows:
        assert row["state"] == "done" and row["versions"].startswith("python=") and row["config"]
        if row["mode"] == "b2n":
            assert (row["seconds_per_epoch"] == "") == (row["subset"] == "new")
    assert {row["trainable_parameters"] for row in rows if row["subset"] == "base"} != {""}


@pytest.mark.parametrize(
    "step, flags, keyword",
    [
        ("train_base/CoOp/demo_digits", [], "accuracy"),
        ("test_new/CoOp/demo_digits", ["--test-log"], "accuracy"),
        ("train_all/CoOp/demo_suite", [], "overall_metric"),
    ],
)
def test_the_published_parser_reads_the_runners_folders(demo_lab, step, flags, keyword):
    folder = f"outputs/demo/coop/{step}/shots1/demo"
    done = command.python(PARSER, folder, *flags, cwd=demo_lab)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    found = re.findall(rf"^file: \S+/log.txt. {keyword}: (\d+\.\d\d)%\. $", done.stdout, flags=re.M)
    assert len(found) == 1 and lines[0] == f"Parsing files in {folder}"
    (line,) = [line for line in lines if line.startswith(f"* {keyword}: ")]
    assert float(re.findall(r"\d+\.\d\d", line)[0]) == pytest.approx(float(found[0]), abs=0.011)


def test_several_folders_of_the_runner_at_once(demo_lab):
    folder = "outputs/demo/coop/train_base/CoOp/demo_digits/shots1"
    done = command.python(PARSER, folder, "--multi-exp", cwd=demo_lab)
    assert done.stdout.splitlines()[-2] == "Average performance"


def test_help_of_the_commands_loads_nothing_heavy():
    code = (
        "import sys\nfrom runner.__main__ import main\n"
        "try: main(['tally', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'matplotlib', 'tabulate'} & set(sys.modules)))"
    )
    done = command.python("-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "python -m runner tally outputs/maple_dept" in done.stdout


def test_a_mistake_is_one_line_and_a_reader_that_goes_is_none(demo_lab):
    done = runner("tally", "nowhere", cwd=demo_lab)
    assert (done.returncode, done.stderr) == (
        2,
        "error: nowhere: no such folder; give the folder of runs\n",
    )
    piped = subprocess.run(
        f"{sys.executable} -m runner tally outputs/demo/coop | head -1",
        shell=True,
        cwd=demo_lab,
        env=command.environment(PYTHONPATH=str(command.PROJECT), PYTHONUNBUFFERED="1"),
        capture_output=True,
        text=True,
    )
    assert piped.returncode == 0 and "Traceback" not in piped.stderr
