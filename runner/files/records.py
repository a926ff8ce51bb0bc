"""Read what a run left in its output folder."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END_OF_TRAINING = ("Finish training", "Finished training")  # public engine, older engines
END_OF_TEST = ("=> result",)
STARTED = "# started "  # begins the line that heads each run in a console file


@dataclass(frozen=True)
class TaskResult:
    """One task of a run over several: its name, the dataset it is made of (or nothing), its metric
    in percent, and `split_note` as in `RunResult`."""

    name: str
    dataset: str
    metric: float
    split_note: str = ""


@dataclass(frozen=True)
class RunResult:
    """A whole result: accuracy in percent, over several tasks their mean; no job key for a run by
    hand or an older one; `split_note` says who made the dataset's split file, empty where it is
    the published one."""

    accuracy: float
    key: str | None
    from_log: bool = False
    tasks: tuple[TaskResult, ...] = ()
    split_note: str = ""


def read_result(folder: Path) -> RunResult | None:
    """Return the result of `folder/result.json`, None if there is none or it is not whole."""
    return result_of(read_record(folder))


def read_record(folder: Path | str) -> dict[str, Any]:
    """Return all that `folder/result.json` says, nothing if there is none or it is cut short."""
    try:
        with open(f"{folder}/result.json", "rb") as file:
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_measures(folder: Path | str) -> list[dict[str, Any]]:
    """Return what `folder/measures.json` states (`use.report`), a mapping for each task: its
    measures; of a test on base and new classes together both accuracies, and how well the largest
    probability tells them apart; the bins of the reliability diagram as text. Nothing if there is
    none or it is not whole."""
    try:
        with open(f"{folder}/measures.json", "rb") as file:
            return [_measured(task) for task in json.loads(file.read())["tasks"]]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []


def _measured(task: Mapping[str, Any]) -> dict[str, Any]:
    both, bins = task.get("base_and_new") or {}, task.get("reliability") or {}
    largest = both.get("ood", {}).get("msp", {})
    diagram = [bins[name] for name in ("counts", "confidence", "accuracy")] if bins else ""
    return {**task["measures"], **both, **largest, "reliability": diagram and json.dumps(diagram)}


def result_of(content: Mapping[str, Any]) -> RunResult | None:
    """Return the result that a record holds, None if it is not whole."""
    accuracy, key = percent(content.get("accuracy")), content.get("job_key")
    tasks = _tasks(content.get("tasks"))
    if accuracy is None or tasks is None:
        return None
    note = str(content.get("split_note") or "")
    return RunResult(accuracy, key if isinstance(key, str) else None, tasks=tasks, split_note=note)


def percent(value: object) -> float | None:
    """Return a number from 0 to 100, None for anything else."""
    found = number(value)
    return found if found is not None and found <= 100 else None


def number(value: object) -> float | None:
    """Return a finite number from 0 on, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= sys.float_info.max else None  # nor is NaN


def _tasks(value: object) -> tuple[TaskResult, ...] | None:
    """Return the tasks of a result, none for a run on one task, None if they are not whole."""
    if not isinstance(value, list):
        return () if value is None else None
    tasks = []
    for entry in value:
        if not isinstance(entry, dict) or (metric := percent(entry.get("metric"))) is None:
            return None
        name, dataset = str(entry.get("name")), str(entry.get("dataset") or "")
        tasks.append(TaskResult(name, dataset, metric, str(entry.get("split_note") or "")))
    return tuple(tasks)


def mistake_in(console: Path) -> tuple[str, ...]:
    """Return the lines with which train.py named a mistake of the user, from `error:` on."""
    lines = tail(console)
    places = [place for place, line in enumerate(lines) if line.startswith("error:")]
    return tuple(lines[places[-1] :]) if places else ()


def tail(path: Path, lines: int = 15) -> list[str]:
    """Return the last non-empty lines of the last run in a console file, none if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 65536))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    kept = [line.split("\r")[-1].rstrip() for line in text.split("\n")]
    starts = [place for place, line in enumerate(kept) if line.startswith(STARTED)]
    return [line for line in kept[starts[-1] + 1 if starts else 0 :] if line][-lines:]
