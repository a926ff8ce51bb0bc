"""The engine's files import one another in one direction, in functions too."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import dassl.engine

FOLDER = Path(dassl.engine.__file__).parent


def imported(path):
    """The files of dassl/engine that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dassl.engine"):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    stems = {name.removeprefix("dassl.engine.") for name in names}
    return {other.stem for other in FOLDER.glob("*.py")} & stems


def test_no_file_imports_one_that_imports_it():
    graph = {path.stem: imported(path) for path in FOLDER.glob("*.py") if path.stem != "__init__"}
    assert graph["trainer"] >= {"base", "simple"}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert order.index("base") < order.index("simple") < order.index("trainer")
