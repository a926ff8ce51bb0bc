"""`python -m runner status DIR`: how far the runs below a folder are, from any shell."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.consoles import last_start, lock_holder
from runner.files.records import tail
from runner.files.writing import shown
from runner.output import duration
from runner.plan.job_folders import read_plan
from runner.results import layouts
from runner.results.collect import DONE, FAILED, MISSING, RUNNING, Run, collect
from runner.results.stats import mean

EPILOG = """examples:
  python -m runner status outputs
  python -m runner status outputs/maple_dept
"""
_FAILURES = 10  # shown of one experiment


@dataclass
class _Experiment:
    """The runs of one experiment; `waiting`: folders of planned runs that have not begun."""

    name: str
    runs: list[Run] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)
    waiting: set[Path] = field(default_factory=set)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the words of `status`."""
    parser = commands.add_parser(
        "status",
        help="how far the runs in a folder are",
        description="Runs done, running, failed and missing, what runs where, the accuracy so far. "
        "Reads files alone, and may be asked while a runner is at work.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of runs, at any height")


def run(args: argparse.Namespace) -> int:
    """Print the state of every experiment.

    Raises:
        UserError: no such folder, or nothing in it; one line.
    """
    folder = Path(args.directory).expanduser()
    unreadable: list[Path] = []
    for experiment in _experiments(folder, unreadable):
        print("\n".join(_lines(experiment)))
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
    return 0


def _experiments(folder: Path, unreadable: list[Path]) -> list[_Experiment]:
    found: dict[str, _Experiment] = {}
    for each in collect(folder, unreadable=unreadable):
        found.setdefault(each.experiment, _Experiment(each.experiment)).runs.append(each)
    for experiment in found.values():
        consoles = {path.parent for each in experiment.runs if (path := _console(each))}
        for console in consoles:
            experiment.names |= read_plan(console.parent)
        begun = {each.folder for each in experiment.runs}
        experiment.waiting = experiment.names.keys() - begun
    return list(found.values())


def _console(each: Run) -> Path | None:
    place = layouts.place(each.folder.parts) if each.layout == layouts.RUNNER else None
    return place.console(each.folder) if place else None


def _lines(experiment: _Experiment) -> list[str]:
    runs = experiment.runs
    counts = {state: sum(each.state == state for each in runs) for state in (DONE, RUNNING, FAILED)}
    counts[MISSING] = sum(each.state == MISSING for each in runs) + len(experiment.waiting)
    total = len(runs) + len(experiment.waiting)
    said = [f"{number} {state}" for state, number in counts.items() if number or state == DONE]
    lines = [f"{experiment.name}: {', '.join(said)}, of {total}{_age(runs)}"]
    if accuracy := _accuracy(runs):
        lines.append(f"  accuracy so far: {accuracy}")
    for each in runs:
        if each.state == RUNNING:
            lines += _at_work(each, _name(each, experiment))
    failed = [each for each in runs if each.state == FAILED]
    for each in failed[:_FAILURES]:
        lines.append(f"  failed:  {_name(each, experiment)}: {_printable(each.reason)}")
    if len(failed) > _FAILURES:
        lines.append(f"  failed:  and {len(failed) - _FAILURES} more")
    return lines


def _name(each: Run, experiment: _Experiment) -> str:
    words = [each.dataset, f"shots{each.shots}", f"seed{each.seed}", each.subset]
    return experiment.names.get(each.folder) or " ".join(words)


def _at_work(each: Run, name: str) -> list[str]:
    """Where a run is, since when, who holds its console file, and what it has said last."""
    console = _console(each)
    if console is None:
        return [f"  running: {name}"]
    words = [name]
    if start := last_start(console):
        words += [start.place] if start.place else []
        words.append(f"since {duration(max(0.0, time.time() - start.time))}")
    holder = lock_holder(console)
    words.append(f"held by process {holder}" if holder else "held, by whom is not known here")
    last = [f"    | {_printable(line)}" for line in tail(console, 1)]
    return [f"  running: {', '.join(words)}", *last]


def _accuracy(runs: Sequence[Run]) -> str:
    """Means over the runs that are done, by mode and classes."""
    values: dict[str, list[float]] = {}
    for each in runs:
        if each.state == DONE and each.accuracy is not None:
            column = each.subset if each.subset in ("base", "new") else each.mode or "all"
            values.setdefault(column, []).append(each.accuracy)
    return ", ".join(f"{column} {mean(v):.2f} ({len(v)})" for column, v in sorted(values.items()))


def _age(runs: Sequence[Run]) -> str:
    """How long ago anything was written."""
    times = []
    for each in runs:
        for path in (_console(each), each.config, each.folder / "result.json"):
            try:
                times.append(path.stat().st_mtime if path else 0.0)
            except OSError:
                continue
    newest = max(times, default=0.0)
    if not newest:
        return ""
    return f"; last progress {duration(max(0.0, time.time() - newest))} ago"


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line.replace("\t", " "))[:200]
