"""`python -m datasets` as a user calls it."""

import json

import pytest
from PIL import Image

from datasets.__main__ import run
from datasets.oxford_pets import OxfordPets
from tests.support import command
from tests.support.checked_folders import write_split


@pytest.fixture
def root(tmp_path):
    write_split(tmp_path, OxfordPets)
    return tmp_path


@pytest.fixture
def datasets(capsys):
    """The command line, called in this process."""
    return lambda *words: command.call(capsys, run, *words)


def test_the_help_names_every_command(datasets):
    done = command.python("-m", "datasets", "--help")
    assert done.returncode == 0
    for name in ("list", "check", "prepare"):
        assert f"    {name} " in done.stdout
    assert "Exit code 0" in datasets("check", "--help").stdout


def test_the_list_is_on_stdout(datasets):
    done = datasets("list")
    assert done.returncode == 0
    assert "StanfordCars" in done.stdout
    assert done.stderr == ""


def test_findings_go_to_stdout_and_progress_to_stderr(root, datasets):
    done = datasets("check", "--root", root, "oxford_pets", "eurosat", "--jobs", "2")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert lines[0].startswith("OxfordPets           warning  ")
    assert "own split, not the published one" in lines[0]
    assert "all 40 images can be decoded" in done.stdout
    assert any(line.startswith("EuroSAT              missing  no folder ") for line in lines)
    assert lines[-1] == "1 of 2 datasets are complete; missing: EuroSAT; warning: OxfordPets"
    assert "40/40" in done.stderr or "0/40" in done.stderr


def test_many_images_are_decoded_in_processes(root, datasets):
    folder = root / "oxford_pets" / "images"
    lists = json.loads((root / "oxford_pets" / "split_zhou_OxfordPets.json").read_text())
    for k in range(400):
        Image.new("RGB", (8, 8), (k % 256, 0, 0)).save(folder / f"more_{k}.jpg")
        lists["train"].append([f"more_{k}.jpg", 0, "cat"])
    (folder / "more_399.jpg").write_bytes(b"cut")
    (root / "oxford_pets" / "split_zhou_OxfordPets.json").write_text(json.dumps(lists))
    done = datasets("check", "--root", root, "OxfordPets", "--jobs", "2", "--json")
    assert done.returncode == 2
    findings = json.loads(done.stdout)["datasets"][0]["findings"]
    (bad,) = [one for one in findings if one["level"] == "wrong"]
    assert bad["paths"] == [str(folder / "more_399.jpg")]


@pytest.mark.parametrize("words", [["check", "--jobs", "two"], ["nonsense"], []])
def test_a_mistake_is_one_line(words, datasets):
    done = datasets(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_without_other_letters_shows_them_escaped(root):
    folder = root / "oxford_pets" / "images"
    (folder / "é.jpg").write_bytes(b"cut")
    lists = json.loads((root / "oxford_pets" / "split_zhou_OxfordPets.json").read_text())
    lists["train"].append(["é.jpg", 0, "cat"])
    (root / "oxford_pets" / "split_zhou_OxfordPets.json").write_text(json.dumps(lists))
    words = ["check", "--root", root, "OxfordPets"]
    done = command.python("-m", "datasets", *words, warm=False, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "\\xe9.jpg" in done.stdout
    assert "Traceback" not in done.stderr
