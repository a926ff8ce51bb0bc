"""Which jobs go first: the longest chains of a training and its tests, the tests of a chain that
has begun before everything new."""

from collections import defaultdict
from collections.abc import Sequence

from runner.launch.times import Times
from runner.plan.jobs import Job


def followers(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Return the jobs that need another one of `jobs`, by the name of that."""
    names = {job.name for job in jobs}
    found: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.needs and job.needs.name in names:
            found[job.needs.name].append(job)
    return found


def priorities(jobs: Sequence[Job], times: Times) -> dict[str, int]:
    """Return by job name its place in the line. Chains of which nothing is known stand before the
    others, in the order of `jobs`."""
    follow = followers(jobs)
    following = {job.name for each in follow.values() for job in each}
    seconds = {job.name: times.seconds(job.argv) for job in jobs}

    def place(job: Job) -> tuple[bool, float]:
        chain = [seconds[each.name] for each in (job, *follow.get(job.name, ()))]
        known = [each for each in chain if each is not None]
        return job.name not in following, -sum(known) if known else -float("inf")

    return {job.name: number for number, job in enumerate(sorted(jobs, key=place))}
