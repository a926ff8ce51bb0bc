"""The picture of a comparison: bars per dataset and measure, bars per experiment where there are
many, or curves over the number of shots."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.files.writing import atomic_write
from runner.plan.modes import Mode
from runner.results.scores import Line, merge
from runner.results.stats import Spread, Summary
from runner.show.screen import (
    LONG,
    OWN_SPLIT,
    experiment_name,
    line_name,
    ranked,
    ranking_columns,
)

# Okabe and Ito's palette, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
MARKERS = "osD^vP*X"
DRAWING = 2  # raise when the drawing changes, so that pictures are made again
TITLES = {
    "base": "base classes",
    "new": "new classes",
    "H": "H, harmonic mean of the two",
    "accuracy": "accuracy",
}
NOTE = {"fontsize": 8, "color": "#555555"}


def write_picture(path: Path, mode: Mode, summaries: Sequence[Summary]) -> None:
    """Draw the comparison; error bars are the population standard deviation over seeds. A picture
    of the same numbers is left alone."""
    digest = hashlib.sha256(repr((DRAWING, mode, summaries)).encode()).hexdigest()
    if path.is_file() and digest.encode() in path.read_bytes():
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    if mode.table == "shots":
        figure = _curves(plt, summaries)
    elif len(summaries) > LONG:
        figure = _ranking(plt, summaries)
    else:
        figure = _bars(plt, summaries)
    notes = []
    if any(len(each.seeds) > 1 for each in summaries):
        notes.append("error bars: population standard deviation over seeds")
    if any(each.own_splits for each in summaries):
        notes.append(f"* {OWN_SPLIT}")
    if notes:
        figure.supxlabel("\n".join(notes), **NOTE)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"numbers": digest})
    plt.close(figure)
    atomic_write(path, buffer.getvalue())


def _bars(plt: Any, summaries: Sequence[Summary]) -> Any:
    """A panel per measure, a group of bars per line of the table, a colour per experiment."""
    lines = merge([summary.lines for summary in summaries])
    measures = summaries[0].measures
    width = max(7.0, 1.2 + len(lines) * (0.45 + 0.3 * len(summaries)))
    size = (width, 1.6 + 2.3 * len(measures))
    figure, axes = plt.subplots(
        len(measures), 1, figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    for axis, measure in zip(axes[:, 0], measures, strict=True):
        _panel(axis, measure, lines, summaries)
    last = axes[-1, 0]
    last.set_xlim(-0.6, len(lines) - 0.4)
    last.set_xticks(range(len(lines)), [_shown(line, summaries) for line in lines])
    if len(lines) > 6:
        plt.setp(last.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    _legend(figure, last)
    return figure


def _panel(axis: Any, measure: str, lines: Sequence[Line], summaries: Sequence[Summary]) -> None:
    """Draw one measure: bars from 0 to 100 percent, averages set apart by lines."""
    share = 0.8 / len(summaries)
    numbers = len(lines) * len(summaries) <= 48
    for number, summary in enumerate(summaries):
        found = [(x, summary.cells.get((line.name, measure))) for x, line in enumerate(lines)]
        bars = [(x, cell) for x, cell in found if cell]
        places = [x + (number - (len(summaries) - 1) / 2) * share for x, _ in bars]
        cells = [cell for _, cell in bars]
        axis.bar(
            places,
            [cell.mean for cell in cells],
            share * 0.92,
            yerr=_errors(summary, cells),
            color=COLOURS[number % len(COLOURS)],
            label=summary.label,
            error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "#333333"},
        )
        for x, cell in zip(places, cells, strict=True) if numbers else ():
            above = cell.mean + (cell.std if len(summary.seeds) > 1 else 0) + 1.5
            axis.text(x, above, f"{cell.mean:.1f}", ha="center", va="bottom", fontsize=7)
    for x, line in enumerate(lines):
        if line.average:
            for place in (x - 0.5, x + 0.5):
                axis.axvline(place, color="#999999", linewidth=0.8, linestyle=":")
    axis.set_title(TITLES.get(measure, measure), loc="left", fontsize=10)
    axis.set_ylabel("accuracy (%)" if measure != "H" else "H (%)")
    axis.set_ylim(0, 112)
    _plain(axis, "y")
    axis.set_yticks(range(0, 101, 20))
    axis.tick_params(axis="x", length=0)


def _ranking(plt: Any, summaries: Sequence[Summary]) -> Any:
    """A panel per column of the ranking, a bar per experiment, the best on top."""
    columns = ranking_columns(summaries)
    order = ranked(summaries)
    size = (2.2 + 2.8 * len(columns), 1.4 + 0.27 * len(order))
    figure, axes = plt.subplots(
        1, len(columns), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (heading, line, measure) in zip(axes[0], columns, strict=True):
        found = [(y, each, each.cells.get((line.name, measure))) for y, each in enumerate(order)]
        for y, each, cell in found:
            if cell:
                axis.barh(y, cell.mean, 0.72, xerr=_errors(each, [cell]), color=COLOURS[0])
                end = cell.mean + (cell.std if len(each.seeds) > 1 else 0) + 1.5
                axis.text(end, y, f"{cell.mean:.1f}", va="center", fontsize=7)
        axis.set_title(TITLES.get(heading, heading), loc="left", fontsize=10)
        axis.set_xlim(0, 115)
        _plain(axis, "x")
        axis.set_xticks(range(0, 101, 20))
        axis.tick_params(axis="y", length=0)
    axes[0, 0].set_yticks(range(len(order)), [experiment_name(each) for each in order])
    axes[0, 0].invert_yaxis()
    return figure


def _curves(plt: Any, summaries: Sequence[Summary]) -> Any:
    """A panel per line of the table, accuracy over shots, a curve per experiment."""
    lines = merge([summary.lines for summary in summaries])
    wide = min(4, len(lines))
    high = -(-len(lines) // wide)
    size = (max(5.0, 2.9 * wide), 1.4 + 2.4 * high)
    figure, axes = plt.subplots(high, wide, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(lines) :]:
        axis.set_visible(False)
    for axis, line in zip(axes.flat, lines, strict=False):
        for number, each in enumerate(summaries):
            found = [(name, each.cells.get((line.name, name))) for name in each.measures]
            points = [(int(name.split()[0]), cell) for name, cell in found if cell]
            axis.errorbar(
                [shots for shots, _ in points],
                [cell.mean for _, cell in points],
                yerr=_errors(each, [cell for _, cell in points]),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
                linewidth=1.2,
                label=each.label,
            )
        axis.set_title(_shown(line, summaries), loc="left", fontsize=10)
        shots = [int(name.split()[0]) for name in summaries[0].measures]
        axis.set_xscale("log", base=2)
        axis.set_xticks(shots, [str(number) for number in shots])
        axis.minorticks_off()
        _plain(axis, "y")
    for axis in axes[-1]:
        axis.set_xlabel("shots per class", fontsize=9)
    for row in axes:
        row[0].set_ylabel("accuracy (%)")
    _legend(figure, axes[0, 0])
    return figure


def _shown(line: Line, summaries: Sequence[Summary]) -> str:
    return line_name(line, summaries).replace("_", " ")


def _errors(summary: Summary, cells: Sequence[Spread]) -> list[float] | None:
    return [cell.std for cell in cells] if len(summary.seeds) > 1 else None


def _plain(axis: Any, grid: str) -> None:
    axis.grid(axis=grid, color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False
    )
