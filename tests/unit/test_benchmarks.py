"""The command that runs every benchmark knows their words."""

import importlib.util
import re

import pytest

from tests.support.command import PROJECT

FOLDER = PROJECT / "benchmarks"


@pytest.fixture(scope="module")
def everything():
    spec = importlib.util.spec_from_file_location("everything", FOLDER / "everything.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("full", [False, True])
def test_every_row_gives_its_script_words_that_it_takes(everything, full, tmp_path):
    class Args:
        base, out = tmp_path / "base", tmp_path

    Args.full = full
    for name, row in everything.ROWS.items():
        script, *words = everything.command_of(name, Args)
        text = (PROJECT / script).read_text(encoding="utf-8")
        flags = [word for word in words if word.startswith("--")]
        assert all(f'"{flag}"' in text for flag in flags), (name, flags)
        assert ("--base" in flags) == row.sides and ("--json" in flags) == row.json


def test_what_cannot_run_is_named_and_the_others_stand_on_the_page(
    everything, tmp_path, monkeypatch, capsys
):
    codes = iter([(1, 2.0), (0, 3.0)])

    def run(words, log):
        log.write_text(f"printed by {words[0]}\n")
        return next(codes)

    monkeypatch.setattr(everything, "run", run)
    monkeypatch.setattr(
        "sys.argv", ["x", "--out", str(tmp_path), "--only", "demo", "steps", "text"]
    )
    with pytest.raises(SystemExit, match="failed: steps"):
        everything.main()
    assert "demo: left out, it needs --base" in capsys.readouterr().out
    page = (tmp_path / "index.md").read_text()
    assert re.findall(r"^printed by (.*)$", page, re.MULTILINE) == [
        *("benchmarks/training_step.py", "benchmarks/text_encoding.py")
    ]
