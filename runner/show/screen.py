"""The tables on screen: a row per dataset with experiments below each other, or, for more
experiments than that can show, a row per experiment with its averages."""

from collections.abc import Sequence

from runner.plan.modes import Mode
from runner.results.scores import Line, merge
from runner.results.stats import Spread, Summary
from runner.show.published_csv import quoted

LONG = 4  # experiments that are still compared dataset by dataset
OWN_SPLIT = "the split is not a published one, so these accuracies are not comparable"


def render(mode: Mode, summaries: Sequence[Summary]) -> str:
    """Return the table and the sentences that say how to read it."""
    if len(summaries) > LONG:
        return render_ranking(mode, summaries)
    several = len(summaries) > 1
    measures = summaries[0].measures
    rows = []
    for line in merge([summary.lines for summary in summaries]):
        shown = [summary for summary in summaries if line.name in _names(summary)]
        for number, summary in enumerate(shown):
            name = line_name(line, shown) if number == 0 else ""
            label = [_marked(summary.label, line.name in summary.own_splits)] if several else []
            cells = (_cell(summary, line, measure) for measure in measures)
            rows.append([name, *label, *cells])
    headers = ["dataset", *(["experiment"] if several else []), *measures]
    return f"{tabulated(rows, headers, measures)}\n\n{_legend(mode, summaries)}"


def render_ranking(mode: Mode, summaries: Sequence[Summary]) -> str:
    """Return a row per experiment, the best first."""
    columns = ranking_columns(summaries)
    headers = ["experiment", *(heading for heading, _, _ in columns)]
    rows = [
        [experiment_name(each), *(_cell(each, line, measure) for _, line, measure in columns)]
        for each in ranked(summaries)
    ]
    text = tabulated(rows, headers, headers[1:])
    return f"{text}\n\n{_legend(mode, summaries)}"


def ranking_columns(summaries: Sequence[Summary]) -> list[tuple[str, Line, str]]:
    """Return what stands for a whole experiment: (heading, line, measure) of the averages, of the
    source dataset, and of rows that no average is over."""
    lines = merge([summary.lines for summary in summaries])
    inside = {member for line in lines for member in line.members}
    measured = {name for summary in summaries for name, _ in summary.cells}
    kept = [
        line
        for line in lines
        if line.average or (line.name not in inside and line.name in measured)
    ]
    measures = summaries[0].measures
    if len(kept) == 1:
        return [(measure, kept[0], measure) for measure in measures]
    return [
        (line.name if len(measures) == 1 else f"{line.name} {measure}", line, measure)
        for line in kept
        for measure in measures
    ]


def ranked(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the summaries by H of the average, else by the mean of the averages, best first; those
    without it behind, by the first number that they have."""
    columns = ranking_columns(summaries)
    if "H" in summaries[0].measures:
        wanted = [column for column in columns if column[2] == "H"]
    else:
        wanted = [column for column in columns if column[1].average] or columns

    def place(summary: Summary) -> tuple[bool, float]:
        cells = [summary.cells.get((line.name, measure)) for _, line, measure in wanted]
        found = [cell.mean for cell in cells if cell]
        if len(found) == len(cells):
            return True, sum(found) / len(found)
        rest = [summary.cells.get((line.name, measure)) for _, line, measure in columns]
        return False, next((cell.mean for cell in rest if cell), 0.0)

    return sorted(summaries, key=place, reverse=True)


def ranking_csv(summaries: Sequence[Summary]) -> str:
    """Return the table of `render_ranking` as CSV: means, two decimals."""
    columns = ranking_columns(summaries)
    lines = [",".join(["experiment", *(heading for heading, _, _ in columns)])]
    for summary in ranked(summaries):
        cells = [summary.cells.get((line.name, measure)) for _, line, measure in columns]
        words = [quoted(summary.label), *(f"{cell.mean:.2f}" if cell else "" for cell in cells)]
        lines.append(",".join(words))
    return "\n".join(lines) + "\n"


def line_name(line: Line, summaries: Sequence[Summary]) -> str:
    """Return the name of a dataset or average, with a star if a split file is not the published."""
    return _marked(line.name, any(line.name in each.own_splits for each in summaries))


def experiment_name(summary: Summary) -> str:
    """Return an experiment's label, with a star if a split file is not the published one."""
    return _marked(summary.label, bool(summary.own_splits))


def _marked(name: str, own_split: bool) -> str:
    return f"{name}*" if own_split else name


def _names(summary: Summary) -> set[str]:
    return {line.name for line in summary.lines}


def tabulated(rows: Sequence[Sequence[str]], headers: Sequence[str], numbers: Sequence[str]) -> str:
    """Return a table as text; the columns `numbers` are set to the right."""
    from tabulate import tabulate

    align = ["right" if header in numbers else "left" for header in headers]
    return tabulate(rows, headers, disable_numparse=True, colalign=align)


def _cell(summary: Summary, line: Line, measure: str) -> str:
    cell: Spread | None = summary.cells.get((line.name, measure))
    if cell is None:
        return "-"
    short = "*" if cell.count < len(summary.seeds) else " "
    spread = f" ± {cell.std:4.2f}" if cell.count > 1 else ""
    return f"{cell.mean:.2f}{spread}{short}"


def _legend(mode: Mode, summaries: Sequence[Summary]) -> str:
    first = "Accuracy in percent."
    if mode.base_to_new:
        first = "Accuracy in percent, H = harmonic mean of the two means."
    if any(len(each.seeds) > 1 for each in summaries):
        first += " ± population standard deviation over seeds."
    lines = [first]
    if any(cell.count < len(each.seeds) for each in summaries for cell in each.cells.values()):
        lines.append(
            "* behind a number: not all seeds are there; the row is left out of the average."
        )
    if any(each.own_splits for each in summaries):
        lines.append(f"* behind a name: {OWN_SPLIT}.")
    sizes: dict[str, int] = {}
    for each in summaries:
        for name, members in _averages(each).items():
            sizes[name] = max(len(members), sizes.get(name, 0))
    for each in summaries:
        for name, members in _averages(each).items():
            whole = each.complete.get(name, ())
            if len(whole) < len(members):
                over = f"{len(whole)} of {len(members)} datasets, those without a missing run"
                lines.append(f"{each.label}: {name} over {over}.")
            elif len(members) < sizes[name]:
                over = f"{len(members)} of the {sizes[name]} rows of others"
                lines.append(f"{each.label}: {name} over {over}.")
    return "\n".join(lines)


def _averages(summary: Summary) -> dict[str, tuple[str, ...]]:
    return {line.name: line.members for line in summary.lines if line.average and line.members}
