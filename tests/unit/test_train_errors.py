"""What train.py makes of an error."""

import sys

import train


def test_an_error_is_not_hidden_by_an_import_that_fails_as_well(monkeypatch):
    monkeypatch.setitem(sys.modules, "clip", None)  # makes its import fail
    assert train.mistake_lines(MemoryError("the first")) is None
