"""What a number rests on, and which runs differ in what a cell of a table claims to hold fixed.

The torch version and the model of the GPU are not held fixed: published means mix them, and what
they change is within the spread over seeds. The few-shot draw differs between seeds by design. A
fact that a run does not state is unknown and agrees with any; older runs state none.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from runner.results.reading import Row
from runner.results.schema import UNTRAINED, columns

# What is fixed over all runs of a method: the same network, read in the same way; over base and new
# classes of a dataset; and over the seeds of a cell.
OF_A_METHOD = ("backbone", "backbone_sha256", "activation", "transforms_test", "precision")
OF_A_ROW = (*OF_A_METHOD, "epoch")
OF_A_CELL = (*OF_A_ROW, "split_sha256", "classnames_sha256", "num_train", "num_val", "images_test",
             "partial")  # fmt: skip
_BEST = "model-best.pth.tar"
_BESIDE = ("cfg", "settings", "epochs", "device", "versions", "commit")  # what else runs state


def facts(row: Row, names: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Return what a run states of `names`, and whether it tested a checkpoint; equal for runs that
    agree."""
    if not row["stated"]:
        return ()
    kind = UNTRAINED if row["checkpoint"] == UNTRAINED else "a checkpoint"
    if _BEST in row["checkpoint"]:  # of an epoch that validation chooses, for each seed its own
        kind, names = "the best checkpoint", [name for name in names if name != "epoch"]
    found = [(name, value) for name in names if (value := row[name]) not in ("", None)]
    return (*found, *([("tested", kind)] if row["checkpoint"] else []))


def odd_ones(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Return a line for each run that differs from most of the others in a fact, none where all
    agree; where no value has a majority, for each run of each value.

    Args:
        names: what is held fixed.
    """
    stated = [facts(row, names) for row in rows]
    if len(set(stated)) < 2:
        return []
    given = [dict(each) for each in stated]
    differs: dict[str, dict[str, None]] = {}
    for name in dict.fromkeys(name for each in given for name in each):
        (usual, most), *others = Counter(each[name] for each in given if name in each).most_common()
        tied = bool(others) and others[0][1] == most
        for row, each in zip(rows, given, strict=True):
            if others and name in each and (tied or each[name] != usual):
                beside = "" if tied else f" (others: {_short(usual)})"
                differs.setdefault(row["folder"], {})[f"{name} {_short(each[name])}{beside}"] = None
    return [f"{folder}: {'; '.join(said)}" for folder, said in differs.items()]


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 and text.isalnum() else text


def shared_and_own(rows: Sequence[Row]) -> tuple[dict[str, str], list[str]]:
    """Return what all rows state alike of their provenance, options and versions, and the names of
    what they state differently."""
    shared, own = {}, []
    for column in columns():
        name = column["column"]
        if column["record"].startswith("provenance.") or name in _BESIDE:
            values = {str(row[name]) for row in rows if row[name] not in ("", None)}
            if len(values) == 1:
                shared[name] = values.pop()
            elif values:
                own.append(name)
    return shared, own
