"""One tidy table of runs, and the queries that make results of it."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Load pandas only for those who read a table."""
    if name == "load_runs":
        from runner.results.table import load_runs

        return load_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
