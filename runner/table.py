"""The table on screen: a row per dataset, experiments below each other for comparison."""

from collections.abc import Sequence

from runner.stats import AVERAGE, MEASURES, Spread, Summary
from runner.tally import in_row_order


def render(summaries: Sequence[Summary]) -> str:
    """Return the table and the sentences that say how to read it."""
    from tabulate import tabulate

    datasets = in_row_order(dict.fromkeys(name for each in summaries for name in each.datasets))
    several = len(summaries) > 1
    rows = []
    for dataset in [*datasets, AVERAGE]:
        for number, summary in enumerate(summaries):
            name = dataset if number == 0 else ""
            label = [summary.label] if several else []
            rows.append([name, *label, *(_cell(summary, dataset, m) for m in MEASURES)])
    headers = ["dataset", *(["experiment"] if several else []), *MEASURES]
    text = tabulate(rows, headers, disable_numparse=True, colalign=_align(headers))
    return f"{text}\n\n{_legend(summaries)}"


def _align(headers: Sequence[str]) -> list[str]:
    return ["right" if header in MEASURES else "left" for header in headers]


def _cell(summary: Summary, dataset: str, measure: str) -> str:
    cell: Spread | None = summary.cells.get((dataset, measure))
    if cell is None:
        return "-"
    short = "*" if cell.count < len(summary.seeds) else " "
    spread = f" ± {cell.std:4.2f}" if cell.count > 1 else ""
    return f"{cell.mean:.2f}{spread}{short}"


def _legend(summaries: Sequence[Summary]) -> str:
    lines = ["Accuracy in percent, H = harmonic mean of the two means."]
    if any(len(each.seeds) > 1 for each in summaries):
        lines[0] += " ± population standard deviation over seeds."
    if any(cell.count < len(each.seeds) for each in summaries for cell in each.cells.values()):
        lines.append("* not all seeds are there; the row is left out of the average.")
    for each in summaries:
        if len(each.complete) < len(each.datasets):
            over = f"{len(each.complete)} of {len(each.datasets)} datasets"
            lines.append(f"{each.label}: average over {over}, those without a missing run.")
    return "\n".join(lines)
