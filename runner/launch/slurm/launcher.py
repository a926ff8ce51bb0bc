"""Run jobs as SLURM arrays. What has been done is told by files; SLURM is asked what waits.

Nothing here needs to stay alive: what is queued runs without the runner, and the same command
started again finds it by `<results>/slurm`.
"""

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import shown
from runner.launch.interface import OTHER_SETTINGS, Change, refusal
from runner.launch.schedule import followers
from runner.launch.slurm import client
from runner.launch.slurm.arrays import BATCHES, Array, Arrays
from runner.launch.slurm.batch import SCRIPT, Chain, Task, make_batch
from runner.launch.slurm.options import Seconds, resources
from runner.plan.arguments import Arguments
from runner.plan.jobs import Job

INTERVAL = 10.0  # seconds between two questions to SLURM, whom everybody asks


def check_interval() -> float:
    """Return the seconds between two looks at the queue.

    Raises:
        UserError: the environment names none.
    """
    given = os.environ.get("PROMPTLAB_SLURM_INTERVAL") or INTERVAL
    try:
        return float(given)
    except ValueError as error:
        raise UserError(f"PROMPTLAB_SLURM_INTERVAL {given}: must be a number, seconds") from error


def scripts(jobs: Sequence[Job], results: Path, chosen: Arguments, seconds: Seconds) -> str:
    """Return what would be submitted for jobs: each array's script, how it is submitted, and the
    commands of its elements."""
    chains = _chains(jobs)
    needed = {task.console for chain in chains.values() for task in chain[1:]}
    first = [chain for chain in chains.values() if chain[0].console not in needed]
    folder, lines = results / BATCHES / "<time>", []
    for elements, limit in _arrays(first, chosen.max_jobs):
        words = client.sbatch_words(folder, len(elements), limit, chosen.slurm_args)
        lines += [f"# {shown(folder / SCRIPT)}, submitted by", f"# {shlex.join(words)}"]
        lines.append(client.array_script(folder, resources(elements, chosen.slurm_args, seconds)))
        for index, chain in enumerate(elements):
            lines += [f"# element {index}", *(shlex.join(task.argv) for task in chain)]
    return "\n".join(lines)


class SlurmLauncher:
    """A launcher (see runner.launch.interface) over the client commands of SLURM.

    What is submitted between two looks at the queue goes into one array. A chain is submitted as a
    whole with its first job; its other jobs are followed there when their turn comes.
    """

    leaves_running = True  # what runs when the runner is stopped

    def __init__(
        self, jobs: Sequence[Job], results: Path, chosen: Arguments, seconds: Seconds
    ) -> None:
        """
        Args:
            jobs: what will be submitted.
            results: folder that takes what is submitted.
            chosen: the command line, for --slurm-args and --max-jobs.

        Raises:
            UserError: SLURM's commands are not here.
        """
        client.require_client()
        self._interval = check_interval()
        self._chains = _chains(jobs)
        needed = sum(len(chain) - 1 for chain in self._chains.values())
        self.width = min(chosen.max_jobs or len(jobs), len(jobs) - needed)
        self._arrays = Arrays(results)
        self._chosen = chosen
        self._seconds = seconds
        self._waiting: dict[str, tuple[int, Job]] = {}
        self._following: dict[str, tuple[Job, Array]] = {}
        self._chained: dict[Path, Array] = {}  # by console, where jobs are whose training is there
        self._next_look = 0.0

    def submit(self, job: Job, priority: int) -> None:
        if array := self._chained.pop(job.console, None):
            self._following[job.name] = (job, array)
        else:
            self._waiting[job.name] = (priority, job)

    def poll(self) -> list[Change]:
        if time.monotonic() < self._next_look:
            return []
        changes = []
        if self._arrays.look() and self._waiting:
            changes = self._place()
        for job, array in list(self._following.values()):
            if change := array.change(job):
                changes.append(change)
                if change.ended:
                    del self._following[job.name]
        self._next_look = time.monotonic() + self._interval
        return changes

    def cancel(self, hurry: Callable[[], bool]) -> None:
        """Leave the queue alone, which runs on without a runner, and say how to end it."""
        numbers = dict.fromkeys(array.job for _, array in self._following.values())
        if numbers:
            print(
                f"SLURM goes on with array {', '.join(numbers)}; the same command watches again, "
                f"`scancel {' '.join(numbers)}` ends it"
            )
        self._following.clear()
        self._waiting.clear()

    def _place(self) -> list[Change]:
        """Find every waiting job in what is queued, or submit it; return those that may not run.

        Raises:
            UserError: sbatch has refused; what it took before stays queued.
        """
        adopted, refused = 0, []
        for _, job in list(self._waiting.values()):
            array = self._arrays.find(job)
            if array and array.is_same(job):
                self._follow(job, array)
                adopted += 1
            elif code := OTHER_SETTINGS if array else refusal(job):
                refused.append(Change(job, True, code))
            else:
                continue
            del self._waiting[job.name]
        if adopted:
            which = "1 job is" if adopted == 1 else f"{adopted} jobs are"
            print(f"{which} with SLURM already")
        jobs = [job for _, job in sorted(self._waiting.values(), key=lambda each: each[0])]
        chains = [self._chains[job.name] for job in jobs]
        for elements, limit in _arrays(chains, self._chosen.max_jobs):
            array = self._submit(elements, limit)
            for _ in elements:
                job = jobs.pop(0)
                del self._waiting[job.name]
                self._follow(job, array)
        return refused

    def _follow(self, job: Job, array: Array) -> None:
        self._following[job.name] = (job, array)
        self._chained |= dict.fromkeys(array.behind(job), array)

    def _submit(self, elements: Sequence[Chain], limit: int | None) -> Array:
        folder = make_batch(self._arrays.batches, elements)
        script = folder / SCRIPT
        asked = resources(elements, self._chosen.slurm_args, self._seconds)
        script.write_text(client.array_script(folder, asked))
        script.chmod(0o755)
        count = len(elements)
        words = client.sbatch_words(folder, count, limit, self._chosen.slurm_args)
        array = self._arrays.add(client.sbatch(words, asked), folder, elements)
        jobs = sum(map(len, elements))
        print(
            f"submitted array {array.job}: {count} element{'' if count == 1 else 's'} "
            f"for {jobs} job{'' if jobs == 1 else 's'}, script {shown(script)}"
        )
        return array


def _chains(jobs: Sequence[Job]) -> dict[str, Chain]:
    """Return by name each job's task, followed by those of the jobs that need it."""
    follow = followers(jobs)
    return {
        job.name: tuple(Task.of(vars(each)) for each in (job, *follow.get(job.name, ())))
        for job in jobs
    }


def _arrays(
    chains: Sequence[Chain], max_jobs: int | None
) -> Iterator[tuple[Sequence[Chain], int | None]]:
    """Divide chains among arrays as large as the site allows, each with its share of --max-jobs."""
    largest = client.max_array_size() if chains else 1
    parts = [chains[at : at + largest] for at in range(0, len(chains), largest)]
    for at, part in enumerate(parts):
        yield part, max_jobs and max(1, (max_jobs + len(parts) - 1 - at) // len(parts))
