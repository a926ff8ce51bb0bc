"""The columns of the table of runs: `columns.csv` beside this file names each, its kind, where in
result.json it stands, and what it says."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from runner.files.records import number, percent

DONE, FAILED, RUNNING, MISSING = "done", "failed", "running", "missing"
PROVENANCE = "provenance"  # of result.json
MEASURES = "measures"  # of measures.json
BY_TASK = (PROVENANCE, MEASURES)
UNTRAINED = "untrained"  # in place of a checkpoint
DTYPES = {
    **{"text": "str", "whole": "Int64", "flag": "boolean"},
    **{"number": "float64", "percent": "float64"},
}
"""Kind -> dtype of pandas. Text is empty and numbers are missing where a run has left nothing."""


@cache
def columns() -> list[dict[str, str]]:
    """Return a mapping for each column: `column`, `kind`, `record`, `meaning`."""
    with Path(__file__).with_name("columns.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def _stated(by_task: bool) -> list[tuple[str, tuple[str, ...], str]]:
    """Return (column, path, kind) of what a run's files state, for each of its tasks or once."""
    found = [(c["column"], tuple(c["record"].split(".")), c["kind"]) for c in columns()]
    return [each for each in found if each[1][0] and (each[1][0] in BY_TASK) == by_task]


def from_record(
    record: Mapping[str, Any], *, by_task: bool = False, task: int = 0
) -> dict[str, Any]:
    """Return what a result.json states, by column; nothing for what is no number or text.

    Args:
        by_task: whether to return what it states for each task, in place of all else.
        task: which of the datasets of a run over several.
    """
    found = {}
    for name, keys, kind in _stated(by_task):
        if (value := record.get(keys[0])) is None:
            continue
        for key in keys[1:]:
            if isinstance(value, list):
                value = value[task] if task < len(value) else None
            if isinstance(value, dict):
                value = value.get(key)
            elif value != UNTRAINED:  # which stands in place of a checkpoint
                value = None
        found[name] = _converted(value, kind)
    return found


def _converted(value: Any, kind: str) -> Any:
    if kind == "percent":
        return percent(value)
    if kind == "text":
        return "" if value is None or value is False else _text(value)
    found = number(value)
    return int(found) if found is not None and kind == "whole" else found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(map(_text, value))
    if not isinstance(value, dict):
        return str(value)
    if "path" in value:
        return f"{value['path']} {value.get('sha256') or ''}".strip()
    return ";".join(f"{key}={each}" for key, each in value.items())
