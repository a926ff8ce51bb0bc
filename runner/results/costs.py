"""What runs cost: seconds per epoch, memory, numbers trained, images tested per second."""

from collections.abc import Callable, Sequence

from runner.results.runs import Run


def seconds_per_epoch(run: Run) -> float | None:
    """Return it for a run that has trained its model, validation included."""
    if not run.trained or not run.epochs or "train" not in run.seconds:
        return None
    return run.seconds["train"] / run.epochs


def images_per_second(run: Run) -> float | None:
    """Return the speed of the test."""
    seconds = run.seconds.get("test", 0.0)
    return run.num_test / seconds if run.num_test and seconds else None


COSTS: tuple[tuple[str, Callable[[Run], float | None], str], ...] = (
    ("seconds per epoch", seconds_per_epoch, ".2f"),
    ("peak memory, MiB", lambda run: run.peak_memory_mb, ",.0f"),
    ("trainable parameters", lambda run: run.trainable_parameters, ",.0f"),
    ("test images per second", images_per_second, ",.1f"),
)
"""What is told of every run: name, measure, and how its numbers are written."""


def cost_lines(runs: Sequence[Run]) -> list[str]:
    """Return what the runs of a table cost, a line for each measure that they have left."""
    lines = []
    for name, measure, shape in COSTS:
        values = [value for run in runs if (value := measure(run)) is not None]
        if values:
            mean, low, high = sum(values) / len(values), min(values), max(values)
            spread = f" ({low:{shape}} to {high:{shape}})" if high > low else ""
            number = f"{len(values)} run{'' if len(values) == 1 else 's'}"
            lines.append(f"{name}: mean {mean:{shape}}{spread}, {number}")
    return lines
