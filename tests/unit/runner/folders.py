"""Folders of runs as engines leave them, written by hand."""

import json
from pathlib import Path

P = "{step}{trainer}/{dataset}/shots{shots}/{cfg}/seed{seed}"
RECORD = {"format": 1, "error_rate": 20.0, "macro_f1": 79.5, "num_test": 1000, "epochs": 10}
RECORD |= {"seconds": {"build": 1.0, "train": 50.0, "test": 4.0}, "peak_memory_mb": 900.0}
RECORD |= {"trainable_parameters": 2048, "versions": {"python": "3.11"}, "commit": "abc"}


def result(folder: Path, accuracy: float | None = 80.04, **more) -> Path:
    """Write a result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**RECORD, "trainer": "CoOp", "accuracy": accuracy, **more})
    (folder / "result.json").write_text(text)
    return folder


def log(folder: Path, accuracy: float, *, name="log.txt", trained=True, tasks=False) -> Path:
    """Write a log as the engines print it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["epoch [1/1] batch [5/5] loss 1.0", "Finish training"] if trained else []
    kind = f"* overall_metric: {accuracy:.2f}%" if tasks else f"* accuracy: {accuracy:.1f}%"
    lines += ["Evaluate on the *test* set", "=> result", "* total: 1,000", kind]
    (folder / name).write_text("\n".join([*lines, "* error: 20.0%", "* macro_f1: 79.5%", ""]))
    return folder


def run_folder(root: Path, step="", dataset="dtd", seed=1, **more) -> Path:
    """Where the runner puts a run."""
    names = {"trainer": "CoOp", "shots": 16, "cfg": "vit_b16", **more}
    step = f"{step}/" if step else ""
    return root / P.format(step=step, dataset=dataset, seed=seed, **names)
