"""The pictures of a report: base against new, accuracy over shots, differences to a baseline."""

import math
from collections.abc import Iterable, Mapping, Sequence

from runner.results.scores import Line
from runner.results.stats import Spread
from runner.show.page import svg
from runner.show.page.comparison import Comparison
from runner.show.page.sections import Method, Section
from runner.show.page.svg import Scale
from runner.show.page.tags import Markup, join, tag

Colours = Mapping[str, int]
"""Label of a method -> number of its colour, the same all over the page."""
Point = tuple[float, float]


def scatter(section: Section, colours: Colours, comparisons: Sequence[Comparison]) -> Markup:
    """Return base against new of the averages, with lines of equal H; nothing without any."""
    lines = [line for line in section.lines if line.average] or section.lines[:1]
    name = lines[0].name
    ours = {
        method.label: (base, new)
        for method in section.methods
        if (base := method.summary.cells.get((name, "base")))
        and (new := method.summary.cells.get((name, "new")))
    }
    if not ours:
        return Markup()
    printed = [
        (each, each.pairs[name, "base"].published, each.pairs[name, "new"].published)
        for each in comparisons
        if (name, "base") in each.pairs and (name, "new") in each.pairs
    ]
    width, height = 520, 400
    bases = [b.mean + s * b.std for b, _ in ours.values() for s in (-1, 1)]
    news = [n.mean + s * n.std for _, n in ours.values() for s in (-1, 1)]
    x = Scale(*svg.bounds([*bases, *(base for _, base, _ in printed)]), 48, width - 40)
    y = Scale(*svg.bounds([*news, *(new for _, _, new in printed)]), height - 44, 14)
    parts = [_equal_h(x, y), svg.frame(x, y, svg.ticks(x.low, x.high), svg.ticks(y.low, y.high))]
    for each, *place in printed:
        mine = ours[each.method.label]
        there = x(place[0]), y(place[1])
        parts.append(svg.line(x(mine[0].mean), y(mine[1].mean), *there, "link"))
        label = f"{each.source.name}, published: base {place[0]:.2f}, new {place[1]:.2f}"
        parts.append(svg.mark(colours[each.method.label], *there, hollow=True, label=label))
    for label, (b, n) in ours.items():
        parts += _cross(x, y, b, n, colours[label])
        words = f"{label}: base {b.mean:.2f} ± {b.std:.2f}, new {n.mean:.2f} ± {n.std:.2f}"
        parts.append(svg.mark(colours[label], x(b.mean), y(n.mean), label=words))
    parts.append(svg.text((x.start + x.end) / 2, height - 6, "base classes, %", class_="axis"))
    parts.append(_upright(13, (y.start + y.end) / 2, "new classes, %"))
    what = "Average over datasets" if lines[0].average else name
    note = f"{what}; lines through equal H; bars: standard deviation over seeds."
    note += " Hollow: published." if printed else ""
    return _figure(
        svg.drawing(width, height, *parts, label="Base against new"),
        svg.legend([(colours[label], label) for label in ours]),
        note,
    )


def _equal_h(x: Scale, y: Scale) -> Markup:
    """Return curves on which the harmonic mean is the same."""
    corners = [2 / (1 / max(b, 1) + 1 / max(n, 1)) for b, n in ((x.low, y.low), (x.high, y.high))]
    parts = []
    for value in svg.ticks(corners[0], corners[1], 5):
        points: list[Point] = []
        for step in range(61):
            base = x.low + (x.high - x.low) * step / 60
            if 2 * base > value and base > 0:
                new = value * base / (2 * base - value)
                if y.low <= new <= y.high:
                    points.append((x(base), y(new)))
        if len(points) > 1:
            parts.append(svg.path(points, "equal"))
            end_x, end_y = points[-1]
            parts.append(svg.text(end_x + 3, end_y + 3, f"H {value:g}", anchor="start",
                                  class_="faint"))  # fmt: skip
    return join(parts)


def _cross(x: Scale, y: Scale, base: Spread, new: Spread, number: int) -> list[Markup]:
    """Return the bars of the standard deviations."""
    class_ = f"bar {svg.colour(number)}"
    middle = x(base.mean), y(new.mean)
    return [
        svg.line(x(base.mean - base.std), middle[1], x(base.mean + base.std), middle[1], class_),
        svg.line(middle[0], y(new.mean - new.std), middle[0], y(new.mean + new.std), class_),
    ]


def curves(
    sections: Sequence[Section], colours: Colours, comparisons: Sequence[Comparison]
) -> Markup:
    """Return a panel for each dataset, accuracy over shots, of sections that differ in shots."""
    names = dict.fromkeys(line.name for section in sections for line in section.lines)
    averages = {line.name for section in sections for line in section.lines if line.average}
    order = [n for n in names if n in averages] + [n for n in names if n not in averages]
    labels = dict.fromkeys(method.label for section in sections for method in section.methods)
    panels = [_panel(sections, name, colours, comparisons) for name in order]
    note = "Bands: standard deviation over seeds."
    if sources := dict.fromkeys(each.source.name for each in _first_sources(comparisons)):
        note += f" Dashed: published, {', '.join(sources)}."
    legend = svg.legend([(colours[label], label) for label in labels])
    return _figure(tag("div", panels, class_="panels"), legend, note)


def _panel(
    sections: Sequence[Section],
    name: str,
    colours: Colours,
    comparisons: Sequence[Comparison],
) -> Markup:
    ours: dict[str, list[tuple[int, Spread]]] = {}
    for section in sections:
        for method in section.methods:
            if cell := method.summary.cells.get((name, section.main_measure)):
                ours.setdefault(method.label, []).append((section.shots, cell))
    printed: dict[str, list[tuple[int, float]]] = {}
    for each in _first_sources(comparisons):
        if pair := each.pairs.get((name, each.section.main_measure)):
            point = (each.section.shots, pair.published)
            printed.setdefault(each.method.label, []).append(point)
    if not ours:
        return Markup()
    values = [c.mean + s * c.std for points in ours.values() for _, c in points for s in (-1, 1)]
    values += [value for points in printed.values() for _, value in points]
    width, height = 300, 210
    shots = sorted({section.shots for section in sections})
    places = [math.log2(k) if k else -1.0 for k in shots]
    x = Scale(min(places) - 0.25, max(places) + 0.25, 36, width - 8)
    y = Scale(*svg.bounds(values), height - 38, 26)
    at = dict(zip(shots, map(x, places), strict=True))
    parts: list[Markup] = [svg.text(x.start, 15, name, anchor="start", class_="name")]
    parts.append(svg.frame(x, y, (), svg.ticks(y.low, y.high, 5)))
    parts += [svg.text(at[k], y.start + 16, str(k), class_="tick") for k in shots]
    parts.append(svg.text((x.start + x.end) / 2, height - 5, "shots per class", class_="tick"))
    for label, found in printed.items():
        class_ = f"dashed {svg.colour(colours[label])}"
        parts.append(svg.path([(at[k], y(value)) for k, value in found], class_))
    for label, points in ours.items():
        parts.append(_curve(label, points, colours[label], at, y))
    return svg.drawing(width, height, *parts, label=f"{name}: accuracy over shots")


def _curve(
    label: str,
    points: Sequence[tuple[int, Spread]],
    number: int,
    at: Mapping[int, float],
    y: Scale,
) -> Markup:
    upper = [(at[shots], y(cell.mean + cell.std)) for shots, cell in points]
    lower = [(at[shots], y(cell.mean - cell.std)) for shots, cell in points]
    middle = [(at[shots], y(cell.mean)) for shots, cell in points]
    colour = svg.colour(number)
    marks = [
        svg.mark(
            number,
            at[shots],
            y(cell.mean),
            label=f"{label}, {shots} shots: {cell.mean:.2f} ± {cell.std:.2f}",
        )
        for shots, cell in points
    ]
    band = svg.path([*upper, *reversed(lower)], f"band {colour}", closed=True)
    return join(band, svg.path(middle, f"curve {colour}"), marks)


def _first_sources(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return the first source of each method in each section."""
    found: dict[tuple[str, str], Comparison] = {}
    for each in comparisons:
        found.setdefault((each.section.key, each.method.label), each)
    return list(found.values())


def differences(section: Section, method: Method, baseline: Method) -> Markup:
    """Return the papers' bars: by how much a method is above a baseline, per dataset, the largest
    gain on top, averages below; nothing where they have no dataset in common."""
    measure = section.main_measure
    found = [
        (line, method.summary.cells[line.name, measure].mean - other.mean)
        for line in section.lines
        if (other := baseline.summary.cells.get((line.name, measure)))
        and (line.name, measure) in method.summary.cells
        and _same_rows(line, method, baseline)
    ]
    if not found:
        return Markup()
    found.sort(key=lambda each: (each[0].average, -each[1]))
    width, height = 440, 34 + 21 * len(found)
    values = [value for _, value in found]
    low, high = min([0.0, *values]), max([0.0, *values])
    high = max(high, low + 1)
    x = Scale(low, high, 140 + (44 if low < 0 else 0), width - 48)
    parts = [svg.line(x(0), 24, x(0), height - 4, "zero")]
    title = f"{method.label} against {baseline.label}"
    parts.append(svg.text(2, 14, title, anchor="start", class_="name"))
    for place, (line, value) in enumerate(found):
        parts += _bar(x, 28 + 21 * place, line, value)
    label = f"{title}: difference in {measure}, percentage points"
    return svg.drawing(width, height, *parts, label=label)


def _same_rows(line: Line, method: Method, baseline: Method) -> bool:
    if not line.average:
        return True
    own, other = (each.summary.complete.get(line.name, ()) for each in (method, baseline))
    return set(own) == set(other)


def _bar(x: Scale, top: float, line: Line, value: float) -> list[Markup]:
    left, right = sorted((x(0), x(value)))
    kind = "gain" if value >= 0 else "loss"
    mean = " mean" if line.average else ""
    rect = tag("rect", x=left, y=top, width=right - left, height=14.0, class_=f"{kind}{mean}")
    side = (right + 4, "start") if value >= 0 else (left - 4, "end")
    return [
        rect,
        svg.text(134, top + 11, line.name, anchor="end", class_="tick"),
        svg.text(side[0], top + 11, f"{value:+.2f}", anchor=side[1], class_="tick"),
    ]


def _upright(x: float, y: float, words: str) -> Markup:
    turned = f"rotate(-90 {x:g} {y:g})"
    return tag("text", words, x=x, y=y, text_anchor="middle", class_="axis", transform=turned)


def _figure(drawing: Markup, legend: Markup, note: str) -> Markup:
    return tag("figure", legend, drawing, tag("figcaption", note))
