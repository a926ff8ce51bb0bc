"""Every run as a row of one CSV, unrounded: what a notebook or a spreadsheet starts from."""

import csv
import io
from collections.abc import Mapping, Sequence

from runner.results.costs import images_per_second, seconds_per_epoch
from runner.results.runs import Run

PLAIN = (
    *("experiment", "layout", "mode", "trainer", "cfg", "dataset", "shots", "seed", "subset"),
    *("split", "state", "reason", "accuracy", "error_rate", "macro_f1", "val_accuracy"),
    *("from_log", "trained", "epochs", "num_test", "trainable_parameters", "peak_memory_mb"),
)
SECONDS = ("build", "train", "test")
COLUMNS = (
    *PLAIN,
    *(f"seconds_{name}" for name in SECONDS),
    *("seconds_per_epoch", "test_images_per_second", "tasks", "split_note", "device", "versions"),
    *("commit", "key", "folder", "config"),
)


def long_csv(runs: Sequence[Run]) -> str:
    """Return the text: a row a run, empty fields where a run left nothing; tasks and versions as
    `name=value` joined by `;`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_row, runs))
    return text.getvalue()


def _row(run: Run) -> dict[str, object]:
    tasks = {task.dataset or task.name: task.metric for task in run.tasks}
    if len(tasks) < len(run.tasks):  # tasks that share a dataset
        tasks = {task.name: task.metric for task in run.tasks}
    return {
        **{name: getattr(run, name) for name in PLAIN},
        **{f"seconds_{name}": run.seconds.get(name) for name in SECONDS},
        "seconds_per_epoch": seconds_per_epoch(run),
        "test_images_per_second": images_per_second(run),
        "tasks": _joined(tasks),
        "split_note": run.split_note,
        "device": run.device,
        "versions": _joined(run.versions),
        "commit": run.commit,
        "key": run.key,
        "folder": run.folder,
        "config": run.config,
    }


def _joined(values: Mapping[str, object]) -> str:
    return ";".join(f"{name}={value}" for name, value in values.items())
