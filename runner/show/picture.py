"""The picture of a comparison: bars per dataset and measure, bars per experiment where there are
many, or curves over the number of shots."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from runner.files.writing import atomic_write
from runner.results.lines import merge
from runner.results.ranking import ranked, ranking_columns
from runner.results.tables import Table
from runner.show.text import LONG, OWN_SPLIT, experiment_name, marked

# Okabe and Ito's palette, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
MARKERS = "osD^vP*X"
DRAWING = 3  # raise when the drawing changes, so that pictures are made again
TITLES = {
    "base": "base classes",
    "new": "new classes",
    "H": "H, harmonic mean of the two",
}


def write_picture(path: Path, tables: Sequence[Table]) -> None:
    """Draw the comparison of tables of one mode; error bars are the population standard deviation
    over seeds. A picture of the same numbers is left alone."""
    shown = [(t.label, t.mode, t.lines, t.seeds, t.cells, sorted(t.own_splits)) for t in tables]
    digest = hashlib.sha256(repr((DRAWING, shown)).encode()).hexdigest()
    if path.is_file() and digest.encode() in path.read_bytes():
        return
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    if tables[0].mode.table == "shots":
        _curves(figure, tables)
    elif len(tables) > LONG:
        _ranking(figure, tables)
    else:
        _bars(figure, tables)
    notes = ["error bars: population standard deviation over seeds"]
    notes = notes if any(len(each.seeds) > 1 for each in tables) else []
    notes += [f"* {OWN_SPLIT}"] if any(each.own_splits for each in tables) else []
    figure.supxlabel("\n".join(notes), fontsize=8, color="#555555")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"numbers": digest})
    atomic_write(path, buffer.getvalue())


def _frames(
    tables: Sequence[Table], places: Iterable[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return means and standard deviations: a row for each (line, measure), a column for each
    table by its number, since labels may repeat."""
    cells = [[table.cells.get(place) for table in tables] for place in places]
    means = [[cell.mean if cell else None for cell in row] for row in cells]
    stds = [[cell.std if cell and cell.count > 1 else 0.0 for cell in row] for row in cells]
    return pd.DataFrame(means, dtype=float), pd.DataFrame(stds, dtype=float)


def _bars(figure: Any, tables: Sequence[Table]) -> None:
    """A panel per measure, a group of bars per line of the table, a colour per experiment."""
    lines, measures = merge([table.lines for table in tables]), tables[0].measures
    width = max(7.0, 1.2 + len(lines) * (0.45 + 0.3 * len(tables)))
    figure.set_size_inches(width, 1.6 + 2.3 * len(measures))
    axes = figure.subplots(len(measures), 1, sharex=True, squeeze=False)[:, 0]
    for axis, measure in zip(axes, measures, strict=True):
        means, stds = _frames(tables, [(line.name, measure) for line in lines])
        means.plot.bar(ax=axis, yerr=stds, color=list(COLOURS), width=0.8, legend=False,
                       capsize=2)  # fmt: skip
        for bars in axis.containers if means.size <= 48 else ():
            if hasattr(bars, "patches"):
                axis.bar_label(bars, fmt="%.1f", fontsize=7, padding=1)
        for x in (x for x, line in enumerate(lines) if line.average):
            axis.axvspan(x - 0.5, x + 0.5, color="#999999", alpha=0.12, linewidth=0)
        axis.set_title(TITLES.get(measure, measure), loc="left", fontsize=10)
        axis.set(ylabel="%", ylim=(0, 112), yticks=range(0, 101, 20))
        plain(axis, "y")
    names = [_shown(line.name, tables) for line in lines]
    turn = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(lines) > 6 else {}
    axes[-1].set_xticks(range(len(lines)), names, **(turn or {"rotation": 0}))
    _legend(figure, tables, axes[0].containers)


def _ranking(figure: Any, tables: Sequence[Table]) -> None:
    """A panel per column of the ranking, a bar per experiment, the best on top."""
    columns, order = ranking_columns(tables), ranked(tables)
    figure.set_size_inches(2.2 + 2.8 * len(columns), 1.4 + 0.27 * len(order))
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axis, (heading, line, measure) in zip(axes, columns, strict=True):
        means, stds = _frames(order, [(line.name, measure)])
        axis.barh(range(len(order)), means.loc[0], 0.72, xerr=stds.loc[0], color=COLOURS[0])
        axis.bar_label(axis.containers[-1], fmt="%.1f", fontsize=7, padding=3)
        axis.set_title(TITLES.get(heading, heading), loc="left", fontsize=10)
        axis.set(xlim=(0, 115), xticks=range(0, 101, 20))
        plain(axis, "x")
    axes[0].set_yticks(range(len(order)), [experiment_name(each) for each in order])
    axes[0].invert_yaxis()


def _curves(figure: Any, tables: Sequence[Table]) -> None:
    """A panel per line of the table, accuracy over shots, a curve per experiment."""
    lines, measures = merge([table.lines for table in tables]), tables[0].measures
    wide = min(4, len(lines))
    high = -(-len(lines) // wide)
    figure.set_size_inches(max(5.0, 2.9 * wide), 1.4 + 2.4 * high)
    axes = figure.subplots(high, wide, squeeze=False)
    for axis in axes.flat[len(lines) :]:
        axis.set_visible(False)
    shots = [int(name.split()[0]) for name in measures]
    for axis, line in zip(axes.flat, lines, strict=False):
        means, stds = _frames(tables, [(line.name, measure) for measure in measures])
        drawn = [
            axis.errorbar(shots, means[n], stds[n], color=COLOURS[n % 8], marker=MARKERS[n % 8])
            for n in range(len(tables))
        ]
        axis.set_title(_shown(line.name, tables), loc="left", fontsize=10)
        axis.set_xscale("log", base=2)
        axis.set_xticks(shots, [str(number) for number in shots])
        axis.minorticks_off()
        plain(axis, "y")
    figure.supylabel("accuracy (%) over shots per class", fontsize=9)
    _legend(figure, tables, drawn)


def _shown(name: str, tables: Sequence[Table]) -> str:
    own = any(name in each.own_splits for each in tables)
    return marked(name, own).replace("_", " ")


def plain(axis: Any, grid: str, colour: str = "#dddddd") -> None:
    """Leave an axis its left and lower edges, and lines behind what is drawn."""
    axis.grid(axis=grid, color=colour, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(figure: Any, tables: Sequence[Table], drawn: Iterable[Any]) -> None:
    handles = [each for each in drawn if not hasattr(each, "has_xerr") or each.lines[0]]
    figure.legend(
        handles,
        [table.label for table in tables],
        loc="outside upper center",
        ncols=min(4, len(tables)),
        frameon=False,
    )
