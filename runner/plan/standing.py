"""What lies in the folders of jobs: done, to be run, or of other settings."""

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.records import RunResult, read_log, read_result
from runner.files.writing import closed_place, may_not_be_read
from runner.plan.jobs import Job


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
        result = read_log(job.folder, kind=job.kind)
    if result is None:
        return Standing.TO_RUN, None
    if result.from_log or result.key == job.key:
        return Standing.DONE, result
    return Standing.OTHER, result
