"""Pictures of figures, by matplotlib; the ending of the file is its format (png, svg, pdf)."""

from pathlib import Path
from typing import Any

import numpy as np

from dassl.utils.errors import BadValueError
from use.measures import Bins

ENDINGS = (".png", ".svg", ".pdf")


def figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure without a display, in inches, and its axes [columns]."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained", dpi=100)
    return drawn, np.atleast_1d(drawn.subplots(1, columns))


def save(drawn: Any, path: Path) -> None:
    """Writes a figure; its folder is made.

    Raises:
        BadValueError: (a UserError) another ending than `ENDINGS`.
    """
    check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path)


def check_ending(path: Path) -> None:
    """Raises BadValueError for an ending that names no format of pictures."""
    if path.suffix not in ENDINGS:
        raise BadValueError(f"{path}: a picture's name ends in {', '.join(ENDINGS)}")


def reliability(bins: Bins, title: str, path: Path) -> None:
    """A reliability diagram: accuracy against confidence by bin, the diagonal, and below it how
    many pictures each bin holds."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4, 4.6), layout="constrained", dpi=100)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left, width = bins.edges[:-1], np.diff(bins.edges)
    upper.bar(left, bins.accuracy, width, align="edge", color="#4477aa", edgecolor="white")
    full = bins.counts > 0
    upper.plot(bins.confidence[full], bins.accuracy[full], "o", color="#222222", markersize=3)
    upper.plot([0, 1], [0, 1], "--", color="#888888", linewidth=1)
    upper.set(ylabel="accuracy", ylim=(0, 1), title=f"{title}\nECE {bins.expected_error():.4f}")
    lower.bar(left, bins.counts, width, align="edge", color="#bbbbbb", edgecolor="white")
    lower.set(xlabel="confidence", ylabel="pictures", xlim=(0, 1))
    save(drawn, path)
