"""Predictions as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from use.classifier import Prediction

FORMATS = ("table", "csv", "json")


def show(predictions: Iterable[Prediction], form: str, out: TextIO) -> None:
    """Writes predictions in one of `FORMATS`; lines of CSV as soon as they are there."""
    {"table": _table, "csv": _csv, "json": _json}[form](predictions, out)


def _table(predictions: Iterable[Prediction], out: TextIO) -> None:
    from tabulate import tabulate

    rows = [
        [p.image, *(f"{name} {100 * value:.1f}%" for name, value in _ranked(p))]
        for p in predictions
    ]
    if rows:
        ranks = [str(rank) for rank in range(1, len(rows[0]))]
        out.write(tabulate(rows, ["image", *ranks], disable_numparse=True) + "\n")


def _csv(predictions: Iterable[Prediction], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["image", "rank", "class", "probability"])
    for found in predictions:
        for rank, (name, value) in enumerate(_ranked(found), 1):
            writer.writerow([found.image, rank, name, repr(value)])


def _json(predictions: Iterable[Prediction], out: TextIO) -> None:
    content = [
        {
            "image": found.image,
            "predictions": [
                {"class": name, "probability": value} for name, value in _ranked(found)
            ],
        }
        for found in predictions
    ]
    out.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _ranked(found: Prediction) -> Iterable[tuple[str, float]]:
    return zip(found.classes, found.probabilities, strict=True)
