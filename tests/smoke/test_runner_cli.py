"""parallel_runner.py and parse_test_res.py as programs: a look needs no torch, GPU or data."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def call(*words, cwd=REPO):
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--list"], ["--cfg", "maple_dept", "--demo", "--dry-run"]]
)
def test_looking_imports_neither_torch_nor_pandas_nor_matplotlib(words):
    code = (
        "import sys, parallel_runner\n"
        f"try: code = parallel_runner.main({words!r})\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'tabulate', 'dassl', 'trainers'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)), code)"
    )
    done = call("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: [] 0"


def test_no_module_of_the_runner_imports_another_room_or_torch():
    files = [path for path in (REPO / "runner").rglob("*.py") if path.name[0] != "_"]
    names = sorted(".".join(path.relative_to(REPO).with_suffix("").parts) for path in files)
    assert {"runner.cli", "runner.show.page.document", "runner.launch.slurm.element"} <= set(names)
    foreign = ["torch", "clip", "dassl", "trainers", "datasets"]
    code = f"import sys, {', '.join(names)}\nprint({{*{foreign}}} & sys.modules.keys())"
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
