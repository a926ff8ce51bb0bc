"""parallel_runner.py and parse_test_res.py as programs: a look needs no torch, GPU or data."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FOREIGN = {"torch", "clip", "dassl", "trainers", "datasets"}
HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "tabulate", "jinja2", "rich"}


def call(*words, cwd=REPO):
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--list"], ["--cfg", "maple_dept", "--demo", "--dry-run"]]
)
def test_looking_imports_nothing_that_takes_long(words):
    code = (
        "import sys, parallel_runner\n"
        f"try: code = parallel_runner.main({words!r})\n"
        "except SystemExit as end: code = end.code\n"
        f"heavy = {HEAVY | FOREIGN}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)), code)"
    )
    done = call("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: [] 0"


@pytest.mark.parametrize(
    "rooms, missing",
    [(("files", "plan", "launch"), FOREIGN | HEAVY), (("results", "show"), FOREIGN)],
)
def test_no_room_of_the_runner_needs_another_part_of_the_project_or_torch(rooms, missing):
    files = [path for room in rooms for path in (REPO / "runner" / room).rglob("*.py")]
    names = [".".join(path.relative_to(REPO).with_suffix("").parts) for path in files]
    assert len(names) > 10
    code = f"import sys, runner.cli, {', '.join(names)}\nprint({missing} & sys.modules.keys())"
    assert call("-c", code).stdout == "set()\n"


def test_planning_and_launching_load_nothing_that_tables_are_made_with():
    heavy = ["pandas", "numpy", "scipy", "matplotlib", "jinja2", "rich", "tabulate"]
    code = (
        f"import sys, runner.cli, runner.__main__ as m\nm.build_parser()\n"
        f"print({{*{heavy}}} & sys.modules.keys())"
    )
    assert call("-c", code).stdout == "set()\n"


def test_list_names_the_experiments():
    lines = call("parallel_runner.py", "--list").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"coop", "coop_dept", "maple", "maple_dept", "zsclip"} <= set(names)


def test_parse_test_res_help_and_mistake(tmp_path):
    assert call("parse_test_res.py", "--help").returncode == 0
    done = call("parse_test_res.py", tmp_path / "none")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/none: no such folder; give the folder of seeds\n"
