"""Read the log.txt of a run that may be an older engine's, or a script's."""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.records import END_OF_TRAINING, RunResult, TaskResult

_ACCURACY = re.compile(r"(?:accuracy|overall_metric): (\d+(?:\.\d+)?)%")
_TASK = re.compile(r"\* task: \d+ \((.*)\)\s+total: .*\s+metric: (\d+(?:\.\d+)?)%")
_EPOCH = re.compile(r"epoch:? \[\d+/\d+\]")
_SPLIT = re.compile(r"(?:Evaluate|Do evaluation) on (?:the )?\*?(\w+)\*? set")
_VALUE = re.compile(r"\* (total|error|macro_f1): ([\d.,]+)%?$")
_HEAD = re.compile(
    r"(config_file|dataset_config_file|seed|trainer|eval_only|\s+NUM_SHOTS|\s+SUBSAMPLE_CLASSES"
    r"|\s+MAX_EPOCH): (.*)"
)


@dataclass
class Log:
    """What a log says.

    Attributes:
        accuracy: of the last test in it, None if it did not end.
        trained: whether training has come to its end.
        values: `total`, `error`, `macro_f1` of the same test.
        head: the arguments and the part of the configuration that tell which run it is.
    """

    path: Path
    accuracy: float | None = None
    trained: bool = False
    tasks: list[TaskResult] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    head: dict[str, str] = field(default_factory=dict)


def logs_of(folder: Path) -> list[Path]:
    """Return the files log.txt and log.txt-<time> of a folder, the newest first."""
    try:
        found = [path for path in folder.glob("log.txt*") if path.is_file()]
        return sorted(found, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    except OSError:
        return []


def read_ended_log(folder: Path) -> Log | None:
    """Return the newest log of a folder that came to its end, else the newest; None without any."""
    logs = list(map(read_log, logs_of(folder)))
    return next((log for log in logs if log.accuracy is not None), logs[0] if logs else None)


def older_result(folder: Path) -> RunResult | None:
    """Return what the newest log of an older run says, None if the run did not end."""
    logs = logs_of(folder)
    log = read_log(logs[0]) if logs else Log(folder)
    return None if log.accuracy is None else RunResult(log.accuracy, None, True, tuple(log.tasks))


def read_log(path: Path) -> Log:
    """Read a log: an evaluation's, or a training's, of which only what stands behind the end of
    training counts, and not the validation."""
    log = Log(path)
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        _read(log, file)
    return log


def _read(log: Log, lines: Iterable[str]) -> None:
    training, split = False, "test"
    for line in lines:
        text = line.strip()
        if text in END_OF_TRAINING:
            log.trained, training = True, False
        elif _EPOCH.match(text):
            training = True
        elif found := _SPLIT.search(text):
            split = found[1]
        elif training or split not in ("test", "final"):
            continue
        elif found := _ACCURACY.search(text):
            log.accuracy, log.tasks = float(found[1]), []
        elif found := _TASK.match(text):  # below the mean over tasks
            log.tasks.append(TaskResult(found[1], "", float(found[2])))
        elif found := _VALUE.match(text):
            log.values[found[1]] = float(found[2].replace(",", ""))
        elif found := _HEAD.match(line):
            log.head.setdefault(found[1].strip(), found[2].strip())
    if training:
        log.accuracy = None
