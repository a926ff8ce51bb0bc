"""Runs a shell script in a copy of the project's scripts, with a stub in place of Python."""

import os
import re
import shutil
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def script_paths() -> set[str]:
    """Every script that is called by hand, relative to the repository."""
    shared = {"scripts/common.sh", "scripts/softcpt.sh"}  # read by others, not called
    found = [*REPO.glob("scripts/**/*.sh"), *REPO.glob("lpclip/*.sh")]
    return {str(path.relative_to(REPO)) for path in found} - shared


def missing_configs(calls: list[str]) -> set[str]:
    """YAML files that the calls name and the project does not have."""
    named = {path for call in calls for path in re.findall(r"configs/\S+\.yaml", call)}
    return {path for path in named if not (REPO / path).is_file()}


def copy_scripts(folder: Path) -> Path:
    """Copies scripts and configs to `folder`/repo; the stub notes its arguments in the file that
    CALLS names and exits with CODE.
    """
    for name in ("scripts", "configs"):
        shutil.copytree(REPO / name, folder / "repo" / name)
    (folder / "repo/lpclip").mkdir()
    for script in REPO.glob("lpclip/*.sh"):
        shutil.copy(script, folder / "repo/lpclip")
    stub = folder / "bin/python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$*" >> "$CALLS"\nexit ${CODE:-0}\n')
    stub.chmod(0o755)
    (folder / "elsewhere").mkdir()
    return folder


def run_script(folder: Path, command: str, *, cwd: str = "elsewhere", shell: str = "bash", **env):
    """Calls a script of the copy, `scripts/x/y.sh arguments`; an `env` of "" is unset.

    Returns:
        how it ended, and the lines that the stub noted.
    """
    script, *words = command.split()
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    path = f"{folder}/bin:{os.environ['PATH']}"
    given = {"PATH": path, "CALLS": str(calls), "DATA": "/data", **env}
    done = subprocess.run(
        [shell, os.path.relpath(folder / "repo" / script, folder / cwd), *words],
        cwd=folder / cwd,
        env={name: value for name, value in given.items() if value},
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
