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


@pytest.fixture(scope="module")
def lab(demo, tmp_path_factory):
    """A working directory with a run of base-to-new and a joint one, one epoch each."""
    folder = tmp_path_factory.mktemp("lab")
    words = ("--cfg", "coop", "--seeds", "1", "2", "--datasets")
    demo(folder, *words, "demo_digits")
    demo(folder, *words, "demo_suite", "--mode", "mt")
    return folder


def test_a_run_over_several_tasks_has_a_line_for_each(lab, rows):
    found = rows(lab, "coop/mt-CoOp-demo-shots1.csv")
    assert [row["dataset"] for row in found if row["accuracy"]] == ["demo_suite"] * 4


def test_tally_of_real_runs_is_the_runners_own_table_with_costs(lab):
    done = runner("tally", "outputs/demo/coop", "--mode", "b2n", "--out", "b2n.csv", cwd=lab)
    assert done.returncode == 0, done.stderr
    written = lab / "results/demo/coop/b2n-CoOp-demo-shots1.csv"
    assert (lab / "b2n.csv").read_text() == written.read_text()
    costs = [line.split(":")[1] for line in done.stdout.splitlines() if line.startswith("cost: ")]
    assert costs == [
        *(" seconds per epoch", " peak memory, MiB", " trainable parameters"),
        " test images per second",
    ]


def test_the_long_file_has_every_run_with_what_it_cost(lab):
    done = runner("tally", "outputs/demo/coop", "--out", "tables", cwd=lab)
    assert done.returncode == 0, done.stderr
    with (lab / "tables/runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["subset"], row["seed"]) for row in rows] == [
        *(("new", "1"), ("new", "2"), ("all", "1"), ("all", "2"), ("base", "1"), ("base", "2")),
    ]
    for row in rows:
        assert row["state"] == "done" and row["versions"].startswith("python=") and row["config"]
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
def test_the_published_parser_reads_the_runners_folders(lab, step, flags, keyword):
    folder = f"outputs/demo/coop/{step}/shots1/demo"
    done = command.python(PARSER, folder, *flags, cwd=lab)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    found = re.findall(rf"^file: \S+/log.txt. {keyword}: (\d+\.\d\d)%\. $", done.stdout, flags=re.M)
    assert len(found) == 2 and lines[0] == f"Parsing files in {folder}"
    mean = sum(map(float, found)) / 2
    (line,) = [line for line in lines if line.startswith(f"* {keyword}: ")]
    assert float(re.findall(r"\d+\.\d\d", line)[0]) == pytest.approx(mean, abs=0.011)


def test_several_folders_of_the_runner_at_once(lab):
    folder = "outputs/demo/coop/train_base/CoOp/demo_digits/shots1"
    done = command.python(PARSER, folder, "--multi-exp", cwd=lab)
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


def test_a_mistake_is_one_line_and_a_reader_that_goes_is_none(lab):
    done = runner("tally", "nowhere", cwd=lab)
    assert (done.returncode, done.stderr) == (
        2,
        "error: nowhere: no such folder; give the folder of runs\n",
    )
    piped = subprocess.run(
        f"{sys.executable} -m runner tally outputs/demo/coop | head -1",
        shell=True,
        cwd=lab,
        env=command.environment(PYTHONPATH=str(command.PROJECT), PYTHONUNBUFFERED="1"),
        capture_output=True,
        text=True,
    )
    assert piped.returncode == 0 and "Traceback" not in piped.stderr
