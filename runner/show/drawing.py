"""How pictures are drawn, once each: bars, curves over shots, base against new. A sweep leaves them
as PNG; inside a page they are SVG, whose colours are those of its style sheet."""

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from runner.results.tables import Spread, harmonic_mean

SERIES = 8  # colours
MARKERS = "osD^vP*X"
PRINT = "tableau-colorblind10"  # of matplotlib's styles, for PNG
# matplotlib draws in these for a page; the variables of its style sheet take their places.
_INK, _FAINT, _RULE = "#010101", "#020202", "#030303"
_VARIABLES = {_INK: "ink", _FAINT: "faint", _RULE: "rule"} | {
    f"#0a0a0{number}": f"k{number}" for number in range(SERIES)
}
PAGE: dict[Any, Any] = {
    **{"svg.fonttype": "none", "text.parse_math": False, "font.size": 11},
    **{"axes.facecolor": "none", "figure.facecolor": "none"},
    **{"xtick.major.size": 0, "ytick.major.size": 0, "grid.color": _RULE},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left"},
    **{"text.color": _INK, "axes.edgecolor": _FAINT, "axes.labelcolor": _FAINT},
    **{"xtick.color": _FAINT, "ytick.color": _FAINT},
    "axes.prop_cycle": cycler(color=list(_VARIABLES)[3:]),
}
"""For `matplotlib.rc_context` around what is drawn for a page."""
_DRAWN = itertools.count()


def look(number: int) -> dict[str, str]:
    """Return the colour and the marker of a series."""
    marker = MARKERS[(number + number // SERIES) % len(MARKERS)]
    return {"color": f"C{number % SERIES}", "marker": marker}


def said(cell: Spread) -> str:
    """Return a mean and its spread over seeds."""
    return f"{cell.mean:.2f} ± {cell.std:.2f}"


def bars(
    axis: Any,
    names: Sequence[str],
    series: Mapping[str, Sequence[Spread | None]],
    *,
    colours: Sequence[str] = (),
    form: str = "%.1f",
) -> None:
    """Draw a group of bars for each name, the first on top, with the spread over seeds.

    Args:
        series: label -> what is measured of each name.
        colours: of a single series' bars, where they differ.
        form: of the numbers behind the bars.
    """
    height = 0.8 / len(series)
    for number, (label, cells) in enumerate(series.items()):
        places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * height
        means = [cell.mean if cell else np.nan for cell in cells]
        stds = [cell.std if cell and cell.count > 1 else 0.0 for cell in cells]
        look_of_bars = {"color": colours or look(number)["color"], "label": label}
        spread = {"xerr": stds, "ecolor": "black"} if any(stds) else {}
        drawn = axis.barh(places, means, height, **look_of_bars, **spread)
        axis.bar_label(drawn, fmt=form, fontsize=8, padding=3)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


def curves(
    axis: Any, series: Mapping[str, Sequence[tuple[int, Spread]]], numbers: Mapping[str, int]
) -> list[str]:
    """Draw accuracy over shots, with bands of the spread over seeds, and return what each curve
    says: it has the gid `tip0`, `tip1` and so on.

    Args:
        series: label -> (shots, accuracy) of each point.
        numbers: label -> number of its colour.
    """
    tips = []
    for number, (label, found) in enumerate(series.items()):
        shots = [each for each, _ in found]
        means, stds = (np.array([getattr(c, n) for _, c in found]) for n in ("mean", "std"))
        drawn = look(numbers[label])
        if stds.any() and len(series) <= SERIES:
            axis.fill_between(shots, means - stds, means + stds, color=drawn["color"], alpha=0.16)
        axis.plot(shots, means, **drawn, label=label, gid=f"tip{number}")
        tips.append("\n".join(f"{label}, {k} shots: {said(cell)}" for k, cell in found))
    places = sorted({shots for found in series.values() for shots, _ in found})
    axis.set_xscale("symlog", base=2, linthresh=1)  # zero shots have a place too
    axis.set_xticks(places, [str(number) for number in places])
    axis.minorticks_off()
    axis.margins(x=0.08)
    axis.grid(axis="y")
    return tips


def scatter(
    axis: Any, points: Mapping[str, tuple[Spread, Spread]], numbers: Mapping[str, int]
) -> list[str]:
    """Draw base against new with lines of equal H, and return what each mark says.

    Args:
        points: label -> base, new.
        numbers: label -> number of its colour.
    """
    tips = []
    for number, (label, (base, new)) in enumerate(points.items()):
        spread = {"xerr": base.std, "yerr": new.std} if base.count > 1 else {}
        drawn = look(numbers[label])
        axis.errorbar(base.mean, new.mean, **spread, color=drawn["color"], elinewidth=1.2)
        axis.plot([base.mean], [new.mean], markersize=8, gid=f"tip{number}", **drawn)
        tips.append(f"{label}: base {said(base)}, new {said(new)}")
    axis.margins(0.08)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    mesh = np.meshgrid(np.linspace(left, right, 60), np.linspace(low, high, 60))
    dotted = {"colors": _FAINT, "linewidths": 0.7, "linestyles": "dotted"}
    lines = axis.contour(*mesh, harmonic_mean(*mesh), 5, **dotted)
    axis.clabel(lines, fmt="H %g", fontsize=9)
    axis.grid()
    axis.set(
        xlim=(left, right), ylim=(low, high), xlabel="base classes, %", ylabel="new classes, %"
    )
    return tips


def reliability(
    axis: Any, series: Mapping[str, Sequence[tuple[float, float, int]]], colours: Mapping[str, int]
) -> list[str]:
    """Draw accuracy over confidence of each series, (confidence, accuracy, predictions) of its
    bins, and the diagonal; return what is said over each point."""
    tips: list[str] = []
    axis.plot([0, 1], [0, 1], color=matplotlib.rcParams["grid.color"], linewidth=1)
    for label, bins in series.items():
        axis.plot([b[0] for b in bins], [b[1] for b in bins], color=look(colours[label])["color"])
        for sure, right, count in bins:
            axis.plot([sure], [right], markersize=6, gid=f"tip{len(tips)}", **look(colours[label]))
            tips.append(f"{label}: {count} predictions, {sure:.3f} sure, {right:.3f} right")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    return tips


def inline(figure: Figure, label: str, tips: Sequence[str] = ()) -> Markup:
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
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px"'
    return Markup(f'<svg role="img" {size}><title>{escape(label)}</title>{text}')
