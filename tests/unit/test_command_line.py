"""What command lines make of an error."""

import sys

import command_line


def test_an_error_is_not_hidden_by_an_import_that_fails_as_well(monkeypatch):
    monkeypatch.setitem(sys.modules, "clip", None)  # makes its import fail
    assert command_line.mistake_lines(MemoryError("the first")) is None
