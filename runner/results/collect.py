"""Find the runs below an output folder, whoever laid it out, and read what each has left."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runner.errors import UserError
from runner.files.records import read_record
from runner.files.writing import closed_place, may_not_be_read
from runner.results import layouts
from runner.results.layouts import Place
from runner.results.runs import (
    DONE,
    FAILED,
    MISSING,
    RUNNING,
    Run,
    placed,
    read_run,
    without_result,
)
from runner.results.scores import VARIANTS

_DEEPEST = 5  # parts between the folder that holds `console` and the folder of a run
__all__ = ["DONE", "FAILED", "MISSING", "RUNNING", "Run", "collect"]


def collect(folder: Path, *, unreadable: list[Path] | None = None) -> list[Run]:
    """Return every run below `folder`, also failed ones, sorted by where they lie. Links are
    followed; what lies twice by a link counts once.

    Args:
        unreadable: takes the folders that could not be looked into.

    Raises:
        UserError: no such folder, one that may not be read, or no run in it.
    """
    try:
        if not folder.is_dir():
            what = "a file" if folder.exists() else "no such folder"
            raise UserError(f"{folder}: {what}; give the folder of runs")
    except PermissionError as error:
        raise UserError(may_not_be_read(closed_place(folder.absolute()))) from error
    closed = [] if unreadable is None else unreadable
    top = folder.absolute()
    consoles = [path / "console" for path in top.parents[:_DEEPEST]]  # of what lies in a step
    runs = []
    for path, place in _walk(top, closed, consoles):
        experiment = _experiment(place.root(path), top) if place else path.parent.name
        try:
            runs.append(read_run(path, place, experiment))
        except PermissionError as error:  # it can be listed, but not looked into
            closed.append(_closed(error, path))
    if top not in closed:
        runs += _only_consoles(runs, consoles, top, closed)
    closed[:] = dict.fromkeys(closed)
    if not runs and closed:
        raise UserError([may_not_be_read(path) for path in closed])
    if not runs:
        raise UserError(f"{folder}: no run below it; looked for {layouts.LOOKED_FOR}")
    return sorted(_with_modes(runs), key=lambda run: _natural(str(run.folder)))


def _closed(error: PermissionError, path: Path) -> Path:
    return closed_place(Path(error.filename).parent if error.filename else path)


def _natural(text: str) -> list[tuple[int, str]]:
    """Order for names with numbers in them: seed2 before seed10."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", text)]


def _walk(
    top: Path, unreadable: list[Path], consoles: list[Path]
) -> Iterator[tuple[Path, Place | None]]:
    """Yield folders of runs, those by links last; below such a folder nothing is looked for.
    Folders of console files go to `consoles`."""
    seen: set[tuple[int, int]] = set()
    waiting: list[Path] = [top]
    links: list[Path] = []
    while waiting or links:
        path = waiting.pop() if waiting else links.pop(0)
        try:
            status = path.stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
        except OSError:
            unreadable.append(path)
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        found = layouts.place(path.parts)
        names = {entry.name for entry in entries}
        if not found and names & {"result.json", "log.txt"}:
            found = layouts.zero_shot_place(path.parts)
        if found or ("result.json" in names and "trainer" in read_record(path)):
            yield path, found
            continue
        if path.name == "console":
            consoles.append(path)
        for entry in entries:
            if not entry.name.startswith(".") and _is_folder(entry):
                (links if entry.is_symlink() else waiting).append(path / entry.name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _experiment(root: Path, top: Path) -> str:
    """Return the name of the folder that holds a layout, with what lies between it and `top`."""
    below = root.relative_to(top).parts if root.is_relative_to(top) else ()
    if below:
        return "/".join(below)
    return "/".join(root.parts[-2:]) if root.name.startswith("weights-") else root.name


def _only_consoles(
    runs: Sequence[Run], consoles: Sequence[Path], top: Path, closed: list[Path]
) -> list[Run]:
    """Return the runs of this runner that ended before they had a folder."""
    known, made = {run.folder for run in runs}, []
    for console in sorted(path for folder in consoles for path in folder.glob("*.txt")):
        if not (found := layouts.console_place(console.name)):
            continue
        place, below = found
        root = console.parent.parent
        folder = root.joinpath(*below)
        if folder in known or not folder.is_relative_to(top):
            continue
        run = placed(folder, place, _experiment(root, top))
        try:
            made.append(without_result(run, console))
        except PermissionError as error:
            closed.append(_closed(error, folder))
    return made


def _with_modes(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with the modes that only runs beside them tell: those of folders without a
    step, and the trainings on the source of the scripts' evaluations."""

    def table(run: Run) -> tuple[object, ...]:
        return (run.layout, run.experiment, run.trainer, run.cfg, run.shots)

    evaluated = {table(run) for run in runs if run.mode in ("xd", "dg")}
    few_shot = {
        table(run)
        for run in runs
        if run.mode == "" and run.trained and run.dataset not in layouts.SOURCES
    }

    def mode(run: Run) -> str:
        if run.mode == "b2n" and run.subset == "all":  # KgCoOp's xd_train.sh
            return "fs"
        source = run.dataset in layouts.SOURCES
        if run.mode == "fs" and run.layout == layouts.SCRIPTS and source:
            crossed = table(run) in evaluated or "cross_datasets" in run.cfg
            return "xd" if crossed else "fs"
        if run.mode or run.layout == layouts.OTHER:
            return run.mode
        if table(run) in few_shot:
            return "fs"
        return "dg" if run.dataset in VARIANTS else "xd"

    return [replace(run, mode=mode(run)) for run in runs]
