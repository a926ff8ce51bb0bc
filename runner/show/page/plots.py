"""The pictures of a report: base against new, accuracy over shots, differences to a baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from runner.results.lines import Line
from runner.results.tables import Spread
from runner.show import drawing
from runner.show.page.sections import Method, Section

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
        if (base := method.table.cells.get((name, "base")))
        and (new := method.table.cells.get((name, "new")))
    }
    if not points or section.protocol != "b2n":
        return Markup()
    with matplotlib.rc_context(drawing.PAGE):
        figure = _figure(520, 400, (48, 40, 44, 14))
        tips = drawing.scatter(figure.subplots(), points, colours)
        return drawing.inline(figure, "Base against new", tips)


def curves(sections: Sequence[Section], colours: Colours) -> list[Markup]:
    """Return a panel for each average and dataset, accuracy over shots, of sections that differ in
    shots."""
    lines = {line.name: line for section in sections for line in section.lines}
    panels = []
    for name in sorted(lines, key=lambda name: not lines[name].average):
        series: dict[str, list[tuple[int, Spread]]] = {}
        for section in sections:
            for method in section.methods:
                if cell := method.table.cells.get((name, section.main_measure)):
                    series.setdefault(method.label, []).append((section.shots, cell))
        with matplotlib.rc_context(drawing.PAGE):
            figure = _figure(300, 210, (36, 8, 38, 26))
            axis: Any = figure.subplots()
            tips = drawing.curves(axis, series, colours)
            axis.set_title(name, fontsize=12, fontweight="bold")
            axis.set_xlabel("shots per class")
            panels.append(drawing.inline(figure, f"{name}: accuracy over shots", tips))
    return panels


def differences(section: Section, pairs: Sequence[tuple[Method, Method]]) -> Markup:
    """Return the papers' bars: by how much a method is above a baseline, per dataset, the largest
    gain on top, averages below; of pairs below each other. Nothing where none has a dataset in
    common."""
    drawn = {
        f"{method.label} against {base.label}": gains
        for method, base in pairs
        if (gains := _gains(section, method, base))
    }
    if not drawn:
        return Markup()
    heights = [21 * len(gains) for gains in drawn.values()]
    title_height = 34
    with matplotlib.rc_context(drawing.PAGE):
        height = sum(heights) + title_height * len(drawn)
        figure = _figure(440, height, (140, 8, 0, title_height))
        figure.subplots_adjust(hspace=title_height * len(drawn) / sum(heights))
        axes = figure.subplots(len(drawn), sharex=True, squeeze=False, height_ratios=heights)
        for axis, (title, gains) in zip(axes[:, 0], drawn.items(), strict=True):
            cells = [Spread(value, 0.0, 1) for _, value in gains]
            colours = ["C0" if value >= 0 else "C1" for _, value in gains]
            names = [line.name for line, _ in gains]
            drawing.bars(axis, names, {title: cells}, colours=colours, form="%+.2f")
            axis.set_title(title, fontsize=11, fontweight="bold")
            axis.axvline(0, color=matplotlib.rcParams["text.color"], linewidth=0.8)
            axis.margins(x=0.2)
            axis.spines[:].set_visible(False)
            axis.set_xticks([])
        what = f"difference in {section.main_measure}, percentage points"
        return drawing.inline(figure, f"{', '.join(drawn)}: {what}")


def _gains(section: Section, method: Method, base: Method) -> list[tuple[Line, float]]:
    found = [
        (line, mine.mean - other.mean)
        for line in section.lines
        if (other := base.table.cells.get((line.name, section.main_measure)))
        and (mine := method.table.cells.get((line.name, section.main_measure)))
        and set(method.table.complete.get(line.name, ()))
        == set(base.table.complete.get(line.name, ()))
    ]
    return sorted(found, key=lambda each: (each[0].average, -each[1]))
