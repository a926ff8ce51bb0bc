"""From the runs of a folder to tables: one for each mode, trainer, YAML and number of shots."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.files.records import RunResult
from runner.plan.build import ACCURACY, shots_column
from runner.plan.jobs import Job, Study
from runner.plan.modes import MODES
from runner.results.layouts import SOURCES
from runner.results.runs import DONE, Run
from runner.results.scores import Measured, measure
from runner.results.stats import Summary, summarise
from runner.show.published_csv import accuracy_csv, base_to_new_csv, shots_csv

TALLIED = ("b2n", "xd", "dg", "fs", "mt")
PUBLISHED_SHOTS = 16  # not named in the names of files
Cell = tuple[str, str, int]


@dataclass(frozen=True)
class Table:
    """One table and the runs that fill it.

    Attributes:
        study: mode, columns, datasets and seeds; its jobs stand for the cells.
        csv: name of the file that takes it, and `text` what the file says.
        runs: those in it; `spare`: those for whose cell another one is newer.
        absent: why cells are empty, one line each.
    """

    experiment: str
    study: Study
    csv: str
    found: Measured
    summary: Summary
    runs: tuple[Run, ...]
    spare: tuple[Run, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The table in the published layout."""
        study, lines, scores = self.study, self.found.lines, self.found.scores
        if study.mode.base_to_new:
            return base_to_new_csv(lines, study.seeds, scores, study.columns)
        if study.columns == (ACCURACY,):
            return accuracy_csv(lines, ACCURACY, study.seeds, scores)
        return shots_csv(lines, study.columns, study.seeds, scores)


def make_tables(runs: Sequence[Run], only: str = "") -> list[Table]:
    """Return the tables of all modes, or of one, in the order of modes. The table of `xd` has the
    variants of `dg` below it, as published; `dg` has one of its own where it is asked for, or where
    there are no other targets. All classes of joint datasets alone are `mt`, unless `fs` is asked
    for: the two share their folders."""
    groups: dict[tuple[int, str, str, str, int], list[Run]] = defaultdict(list)
    for run in runs:
        if run.mode in TALLIED:
            place = TALLIED.index("xd" if run.mode == "dg" else run.mode)
            groups[place, run.experiment, run.trainer, run.cfg, run.shots].append(run)
    tables = []
    for (place, *_), members in sorted(groups.items(), key=lambda group: group[0]):
        mode = TALLIED[place]
        if mode == "xd" and only != "xd":
            targets = [run for run in members if run.mode == "xd" and not _is_source(run)]
            variants = any(run.mode == "dg" for run in members)
            if variants and (only == "dg" or not targets):
                mode, members = "dg", [run for run in members if run not in targets]
        if mode == "fs" and only != "fs" and _all_joint(members):
            mode = "mt"
        if only in ("", mode):
            tables.append(_table(mode, members))
    return tables + [table for table in _by_shots(tables) if only in ("", "fs")]


def _all_joint(runs: Sequence[Run]) -> bool:
    done = [run for run in runs if run.state == DONE]
    return bool(done) and all(run.tasks for run in done)


def _is_source(run: Run) -> bool:
    return run.dataset in SOURCES or bool(run.trained)


def _table(mode: str, runs: Sequence[Run]) -> Table:
    first = runs[0]
    suffix = f"-shots{first.shots}" if first.shots not in (0, PUBLISHED_SHOTS) else ""
    if mode == "fs" and first.shots:
        suffix = f"-shots{first.shots}"
    if (archive := first.experiment.rpartition("/")[2]).startswith("weights-"):
        suffix += f"-{archive}"  # never taken for own training
    label = " ".join([first.experiment, first.trainer, first.cfg])
    if first.shots:
        label += f", {shots_column(first.shots)}"
    columns: tuple[str, ...] = (ACCURACY,)
    if mode == "b2n":
        columns = tuple(c for c in ("base", "new") if any(run.subset == c for run in runs))
    cells = [(run, run.subset if mode == "b2n" else ACCURACY) for run in runs]
    name = f"{mode}-{first.trainer}-{first.cfg}{suffix}.csv"
    return _fill(mode, label, name, columns, cells)


def _fill(
    mode: str, label: str, name: str, columns: tuple[str, ...], cells: Sequence[tuple[Run, str]]
) -> Table:
    """Put each run into the column that stands beside it."""
    runs = [run for run, _ in cells]
    seeds = tuple(sorted({run.seed for run in runs}))
    datasets = tuple(dict.fromkeys(run.dataset for run in runs))
    source = ""
    if MODES[mode].transfer:
        source = next((run.dataset for run in runs if _is_source(run)), SOURCES[0])
        datasets = tuple(dataset for dataset in datasets if dataset != source)
    best, spare = _newest(cells)
    wanted = [source, *datasets] if source in {run.dataset for run in runs} else datasets
    jobs = tuple(_job(cell) for cell in _cells(wanted, columns, seeds))
    study = Study(
        name=runs[0].experiment,
        label=label,
        trainer=runs[0].trainer,
        mode=MODES[mode],
        columns=columns,
        datasets=datasets,
        seeds=seeds,
        jobs=jobs,
        csv=Path(name),
        source=source,
    )
    results = {_name(cell): _result(run) for cell, run in best.items() if run.state == DONE}
    found = measure(study, results)
    if source not in wanted:  # no run of it, as in the folder of the scripts' evaluations
        found = replace(found, lines=tuple(line for line in found.lines if line.name != source))
    summary = summarise(label, found.lines, columns, seeds, found.scores, found.own_splits)
    absent = _absent(_cells(wanted, columns, seeds), best)
    kept = tuple(best.values())
    return Table(runs[0].experiment, study, name, found, summary, kept, spare, absent)


def _cells(datasets: Iterable[str], columns: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    return [(dataset, c, seed) for dataset in datasets for c in columns for seed in seeds]


def _name(cell: Cell) -> str:
    dataset, column, seed = cell
    return f"{dataset} {column} seed{seed}"


def _job(cell: Cell) -> Job:
    """What the tables know a cell by."""
    dataset, column, seed = cell
    return Job(_name(cell), "", "", column, dataset, seed, Path(), Path(), "", ())


def _result(run: Run) -> RunResult:
    assert run.accuracy is not None
    return RunResult(run.accuracy, run.key or None, run.from_log, run.tasks, run.split_note)


def _newest(cells: Sequence[tuple[Run, str]]) -> tuple[dict[Cell, Run], tuple[Run, ...]]:
    """Return the run of each cell, and those that give way to a newer one."""
    best: dict[Cell, Run] = {}
    spare = []
    for run, column in cells:
        cell = (run.dataset, column, run.seed)
        other = best.get(cell)
        if other is None or _age(run) > _age(other):
            best[cell], run = run, other or run
        if other is not None:
            spare.append(run)
    return best, tuple(spare)


def _age(run: Run) -> tuple[bool, float]:
    times = [run.folder / "result.json", *([run.config] if run.config else [])]
    written = [path.stat().st_mtime for path in times if path.is_file()]
    return run.state == DONE, max(written, default=0.0)


def _absent(cells: Sequence[Cell], best: dict[Cell, Run]) -> tuple[str, ...]:
    """Return why cells are empty, one line for the seeds that share a reason."""
    seeds: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for cell in cells:
        run, (dataset, column, seed) = best.get(cell), cell
        if run is None:
            seeds[dataset, column, "missing: there is no folder of it"].append(seed)
        elif run.state != DONE:
            seeds[dataset, column, f"{run.state}: {run.reason}"].append(seed)
    return tuple(
        f"{dataset}{'' if column == ACCURACY else f' {column}'} "
        f"seed{'s' if len(which) > 1 else ''} {' '.join(map(str, which))}: {reason}"
        for (dataset, column, reason), which in seeds.items()
    )


def _by_shots(tables: Sequence[Table]) -> list[Table]:
    """Return few-shot tables with a column for each number of shots, of every trainer that has
    several; where it has two YAMLs at the same shots, of every YAML."""
    few = [table for table in tables if table.study.mode.name == "fs" and table.runs[0].shots]
    groups: dict[tuple[str, str, str], list[Table]] = defaultdict(list)
    for table in few:
        groups[table.experiment, table.study.trainer, ""].append(table)
    for key, members in list(groups.items()):
        if len({table.runs[0].shots for table in members}) < len(members):
            del groups[key]
            for table in members:
                groups[(*key[:2], f"-{table.runs[0].cfg}")].append(table)
    made = []
    for (experiment, trainer, cfg), members in groups.items():
        if len(members) > 1:
            shots = sorted(table.runs[0].shots for table in members)
            cells = [(run, shots_column(run.shots)) for table in members for run in table.runs]
            label, name = f"{experiment} {trainer}{cfg.replace('-', ' ', 1)}", f"fs-{trainer}{cfg}"
            made.append(_fill("fs", label, f"{name}.csv", tuple(map(shots_column, shots)), cells))
    return made
