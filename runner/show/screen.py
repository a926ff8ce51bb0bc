"""The tables on screen: a row per dataset with experiments below each other, or, for more
experiments than that can show, a row per experiment with its averages; and the ranking of a
grid."""

from collections import Counter
from collections.abc import Iterable, Sequence

from runner.results.lines import merge
from runner.results.ranking import Ranking, as_good, ranked, ranking_columns
from runner.results.tables import Spread, Table
from runner.show.published_csv import csv_text, mean_text

LONG = 4  # experiments that are still compared dataset by dataset
OWN_SPLIT = "the split is not a published one, so these accuracies are not comparable"
CHOSEN_ON_TEST = "chosen on test images"
CHOSEN_ON_VALIDATION = "chosen on validation images"


def render(tables: Sequence[Table]) -> str:
    """Return the tables of one mode as one, and the sentences that say how to read it."""
    if len(tables) > LONG:
        return render_ranking(tables)
    several = len(tables) > 1
    measures = tables[0].measures
    rows = []
    for line in merge([table.lines for table in tables]):
        having = [table for table in tables if line in table.lines or _has(table, line.name)]
        for number, table in enumerate(having):
            name = marked(line.name, any(line.name in each.own_splits for each in having))
            label = [marked(table.label, line.name in table.own_splits)] if several else []
            cells = (_cell(table, line.name, measure) for measure in measures)
            rows.append(["" if number else name, *label, *cells])
    headers = ["dataset", *(["experiment"] if several else []), *measures]
    return f"{tabulated(rows, headers, measures)}\n\n{_legend(tables)}"


def _has(table: Table, name: str) -> bool:
    return any(line.name == name for line in table.lines)


def render_ranking(tables: Sequence[Table]) -> str:
    """Return a row per experiment, the best first."""
    columns = ranking_columns(tables)
    headers = ["experiment", *(heading for heading, _, _ in columns)]
    rows = [
        [experiment_name(each), *(_cell(each, line.name, measure) for _, line, measure in columns)]
        for each in ranked(tables)
    ]
    return f"{tabulated(rows, headers, headers[1:])}\n\n{_legend(tables)}"


def experiment_name(table: Table) -> str:
    """Return an experiment's label, with a star if a split file is not the published one."""
    return marked(table.label, bool(table.own_splits))


def marked(name: str, own_split: bool) -> str:
    """Return a name, with a star if its split file is not the published one."""
    return f"{name}*" if own_split else name


def tabulated(rows: Sequence[Sequence[str]], headers: Sequence[str], numbers: Sequence[str]) -> str:
    """Return a table as text; the columns `numbers` are set to the right."""
    from tabulate import tabulate

    align = ["right" if header in numbers else "left" for header in headers]
    return tabulate(rows, headers, disable_numparse=True, colalign=align)


def _cell(table: Table, line: str, measure: str) -> str:
    cell = table.cells.get((line, measure))
    if cell is None:
        return "odd" if (line, measure) in table.odd else "-"
    return _number(cell, "*" if cell.count < len(table.seeds) else " ")


def _number(cell: Spread, end: str) -> str:
    spread = f" ± {cell.std:4.2f}" if cell.count > 1 else ""
    return f"{cell.mean:.2f}{spread}{end}"


def _legend(tables: Sequence[Table]) -> str:
    first = "Accuracy in percent."
    if tables[0].mode.base_to_new:
        first = "Accuracy in percent, H = harmonic mean of the two means."
    if any(len(each.seeds) > 1 for each in tables):
        first += " ± population standard deviation over seeds."
    lines = [first]
    if any(cell.count < len(each.seeds) for each in tables for cell in each.cells.values()):
        lines.append(
            "* behind a number: not all seeds are there; the row is left out of the average."
        )
    if any(each.own_splits for each in tables):
        lines.append(f"* behind a name: {OWN_SPLIT}.")
    averages = [(t, line) for t in tables for line in t.lines if line.average and line.members]
    most = Counter[str]()
    for _, line in averages:
        most[line.name] = max(most[line.name], len(line.members))
    for table, line in averages:
        whole, members = len(table.complete[line.name]), len(line.members)
        over = f"{whole} of {members} datasets, those without a missing run"
        if whole == members:
            over = f"{members} of the {most[line.name]} rows of others"
        if whole < most[line.name]:
            lines.append(f"{table.label}: {line.name} over {over}.")
    return "\n".join([*lines, *odd_lines(tables)])


def odd_lines(tables: Iterable[Table]) -> list[str]:
    """Return which cells have no mean since a run of them differs in its provenance, and which."""
    runs: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        for (line, measure), said in table.odd.items():
            for each in said:
                runs.setdefault((table.label, each), []).append(f"{line} {measure}")
    return [
        f"odd: {label}: no mean of {', '.join(cells)}: {each}"
        for (label, each), cells in runs.items()
    ]


def render_grid(ranking: Ranking) -> str:
    """Return the table of a ranking and the sentences that say how to read it."""
    keys = _keys(ranking)
    columns = ranking_columns([entry.table for entry in ranking.entries])
    headers = [*keys, "validation", *(f"test {heading}" for heading, _, _ in columns)]
    rows = []
    for entry in ranking.entries:
        end = " " if entry.whole else "*"
        validated = _number(entry.validation, end) if entry.validation else f"-{end}".strip()
        found = [entry.table.cells.get((line.name, measure)) for _, line, measure in columns]
        tests = [_number(cell, " ") if cell else "-" for cell in found]
        rows.append([*(word for _, word in entry.table.point.values), validated, *tests])
    return "\n".join([tabulated(rows, headers, headers), "", *_sentences(ranking)])


def grid_csv(ranking: Ranking) -> str:
    """Return the table as CSV; `chosen_on` says which images ranked it, empty where none could."""
    columns = ranking_columns([entry.table for entry in ranking.entries])
    header = [*_keys(ranking), "val_acc", "val_acc_std", "runs_missing"]
    header += [f"test_{heading.replace(' ', '_')}" for heading, _, _ in columns]
    chosen = "" if ranking.why_not else "test images" if ranking.by_test else "validation images"
    rows = []
    for entry in ranking.entries:
        known = entry.validation
        rows.append(
            [
                *(word for _, word in entry.table.point.values),
                *([f"{known.mean:.2f}", f"{known.std:.2f}"] if known else ["", ""]),
                "no" if entry.whole else "yes",
                *(mean_text(entry.table, line.name, measure) for _, line, measure in columns),
                chosen,
            ]
        )
    return csv_text([*header, "chosen_on"], rows)


def _keys(ranking: Ranking) -> list[str]:
    return [key for key, _ in ranking.entries[0].table.point.values]


def _sentences(ranking: Ranking) -> list[str]:
    lines = ["Accuracy in percent; validation: mean over datasets and seeds ± standard deviation."]
    if ranking.by_test:
        lines.append(f"{CHOSEN_ON_TEST.capitalize()}: these are no results to report.")
    elif ranking.why_not:
        lines.append(
            f"Ranking is not possible: {ranking.why_not}. The points stand in the order of the "
            "grid; --rank-by test ranks them on test images."
        )
    else:
        lines.append("Ranked on validation images; the accuracy on test images had no part in it.")
        if ranking.without:
            names = ", ".join(ranking.without)
            lines.append(f"Without validation images, and so without part in it: {names}.")
    if not all(entry.whole for entry in ranking.entries):
        lines.append("* behind a number: runs are missing; the point stands behind the others.")
    best = ranking.entries[0]
    if not ranking.why_not and best.whole:
        words = " ".join(word for pair in best.table.point.values for word in pair)
        how = CHOSEN_ON_TEST if ranking.by_test else CHOSEN_ON_VALIDATION
        equal = 0 if ranking.by_test else as_good(ranking) - 1
        others = f"; as good: the {equal} below it" if equal else ""
        lines.append(f"Best: {words} ({how}){others}.")
    if any(entry.table.own_splits for entry in ranking.entries):
        lines.append(f"Some datasets have a split of their own: {OWN_SPLIT}.")
    return [*lines, *odd_lines(entry.table for entry in ranking.entries)]
