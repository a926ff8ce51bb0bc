"""Draws the rooms of the project and what imports what, read from the files: docs/architecture.png.

    python docs/pictures/architecture.py

The floors stand in docs/architecture.md, each row one floor from the top down; an import goes down.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
PAGE = REPO / "docs" / "architecture.md"
PICTURE = PAGE.with_suffix(".png")
FLOOR = re.compile(r"^\| (\d+) \| (.+?) \|", re.MULTILINE)


class Import(NamedTuple):
    """One import of the project's own code: two files, relative to the repository."""

    file: Path
    target: Path


def floors(page: str) -> dict[str, int]:
    """The rooms that a page names and the floor of each, counted from 1 at the bottom."""
    rows = [(int(number), names) for number, names in FLOOR.findall(page)]
    return {room: number for number, names in rows for room in re.findall(r"`([^`]+)`", names)}


def room_of(file: Path, rooms: dict[str, int]) -> str | None:
    """The innermost room that holds a file; a room is a folder (`clip/`) or a file at the top."""
    name = file.as_posix()
    holding = [
        room for room in rooms if name == room or (room[-1] == "/" and name.startswith(room))
    ]
    return max(holding, key=len, default=None)


@cache
def sources() -> tuple[Path, ...]:
    """The project's Python files but for tests and these pictures, relative to the repository."""
    left_out = ("tests", "docs")
    tops = [top for top in REPO.iterdir() if top.name not in left_out and top.name[0] != "."]
    files = [file for top in tops for file in (top.rglob("*.py") if top.is_dir() else (top,))]
    return tuple(sorted(file.relative_to(REPO) for file in files if file.suffix == ".py"))


def module_file(module: str) -> Path | None:
    """The file of a dotted name if it is the project's."""
    stem = Path(*module.split("."))
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if (REPO / file).is_file():
            return file
    return None


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below `if TYPE_CHECKING:`."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _walk(node)


@cache
def imports_of(file: Path) -> tuple[Import, ...]:
    """What a file imports of the project, at its top or inside a function; not for types alone."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Import]:
    for node in _walk(ast.parse((REPO / file).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:  # a name of a package may be a module of its own
                inner = f"{node.module}.{alias.name}"
                names.append(inner if module_file(inner) else node.module)
        for name in names:
            target = module_file(name)
            if target is not None and target != file:
                yield Import(file, target)


def upward(rooms: dict[str, int]) -> list[str]:
    """Imports that do not go down, and files without a room: a line each."""
    lines: dict[str, None] = {}
    for file in sources():
        here = room_of(file, rooms)
        if here is None:
            lines.setdefault(f"{file} is in no room of {PAGE.name}")
            continue
        for found in imports_of(file):
            there = room_of(found.target, rooms)
            if there is not None and there != here and rooms[there] >= rooms[here]:
                lines.setdefault(f"{file} ({here}) imports {found.target} ({there})")
    return list(lines)


def arrows(rooms: dict[str, int]) -> Counter[tuple[str, str]]:
    """How many imports go from one room to another."""
    counted: Counter[tuple[str, str]] = Counter()
    for file in sources():
        for found in imports_of(file):
            here, there = room_of(file, rooms), room_of(found.target, rooms)
            if here is not None and there is not None and here != there:
                counted[here, there] += 1
    return counted


def lines_in(room: str, rooms: dict[str, int]) -> int:
    """Lines of Python in a room, without those of rooms inside it."""
    files = [file for file in sources() if room_of(file, rooms) == room]
    return sum(len((REPO / file).read_text(encoding="utf-8").splitlines()) for file in files)


def draw(rooms: dict[str, int], picture: Path) -> None:
    """Writes the picture: a box for each room, as high as its floor, an arrow for each import."""
    from matplotlib.figure import Figure

    levels = sorted(set(rooms.values()))
    place: dict[str, tuple[float, float]] = {}
    for level in levels:
        row = [room for room, floor in rooms.items() if floor == level]
        for number, room in enumerate(row):
            place[room] = ((number + 1) / (len(row) + 1), float(level))
    figure = Figure(figsize=(12, 1.15 * len(levels) + 0.5), layout="constrained")
    axes = figure.add_subplot()
    for (here, there), count in arrows(rooms).items():
        axes.annotate(
            "",
            xy=place[there],
            xytext=place[here],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#6b7a90",
                "alpha": 0.55,
                "linewidth": 0.7 + min(count, 60) / 30,
                "shrinkA": 16,
                "shrinkB": 18,
            },
        )
    for room, (x, y) in place.items():
        text = f"{room}\n{lines_in(room, rooms):,} lines"
        box = {"boxstyle": "round,pad=0.45", "facecolor": "#eef3fa", "edgecolor": "#3b5b8c"}
        axes.text(x, y, text, ha="center", va="center", fontsize=10, bbox=box)
    axes.set(xlim=(0, 1), ylim=(min(levels) - 0.6, max(levels) + 0.6))
    axes.set_axis_off()
    figure.savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    draw(floors(PAGE.read_text(encoding="utf-8")), PICTURE)
