"""The order of experiments, and what stands for a whole one."""

from collections.abc import Sequence

from runner.results.lines import Line, merge
from runner.results.tables import Table


def ranking_columns(tables: Sequence[Table]) -> list[tuple[str, Line, str]]:
    """Return what stands for a whole experiment: (heading, line, measure) of the averages, of the
    source dataset, and of rows that no average is over."""
    lines = merge([table.lines for table in tables])
    inside = {member for line in lines for member in line.members}
    measured = {name for table in tables for name, _ in table.cells}
    kept = [
        line
        for line in lines
        if line.average or (line.name not in inside and line.name in measured)
    ]
    measures = tables[0].measures
    if len(kept) == 1:
        return [(measure, kept[0], measure) for measure in measures]
    return [
        (line.name if len(measures) == 1 else f"{line.name} {measure}", line, measure)
        for line in kept
        for measure in measures
    ]


def ranked(tables: Sequence[Table]) -> list[Table]:
    """Return tables by H of the average, else by the mean of the averages, best first; those
    without it behind, by the first number that they have."""
    columns = ranking_columns(tables)
    if "H" in tables[0].measures:
        wanted = [column for column in columns if column[2] == "H"]
    else:
        wanted = [column for column in columns if column[1].average] or columns

    def place(table: Table) -> tuple[bool, float]:
        cells = [table.cells.get((line.name, measure)) for _, line, measure in wanted]
        found = [cell.mean for cell in cells if cell]
        if len(found) == len(cells):
            return True, sum(found) / len(found)
        rest = [table.cells.get((line.name, measure)) for _, line, measure in columns]
        return False, next((cell.mean for cell in rest if cell), 0.0)

    return sorted(tables, key=place, reverse=True)
