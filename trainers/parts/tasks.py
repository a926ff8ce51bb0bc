"""The config keys of runs on several tasks at once (SoftCPT's repository, train.py and dassl)."""

from trainers.parts.options import Option, Options

TASK_OPTIONS = (
    Options(
        "DATASET",
        SUBSAMPLE_TASKS=Option("all", "tasks of a multi-task dataset: all, base, new or task<i>"),
    ),
    Options(
        "DATALOADER",
        OLD_DATA_PATH=Option("", "beginning of image paths that NEW_DATA_PATH replaces"),
        NEW_DATA_PATH=Option("", "what stands there instead"),
    ),
    Options("TEST", PER_TASK_RESULT=Option(False, "print the metric of every task too")),
)
