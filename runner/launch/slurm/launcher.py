"""Run jobs as SLURM arrays. What has been done is told by files; SLURM is asked what waits.

Nothing here needs to stay alive: what is queued runs without the runner, and the same command
started again finds it by `<results>/slurm`.
"""

import os
import shlex
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import shown
from runner.launch.interface import Change, Code, refusal
from runner.launch.schedule import followers
from runner.launch.slurm import client
from runner.launch.slurm.arrays import BATCHES, Arrays, Element
from runner.launch.slurm.batch import SCRIPT, Chain, make_batch
from runner.plan.jobs import Job

INTERVAL = "10"  # seconds between two questions to SLURM, whom everybody asks


def scripts(jobs: Sequence[Job], results: Path, chosen: Namespace) -> str:
    """Return what would be submitted for jobs: each array's script, how it is submitted, and the
    commands of its elements."""
    chains = _chains(jobs)
    needed = {job.name for chain in chains.values() for job in chain[1:]}
    first = [chain for name, chain in chains.items() if name not in needed]
    folder, lines = results / BATCHES / "<time>", []
    for elements in _arrays(first):
        words = client.sbatch_words(folder, len(elements), chosen)
        lines += [f"# {shown(folder / SCRIPT)}, submitted by", f"# {shlex.join(words)}"]
        lines.append(client.array_script(folder, chosen.slurm_args))
        for index, chain in enumerate(elements):
            lines += [f"# element {index}", *(shlex.join(job.argv) for job in chain)]
    return "\n".join(lines)


class SlurmLauncher:
    """A launcher (see runner.launch.interface) over the client commands of SLURM.

    What is submitted between two looks at the queue goes into one array. A chain is submitted as a
    whole with its first job; its other jobs are followed there when their turn comes.
    """

    leaves_running = True  # what runs when the runner is stopped

    def __init__(self, jobs: Sequence[Job], results: Path, chosen: Namespace) -> None:
        """
        Args:
            jobs: what will be submitted.
            results: folder that takes what is submitted.
            chosen: the command line, for --slurm-args and --max-jobs.

        Raises:
            UserError: SLURM's commands are not here, or the environment's interval is no number.
        """
        client.require_client()
        given = os.environ.get("PROMPTLAB_SLURM_INTERVAL") or INTERVAL
        try:
            self._interval = float(given)
        except ValueError as error:
            why = "must be a number, seconds"
            raise UserError(f"PROMPTLAB_SLURM_INTERVAL {given}: {why}") from error
        self._chains = _chains(jobs)
        needed = sum(len(chain) - 1 for chain in self._chains.values())
        self.width = min(chosen.max_jobs or len(jobs), len(jobs) - needed)
        self._arrays = Arrays(results)
        self._chosen = chosen
        self._waiting: dict[str, tuple[int, Job]] = {}
        self._following: dict[str, tuple[Job, Element]] = {}
        self._chained: dict[Path, Element] = {}  # by console, where jobs are whose training is
        self._next_look = 0.0

    def submit(self, job: Job, priority: int) -> None:
        if element := self._chained.pop(job.console, None):
            self._following[job.name] = (job, element)
        else:
            self._waiting[job.name] = (priority, job)

    def poll(self) -> list[Change]:
        if time.monotonic() < self._next_look:
            return []
        changes = []
        if self._arrays.look() and self._waiting:
            changes = self._adopt()
            self._submit_waiting()
        for job, element in list(self._following.values()):
            if change := element.change(job):
                changes.append(change)
                if change.ended:
                    del self._following[job.name]
        self._next_look = time.monotonic() + self._interval
        return changes

    def cancel(self, hurry: Callable[[], bool]) -> None:
        """Leave the queue alone, which runs on without a runner, and say how to end it."""
        numbers = dict.fromkeys(element.array for _, element in self._following.values())
        if numbers:
            print(
                f"SLURM goes on with array {', '.join(numbers)}; the same command watches again, "
                f"`scancel {' '.join(numbers)}` ends it"
            )

    def _adopt(self) -> list[Change]:
        """Find waiting jobs in what is queued, and return those that may not run."""
        adopted, refused = 0, []
        for _, job in list(self._waiting.values()):
            element = self._arrays.find(job)
            if element and job.argv in [each.argv for each in element.chain]:
                self._follow(job, element)
                adopted += 1
            elif code := Code.OTHER_SETTINGS if element else refusal(job):
                refused.append(Change(job, True, code))
                del self._waiting[job.name]
        if adopted:
            which = "1 job is" if adopted == 1 else f"{adopted} jobs are"
            print(f"{which} with SLURM already")
        return refused

    def _submit_waiting(self) -> None:
        """
        Raises:
            UserError: sbatch has refused; what it took before stays queued.
        """
        ordered = sorted(self._waiting.values(), key=lambda each: each[0])
        for part in _arrays([self._chains[job.name] for _, job in ordered]):
            for element in self._submit(part):
                self._follow(element.chain[0], element)

    def _follow(self, job: Job, element: Element) -> None:
        del self._waiting[job.name]
        self._following[job.name] = (job, element)
        first, *others = element.chain
        if first.console == job.console:
            self._chained |= {each.console: element for each in others}

    def _submit(self, chains: Sequence[Chain]) -> list[Element]:
        folder = make_batch(self._arrays.batches, chains)
        script, count = folder / SCRIPT, len(chains)
        script.write_text(client.array_script(folder, self._chosen.slurm_args))
        script.chmod(0o755)
        array = client.sbatch(client.sbatch_words(folder, count, self._chosen))
        elements = self._arrays.add(array, folder, chains)
        jobs = sum(map(len, chains))
        print(
            f"submitted array {array}: {count} element{'' if count == 1 else 's'} "
            f"for {jobs} job{'' if jobs == 1 else 's'}, script {shown(script)}"
        )
        return elements


def _chains(jobs: Sequence[Job]) -> dict[str, Chain]:
    """Return by name each job, followed by those that need it."""
    follow = followers(jobs)
    return {job.name: (job, *follow.get(job.name, ())) for job in jobs}


def _arrays(chains: Sequence[Chain]) -> list[Sequence[Chain]]:
    """Divide chains among arrays as large as the site allows."""
    largest = client.max_array_size() if chains else 1
    return [chains[at : at + largest] for at in range(0, len(chains), largest)]
