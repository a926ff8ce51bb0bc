"""From the table of runs to tables of results: one for each mode, trainer, YAML and number of
shots."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from runner.files.records import RunResult
from runner.plan.build import ACCURACY, shots_column
from runner.plan.jobs import Job, Study
from runner.plan.modes import MODES
from runner.results.layouts import RUNNER, SOURCES
from runner.results.reading import Row, row_of_result
from runner.results.schema import DONE
from runner.results.table import as_table
from runner.results.tables import Table, fill

TALLIED = ("b2n", "xd", "dg", "fs", "mt")
PUBLISHED_SHOTS = 16  # not named in the names of files
Cell = tuple[str, str, int]
"""(dataset, column, seed)"""


def rows_of(runs: pd.DataFrame) -> list[Row]:
    """Return the rows of a table of runs as mappings, None where a number is missing."""
    columns = [runs[name].astype(object).where(runs[name].notna(), None).tolist() for name in runs]
    names = list(map(str, runs))
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    for row in rows:
        row["own_split"] = bool(row["split_note"] or row["partial"])
    return rows


def make_tables(runs: pd.DataFrame, only: str = "") -> list[Table]:
    """Return the tables of all modes, or of one, in the order of modes. The table of `xd` has the
    variants of `dg` below it, as published; `dg` has one of its own where it is asked for, or where
    there are no other targets. All classes of joint datasets alone are `mt`, unless `fs` is asked
    for: the two share their folders."""
    runs = runs[runs["mode"] != ""]
    rows = rows_of(runs)
    modes = pd.Categorical(runs["mode"].replace("dg", "xd"), TALLIED)
    keys = [modes, *(runs[name] for name in ("experiment", "trainer", "cfg", "shots"))]
    groups = runs.assign(place=range(len(runs))).groupby(keys, observed=True)["place"]
    tables, few = [], []
    for key, places in groups:
        mode, members = str(key[0]), [rows[place] for place in places]
        if mode == "xd" and only != "xd":
            targets = [run for run in members if run["mode"] == "xd" and not _is_source(run)]
            variants = any(run["mode"] == "dg" for run in members)
            if variants and (only == "dg" or not targets):
                mode = "dg"
                members = [run for run in members if run["mode"] == "dg" or _is_source(run)]
        if mode == "fs" and only != "fs" and _all_joint(members):
            mode = "mt"
        if only in ("", mode):
            tables.append(_table(mode, members))
            few += [tables[-1]] if mode == "fs" and members[0]["shots"] else []
    return tables + _by_shots(few)


def _all_joint(runs: Sequence[Row]) -> bool:
    done = [run for run in runs if run["state"] == DONE]
    return bool(done) and all(run["task"] or run["task_dataset"] for run in done)


def _is_source(run: Row) -> bool:
    return run["dataset"] in SOURCES or bool(run["trained"])


def _table(mode: str, runs: Sequence[Row]) -> Table:
    first = runs[0]
    shots = first["shots"]
    suffix = f"-shots{shots}" if shots not in (0, PUBLISHED_SHOTS) else ""
    if mode == "fs" and shots:
        suffix = f"-shots{shots}"
    if (archive := first["experiment"].rpartition("/")[2]).startswith("weights-"):
        suffix += f"-{archive}"  # never taken for own training
    label = " ".join([first["experiment"], first["trainer"], first["cfg"]])
    label += f", {shots_column(shots)}" if shots else ""
    columns: tuple[str, ...] = (ACCURACY,)
    if mode == "b2n":
        columns = tuple(c for c in ("base", "new") if any(run["subset"] == c for run in runs))
    cells = [(run, run["subset"] if mode == "b2n" else ACCURACY) for run in runs]
    return _fill(
        mode, label, f"{mode}-{first['trainer']}-{first['cfg']}{suffix}.csv", columns, cells
    )


def _fill(
    mode: str, label: str, csv: str, columns: tuple[str, ...], cells: Sequence[tuple[Row, str]]
) -> Table:
    """Put each run into the column that stands beside it; of several for one cell the newest."""
    runs = [run for run, _ in cells]
    seeds = tuple(sorted({run["seed"] for run in runs}))
    datasets = list(dict.fromkeys(run["dataset"] for run in runs))
    best, spare = _newest(cells)
    source, wanted = "", list(datasets)
    if MODES[mode].transfer:
        source = next((run["dataset"] for run in runs if _is_source(run)), SOURCES[0])
        wanted = [source] * (source in datasets) + [name for name in datasets if name != source]
        datasets = [name for name in datasets if name != source]
    counted = [
        (row, column)
        for name in wanted
        for (dataset, column, _), rows in best.items()
        if dataset == name
        for row in rows
        if row["state"] == DONE
    ]
    first = runs[0]
    table = Table(
        experiment=first["experiment"],
        label=label,
        trainer=first["trainer"],
        mode=MODES[mode],
        columns=columns,
        seeds=seeds,
        csv=Path(csv),
        members=tuple(row for rows in best.values() for row in rows),
        spare=tuple(spare),
        absent=_absent([(d, c, s) for d in wanted for c in columns for s in seeds], best),
    )
    table = fill(table, counted, datasets, source)
    if source and source not in wanted:  # no run of it, as in the folder of scripts' evaluations
        kept = tuple(line for line in table.lines if line.name != source)
        table = replace(table, lines=kept)
    return table


def _newest(cells: Sequence[tuple[Row, str]]) -> tuple[dict[Cell, list[Row]], list[Row]]:
    """Return the rows of the run of each cell, and those that give way to a newer one."""
    runs: dict[Cell, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row, column in cells:
        runs[row["dataset"], column, row["seed"]][row["folder"]].append(row)
    best, spare = {}, []
    for cell, found in runs.items():
        best[cell] = max(found.values(), key=_age)
        spare += [rows[0] for rows in found.values() if rows is not best[cell]]
    return best, spare


def _age(rows: Sequence[Row]) -> tuple[bool, float]:
    return rows[0]["state"] == DONE, rows[0]["written"] or 0.0


def _absent(cells: Sequence[Cell], best: dict[Cell, list[Row]]) -> tuple[str, ...]:
    """Return why cells are empty, one line for the seeds that share a reason."""
    seeds: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for cell in cells:
        rows, (dataset, column, seed) = best.get(cell), cell
        if rows is None:
            seeds[dataset, column, "missing: there is no folder of it"].append(seed)
        elif rows[0]["state"] != DONE:
            reason = f"{rows[0]['state']}: {rows[0]['reason']}"
            seeds[dataset, column, reason].append(seed)
    return tuple(
        f"{dataset}{'' if column == ACCURACY else f' {column}'} "
        f"seed{'s' if len(which) > 1 else ''} {' '.join(map(str, which))}: {reason}"
        for (dataset, column, reason), which in seeds.items()
    )


def _by_shots(few: Sequence[Table]) -> list[Table]:
    """Return few-shot tables with a column for each number of shots, of every trainer that has
    several; where it has two YAMLs at the same shots, of every YAML."""
    by_trainer: dict[tuple[str, str], list[Table]] = defaultdict(list)
    for table in few:
        by_trainer[table.experiment, table.trainer].append(table)
    made = []
    for (experiment, trainer), tables in by_trainer.items():
        one_yaml = len({table.members[0]["shots"] for table in tables}) == len(tables)
        for cfg in dict.fromkeys("" if one_yaml else t.members[0]["cfg"] for t in tables):
            members = [t for t in tables if cfg in ("", t.members[0]["cfg"])]
            if len(members) == 1:
                continue
            shots = sorted(table.members[0]["shots"] for table in members)
            cells = [(row, shots_column(row["shots"])) for each in members for row in each.members]
            words = [trainer, *([cfg] if cfg else [])]
            label, csv = " ".join([experiment, *words]), f"fs-{'-'.join(words)}.csv"
            made.append(_fill("fs", label, csv, tuple(map(shots_column, shots)), cells))
    return made


def tables_of(studies: Sequence[Study], results: Mapping[str, RunResult]) -> list[Table]:
    """Return the table of each study, of the results that the runner has found by job name."""
    jobs = {job.name: (study, job) for study in studies for job in study.jobs}
    found = as_table(
        row_of_result(job.folder, results[name], _planned(study, job))
        for name, (study, job) in jobs.items()
        if name in results
    )
    by_folder: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of(found):
        by_folder[row["folder"]].append(row)
    return [_of_study(study, by_folder) for study in studies]


def _planned(study: Study, job: Job) -> Row:
    return {
        **{"experiment": job.experiment, "layout": RUNNER, "mode": study.mode.name},
        **{"trainer": study.trainer, "dataset": job.dataset, "seed": job.seed},
        **{"subset": job.column if job.column in ("base", "new") else "all"},
        **{"folder": str(job.folder), "trained": job.kind == "train"},
    }


def _of_study(study: Study, by_folder: Mapping[str, Sequence[Row]]) -> Table:
    jobs = [job for job in study.jobs if str(job.folder) in by_folder]
    found = [(row, job.column) for job in jobs for row in by_folder[str(job.folder)]]
    absent = [job.name for job in study.jobs if str(job.folder) not in by_folder]
    absent += study.absent
    table = Table(
        experiment=study.name,
        label=study.label,
        trainer=study.trainer,
        mode=study.mode,
        columns=study.columns,
        seeds=study.seeds,
        csv=study.csv,
        csv_by_column=study.csv_by_column,
        members=tuple(row for row, _ in found),
        absent=(", ".join(absent),) if absent else (),
        point=study.point,
        ranking=study.ranking,
    )
    return fill(table, found, study.datasets, study.source)
