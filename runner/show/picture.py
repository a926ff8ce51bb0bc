"""The picture of a comparison: bars per dataset and measure, bars per experiment where there are
many, or curves over the number of shots."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from runner.files.writing import atomic_write
from runner.results.lines import merge
from runner.results.ranking import ranked, ranking_columns
from runner.results.tables import Table
from runner.show.drawing import curves
from runner.show.text import LONG, OWN_SPLIT, starred


def write_picture(path: Path, tables: Sequence[Table]) -> None:
    """Draw the comparison of tables of one mode; error bars are the population standard deviation
    over seeds."""
    with matplotlib.style.context("tableau-colorblind10"):
        figure = Figure(layout="constrained")
        draw = _curves if tables[0].mode.table == "shots" else _bars
        draw(figure, tables)
        notes = ["error bars and bands: population standard deviation over seeds"]
        notes = notes if any(len(each.seeds) > 1 for each in tables) else []
        notes += [f"* {OWN_SPLIT}"] if any(each.own_splits for each in tables) else []
        figure.supxlabel("\n".join(notes), fontsize=8)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
    atomic_write(path, buffer.getvalue())


def _bars(figure: Any, tables: Sequence[Table]) -> None:
    """A panel per measure, a group of bars per line of the table, a colour per experiment; of many
    experiments a bar for each, the best on top."""
    if long := len(tables) > LONG:
        order = ranked(tables)
        names = [starred(table.label, [table]) for table in order]
        panels = [
            (title, {"": [table.cells.get((line.name, measure)) for table in order]})
            for title, line, measure in ranking_columns(tables)
        ]
    else:
        lines = merge([table.lines for table in tables])
        names = [_shown(line.name, tables) for line in lines]
        panels = [
            (name, {t.label: [t.cells.get((line.name, name)) for line in lines] for t in tables})
            for name in tables[0].measures
        ]
    high = len(names) * (0.3 if long else 0.15 + 0.16 * len(tables))
    figure.set_size_inches(2.4 + 2.8 * len(panels), 1.4 + high)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, series) in zip(axes, panels, strict=True):
        height = 0.8 / len(series)
        for number, (label, cells) in enumerate(series.items()):
            places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * height
            means = [cell.mean if cell else np.nan for cell in cells]
            stds = [cell.std if cell and cell.count > 1 else 0.0 for cell in cells]
            spread = {"xerr": stds, "ecolor": "black"} if any(stds) else {}
            drawn = axis.barh(places, means, height, **spread, color=f"C{number}", label=label)
            axis.bar_label(drawn, fmt="%.1f", fontsize=8, padding=3)
        axis.set(title=f"{title}, %", xlim=(0, 120), xticks=range(0, 101, 20))
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.grid(axis="x", alpha=0.4)
        axis.set_axisbelow(True)
    if not long:
        _legend(figure, axes[0])


def _curves(figure: Any, tables: Sequence[Table]) -> None:
    """A panel per line of the table, accuracy over shots, a curve per experiment."""
    lines = merge([table.lines for table in tables])
    wide = min(4, len(lines))
    high = -(-len(lines) // wide)
    figure.set_size_inches(max(5.0, 2.9 * wide), 1.4 + 2.4 * high)
    axes = figure.subplots(high, wide, squeeze=False).ravel().tolist()
    numbers = {table.label: number for number, table in enumerate(tables)}
    for axis, line in zip(axes, lines, strict=False):
        series = {
            table.label: [
                (int(measure.split()[0]), cell)
                for measure in table.measures
                if (cell := table.cells.get((line.name, measure)))
            ]
            for table in tables
        }
        curves(axis, series, numbers)
        axis.set_title(_shown(line.name, tables))
    for axis in axes[len(lines) :]:
        axis.set_visible(False)
    figure.supylabel("accuracy (%) over shots per class", fontsize=9)
    _legend(figure, axes[0])


def _shown(name: str, tables: Sequence[Table]) -> str:
    return starred(name, tables, name).replace("_", " ")


def _legend(figure: Any, axis: Any) -> None:
    where = {"loc": "outside upper center", "ncols": 4, "frameon": False}
    figure.legend(*axis.get_legend_handles_labels(), **where)
