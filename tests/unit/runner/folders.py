"""Folders of runs as engines leave them, written by hand."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

from runner.plan.modes import MODES
from runner.results import load_runs
from runner.results.groups import rows_of
from runner.results.lines import Line
from runner.results.table import as_table
from runner.results.tables import Table

P = "{step}{trainer}/{dataset}/shots{shots}/{cfg}/seed{seed}"
RECORD = {"format": 1, "error_rate": 20.0, "macro_f1": 79.5, "num_test": 1000, "epochs": 10}
RECORD |= {"seconds": {"build": 1.0, "train": 50.0, "test": 4.0}, "peak_memory_mb": 900.0}
RECORD |= {"trainable_parameters": 2048, "versions": {"python": "3.11"}, "commit": "abc"}


def result(folder: Path, accuracy: float | None = 80.04, **more) -> Path:
    """Write a result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**RECORD, "trainer": "CoOp", "accuracy": accuracy, **more})
    (folder / "result.json").write_text(text)
    return folder


def log(folder: Path, accuracy: float, *, name="log.txt", trained=True, tasks=False) -> Path:
    """Write a log as the engines print it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["epoch [1/1] batch [5/5] loss 1.0", "Finish training"] if trained else []
    kind = f"* overall_metric: {accuracy:.2f}%" if tasks else f"* accuracy: {accuracy:.1f}%"
    lines += ["Evaluate on the *test* set", "=> result", "* total: 1,000", kind]
    (folder / name).write_text("\n".join([*lines, "* error: 20.0%", "* macro_f1: 79.5%", ""]))
    return folder


def run_folder(root: Path, step="", dataset="dtd", seed=1, **more) -> Path:
    """Where the runner puts a run."""
    names = {"trainer": "CoOp", "shots": 16, "cfg": "vit_b16", **more}
    step = f"{step}/" if step else ""
    return root / P.format(step=step, dataset=dataset, seed=seed, **names)


def collect(folder: Path, **more) -> list[SimpleNamespace]:
    """The rows of the table of runs."""
    return [SimpleNamespace(**row) for row in rows_of(load_runs(folder, **more))]


def body(*rows: str, average: str = "average") -> list[Line]:
    """The lines of datasets, and their average."""
    return [*map(Line, rows), Line(average, average=True, members=rows)]


@functools.cache
def _blank() -> dict:
    return rows_of(as_table([{"trainer": "CoOp", "folder": "f"}]))[0]


def table_of(
    scores: dict, lines: list[Line], *, columns=("base", "new"), seeds=(1,), **more
) -> Table:
    """A table of results by (line, column, seed); `rows` adds to each row of runs, `own` names
    lines of a split of one's own."""
    own, rows, mode = more.pop("own", ()), more.pop("rows", {}), more.pop("mode", "b2n")
    behind: dict = {}
    for (line, column, seed), value in scores.items():
        row = {**_blank(), "seed": seed, "accuracy": value, "own_split": line in own}
        row |= {"folder": f"{line}/{column}/{seed}", **rows.get((line, column, seed), {})}
        behind.setdefault((line, column), []).append(row)
    made = {"experiment": "coop", "label": "coop", "trainer": "CoOp", "csv": Path("x.csv")} | more
    members = tuple(row for each in behind.values() for row in each)
    return Table(
        mode=MODES[mode], columns=tuple(columns), seeds=tuple(seeds), lines=tuple(lines),
        behind=behind, members=members, **made,
    )  # fmt: skip
