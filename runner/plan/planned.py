"""What the last command has planned for an experiment: `console/planned.json` in its folder, by
which another shell sees how much is left."""

import json
from collections.abc import Iterable
from pathlib import Path

from runner.files.writing import atomic_write
from runner.plan.jobs import Job

FILE = "planned.json"


def note_plan(jobs: Iterable[Job]) -> None:
    """Write the names of the planned jobs by their folders, for each experiment.

    Raises:
        UserError: it cannot be written.
    """
    plans: dict[Path, dict[str, str]] = {}
    for job in jobs:
        root = job.console.parent.parent
        plans.setdefault(root, {})[str(job.folder.relative_to(root))] = job.name
    for root, runs in plans.items():
        atomic_write(root / "console" / FILE, json.dumps({"runs": runs}, indent=1))


def read_plan(root: Path) -> dict[Path, str]:
    """Return the names of the planned jobs of an experiment by folder, none where nothing is said
    or it is not whole."""
    try:
        runs = json.loads((root / "console" / FILE).read_text(encoding="utf-8"))["runs"]
        return {root / folder: str(name) for folder, name in runs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
