"""Folders of runs that may not be looked into: one line, by every command."""

import errno
import os
from pathlib import Path

import pytest

from runner.__main__ import main
from tests.unit.runner.folders import result, run_folder

RUN = "CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"


def close(monkeypatch, folder: Path) -> None:
    """Let nothing in a folder be looked at, as its permissions would for all but root."""
    stat, scandir = Path.stat, os.scandir

    def closed(path, **words):
        if folder in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **words)

    def unlisted(path):
        if Path(path).is_relative_to(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(Path, "stat", closed)
    monkeypatch.setattr(os, "scandir", unlisted)


def test_the_runner_says_it_before_anything_runs(lab, monkeypatch):
    folder = lab.path / "outputs/coop/train_base" / RUN
    folder.mkdir(parents=True)
    close(monkeypatch, folder)
    done = lab.run("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    line = f"outputs/coop/train_base/{RUN}: may not be read; change its permissions or owner"
    assert (done.returncode, done.stderr) == (2, f"error: {line}\n")
    assert lab.events("start") == []


@pytest.mark.parametrize("command", ["tally", "status", "report"])
def test_the_commands_say_it_and_show_the_rest(tmp_path, monkeypatch, capsys, caplog, command):
    monkeypatch.chdir(tmp_path)
    folder = run_folder(tmp_path / "outputs/coop", "train_base")
    folder.mkdir(parents=True)
    close(monkeypatch, folder)
    assert main([command, "outputs"]) == 2
    line = f"{folder.relative_to(tmp_path)}: may not be read; change its permissions or owner"
    assert capsys.readouterr().err == f"error: {line}\n"
    result(run_folder(tmp_path / "outputs/coop", "train_base", seed=2))
    assert main([command, "outputs"]) == 0
    said = f"{folder.relative_to(tmp_path)}: may not be read, so nothing of it is here"
    assert caplog.messages == [said]


def test_a_folder_below_a_closed_one_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    close(monkeypatch, tmp_path / "outputs")
    assert main(["tally", str(tmp_path / "outputs/coop")]) == 2
    assert "may not be read; change its permissions or owner" in capsys.readouterr().err
