"""The pictures of a report: base against new, accuracy over shots, differences to a baseline; to be
drawn in the settings `drawing.PAGE`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from runner.results.tables import Spread, Table
from runner.show import drawing
from runner.show.page.sections import Section

Colours = Mapping[str, int]
"""Label of a method -> number of its colour, the same all over the page."""


def _figure(width: int, height: int, edges: tuple[int, int, int, int]) -> Figure:
    """Return a figure of a size in pixels; edges: left, right, bottom, top. matplotlib's own
    layouts take as long as the drawing."""
    left, right, bottom, top = edges
    figure = Figure(figsize=(width / 72, height / 72))
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def scatter(section: Section, colours: Colours) -> Markup:
    """Return base against new of the averages, with lines of equal H; nothing without any."""
    name = section.averages[0].name
    points = {
        method.label: (base, new)
        for method in section.methods
        if (base := method.cells.get((name, "base"))) and (new := method.cells.get((name, "new")))
    }
    if not points:
        return Markup()
    figure = _figure(520, 400, (48, 40, 44, 14))
    tips = drawing.scatter(figure.subplots(), points, colours)
    return drawing.inline(figure, "Base against new", tips)


def reliability(section: Section, colours: Colours) -> Markup:
    """Return accuracy against confidence of each method whose runs have kept their predictions,
    pooled over them; nothing without any."""
    series: dict[str, list[tuple[float, float, int]]] = {}
    for method in section.methods:
        texts = {row["folder"]: row["reliability"] for row in method.members}.values()
        found = np.array([json.loads(text) for text in texts if text])  # [runs, 3, bins]
        if found.size:
            counts = found[:, 0].sum(axis=0)
            means = (found[:, 1:] * found[:, :1]).sum(axis=0) / np.maximum(counts, 1)
            series[method.label] = [
                (sure, right, int(count))
                for count, sure, right in zip(counts, *means, strict=True)
                if count
            ]
    if not series:
        return Markup()
    figure = _figure(400, 360, (48, 12, 44, 14))
    tips = drawing.reliability(figure.subplots(), series, colours)
    return drawing.inline(figure, "Accuracy against confidence", tips)


def curves(sections: Sequence[Section], colours: Colours) -> list[Markup]:
    """Return a panel for each average and dataset, accuracy over shots, of sections that differ in
    shots."""
    lines = {line.name: line for section in sections for line in section.lines}
    panels = []
    for name in sorted(lines, key=lambda name: not lines[name].average):
        series: dict[str, list[tuple[int, Spread]]] = {}
        for section in sections:
            for method in section.methods:
                if cell := method.cells.get((name, section.main_measure)):
                    series.setdefault(method.label, []).append((section.shots, cell))
        figure = _figure(300, 210, (36, 8, 38, 26))
        axis: Any = figure.subplots()
        tips = drawing.curves(axis, series, colours)
        axis.set_title(name, fontsize=12, fontweight="bold")
        axis.set_xlabel("shots per class")
        panels.append(drawing.inline(figure, f"{name}: accuracy over shots", tips))
    return panels


def differences(section: Section, pairs: Sequence[tuple[Table, Table]]) -> list[Markup]:
    """Return the papers' bars for each pair: by how much a method is above a baseline, per dataset,
    the largest gain on top, averages below; nothing for a pair that has no dataset in common."""
    measure, pictures = section.main_measure, []
    for method, base in pairs:
        gains = [
            (line.average, other.mean - mine.mean, line.name)
            for line in section.lines
            if (mine := method.cells.get((line.name, measure)))
            and (other := base.cells.get((line.name, measure)))
            and {*method.complete.get(line.name, ())} == {*base.complete.get(line.name, ())}
        ]
        if not gains:
            continue
        names = [name for _, _, name in sorted(gains)]
        cells = [Spread(-loss, 0.0, 1) for _, loss, _ in sorted(gains)]
        title = f"{method.label} against {base.label}"
        figure = _figure(440, 34 + 21 * len(gains), (140, 8, 0, 34))
        axis: Any = figure.subplots()
        colours = ["C0" if cell.mean >= 0 else "C1" for cell in cells]
        drawing.bars(axis, names, {title: cells}, colours=colours, form="%+.2f")
        axis.set_title(title, fontsize=11, fontweight="bold")
        axis.axvline(0, color=matplotlib.rcParams["text.color"], linewidth=0.8)
        axis.margins(x=0.2)
        axis.spines[:].set_visible(False)
        axis.set_xticks([])
        what = f"{title}: difference in {measure}, percentage points"
        pictures.append(drawing.inline(figure, what))
    return pictures
