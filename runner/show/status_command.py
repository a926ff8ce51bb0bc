"""`python -m runner status DIR`: how far the runs below a folder are, from any shell."""

import argparse
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from runner.files.consoles import last_start
from runner.files.records import tail
from runner.output import duration, printable
from runner.plan.job_folders import read_plan
from runner.results import layouts
from runner.results.schema import DONE, FAILED, MISSING, RUNNING
from runner.results.table import load_runs

_FAILURES = 10  # shown of one experiment


def run(args: argparse.Namespace) -> int:
    """Print the state of every experiment.

    Raises:
        UserError: no such folder, or nothing in it; one line.
    """
    table = load_runs(Path(args.directory), settings=False)
    for name, runs in table.drop_duplicates("folder").groupby("experiment", sort=False):
        print("\n".join(_lines(str(name), runs)))
    return 0


def _lines(experiment: str, runs: pd.DataFrame) -> list[str]:
    """Return what is said of an experiment."""
    one_of_each = map(Path, {os.path.dirname(folder): folder for folder in runs["folder"]}.values())
    roots = {place.root(run) for run in one_of_each if (place := layouts.place(run.parts))}
    planned = {str(folder): name for root in roots for folder, name in read_plan(root).items()}
    states = Counter(runs["state"])
    states[MISSING] += len(planned.keys() - set(runs["folder"]))
    said = [f"{states[s]} {s}" for s in (DONE, RUNNING, FAILED, MISSING) if states[s] or s == DONE]
    written = runs["written"].max()
    age = f"; last progress {_since(written)} ago" if written > 0 else ""
    lines = [f"{experiment}: {', '.join(said)}, of {states.total()}{age}"]
    if accuracy := _accuracy(runs):
        lines.append(f"  accuracy so far: {accuracy}")
    for _, run in runs[runs["state"] == RUNNING].iterrows():
        lines += _at_work(run["folder"], _name(run, planned))
    failed = runs[runs["state"] == FAILED]
    for _, run in failed.head(_FAILURES).iterrows():
        lines.append(f"  failed:  {_name(run, planned)}: {printable(run['reason'])[:200]}")
    if len(failed) > _FAILURES:
        lines.append(f"  failed:  and {len(failed) - _FAILURES} more")
    return lines


def _since(moment: float) -> str:
    return duration(max(0.0, time.time() - moment))


def _name(run: Any, planned: Mapping[str, str]) -> str:
    words = f"{run['dataset']} shots{run['shots']} seed{run['seed']} {run['subset']}"
    return planned.get(run["folder"], words)


def _at_work(folder: str, name: str) -> list[str]:
    """Where a run is, since when, and what it has said last."""
    place, lines = layouts.place(Path(folder).parts), []
    if place:
        console = place.console(Path(folder))
        if start := last_start(console):
            name += f", on {start.place}" if start.place else ""
            name += f", since {_since(start.time)}"
        lines = [f"    | {printable(' '.join(x.split()))[:200]}" for x in tail(console, 1)]
    return [f"  running: {name}", *lines]


def _accuracy(runs: pd.DataFrame) -> str:
    """Means over the runs that are done, by mode and classes."""
    done = runs[runs["state"] == DONE]
    by_mode = done["mode"].where(done["mode"] != "", "all")
    column = done["subset"].where(done["subset"] != "all", by_mode)
    means = done.groupby(column)["overall"].agg(["mean", "count"])
    return ", ".join(f"{each.Index} {each.mean:.2f} ({each.count})" for each in means.itertuples())
