"""The picture of a comparison: grouped bars of base, new and H per dataset."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.files import atomic_write
from runner.stats import AVERAGE, MEASURES, Summary
from runner.tally import in_row_order

# Okabe and Ito's palette, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
DRAWING = 1  # raise when the drawing changes, so that pictures are made again
TITLES = {
    "base": "base classes",
    "new": "new classes",
    "H": "H, harmonic mean of the two",
}


def write_picture(path: Path, summaries: Sequence[Summary]) -> None:
    """Draw a panel per measure, a group of bars per dataset, a colour per experiment; the error bar
    is the population standard deviation over seeds. A picture of the same numbers is left alone."""
    digest = hashlib.sha256(repr((DRAWING, summaries)).encode()).hexdigest()
    if path.is_file() and digest.encode() in path.read_bytes():
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = in_row_order(dict.fromkeys(name for each in summaries for name in each.datasets))
    rows.append(AVERAGE)
    width = max(7.0, 1.2 + len(rows) * (0.45 + 0.3 * len(summaries)))
    figure, axes = plt.subplots(
        len(MEASURES), 1, figsize=(width, 8.4), sharex=True, layout="constrained"
    )
    for axis, measure in zip(axes, MEASURES, strict=True):
        _panel(axis, measure, rows, summaries)
    axes[-1].set_xlim(-0.6, len(rows) - 0.4)
    axes[-1].set_xticks(range(len(rows)), [row.replace("_", " ") for row in rows])
    if len(rows) > 6:
        plt.setp(axes[-1].get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    if any(len(each.seeds) > 1 for each in summaries):
        figure.supxlabel(
            "error bars: population standard deviation over seeds", fontsize=8, color="#555555"
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"numbers": digest})
    plt.close(figure)
    atomic_write(path, buffer.getvalue())


def _panel(axis: Any, measure: str, rows: Sequence[str], summaries: Sequence[Summary]) -> None:
    """Draw one measure: bars from 0 to 100 percent, the average set apart by a line."""
    share = 0.8 / len(summaries)
    numbers = len(rows) * len(summaries) <= 48
    for number, summary in enumerate(summaries):
        found = [(x, summary.cells.get((row, measure))) for x, row in enumerate(rows)]
        bars = [(x, cell) for x, cell in found if cell]
        places = [x + (number - (len(summaries) - 1) / 2) * share for x, _ in bars]
        heights = [cell.mean for _, cell in bars]
        errors = [cell.std for _, cell in bars]
        axis.bar(
            places,
            heights,
            share * 0.92,
            yerr=errors if len(summary.seeds) > 1 else None,
            color=COLOURS[number % len(COLOURS)],
            label=summary.label,
            error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "#333333"},
        )
        for x, height, error in zip(places, heights, errors, strict=True) if numbers else ():
            above = height + (error if len(summary.seeds) > 1 else 0) + 1.5
            axis.text(x, above, f"{height:.1f}", ha="center", va="bottom", fontsize=7)
    axis.axvline(len(rows) - 1.5, color="#999999", linewidth=0.8, linestyle=":")
    axis.set_title(TITLES[measure], loc="left", fontsize=10)
    axis.set_ylabel("accuracy (%)" if measure != "H" else "H (%)")
    axis.set_ylim(0, 112)
    axis.set_yticks(range(0, 101, 20))
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", length=0)
