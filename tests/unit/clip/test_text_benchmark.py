"""The benchmark's command line on a tower of two blocks."""

import pytest
import torch

from benchmarks import text_encoding

SMALL = ["--classes", "3", "--layers", "2", "--width", "64", "--repeats", "1"]


def test_three_ways_are_timed_and_agree(capsys):
    assert text_encoding.main(SMALL) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("python benchmarks/text_encoding.py --classes 3 --context-tokens 4")
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert rows == ["encoding", "plain, 77 positions", "plain, cut at 10", "shared prefix"]


def test_ways_that_differ_are_not_timed(capsys, monkeypatch):
    shared = text_encoding.TextTower.forward_shared

    def wrong(*args):
        return shared(*args) + torch.arange(64.0)

    monkeypatch.setattr(text_encoding.TextTower, "forward_shared", wrong)
    assert text_encoding.main(SMALL) == 1
    assert "error: the ways differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--width", "100"], "--width 100: use a multiple of 64"),
        (["--context-tokens", "70"], "--context-tokens 70: at most 69"),
        (["--repeats", "0"], "0 is less than 1"),
    ],
)
def test_wrong_options_are_named(option, message, capsys):
    with pytest.raises(SystemExit) as caught:
        text_encoding.main(option)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
