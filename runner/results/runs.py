"""One run: what its folder's path and its files say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.files.consoles import in_use
from runner.files.logs import Log, logs_of, read_ended_log
from runner.files.records import (
    TaskResult,
    mistake_in,
    number,
    percent,
    read_record,
    result_of,
    tail,
)
from runner.results import layouts
from runner.results.layouts import Place

DONE, FAILED, RUNNING, MISSING = "done", "failed", "running", "missing"


@dataclass(frozen=True)
class Run:
    """One run that was found, or whose folder is there without a result.

    Attributes:
        experiment: folder that holds the layout, e.g. `maple_dept`; with an archive's
            checkpoints `maple_dept/weights-<archive>`; a folder of a grid behind a slash too.
        layout: `runner` (`<step>/<trainer>/<dataset>/shots<K>/<yaml>/seed<S>`), `scripts`, `other`
            (a folder by hand with a result.json; `dataset` is what its log says).
        mode: `b2n`, `xd`, `dg`, `fs`; empty for layout `other`. `xd` holds the training on the
            source, which `dg` shares; `fs` is all classes of a dataset, at any number of shots.
        cfg: name of the trainer's YAML, with what the scripts' folder names say beside it.
        shots: 0 where nothing names them.
        seed: -1 where nothing names one (zero-shot of the scripts).
        subset: classes tested: `base`, `new`, `all`.
        split: what was tested, `test` where nothing says it.
        trained: whether the run trained the model that it tests; None where nothing says it.
        accuracy, error_rate, macro_f1, val_accuracy: percent, None where not known.
        seconds: of `build`, `train`, `test`, and what else result.json lists.
        state: `done`; `failed` (`reason` says what is known); `running`; `missing` (there is a
            folder, or the console file of a run, without a result or a sign of a failure).
        from_log: the numbers are those of log.txt, of one or two decimals.
        versions: of Python and packages.
        config: the log.txt that holds the run's configuration, None if there is none.
        split_note: who made the dataset's split file, empty for the published one.
    """

    experiment: str
    layout: str
    mode: str
    trainer: str
    cfg: str
    dataset: str
    shots: int
    seed: int
    subset: str
    folder: Path
    state: str
    reason: str = ""
    split: str = "test"
    trained: bool | None = None
    from_log: bool = False
    accuracy: float | None = None
    error_rate: float | None = None
    macro_f1: float | None = None
    val_accuracy: float | None = None
    tasks: tuple[TaskResult, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    trainable_parameters: int | None = None
    num_test: int | None = None
    epochs: int | None = None
    key: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    device: str = ""
    config: Path | None = None
    split_note: str = ""


_BROKEN = re.compile(r"Traceback |error:|(\w+\.)*\w*(Error|Exception|Interrupt)\b|Killed\b")


def read_run(path: Path, place: Place | None, experiment: str) -> Run:
    """Return the run in a folder; `place` is None for one by hand."""
    record = read_record(path)
    log = None if result_of(record) else read_ended_log(path)
    if place is None:
        return _with_record(_by_hand(path, record), record)
    console = place.console(path)
    run = placed(path, place, experiment)
    run = replace(run, trained=_trained(path, place, log), config=next(iter(logs_of(path)), None))
    if result_of(record):
        return _with_record(run, record)
    started = console.exists() and not (path / "result.json").exists()
    if log and log.accuracy is not None and not started:
        return _with_log(run, log)
    return without_result(run, console)


def placed(path: Path, place: Place, experiment: str) -> Run:
    """Return a run of which only the path is known."""
    return Run(
        experiment=experiment,
        layout=place.layout,
        mode=place.mode,
        trainer=place.trainer,
        cfg=place.cfg,
        dataset=place.dataset,
        shots=place.shots,
        seed=place.seed,
        subset=place.subset,
        folder=path,
        state=MISSING,
    )


def _trained(path: Path, place: Place, log: Log | None) -> bool | None:
    if place.tests_only is not None:
        return not place.tests_only
    if (log and log.trained) or any(path.glob("*/model*.pth.tar*")):
        return True
    return None


def _by_hand(path: Path, record: Mapping[str, Any]) -> Run:
    log = read_ended_log(path)
    head = log.head if log else {}
    return Run(
        experiment=path.parent.name,
        layout=layouts.OTHER,
        mode="",
        trainer=str(record.get("trainer") or ""),
        cfg=Path(head.get("config_file", "")).stem,
        dataset=Path(head.get("dataset_config_file", "")).stem or str(record.get("dataset") or ""),
        shots=_whole(record.get("shots")) or 0,
        seed=-1 if (seed := _whole(record.get("seed"))) is None else seed,
        subset=str(record.get("subsample_classes") or "all"),
        folder=path,
        state=MISSING,
        reason="result.json holds no accuracy",
        trained=log.trained if log else None,
        config=log.path if log else None,
    )


def _with_record(run: Run, record: Mapping[str, Any]) -> Run:
    """Return the run with what its result.json says."""
    result = result_of(record)
    if result is None:
        return run
    seconds, versions = record.get("seconds"), record.get("versions")
    subset = record.get("subsample_classes")
    return replace(
        run,
        state=DONE,
        reason="",
        subset=subset if subset in ("base", "new", "all") else run.subset,
        split=str(record.get("split") or "test"),
        accuracy=result.accuracy,
        error_rate=percent(record.get("error_rate")),
        macro_f1=percent(record.get("macro_f1")),
        val_accuracy=percent(record.get("val_accuracy")),
        tasks=result.tasks,
        seconds=_numbers(seconds) if isinstance(seconds, dict) else {},
        peak_memory_mb=number(record.get("peak_memory_mb")),
        trainable_parameters=_whole(record.get("trainable_parameters")),
        num_test=_whole(record.get("num_test")),
        epochs=_whole(record.get("epochs")),
        key=result.key or "",
        versions={k: str(v) for k, v in versions.items()} if isinstance(versions, dict) else {},
        commit=str(record.get("commit") or ""),
        device=str(record.get("device") or ""),
        split_note=result.split_note,
    )


def _with_log(run: Run, log: Log) -> Run:
    """Return the run with what its log says, rounded as it prints."""
    subset = log.head.get("SUBSAMPLE_CLASSES")
    cut = (run.folder / "result.json").exists()
    return replace(
        run,
        state=DONE,
        reason="result.json is not whole; the accuracy is that of log.txt" if cut else "",
        from_log=True,
        subset=subset if subset in ("base", "new", "all") else run.subset,
        accuracy=log.accuracy,
        error_rate=log.values.get("error"),
        macro_f1=log.values.get("macro_f1"),
        tasks=tuple(log.tasks),
        num_test=_whole(log.values.get("total")),
        epochs=int(epochs) if (epochs := log.head.get("MAX_EPOCH", "")).isdigit() else None,
        config=log.path,
    )


def without_result(run: Run, console: Path) -> Run:
    """Return the run with its state, and why there is no result."""
    if in_use(console):
        return replace(run, state=RUNNING, reason="still running")
    exceptions = run.folder / "exceptions.txt"
    lines = tail(exceptions, 40) or tail(console, 40)
    if exceptions.exists() or any(map(_BROKEN.match, lines)):
        said = mistake_in(console) or lines[-1:] or ["exceptions.txt is empty"]
        return replace(run, state=FAILED, reason=said[0].strip())
    if (run.folder / "result.json").exists():
        return replace(run, reason="result.json is not whole")
    if console.exists():
        return replace(run, reason="stopped before its end")
    return replace(run, reason="log.txt has no end" if run.config else "no result.json or log.txt")


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    found = {str(name): number(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}
