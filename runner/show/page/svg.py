"""The parts of a drawing: scales, axes, marks. Colours are classes of the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.show.page.tags import Markup, join, tag

COLOURS = 8
_SHAPES = ("circle", "square", "diamond", "triangle", "down", "plus")


@dataclass(frozen=True)
class Scale:
    """From numbers to places in a drawing, along a line or by logarithm."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers in a range."""
    raw = max(high - low, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * number, 9) for number in range(first, last + 1)]


def bounds(values: Sequence[float], *, share: float = 0.08) -> tuple[float, float]:
    """Return a range around values with room at both ends."""
    low, high = min(values), max(values)
    room = max((high - low) * share, 0.5)
    return low - room, high + room


def drawing(width: int, height: int, *parts: str, label: str) -> Markup:
    """Return the whole picture, as wide as there is room for, up to its own width."""
    return tag(
        "svg",
        tag("title", label),
        parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        style=f"max-width:{width}px",
    )


def text(x: float, y: float, words: str, *, anchor: str = "middle", class_: str = "") -> Markup:
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False) -> Markup:
    words = " L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return tag("path", d=f"M{words}{' Z' if closed else ''}", class_=class_)


def colour(number: int) -> str:
    """Return the class of a series' colour."""
    return f"c{number % COLOURS}"


def mark(number: int, x: float, y: float, *, hollow: bool = False, label: str = "") -> Markup:
    """Return the mark of a series; its shape tells it apart too, where colours repeat."""
    shape = _SHAPES[(number + number // COLOURS) % len(_SHAPES)]
    r = 4.5
    corners = {
        "square": ((-r, -r), (r, -r), (r, r), (-r, r)),
        "diamond": ((0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)),
        "triangle": ((0, -1.2 * r), (1.2 * r, r), (-1.2 * r, r)),
        "down": ((0, 1.2 * r), (1.2 * r, -r), (-1.2 * r, -r)),
        "plus": ((-r, -2), (-2, -2), (-2, -r), (2, -r), (2, -2), (r, -2), (r, 2), (2, 2), (2, r),
                 (-2, r), (-2, 2), (-r, 2)),
    }  # fmt: skip
    class_ = f"{'hollow' if hollow else 'mark'} {colour(number)}"
    title = tag("title", label) if label else ""
    if shape == "circle":
        return tag("circle", title, cx=x, cy=y, r=r, class_=class_)
    places = " ".join(f"{x + dx:.2f},{y + dy:.2f}" for dx, dy in corners[shape])
    return tag("polygon", title, points=places, class_=class_)


def legend(names: Sequence[tuple[int, str]]) -> Markup:
    """Return a legend in HTML, which breaks where the page is narrow."""
    entries = [
        tag(
            "li",
            tag("svg", mark(number, 8, 8), viewBox="0 0 16 16", width="14", height="14"),
            f" {name}",
        )
        for number, name in names
    ]
    return tag("ul", entries, class_="legend")


def frame(x: Scale, y: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Markup:
    """Return grid lines and the numbers at them."""
    parts = []
    for value in y_ticks:
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(text(x.start - 6, y(value) + 4, f"{value:g}", anchor="end", class_="tick"))
    for value in x_ticks:
        parts.append(line(x(value), y.start, x(value), y.end, "grid"))
        parts.append(text(x(value), y.start + 16, f"{value:g}", class_="tick"))
    return join(parts)
