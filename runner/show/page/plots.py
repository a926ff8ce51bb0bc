"""The pictures of a report: base against new, calibration, accuracy over shots, differences to a
baseline; to be drawn in the settings `drawing.PAGE`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from runner.results.tables import Spread, Table, harmonic_mean
from runner.show import drawing
from runner.show.drawing import FAINT, INK, RULE, look
from runner.show.page.sections import Section

Colours = Mapping[str, int]
"""Label of a method -> number of its colour, the same all over the page."""


def _figure(width: int, height: int, edges: tuple[int, int, int, int]) -> tuple[Figure, Any]:
    """Return a figure of a size in pixels and its axis; edges: left, right, bottom, top.
    matplotlib's own layouts take as long as the drawing."""
    left, right, bottom, top = edges
    figure = Figure(figsize=(width / 72, height / 72))
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure, figure.subplots()


def scatter(section: Section, colours: Colours) -> Markup:
    """Return base against new of the averages, with lines of equal H; nothing without any."""
    name, tips = section.averages[0].name, list[str]()
    both = [[m.cells.get((name, column)) for column in ("base", "new")] for m in section.methods]
    if not any(all(each) for each in both):
        return Markup()
    figure, axis = _figure(520, 400, (48, 40, 44, 14))
    for method, (base, new) in zip(section.methods, both, strict=True):
        if base and new:
            drawn = look(colours[method.label])
            spread = {"xerr": base.std, "yerr": new.std} if base.count > 1 else {}
            axis.errorbar(base.mean, new.mean, **spread, color=drawn["color"], elinewidth=1.2)
            axis.plot([base.mean], [new.mean], markersize=8, gid=f"tip{len(tips)}", **drawn)
            tips.append(f"{method.label}: base {base}, new {new}")
    axis.margins(0.08)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    mesh = np.meshgrid(np.linspace(left, right, 60), np.linspace(low, high, 60))
    dotted = {"colors": FAINT, "linewidths": 0.7, "linestyles": "dotted"}
    lines = axis.contour(*mesh, harmonic_mean(*mesh), 5, **dotted)
    axis.clabel(lines, fmt="H %g", fontsize=9)
    axis.grid()
    axis.set(
        xlim=(left, right), ylim=(low, high), xlabel="base classes, %", ylabel="new classes, %"
    )
    return drawing.inline(figure, "Base against new", tips)


def reliability(section: Section, colours: Colours) -> Markup:
    """Return accuracy against confidence of each method whose runs have kept their predictions,
    pooled over them, and the diagonal; nothing without any."""
    found = {}
    for method in section.methods:
        texts = {row["folder"]: row["reliability"] for row in method.members}.values()
        if runs := [json.loads(text) for text in texts if text]:
            found[method.label] = np.array(runs)  # [runs, 3, bins]
    if not found:
        return Markup()
    figure, axis = _figure(400, 360, (48, 12, 44, 14))
    axis.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    tips: list[str] = []
    for label, bins in found.items():
        counts = bins[:, 0].sum(axis=0)
        held = counts > 0
        sure, right = (bins[:, 1:] * bins[:, :1]).sum(axis=0)[:, held] / counts[held]
        drawn = look(colours[label])
        axis.plot(sure, right, color=drawn["color"])
        for x, y, count in zip(sure, right, counts[held], strict=True):
            axis.plot([x], [y], markersize=6, gid=f"tip{len(tips)}", **drawn)
            tips.append(f"{label}: {count:.0f} predictions, {x:.3f} sure, {y:.3f} right")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
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
        figure, axis = _figure(300, 210, (36, 8, 38, 26))
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
        losses = sorted(
            (line.average, other.mean - mine.mean, line.name)
            for line in section.lines
            if (mine := method.cells.get((line.name, measure)))
            and (other := base.cells.get((line.name, measure)))
            and {*method.complete.get(line.name, ())} == {*base.complete.get(line.name, ())}
        )
        if not losses:
            continue
        figure, axis = _figure(440, 34 + 21 * len(losses), (140, 8, 0, 34))
        places, gains = range(len(losses)), [-loss for _, loss, _ in losses]
        bars = axis.barh(places, gains, color=["C0" if gain >= 0 else "C1" for gain in gains])
        axis.bar_label(bars, fmt="%+.2f", fontsize=8, padding=3)
        axis.set_yticks(places, [name for _, _, name in losses])
        axis.set_ylim(len(losses) - 0.5, -0.5)
        title = f"{method.label} against {base.label}"
        axis.set_title(title, fontsize=11, fontweight="bold")
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.margins(x=0.2)
        axis.spines[:].set_visible(False)
        axis.set_xticks([])
        what = f"{title}: difference in {measure}, percentage points"
        pictures.append(drawing.inline(figure, what))
    return pictures
