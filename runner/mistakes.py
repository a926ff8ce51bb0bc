"""When two runs end with the same mistake of the user, the rest need not be tried."""

from collections import defaultdict

from runner.jobs import Job
from runner.results import mistake_in


class Mistakes:
    """What train.py has refused so far.

    The same lines for two datasets speak for the whole experiment (an option that does not exist);
    for two runs of one dataset, for that dataset (a folder that is not there).
    """

    def __init__(self) -> None:
        self._datasets: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        self._hopeless: set[tuple[str, str]] = set()

    def note(self, job: Job) -> None:
        """Take in that train.py refused `job`."""
        lines = mistake_in(job.console)
        if not lines:
            return
        seen = self._datasets[job.experiment, lines]
        seen.append(job.dataset)
        if len(set(seen)) > 1:
            self._hopeless.add((job.experiment, ""))
        elif len(seen) > 1:
            self._hopeless.add((job.experiment, job.dataset))

    def covers(self, job: Job) -> bool:
        """Whether `job` would be refused as well."""
        places = ((job.experiment, ""), (job.experiment, job.dataset))
        return not self._hopeless.isdisjoint(places)
