"""From the table of runs to tables of results: one for each mode, trainer, YAML and number of
shots."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from runner.files.records import RunResult
from runner.plan.build import ACCURACY, shots_column
from runner.plan.jobs import BOTH, Study
from runner.plan.modes import MODES, TALLIED
from runner.results.layouts import RUNNER, SOURCES
from runner.results.reading import Row, row_of_result
from runner.results.schema import DONE
from runner.results.table import as_table
from runner.results.tables import Table, fill

PUBLISHED_SHOTS = 16  # not named in the names of files
_BY_HALVES = [name for name, mode in MODES.items() if mode.base_to_new]
_METHOD = ["experiment", "trainer", "cfg", "shots"]


def rows_of(runs: pd.DataFrame) -> list[Row]:
    """Return the rows of a table of runs as mappings, None where a number is missing."""
    own = (runs["split_note"] != "") | (runs["partial"] != "")
    columns = {
        str(name): values.astype(object).where(values.notna(), None).tolist()
        for name, values in runs.assign(own_split=own).items()
    }
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def make_tables(runs: pd.DataFrame, only: str = "") -> list[Table]:
    """Return the tables of all modes, or of one, in the order of modes. The table of `xd` has the
    variants of `dg` below it, as published; `dg` has one of its own where it is asked for, or where
    there are no other targets. All classes of joint datasets alone are `mt`, unless `fs` is asked
    for: the two share their folders."""
    runs = runs[runs["mode"] != ""]
    runs = runs.assign(
        protocol=pd.Categorical(runs["mode"].replace("dg", "xd"), TALLIED),
        column=runs["subset"].where(runs["mode"].isin(_BY_HALVES), ACCURACY),
    )
    cell = ["protocol", *_METHOD, "dataset", "column", "seed"]
    by_age = runs.assign(done=runs["state"] == DONE).sort_values(
        ["done", "written"], ascending=False, kind="stable"
    )
    newest = by_age.groupby(cell, observed=True)["folder"].transform("first")
    runs = runs.assign(spare=runs["folder"].ne(newest), place=range(len(runs)))
    rows, tables, few = rows_of(runs), [], defaultdict(list)
    for key, places in runs.groupby(["protocol", *_METHOD], observed=True)["place"]:
        mode, members = str(key[0]), [rows[place] for place in places]
        if mode == "xd" and only != "xd":
            targets = [run for run in members if run["mode"] == "xd" and not _is_source(run)]
            variants = any(run["mode"] == "dg" for run in members)
            if variants and (only == "dg" or not targets):
                mode = "dg"
                members = [run for run in members if run["mode"] == "dg" or _is_source(run)]
        done = [run for run in members if run["state"] == DONE]
        if mode == "fs" and only != "fs" and done:
            mode = "mt" if all(run["task"] or run["task_dataset"] for run in done) else "fs"
        if only in ("", mode):
            tables.append(_table(mode, members))
            if mode == "fs" and members[0]["shots"]:
                few[members[0]["experiment"], tables[-1].trainer].append(tables[-1])
    return tables + [each for found in few.values() for each in _by_shots(found)]


def _is_source(run: Row) -> bool:
    return run["dataset"] in SOURCES or bool(run["trained"])


def _table(mode: str, runs: Sequence[Row]) -> Table:
    first = runs[0]
    shots = first["shots"]
    named = shots and (mode == "fs" or shots != PUBLISHED_SHOTS)
    suffix = f"-shots{shots}" if named else ""
    if (archive := first["experiment"].rpartition("/")[2]).startswith("weights-"):
        suffix += f"-{archive}"  # never taken for own training
    label = " ".join([first["experiment"], first["trainer"], first["cfg"]])
    label += f", {shots_column(shots)}" if shots else ""
    columns = [c for c in ("base", "new") if any(run["column"] == c for run in runs)]
    csv = f"{mode}-{first['trainer']}-{first['cfg']}{suffix}.csv"
    return _fill(mode, label, csv, columns if MODES[mode].base_to_new else [ACCURACY], runs)


def _fill(mode: str, label: str, csv: str, columns: Sequence[str], runs: Sequence[Row]) -> Table:
    """Return the table of runs, each in its `column`, without those that are `spare`."""
    seeds = tuple(sorted({run["seed"] for run in runs}))
    datasets, source = list(dict.fromkeys(run["dataset"] for run in runs)), ""
    if MODES[mode].transfer:
        source = next((run["dataset"] for run in runs if _is_source(run)), SOURCES[0])
        datasets.sort(key=lambda name: name != source)
    kept = [run for run in runs if not run["spare"]]
    table = Table(
        experiment=runs[0]["experiment"],
        label=label,
        trainer=runs[0]["trainer"],
        mode=MODES[mode],
        columns=tuple(columns),
        seeds=seeds,
        csv=Path(csv),
        members=tuple(kept),
        spare=tuple({run["folder"]: run for run in runs if run["spare"]}.values()),
        absent=_absent(itertools.product(datasets, columns, seeds), kept),
    )
    done = [run for run in kept if run["state"] == DONE]
    done.sort(key=lambda run: datasets.index(run["dataset"]))
    table = fill(table, done, [name for name in datasets if name != source], source)
    if source not in ("", *datasets):  # no run of it, as in the folder of scripts' evaluations
        table = replace(table, lines=tuple(x for x in table.lines if x.name != source))
    return table


def _absent(cells: Iterable[tuple[str, str, int]], runs: Sequence[Row]) -> tuple[str, ...]:
    """Return why cells (dataset, column, seed) are empty, one line for the seeds that share a
    reason."""
    found = {(run["dataset"], run["column"], run["seed"]): run for run in runs}
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for dataset, column, seed in cells:
        name = dataset if column == ACCURACY else f"{dataset} {column}"
        if not (run := found.get((dataset, column, seed))):
            lines[name, "missing: there is no folder of it"].append(str(seed))
        elif run["state"] != DONE:
            lines[name, f"{run['state']}: {run['reason']}"].append(str(seed))
    return tuple(
        f"{name} seed{'s' if len(seeds) > 1 else ''} {' '.join(seeds)}: {reason}"
        for (name, reason), seeds in lines.items()
    )


def _by_shots(tables: Sequence[Table]) -> list[Table]:
    """Return few-shot tables of one trainer as one with a column for each number of shots, if it
    has several; where it has two YAMLs at the same shots, as one for each YAML."""
    groups: dict[str, list[Table]] = {"": list(tables)}
    if len({table.members[0]["shots"] for table in tables}) < len(tables):
        groups = defaultdict(list)
        for table in tables:
            groups[table.members[0]["cfg"]].append(table)
    made = []
    for cfg, group in groups.items():
        words = [group[0].trainer, *([cfg] if cfg else [])]
        shots = sorted(table.members[0]["shots"] for table in group)
        runs = [run for table in group for run in table.members]
        runs = [{**run, "column": shots_column(run["shots"])} for run in runs]
        label, csv = " ".join([group[0].experiment, *words]), f"fs-{'-'.join(words)}.csv"
        made += [_fill("fs", label, csv, list(map(shots_column, shots)), runs)] if shots[1:] else []
    return made


def tables_of(studies: Sequence[Study], results: Mapping[str, RunResult]) -> list[Table]:
    """Return the table of each study, of the results that the runner has found by job name."""
    jobs = {job.name: (study, job) for study in studies for job in study.jobs if job.column}
    found = as_table(
        row_of_result(
            job.folder,
            results[name],
            {
                **{"experiment": job.experiment, "layout": RUNNER, "mode": study.mode.name},
                **{"trainer": study.trainer, "dataset": job.dataset, "seed": job.seed},
                **{"subset": job.column if job.column in ("base", "new") else "all"},
                **{"folder": str(job.folder), "trained": job.kind == "train"},
            },
        )
        for name, (study, job) in jobs.items()
        if name in results
    )
    by_folder: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of(found):
        by_folder[row["folder"]].append(row)
    return [_of_study(study, by_folder) for study in studies]


def _of_study(study: Study, by_folder: Mapping[str, Sequence[Row]]) -> Table:
    wanted = [job for job in study.jobs if job.column]
    runs = [
        {**row, "column": row["subset"] if job.column == BOTH else job.column}
        for job in wanted
        for row in by_folder.get(str(job.folder), ())
    ]
    absent = [job.name for job in wanted if str(job.folder) not in by_folder] + [*study.absent]
    alike = ("label", "trainer", "mode", "columns", "seeds", "csv", "csv_by_column", "point")
    table = Table(
        experiment=study.name,
        members=tuple(runs),
        absent=(", ".join(absent),) if absent else (),
        ranking=study.ranking,
        **{name: getattr(study, name) for name in alike},
    )
    return fill(table, runs, study.datasets, study.source)
