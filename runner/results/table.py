"""Find the runs below output folders, whoever laid them out, and make one table of them."""

import contextlib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from runner.errors import UserError
from runner.files.records import read_record
from runner.files.writing import closed_place, may_not_be_read, shown
from runner.plan.job_folders import read_plan
from runner.results import layouts
from runner.results.layouts import TOGETHER, Place
from runner.results.lines import VARIANTS
from runner.results.reading import Row, placed, read_run, without_result
from runner.results.schema import DONE, DTYPES, PROVENANCE, columns, from_record

_DEEPEST = 5  # parts between the folder that holds `console` and the folder of a run
_SEED = re.compile(r"seed(\d+)")
logger = logging.getLogger(__name__)


def load_runs(
    *folders: str | Path,
    mode: str = "",
    settings: bool = True,
) -> pd.DataFrame:
    """Return a row for every run below `folders` and each of its tasks, also of failed runs, in the
    order of where they lie; columns.csv beside this file says what the columns are. Links are
    followed; what lies twice counts once; what may not be read is logged. An experiment's name that
    runs of two folders have is told apart by the folder's.

    Args:
        mode: `xd`, `dg` or `fs`: what runs follow whose folders do not say it.
        settings: whether to read configurations from the logs too: `settings`, `part`, and the
            `backbone` of older runs.

    Raises:
        UserError: no such folder, one that may not be read, or no run in it.
    """
    found: dict[str, Row] = {}
    paths = [Path(folder).expanduser() for folder in folders]
    names = [folder.resolve().name for folder in paths]
    if len(set(names)) < len(names):
        names = [shown(folder.resolve()) for folder in paths]
    for name, folder in zip(names, paths, strict=True):
        for row in _collect(folder, mode, settings):
            place = row["folder"]
            row["below"] = name
            found.setdefault(os.path.realpath(place) if len(paths) > 1 else place, row)
    homes = Counter(name for name, _ in {(r["experiment"], r["below"]) for r in found.values()})
    for row in found.values():
        if homes[row["experiment"]] > 1:
            row["experiment"] = f"{row['below']}/{row['experiment']}"
    return as_table(found.values())


def as_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return the table of runs that were read, each task a row, with typed columns."""
    expanded = [each for row in rows for each in _by_task(row)]
    known = set().union(*expanded)
    made = {}
    for column in columns():
        name, empty = column["column"], "" if column["kind"] == "text" else None
        values: Any = empty
        if name in known:
            values = [empty if (value := row.get(name)) is None else value for row in expanded]
        made[name] = pd.Series(values, range(len(expanded)), dtype=DTYPES[column["kind"]])
    return pd.DataFrame(made)


def _by_task(row: Row) -> Iterator[Row]:
    """Yield a run's rows, with the columns that follow from others: for each of its tasks, and of
    a test on base and new classes together for each half."""
    row["method"] = row["trainer"].removesuffix("DePT")
    row["dept"] = row["method"] != row["trainer"]
    row["accuracy"] = row.get("overall")
    row["stated"] = bool(row.get(PROVENANCE))
    for place, task in enumerate(row.get("tasks") or (None,)):
        each = row | from_record(row, by_task=True, task=place)
        each["backbone"] = each.get("backbone") or row.get("log_backbone")  # of an older run
        if task:
            own = {"task": task.name, "task_dataset": task.dataset, "accuracy": task.metric}
            each = each | own | {"split_note": task.split_note}
        if row.get("mode") == TOGETHER:
            for half in ("base", "new"):
                yield each | {"subset": half, "accuracy": each.get(f"{half}_accuracy")}
        else:
            yield each


def _collect(folder: Path, mode: str, settings: bool) -> list[Row]:
    try:
        if not folder.is_dir():
            what = "a file" if folder.exists() else "no such folder"
            raise UserError(f"{folder}: {what}; give the folder of runs")
    except PermissionError as error:
        raise UserError(may_not_be_read(closed_place(folder.absolute()))) from error
    top = folder.absolute()
    closed: list[Path] = []
    consoles = [path / "console" for path in top.parents[:_DEEPEST]]  # of what lies in a step
    rows: list[Row] = []
    experiments: dict[str, str] = {}  # by the folder of seeds
    for path, place, names in _walk(top, closed, consoles):
        above = os.path.dirname(path)
        if above not in experiments:
            experiments[above] = _experiment(place.root(Path(path)), top)
        row = read_run(path, place, experiments[above], settings=settings, names=names)
        console = str(place.console(Path(path))) if row["state"] != DONE else ""
        row["written"] = _written(f"{path}/result.json", row["config"], console)
        rows.append(row)
    if top not in closed:
        rows += _without_folder({row["folder"] for row in rows}, consoles, top)
    if not rows and closed:
        raise UserError([may_not_be_read(path) for path in closed])
    if not rows:
        raise UserError(f"{folder}: no run below it; looked for {layouts.LOOKED_FOR}")
    for each in closed:
        logger.warning("%s: may not be read, so nothing of it is here", shown(each))
    _add_modes(rows, mode)
    return sorted(rows, key=lambda row: natural(row["folder"]))


def natural(text: str) -> list[tuple[int, str]]:
    """Order for names with numbers in them: seed2 before seed10."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", text)]


def _walk(
    top: Path, closed: list[Path], consoles: list[Path]
) -> Iterator[tuple[str, Place, set[str]]]:
    """Yield folders of runs with the names in them, those by links last; below such a folder
    nothing is looked for. Folders that may not be read go to `closed`, those of console files to
    `consoles`."""
    seen: set[str] = set()  # paths without links
    above: dict[str, Place] = {}  # by the folder of seeds
    waiting, links = [(str(top), os.path.realpath(top))], list[tuple[str, str]]()
    while waiting or links:
        path, real = waiting.pop() if waiting else links.pop(0)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
        except OSError:
            closed.append(Path(path))
            continue
        names = {entry.name for entry in entries}
        if found := _place(path, names, above):
            yield path, found, names
            continue
        if os.path.basename(path) == "console":
            consoles.append(Path(path))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                # isdir takes a link in a circle for none
                links += [(entry.path, os.path.realpath(entry))] if os.path.isdir(entry) else []
            elif entry.is_dir():
                waiting.append((entry.path, f"{real}/{entry.name}"))


def _place(path: str, names: set[str], above: dict[str, Place]) -> Place | None:
    """Return what a folder's path says if it is a run's, or its result.json where the path does
    not; siblings differ in their seeds alone."""
    parent, name = os.path.split(path)
    if seed := _SEED.fullmatch(name):
        if parent not in above and (found := layouts.place(Path(path).parts)):
            above[parent] = found
        if parent in above:
            return above[parent].of_seed(int(seed[1]))
    found = None
    if not seed and names & {"result.json", "log.txt"}:
        found = layouts.place(Path(path).parts, with_seed=False)
    if not found and "result.json" in names and "trainer" in (record := read_record(path)):
        found = layouts.by_hand(record)
    return found


def _written(*paths: str | None) -> float | None:
    """Return when a run has last said anything in its files."""
    times = []
    for path in filter(None, paths):
        with contextlib.suppress(OSError):
            times.append(os.stat(path).st_mtime)
    return max(times, default=None)


def _experiment(root: Path, top: Path) -> str:
    """Return the name of the folder that holds a layout, with what lies between it and `top`."""
    below = root.relative_to(top).parts if root.is_relative_to(top) else ()
    if below:
        return "/".join(below)
    return "/".join(root.parts[-2:]) if root.name.startswith("weights-") else root.name


def _without_folder(known: set[str], consoles: Sequence[Path], top: Path) -> Iterator[Row]:
    """Yield the runs that this runner has planned, and that ended before they had a folder."""
    for root in sorted(folder.parent for folder in consoles):
        for folder in read_plan(root):
            place = layouts.place(folder.parts)
            if place and str(folder) not in known and folder.is_relative_to(top):
                row = placed(str(folder), place, _experiment(root, top))
                if (console := place.console(folder)).exists():
                    yield {**without_result(row, console), "written": _written(str(console))}


def _add_modes(rows: Sequence[Row], wanted: str) -> None:
    """Set the modes that only runs beside a run tell, or the person who asks: those of folders
    without a step, and of the trainings on the source of the scripts' evaluations."""

    def table(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in ("layout", "experiment", "trainer", "cfg", "shots"))

    evaluated = {table(row) for row in rows if row["mode"] in ("xd", "dg")}
    few_shot = {
        table(row)
        for row in rows
        if row["mode"] == "" and row["trained"] and row["dataset"] not in layouts.SOURCES
    }
    for row in rows:
        source = row["dataset"] in layouts.SOURCES
        if row["mode"] == "b2n" and row["subset"] == "all":  # KgCoOp's xd_train.sh
            row["mode"] = "fs"
        elif row["mode"] == "fs" and row["layout"] == layouts.SCRIPTS and source:
            crossed = table(row) in evaluated or "cross_datasets" in row["cfg"]
            row["mode"] = "xd" if crossed or wanted in ("xd", "dg") else "fs"
        elif not row["mode"] and row["layout"] != layouts.OTHER:
            shared = wanted == "fs" or (table(row) in few_shot and wanted not in ("xd", "dg"))
            row["mode"] = "fs" if shared else "dg" if row["dataset"] in VARIANTS else "xd"
