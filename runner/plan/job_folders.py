"""What the folders of planned jobs hold, and the note of what was planned that they keep."""

import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.logs import older_result
from runner.files.records import RunResult, read_result
from runner.files.writing import atomic_write, closed_place, may_not_be_read
from runner.plan.jobs import Job

PLAN_FILE = "console/planned.json"  # by which another shell sees how much is left


class Standing(enum.Enum):
    """What lies in a job's folder."""

    DONE = "done"
    TO_RUN = "to run"
    OTHER = "result of other settings"


Survey = Mapping[str, tuple[Standing, RunResult | None]]
"""By job name: what its folder holds, and the result that counts, if any."""


def survey(jobs: Sequence[Job]) -> Survey:
    """Return for each job, by name, what its folder holds.

    A test whose training must run is to run as well, whatever lies there.

    Raises:
        UserError: a folder may not be read; one line per folder.
    """
    found: dict[str, tuple[Standing, RunResult | None]] = {}
    closed = {}
    for job in jobs:
        try:
            standing, result = _look(job)
        except PermissionError as error:
            place = Path(error.filename).parent if error.filename else job.folder
            closed[closed_place(place)] = True
            standing, result = Standing.TO_RUN, None
        if job.needs and found[job.needs.name][0] is Standing.TO_RUN and standing is Standing.DONE:
            standing, result = Standing.TO_RUN, None
        found[job.name] = (standing, result)
    if closed:
        raise UserError([may_not_be_read(place) for place in closed])
    return found


def _look(job: Job) -> tuple[Standing, RunResult | None]:
    result = read_result(job.folder)
    if result is None and not (job.folder / "result.json").exists() and not job.console.exists():
        # Only a run that this runner never started may count by its log alone: ours leave
        # result.json, and without it they did not end.
        result = older_result(job.folder, kind=job.kind)
    if result is None:
        return Standing.TO_RUN, None
    if result.from_log or result.key == job.key:
        return Standing.DONE, result
    return Standing.OTHER, result


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
