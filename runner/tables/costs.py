"""What runs cost: seconds per epoch, memory, numbers trained, images tested per second."""

from collections.abc import Sequence

from runner.runs import Run


def seconds_per_epoch(run: Run) -> float | None:
    """Return it for a run that has trained its model, validation included."""
    if not run.trained or not run.epochs or "train" not in run.seconds:
        return None
    return run.seconds["train"] / run.epochs


def images_per_second(run: Run) -> float | None:
    """Return the speed of the test."""
    seconds = run.seconds.get("test", 0.0)
    return run.num_test / seconds if run.num_test and seconds else None


def cost_lines(runs: Sequence[Run]) -> list[str]:
    """Return what the runs of a table cost, a line for each measure that they have left."""
    measures = [
        ("seconds per epoch", [seconds_per_epoch(run) for run in runs], ".2f"),
        ("peak memory, MiB", [run.peak_memory_mb for run in runs], ",.0f"),
        ("trainable parameters", [_trained_numbers(run) for run in runs], ",.0f"),
        ("test images per second", [images_per_second(run) for run in runs], ",.1f"),
    ]
    lines = []
    for name, every, shape in measures:
        values = [value for value in every if value is not None]
        if values:
            mean, low, high = sum(values) / len(values), min(values), max(values)
            spread = f" ({low:{shape}} to {high:{shape}})" if high > low else ""
            number = f"{len(values)} run{'' if len(values) == 1 else 's'}"
            lines.append(f"{name}: mean {mean:{shape}}{spread}, {number}")
    return lines


def _trained_numbers(run: Run) -> float | None:
    return None if run.trainable_parameters is None else float(run.trainable_parameters)
