"""What the folders of planned jobs hold, and the note of what was planned that they keep."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.logs import older_result
from runner.files.records import RunResult, read_result
from runner.files.writing import atomic_write, closed_place, may_not_be_read
from runner.plan.jobs import Job

PLAN_FILE = "console/planned.json"  # by which another shell sees how much is left


def survey(jobs: Sequence[Job]) -> tuple[dict[str, RunResult], list[Job]]:
    """Return the results of the jobs that are done, by name, and the jobs in whose folders results
    of other settings lie. A test whose training must run is not done, whatever lies there.

    Raises:
        UserError: a folder may not be read.
    """
    done: dict[str, RunResult] = {}
    other: dict[str, Job] = {}
    for job in jobs:
        try:
            result = _look(job)
        except PermissionError as error:
            place = Path(error.filename).parent if error.filename else job.folder
            raise UserError(may_not_be_read(closed_place(place))) from error
        stands = not job.needs or job.needs.name in done or job.needs.name in other
        if result and not result.from_log and result.key != job.key:
            other[job.name] = job
        elif result and stands:
            done[job.name] = result
    return done, list(other.values())


def _look(job: Job) -> RunResult | None:
    result = read_result(job.folder)
    if result or (job.folder / "result.json").exists() or job.console.exists():
        return result
    # Only a run that this runner never started may count by its log alone: ours leave result.json,
    # and without it they did not end.
    return older_result(job.folder)


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
        atomic_write(root / PLAN_FILE, json.dumps({"runs": runs}, indent=1))


def read_plan(root: Path) -> dict[Path, str]:
    """Return the names of the planned jobs of an experiment by folder, none where nothing is said
    or it is not whole."""
    try:
        runs = json.loads((root / PLAN_FILE).read_text(encoding="utf-8"))["runs"]
        return {root / folder: str(name) for folder, name in runs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
