"""Runs a shell script in a copy of the project's scripts, with a stub in place of Python."""

import os
import re
import shutil
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SHELLS = ["dash" if shutil.which("dash") else "sh", "bash"]  # dash: what `sh` is on Debian


def in_turn(cases):
    """Shell and case: each case in one of the shells, the next in the other. All scripts are lines
    on the same functions, which test_scripts_rules.py runs in both."""
    return [(SHELLS[place % len(SHELLS)], *case) for place, case in enumerate(cases)]


def script_paths() -> set[str]:
    """Every script that is called by hand, relative to the repository."""
    shared = {"scripts/common.sh"}  # read by all others
    written = {"scripts/set_env.sh"}  # by the person whose checkout it is
    found = [*REPO.glob("scripts/**/*.sh"), *REPO.glob("lpclip/*.sh")]
    return {str(path.relative_to(REPO)) for path in found} - shared - written


def missing_configs(calls: list[str]) -> set[str]:
    """YAML files that the calls name and the project does not have."""
    named = {path for call in calls for path in re.findall(r"configs/\S+\.yaml", call)}
    return {path for path in named if not (REPO / path).is_file()}


def copy_scripts(folder: Path) -> Path:
    """Copies scripts and configs to `folder`/repo; the stub notes its arguments in the file that
    CALLS names and exits with CODE.
    """
    for name in ("scripts", "configs"):
        own = shutil.ignore_patterns("set_env.sh")
        shutil.copytree(REPO / name, folder / "repo" / name, ignore=own)
    (folder / "repo/lpclip").mkdir()
    for script in REPO.glob("lpclip/*.sh"):
        shutil.copy(script, folder / "repo/lpclip")
    stub = folder / "bin/python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$*" >> "$CALLS"\nexit ${CODE:-0}\n')
    stub.chmod(0o755)
    (folder / "elsewhere").mkdir()
    return folder


def script_environment(folder: Path, **env: str) -> dict[str, str]:
    """What a script of the copy finds; an `env` of "" is unset."""
    path = f"{folder}/bin:{os.environ['PATH']}"
    given = {"PATH": path, "CALLS": str(folder / "calls"), "DATA": "/data", **env}
    return {name: value for name, value in given.items() if value}


def run_script(
    folder: Path, command: str, *, cwd: str = "elsewhere", shell: str = SHELLS[0], **env
):
    """Calls a script of the copy, `scripts/x/y.sh arguments`.

    Returns:
        how it ended, and the lines that the stub noted.
    """
    script, *words = command.split()
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    path = os.path.relpath(folder / "repo" / script, folder / cwd)
    done = subprocess.run(
        [shell, path, *words],
        cwd=folder / cwd,
        env=script_environment(folder, **env),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, calls.read_text().splitlines() if calls.exists() else []


def check_calls(folder: Path, command: str, expected: list[str], **how) -> None:
    """Asserts what a script of the copy calls, and that the YAML files it names are there."""
    done, calls = run_script(folder, command, **how)
    assert done.returncode == 0, done.stderr
    assert calls == expected
    assert not missing_configs(calls)
