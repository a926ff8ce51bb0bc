"""`python -m runner status DIR`: how far the runs below a folder are, from any shell."""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from runner.files.consoles import last_start
from runner.files.records import tail
from runner.files.writing import shown
from runner.output import duration
from runner.plan.job_folders import read_plan
from runner.results import layouts
from runner.results.groups import rows_of
from runner.results.reading import Row
from runner.results.schema import DONE, FAILED, MISSING, RUNNING
from runner.results.table import load_runs

_FAILURES = 10  # shown of one experiment


def run(args: argparse.Namespace) -> int:
    """Print the state of every experiment.

    Raises:
        UserError: no such folder, or nothing in it; one line.
    """
    unreadable: list[Path] = []
    table = load_runs(Path(args.directory), settings=False, unreadable=unreadable)
    runs = table.drop_duplicates("folder")
    named = rows_of(runs[runs["state"].isin([RUNNING, FAILED])])
    for name, found in runs.groupby("experiment", sort=False):
        print("\n".join(_lines(str(name), found, [r for r in named if r["experiment"] == name])))
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
    return 0


def _lines(experiment: str, runs: pd.DataFrame, named: Sequence[Row]) -> list[str]:
    """Return what is said of an experiment; `named`: its runs that are at work or failed."""

    planned: dict[str, str] = {}  # names of the runs by their folders
    one_of_each = {os.path.dirname(folder): folder for folder in runs["folder"]}.values()
    for root in dict.fromkeys(path.parent.parent for path in map(_console, one_of_each) if path):
        planned |= {str(folder): name for folder, name in read_plan(root).items()}
    states = runs["state"].value_counts().to_dict()
    waiting = len(planned.keys() - set(runs["folder"]))
    states[MISSING] = states.get(MISSING, 0) + waiting
    counts = [(state, states.get(state, 0)) for state in (DONE, RUNNING, FAILED, MISSING)]
    said = [f"{number} {state}" for state, number in counts if number or state == DONE]
    written = runs["written"].max()
    age = duration(max(0.0, time.time() - written)) if written > 0 else ""
    progress = f"; last progress {age} ago" if age else ""
    lines = [f"{experiment}: {', '.join(said)}, of {len(runs) + waiting}{progress}"]
    if accuracy := _accuracy(runs):
        lines.append(f"  accuracy so far: {accuracy}")
    for each in named:
        if each["state"] == RUNNING:
            lines += _at_work(each["folder"], _name(each, planned))
    failed = [each for each in named if each["state"] == FAILED]
    for each in failed[:_FAILURES]:
        lines.append(f"  failed:  {_name(each, planned)}: {_printable(each['reason'])}")
    if len(failed) > _FAILURES:
        lines.append(f"  failed:  and {len(failed) - _FAILURES} more")
    return lines


def _console(folder: str) -> Path | None:
    place = layouts.place(Path(folder).parts)
    return place.console(Path(folder)) if place and place.layout == layouts.RUNNER else None


def _name(each: Row, planned: dict[str, str]) -> str:
    words = [each["dataset"], f"shots{each['shots']}", f"seed{each['seed']}", each["subset"]]
    return planned.get(each["folder"]) or " ".join(words)


def _at_work(folder: str, name: str) -> list[str]:
    """Where a run is, since when, and what it has said last."""
    console = _console(folder)
    if console is None:
        return [f"  running: {name}"]
    words = [name]
    if start := last_start(console):
        words += [start.place] if start.place else []
        words.append(f"since {duration(max(0.0, time.time() - start.time))}")
    last = [f"    | {_printable(line)}" for line in tail(console, 1)]
    return [f"  running: {', '.join(words)}", *last]


def _accuracy(runs: pd.DataFrame) -> str:
    """Means over the runs that are done, by mode and classes."""
    done = runs[runs["state"] == DONE]
    by_mode = done["mode"].where(done["mode"] != "", "all")
    column = done["subset"].where(done["subset"] != "all", by_mode)
    means = done.groupby(column)["overall"].agg(["mean", "count"])
    return ", ".join(f"{each.Index} {each.mean:.2f} ({each.count})" for each in means.itertuples())


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line.replace("\t", " "))[:200]
