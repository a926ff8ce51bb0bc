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
from runner.show.picture import MARKERS, plain

Colours = Mapping[str, int]
"""Label of a method -> number of its colour, the same all over the page."""
_SERIES = 8
# matplotlib draws in these; the page's variables take their places.
_INK, _FAINT, _RULE, _PAPER = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_INK: "ink", _FAINT: "faint", _RULE: "rule", _PAPER: "paper"} | {
    f"#0a0a0{number}": f"k{number}" for number in range(_SERIES)
}
_STYLE: dict[Any, Any] = {
    **{"svg.fonttype": "none", "text.parse_math": False, "font.size": 11},
    **{"text.color": _INK, "axes.edgecolor": _FAINT, "axes.labelcolor": _FAINT},
    **{"xtick.color": _FAINT, "ytick.color": _FAINT, "axes.facecolor": "none"},
    **{"figure.facecolor": "none", "xtick.major.size": 0, "ytick.major.size": 0},
}
_DRAWN = itertools.count()


def _figure(width: int, height: int, edges: tuple[int, int, int, int]) -> Figure:
    """Return a figure of a size in pixels; edges: left, right, bottom, top. matplotlib's own
    layouts take as long as the drawing."""
    left, right, bottom, top = edges
    figure = Figure(figsize=(width / 72, height / 72))
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def _look(number: int) -> dict[str, str]:
    """Return the colour and the marker of a series."""
    marker = MARKERS[(number + number // _SERIES) % len(MARKERS)]
    return {"color": f"#0a0a0{number % _SERIES}", "marker": marker}


def _inline(figure: Figure, label: str, tips: Sequence[str] = ()) -> Markup:
    """Return a figure as part of a page.

    Args:
        tips: what is said over the artists that have the gids `tip0`, `tip1` and so on.
    """
    buffer = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = str(next(_DRAWN))  # keeps ids of one page apart
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    width, height = (72 * inches for inches in figure.get_size_inches())
    text = buffer.getvalue()
    text = text[text.index(">", text.index("<svg")) + 1 :]
    text = re.sub(r' clip-path="[^"]*"', "", text)
    text = re.sub(
        r'<g id="tip(\d+)">', lambda tip: f"<g><title>{escape(tips[int(tip[1])])}</title>", text
    )
    text = re.sub(r'<g id="[^"]*"', "<g", text)
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
    tips: list[str] = []

    def mark(label: str, base: float, new: float, said: str, **faces: str) -> None:
        look = {**_look(colours[label]), "mec": _PAPER, **faces}
        axis.plot([base], [new], markersize=8, gid=f"tip{len(tips)}", **look)
        tips.append(said)

    with matplotlib.rc_context(_STYLE):
        figure = _figure(520, 400, (48, 40, 44, 14))
        axis: Any = figure.subplots()
        for each in comparisons:
            if (name, "base") in each.pairs and (name, "new") in each.pairs:
                b, n = (each.pairs[name, column].published for column in ("base", "new"))
                base, new = ours[each.method.label]
                axis.plot([base.mean, b], [new.mean, n], color=_FAINT, linewidth=0.8)
                said = f"{each.source.name}, published: base {b:.2f}, new {n:.2f}"
                edge = _look(colours[each.method.label])["color"]
                mark(each.method.label, b, n, said, mfc=_PAPER, mec=edge)
        for label, (base, new) in ours.items():
            bars = {"xerr": base.std, "yerr": new.std} if base.count > 1 else {}
            colour = _look(colours[label])["color"]
            axis.errorbar(base.mean, new.mean, **bars, color=colour, elinewidth=1.2)
            mark(label, base.mean, new.mean, f"{label}: base {_said(base)}, new {_said(new)}")
        axis.margins(0.08)
        _equal_h(axis)
        plain(axis, "both", _RULE)
        axis.set(xlabel="base classes, %", ylabel="new classes, %")
        return _inline(figure, "Base against new", tips)


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
    # of several methods that one source prints, the first has its colour
    dashed = {tuple(points): label for label, points in reversed(printed.items())}
    figure = _figure(300, 210, (36, 8, 38, 26))
    axis: Any = figure.subplots()
    for points, label in dashed.items():
        colour = _look(colours[label])["color"]
        axis.plot(*zip(*points, strict=True), "--", color=colour, linewidth=1.2)
    tips: list[str] = []
    for label, found in ours.items():
        shots = [number for number, _ in found]
        means = np.array([cell.mean for _, cell in found])
        stds = np.array([cell.std for _, cell in found])
        look = _look(colours[label])
        if stds.any() and len(ours) <= _SERIES:
            band = {"color": look["color"], "alpha": 0.16}
            axis.fill_between(shots, means - stds, means + stds, **band)
        axis.plot(shots, means, **look, mec=_PAPER, gid=f"tip{len(tips)}")
        tips.append("\n".join(f"{label}, {k} shots: {_said(cell)}" for k, cell in found))
    places = sorted({section.shots for section in sections})
    axis.set_xscale("symlog", base=2, linthresh=1)  # zero shots have a place too
    axis.set_xticks(places, [str(number) for number in places])
    axis.minorticks_off()
    axis.margins(x=0.08)
    plain(axis, "y", _RULE)
    axis.set_title(name, loc="left", fontsize=12, fontweight="bold")
    axis.set_xlabel("shots per class")
    return _inline(figure, f"{name}: accuracy over shots", tips)


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
    drawn = {
        f"{method.label} against {base.label}": gains
        for method, base in pairs
        if (gains := _gains(section, method, base))
    }
    if not drawn:
        return Markup()
    heights = [21 * len(gains) for gains in drawn.values()]
    title_height = 34
    with matplotlib.rc_context(_STYLE):
        height = sum(heights) + title_height * len(drawn)
        figure = _figure(440, height, (140, 8, 0, title_height))
        figure.subplots_adjust(hspace=title_height * len(drawn) / sum(heights))
        axes = figure.subplots(len(drawn), sharex=True, squeeze=False, height_ratios=heights)
        for axis, (title, gains) in zip(axes[:, 0], drawn.items(), strict=True):
            values = [value for _, value in gains]
            fills = [_look(0 if value >= 0 else 1)["color"] for value in values]
            bars = axis.barh(range(len(gains)), values, 0.7, color=fills)
            for bar, (line, _) in zip(bars, gains, strict=True):
                bar.set_alpha(0.6 if line.average else 1)
            axis.bar_label(bars, fmt="%+.2f", padding=3)
            axis.set_yticks(range(len(gains)), [line.name for line, _ in gains])
            axis.set_title(title, loc="left", fontsize=11, fontweight="bold")
            axis.axvline(0, color=_INK, linewidth=0.8)
            axis.margins(x=0.2)
            axis.invert_yaxis()
            axis.spines[:].set_visible(False)
            axis.set_xticks([])
        what = f"difference in {section.main_measure}, percentage points"
        return _inline(figure, f"{', '.join(drawn)}: {what}")


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
