"""One run: what its folder's path and its files say, as a row of the table."""

import ast
import contextlib
import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.files.consoles import in_use
from runner.files.logs import Log, logs_of, read_ended_log
from runner.files.records import RunResult, mistake_in, read_measures, read_record, result_of, tail
from runner.results.layouts import Place
from runner.results.schema import BY_TASK, DONE, FAILED, MEASURES, MISSING, RUNNING, from_record

Row = dict[str, Any]
"""A run by column; `tasks`, `provenance` and `measures` stand beside until the table is made."""

_HEAD = 1 << 16  # bytes of a log in which its configuration stands
_OF_THE_PROTOCOL = ("DATASET.NUM_SHOTS", "DATASET.SUBSAMPLE_CLASSES")  # words the runner adds
_CFGS = (("vit_b16", "ViT-B/16"), ("rn50_", "RN50"), ("vit_b32", "ViT-B/32"))
_BROKEN = re.compile(r"Traceback |error:|(\w+\.)*\w*(Error|Exception|Interrupt)\b|Killed\b")


def read_run(path: str, place: Place, experiment: str, *, settings: bool, names: set[str]) -> Row:
    """Return the run in a folder.

    Args:
        place: what its path says.
        settings: whether to read the configuration at the head of its log.
        names: of what lies in the folder.
    """
    record = read_record(path) if "result.json" in names else {}
    if record and "measures.json" in names:
        record[MEASURES] = read_measures(path)
    result = result_of(record) if record else None
    row = placed(path, place, experiment)
    logs = [f"{path}/{name}" for name in names if name.startswith("log.txt")]
    if len(logs) > 1:
        logs = list(map(str, logs_of(Path(path))))  # the newest first
    row["config"] = logs[0] if logs else None
    log = read_ended_log(Path(path)) if logs and not result else None
    row["trained"] = not place.tests_only
    if place.tests_only is None:
        folders = any("." not in name for name in names)
        models = Path(path).glob("*/model*.pth.tar*") if folders else ()
        row["trained"] = bool(log and log.trained) or any(models) or None
    if result:
        row = _with_record(row, record, result)
    else:
        console, cut = place.console(Path(path)), "result.json" in names
        ended = log and log.accuracy is not None and (cut or not console.exists())
        row = _with_log(row, log, cut=cut) if log and ended else without_result(row, console)
    if settings:
        _add_settings(row)
    return row


def placed(path: str, place: Place, experiment: str) -> Row:
    """Return a run of which only the path is known."""
    return {
        **{**place.row, "experiment": experiment, "split": "test", "folder": path},
        **{"state": MISSING, "config": None, "trained": None, "from_log": False},
    }


def row_of_result(folder: Path, result: RunResult, row: Row) -> Row:
    """Return a row of a run whose result the runner has found: what it holds, and what its
    result.json says beside."""
    record = {} if result.from_log else {**read_record(folder), MEASURES: read_measures(folder)}
    return {**_with_record(row, record, result), "from_log": result.from_log}


def _with_record(row: Row, record: Mapping[str, Any], result: RunResult) -> Row:
    """Return the run with what its result.json says; its provenance comes with each task."""
    stated = from_record(record)
    if stated.get("subset") not in ("base", "new", "all"):
        stated["subset"] = row["subset"]
    row |= stated
    row |= {
        **{"state": DONE, "reason": "", "overall": result.accuracy, "tasks": result.tasks},
        **{name: record.get(name) for name in BY_TASK},
        **{"split_note": result.split_note, "split": stated.get("split") or "test"},
        "precision": str(record.get("precision") or ""),
    }
    if row["trained"] and row.get("epochs") and row.get("seconds_train") is not None:
        row["seconds_per_epoch"] = row["seconds_train"] / row["epochs"]
    if row.get("num_test") and row.get("seconds_test"):
        row["test_images_per_second"] = row["num_test"] / row["seconds_test"]
    return row


def _with_log(row: Row, log: Log, *, cut: bool) -> Row:
    """Return the run with what its log says, rounded as it prints; `cut`: beside a result.json that
    is not whole."""
    subset, epochs = log.head.get("SUBSAMPLE_CLASSES"), log.head.get("MAX_EPOCH", "")
    return row | {
        "state": DONE,
        "reason": "result.json is not whole; the accuracy is that of log.txt" if cut else "",
        "from_log": True,
        "subset": subset if subset in ("base", "new", "all") else row["subset"],
        "overall": log.accuracy,
        "error_rate": log.values.get("error"),
        "macro_f1": log.values.get("macro_f1"),
        "tasks": tuple(log.tasks),
        "num_test": int(log.values["total"]) if "total" in log.values else None,
        "epochs": int(epochs) if epochs.isdigit() else None,
        "config": str(log.path),
    }


def without_result(row: Row, console: Path) -> Row:
    """Return the run with its state, and why there is no result."""
    folder, state = Path(row["folder"]), MISSING
    exceptions = folder / "exceptions.txt"
    if in_use(console):
        return row | {"state": RUNNING, "reason": "still running"}
    lines = tail(exceptions, 40) or tail(console, 40)
    if exceptions.exists() or any(map(_BROKEN.match, lines)):
        said = mistake_in(console) or lines[-1:] or ["exceptions.txt is empty"]
        state, reason = FAILED, said[0].strip()
    elif (folder / "result.json").exists():
        reason = "result.json is not whole"
    elif console.exists():
        reason = "stopped before its end"
    else:
        reason = "log.txt has no end" if row["config"] else "no result.json or log.txt"
    return row | {"state": state, "reason": reason}


def _add_settings(row: Row) -> None:
    """Add what the head of the log says of the configuration: result.json does not hold the words
    of the command line, an older one not the backbone."""
    text = ""
    with contextlib.suppress(OSError), open(row["config"] or os.devnull, "rb") as file:
        text = file.read(_HEAD).decode(errors="replace")
    opts = re.search(r"^opts: (.*)$", text, re.MULTILINE)
    row["settings"] = _options(opts[1].strip()) if opts else ""
    tree = text.partition("** Config **")[2].partition("\nCollecting")[0]
    row["part"] = _joint_part(row["trainer"].removesuffix("DePT"), tree)
    name = _block(tree, "BACKBONE").get("NAME", "")
    guess = next((found for start, found in _CFGS if f"{row['cfg']}_".startswith(start)), "")
    row["log_backbone"] = (os.path.basename(name) if name.count("/") > 1 else name) or guess


@functools.lru_cache(maxsize=4096)
def _options(text: str) -> str:
    """Return KEY VALUE words beside the YAML files, without those that the protocol adds."""
    try:
        words = [str(word) for word in ast.literal_eval(text)]
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
    pairs = zip(words[::2], words[1::2], strict=False)
    return " ".join(f"{key} {value}" for key, value in pairs if key not in _OF_THE_PROTOCOL)


def _block(tree: str, name: str) -> dict[str, str]:
    """Return the values in a block of the second level of a configuration as yacs prints it."""
    found = re.search(rf"^  {name}:\n((?:    .*\n)*)", tree, re.MULTILINE)
    return dict(re.findall(r"^    (\w+): (.*)$", found[1], re.MULTILINE)) if found else {}


def _joint_part(trainer: str, tree: str) -> str:
    """Return which variant of a trainer for joint datasets it is; empty for other trainers."""
    if trainer in ("SoftCPT", "MTCoOp") and (flags := _block(tree, "MTCOOP")):
        of_classes = "CS" if flags.get("CLASS_CSC") == "True" else "CA"
        of_tasks = "TS" if flags.get("TASK_CSC") == "True" else "TA"
        return f"{of_classes if flags.get('CSC') == 'True' else 'NA'}{of_tasks}"
    if trainer in ("SoftCPTHard", "MTCoOpHard") and (flags := _block(tree, "MTCOOPH")):
        shared = flags.get("CSC") == flags.get("TSC") == "False"
        return "shared" if shared else "by class or task"
    return ""
