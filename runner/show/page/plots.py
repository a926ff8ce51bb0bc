"""The pictures of a report: base against new, accuracy over shots, differences to a baseline. They
are matplotlib's SVG inside the page, whose style sheet gives them their colours."""

import io
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from runner.results.lines import Line
from runner.results.tables import Spread, harmonic_mean
from runner.show.page.comparison import Comparison
from runner.show.page.sections import Method, Section
from runner.show.picture import MARKERS

Colours = Mapping[str, int]
"""Label of a method -> number of its colour, the same all over the page."""
_SERIES = 8
# matplotlib draws in these; the page's variables take their places.
_INK, _FAINT, _RULE, _PAPER = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_INK: "ink", _FAINT: "faint", _RULE: "rule", _PAPER: "paper"} | {
    f"#0a0a0{number}": f"k{number}" for number in range(_SERIES)
}
_STYLE: dict[Any, Any] = {
    **{"svg.fonttype": "none", "svg.hashsalt": "report", "font.size": 11},
    **{"text.color": _INK, "axes.edgecolor": _FAINT, "axes.labelcolor": _FAINT},
    **{"xtick.color": _FAINT, "ytick.color": _FAINT, "axes.facecolor": "none"},
    **{"figure.facecolor": "none", "xtick.major.size": 0, "ytick.major.size": 0},
}
_DRAWN = itertools.count()


def colour(number: int) -> str:
    """Return what stands for the colour of a series."""
    return f"#0a0a0{number % _SERIES}"


def _axes(width: int, height: int, edges: tuple[int, int, int, int]) -> tuple[Figure, Any]:
    """Return a figure and its axes, all in pixels; edges: left, right, bottom, top."""
    left, right, bottom, top = edges
    figure = Figure(figsize=(width / 72, height / 72))
    inner = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(inner)


def _inline(figure: Figure, label: str, tips: Mapping[str, str]) -> Markup:
    """Return a figure as part of a page.

    Args:
        tips: what is said over an artist, by the gid that it was given.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    width, height = (72 * inches for inches in figure.get_size_inches())
    text = buffer.getvalue()
    text = text[text.index(">", text.index("<svg")) + 1 :]
    text = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<(style|clipPath).*?</defs>", "", text,
                  flags=re.DOTALL)  # fmt: skip
    text = re.sub(r' clip-path="[^"]*"', "", text)
    mark = f"d{next(_DRAWN)}-"
    text = re.sub(r'(id="|href="#)(m[0-9a-f]{10})"', rf'\1{mark}\2"', text)
    text = re.sub(
        r'<g id="([^"]*)">',
        lambda found: f"<g><title>{escape(tips[found[1]])}</title>" if found[1] in tips else "<g>",
        text,
    )
    text = re.sub(r' id="(?!d\d+-)[^"]*"', "", text)
    for placeholder, name in _VARIABLES.items():
        text = text.replace(placeholder, f"var(--{name})")
    head = (
        f'<svg role="img" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px">'
    )
    return Markup(f"{head}<title>{escape(label)}</title>{text}")


def scatter(section: Section, colours: Colours, comparisons: Sequence[Comparison]) -> Markup:
    """Return base against new of the averages, with lines of equal H; nothing without any."""
    name = section.averages[0].name
    ours = {
        method.label: (base, new)
        for method in section.methods
        if (base := method.table.cells.get((name, "base")))
        and (new := method.table.cells.get((name, "new")))
    }
    if not ours or section.protocol != "b2n":
        return Markup()
    tips: dict[str, str] = {}
    with matplotlib.rc_context(_STYLE):
        figure, axis = _axes(520, 400, (48, 40, 44, 14))
        for each in comparisons:
            if (name, "base") in each.pairs and (name, "new") in each.pairs:
                b, n = (each.pairs[name, column].published for column in ("base", "new"))
                base, new = ours[each.method.label]
                axis.plot([base.mean, b], [new.mean, n], color=_FAINT, linewidth=0.8)
                said = f"{each.source.name}, published: base {b:.2f}, new {n:.2f}"
                _mark(axis, tips, colours[each.method.label], b, n, said, hollow=True)
        for label, (base, new) in ours.items():
            number = colours[label]
            bars = {"xerr": base.std, "yerr": new.std} if base.count > 1 else {}
            axis.errorbar(base.mean, new.mean, **bars, color=colour(number), elinewidth=1.2)
            said = f"{label}: base {_said(base)}, new {_said(new)}"
            _mark(axis, tips, number, base.mean, new.mean, said)
        axis.margins(0.08)
        _equal_h(axis)
        _plain(axis, "both")
        axis.set(xlabel="base classes, %", ylabel="new classes, %")
        return _inline(figure, "Base against new", tips)


def _mark(
    axis: Any, tips: dict[str, str], number: int, x: float, y: float, said: str, **how: bool
) -> None:
    gid = f"tip{len(tips)}"
    tips[gid] = said
    face = _PAPER if how.get("hollow") else colour(number)
    edge = colour(number) if how.get("hollow") else _PAPER
    marker = MARKERS[(number + number // _SERIES) % len(MARKERS)]
    axis.plot([x], [y], marker, markersize=8, mfc=face, mec=edge, gid=gid)


def _said(cell: Spread) -> str:
    return f"{cell.mean:.2f} ± {cell.std:.2f}"


def _equal_h(axis: Any) -> None:
    """Draw curves on which the harmonic mean is the same."""
    x, y = map(np.array, (axis.get_xlim(), axis.get_ylim()))
    base, new = np.meshgrid(np.linspace(x[0], x[1], 60), np.linspace(y[0], y[1], 60))
    lines = axis.contour(base, new, harmonic_mean(base, new), 5, colors=_FAINT, linewidths=0.7,
                         linestyles="dotted")  # fmt: skip
    axis.clabel(lines, fmt="H %g", fontsize=9)
    axis.set(xlim=x, ylim=y)


def curves(
    sections: Sequence[Section], colours: Colours, comparisons: Sequence[Comparison]
) -> list[Markup]:
    """Return a panel for each average and dataset, accuracy over shots, of sections that differ in
    shots."""
    lines = {line.name: line for section in sections for line in section.lines}
    order = sorted(lines.values(), key=lambda line: not line.average)
    with matplotlib.rc_context(_STYLE):
        return [_panel(sections, line.name, colours, comparisons) for line in order]


def _panel(
    sections: Sequence[Section], name: str, colours: Colours, comparisons: Sequence[Comparison]
) -> Markup:
    ours: dict[str, list[tuple[int, Spread]]] = {}
    for section in sections:
        for method in section.methods:
            if cell := method.table.cells.get((name, section.main_measure)):
                ours.setdefault(method.label, []).append((section.shots, cell))
    printed: dict[str, list[tuple[int, float]]] = {}
    for each in first_sources(comparisons):
        if pair := each.pairs.get((name, each.section.main_measure)):
            point = (each.section.shots, pair.published)
            printed.setdefault(each.method.label, []).append(point)
    figure, axis = _axes(300, 210, (36, 8, 38, 26))
    tips: dict[str, str] = {}
    # of several methods that one source prints, the first has its colour
    for label, found in {
        tuple(points): (label, points) for label, points in reversed(printed.items())
    }.values():
        axis.plot(*zip(*found, strict=True), "--", color=colour(colours[label]), linewidth=1.2)
    for label, points in ours.items():
        shots = [number for number, _ in points]
        means = np.array([cell.mean for _, cell in points])
        stds = np.array([cell.std for _, cell in points])
        number = colours[label]
        gid = f"tip{len(tips)}"
        tips[gid] = "\n".join(f"{label}, {k} shots: {_said(cell)}" for k, cell in points)
        if stds.any() and len(ours) <= _SERIES:
            axis.fill_between(shots, means - stds, means + stds, color=colour(number), alpha=0.16)
        marker = MARKERS[(number + number // _SERIES) % len(MARKERS)]
        axis.plot(shots, means, marker=marker, color=colour(number), mec=_PAPER, gid=gid)
    places = sorted({section.shots for section in sections})
    axis.set_xscale("symlog", base=2, linthresh=1)  # zero shots have a place too
    axis.set_xticks(places, [str(number) for number in places])
    axis.minorticks_off()
    axis.margins(x=0.08)
    _plain(axis, "y")
    axis.set_title(name, loc="left", fontsize=12, fontweight="bold")
    axis.set_xlabel("shots per class")
    return _inline(figure, f"{name}: accuracy over shots", tips)


def _plain(axis: Any, grid: str) -> None:
    axis.grid(axis=grid, color=_RULE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def first_sources(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return the first source of each method in each section."""
    found: dict[tuple[str, str], Comparison] = {}
    for each in comparisons:
        found.setdefault((each.section.key, each.method.label), each)
    return list(found.values())


def differences(section: Section, pairs: Sequence[tuple[Method, Method]]) -> Markup:
    """Return the papers' bars: by how much a method is above a baseline, per dataset, the largest
    gain on top, averages below; of pairs below each other. Nothing where none has a dataset in
    common."""
    drawn = [(*pair, gains) for pair in pairs if (gains := _gains(section, *pair))]
    if not drawn:
        return Markup()
    height = sum(34 + 21 * len(gains) for *_, gains in drawn)
    every = [value for *_, gains in drawn for _, value in gains]
    low, high = min([0.0, *every]), max([0.0, *every])
    room = 0.22 * max(high - low, 1.0)
    left, right = low - room * (low < 0), max(high, low + 1) + room
    pixel = (right - left) / 292  # between the edges
    with matplotlib.rc_context(_STYLE):
        figure, axis = _axes(440, height, (140, 8, 0, 0))
        axis.set(xlim=(left, right), ylim=(height, 0))
        axis.axis("off")
        top = 0
        for method, base, gains in drawn:
            title = f"{method.label} against {base.label}"
            axis.text(left - 138 * pixel, top + 14, title, fontweight="bold")
            places = [top + 39 + 21 * number for number in range(len(gains))]
            values = [value for _, value in gains]
            fills = [colour(0 if value >= 0 else 1) for value in values]
            for bar, (line, _) in zip(
                axis.barh(places, values, 14, color=fills), gains, strict=True
            ):
                bar.set_alpha(0.6 if line.average else 1)
            for place, (line, value) in zip(places, gains, strict=True):
                axis.text(left - 6 * pixel, place + 4, line.name, ha="right", color=_FAINT)
                end, side = (4, "left") if value >= 0 else (-4, "right")
                axis.text(value + end * pixel, place + 4, f"{value:+.2f}", ha=side)
            axis.plot([0, 0], [places[0] - 12, places[-1] + 12], color=_INK, linewidth=0.8)
            top += 34 + 21 * len(gains)
        what = f"difference in {section.main_measure}, percentage points"
        names = ", ".join(f"{method.label} against {base.label}" for method, base, _ in drawn)
        return _inline(figure, f"{names}: {what}", {})


def _gains(section: Section, method: Method, base: Method) -> list[tuple[Line, float]]:
    found = [
        (line, mine.mean - other.mean)
        for line in section.lines
        if (other := base.table.cells.get((line.name, section.main_measure)))
        and (mine := method.table.cells.get((line.name, section.main_measure)))
        and _same_rows(line, method, base)
    ]
    return sorted(found, key=lambda each: (each[0].average, -each[1]))


def _same_rows(line: Line, method: Method, baseline: Method) -> bool:
    if not line.average:
        return True
    own, other = (each.table.complete.get(line.name, ()) for each in (method, baseline))
    return set(own) == set(other)
