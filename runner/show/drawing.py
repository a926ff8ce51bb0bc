"""What pictures share: the look of a series and curves over shots. A sweep leaves pictures as PNG;
inside a page they are SVG, whose colours are those of its style sheet."""

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

from runner.results.tables import Spread

SERIES = 8  # colours
MARKERS = "osD^vP*X"
# matplotlib draws in these for a page; the variables of its style sheet take their places.
INK, FAINT, RULE = "#010101", "#020202", "#030303"
_VARIABLES = {INK: "ink", FAINT: "faint", RULE: "rule"} | {
    f"#0a0a0{number}": f"k{number}" for number in range(SERIES)
}
PAGE: dict[Any, Any] = {
    **{"svg.fonttype": "none", "text.parse_math": False, "font.size": 11},
    **{"axes.facecolor": "none", "figure.facecolor": "none"},
    **{"xtick.major.size": 0, "ytick.major.size": 0, "grid.color": RULE},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left"},
    **{"text.color": INK, "axes.edgecolor": FAINT, "axes.labelcolor": FAINT},
    **{"xtick.color": FAINT, "ytick.color": FAINT},
    "axes.prop_cycle": cycler(color=list(_VARIABLES)[3:]),
}
"""For `matplotlib.rc_context` around what is drawn for a page."""
_DRAWN = itertools.count()


def look(number: int) -> dict[str, str]:
    """Return the colour and the marker of a series."""
    marker = MARKERS[(number + number // SERIES) % len(MARKERS)]
    return {"color": f"C{number % SERIES}", "marker": marker}


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
        tips.append("\n".join(f"{label}, {k} shots: {cell}" for k, cell in found))
    places = sorted({shots for found in series.values() for shots, _ in found})
    axis.set_xscale("symlog", base=2, linthresh=1)  # zero shots have a place too
    axis.set_xticks(places, [str(number) for number in places])
    axis.minorticks_off()
    axis.margins(x=0.08)
    axis.grid(axis="y")
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
