"""Run commands as SLURM arrays. What has been done is told by files; SLURM is asked what waits.

Nothing here needs to stay alive: what is queued runs without the runner, and the same command
started again finds it by `<results>/slurm.json`.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import shown
from runner.launch.local import OTHER_SETTINGS, Command, State, Status
from runner.launch.slurm import client
from runner.launch.slurm.arrays import Array, Arrays
from runner.launch.slurm.batch import Chain, Element, Place, Task, make_batch
from runner.launch.slurm.options import Options, resources
from runner.launch.slurm.state import StateFile
from runner.plan.jobs import Job

INTERVAL = 10.0  # seconds between two questions to SLURM, whom everybody asks


def make_chains(jobs: Sequence[Job]) -> dict[Path, Chain]:
    """Return by console each job's task, followed by those of the jobs that need it."""
    tasks = {job.name: Task(job.argv, job.console, job.folder, job.key) for job in jobs}
    followers: dict[str, list[Task]] = {job.name: [] for job in jobs}
    for job in jobs:
        if job.needs and job.needs.name in followers:
            followers[job.needs.name].append(tasks[job.name])
    return {job.console: (tasks[job.name], *followers[job.name]) for job in jobs}


def make_launcher(
    jobs: Sequence[Job],
    results: Path,
    options: Options,
    seconds: Callable[[Sequence[str]], float | None] = lambda argv: None,
) -> "SlurmLauncher":
    """Return a launcher for jobs and those that need them.

    Args:
        results: folder of slurm.json.
        seconds: how long a command has taken before, if that is known.

    Raises:
        UserError: SLURM's commands are not here.
    """
    client.require_client()
    given = os.environ.get("PROMPTLAB_SLURM_INTERVAL") or str(INTERVAL)
    try:
        interval = float(given)
        if not 0 <= interval < float("inf"):
            raise ValueError
    except ValueError as error:
        raise UserError(
            f"PROMPTLAB_SLURM_INTERVAL {given}: must be a number of seconds, such as {INTERVAL:g}"
        ) from error
    return SlurmLauncher(
        results,
        make_chains(jobs),
        options,
        seconds=lambda task: seconds(task.argv),
        interval=interval,
    )


class SlurmLauncher:
    """A launcher (see runner.launch.local) over the client commands of SLURM.

    What is submitted between two looks at the queue goes into one array. A chain is submitted as a
    whole with its first command; its other commands are found there when their turn comes.
    """

    leaves_running = True  # what runs when the runner is stopped

    def __init__(
        self,
        results: Path,
        chains: Mapping[Path, Chain],
        options: Options,
        *,
        seconds: Callable[[Task], float | None] = lambda task: None,
        interval: float = INTERVAL,
        say: Callable[[str], None] = print,
    ) -> None:
        """
        Args:
            results: folder of slurm.json.
            chains: by console, a command and those that follow it in the same element.
            seconds: how long a task has taken before, if that is known.
            interval: seconds between two looks at the queue.
            say: takes lines for the person who watches.
        """
        followers = {task.console for chain in chains.values() for task in chain[1:]}
        at_once = (options.max_jobs or len(chains)) * options.per_element
        self.width = min(at_once, len(chains) - len(followers))
        self._state = StateFile(results)
        self._arrays = Arrays(self._state, say)
        self._chains = chains
        self._options = options
        self._seconds = seconds
        self._interval = interval
        self._say = say
        self._waiting: dict[int, Command] = {}
        self._following: dict[int, tuple[Array, Place]] = {}
        self._statuses: dict[int, Status] = {}
        self._next_id = 0
        self._next_look = 0.0
        self._max_array = 0

    def submit(self, command: Command) -> int:
        self._next_id += 1
        self._waiting[self._next_id] = command
        self._statuses[self._next_id] = Status(State.PENDING)
        return self._next_id

    def poll(self) -> dict[int, Status]:
        if time.monotonic() >= self._next_look:
            with self._state.locked():
                answered = self._arrays.look()
                if answered and self._waiting:
                    self._place()
            for number, (array, place) in self._following.items():
                self._statuses[number] = array.status(place)
            self._next_look = time.monotonic() + self._interval
        told = dict(self._statuses)
        for number, status in told.items():
            if status.state is State.GONE:
                del self._statuses[number]
                if number in self._following:
                    self._tell_end(*self._following.pop(number), status)
        return told

    def withdraw(self, number: int) -> bool:
        if self._statuses.get(number) != Status(State.PENDING):
            return False
        if number in self._following:
            array, place = self._following[number]
            if len(array.batch.elements[place.element]) > 1:
                return False  # other chains share the element
            client.scancel(array.entry.job, place.element)
            del self._following[number]
        self._waiting.pop(number, None)
        del self._statuses[number]
        return True

    def cancel(self, hurry: Callable[[], bool]) -> None:
        """Leave the queue alone, which runs on without a runner, and say how to end it."""
        jobs = dict.fromkeys(array.entry.number for array, _ in self._following.values())
        if jobs:
            self._say(
                f"SLURM goes on with array {', '.join(jobs)}; the same command watches again, "
                f"`scancel {' '.join(jobs)}` ends it"
            )
        self._following.clear()
        self._waiting.clear()

    def _tell_end(self, array: Array, place: Place, status: Status) -> None:
        array.told.add(place.number)
        if status.exit_code is None:
            array.explain(place)

    def _place(self) -> None:
        """Find every waiting command in what is queued, or submit it."""
        adopted = 0
        for number, command in list(self._waiting.items()):
            found = self._arrays.find(command.console)
            if found and found[1].task.argv == command.argv:
                self._following[number] = found
                adopted += not found[0].own
            elif refused := OTHER_SETTINGS if found else _refusal(command):
                self._statuses[number] = Status(State.GONE, refused)
            else:
                continue
            del self._waiting[number]
        if adopted:
            which = "1 job is" if adopted == 1 else f"{adopted} jobs are"
            self._say(f"{which} with SLURM already")
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        """
        Raises:
            UserError: sbatch has refused; what it took before stays queued.
        """
        order = sorted(self._waiting, key=lambda number: (self._waiting[number].priority, number))
        chains = [self._chain(self._waiting[number]) for number in order]
        size = self._options.per_element
        elements = [tuple(chains[at : at + size]) for at in range(0, len(chains), size)]
        if not elements:
            return
        self._max_array = self._max_array or client.max_array_size()
        parts = [
            elements[at : at + self._max_array] for at in range(0, len(elements), self._max_array)
        ]
        numbers = iter(order)
        for part, limit in zip(parts, self._limits(len(parts)), strict=True):
            array = self._submit(part, limit)
            for element in part:
                for chain in element:
                    number = next(numbers)
                    del self._waiting[number]
                    self._following[number] = (array, array.places[chain[0].console])

    def _submit(self, elements: Sequence[Element], limit: int | None) -> Array:
        batch = make_batch(self._state.batches, elements)
        script = client.write_script(batch, resources(elements, self._options, self._seconds))
        words = self._options.words
        array = self._arrays.submit(batch, lambda: client.sbatch(batch, script, words, limit=limit))
        jobs = sum(len(chain) for element in elements for chain in element)
        count = len(elements)
        self._say(
            f"submitted array {array.entry.number}: {count} element{'' if count == 1 else 's'} "
            f"for {jobs} job{'' if jobs == 1 else 's'}, script {shown(script)}"
        )
        return array

    def _limits(self, parts: int) -> Iterable[int | None]:
        """Divide --max-jobs among the arrays that are submitted together."""
        most = self._options.max_jobs
        if most is None:
            return [None] * parts
        return [max(1, (most + parts - 1 - at) // parts) for at in range(parts)]

    def _chain(self, command: Command) -> Chain:
        chain = self._chains[command.console]
        assert chain[0].argv == command.argv
        return chain


def _refusal(command: Command) -> int:
    return command.refuse() if command.refuse else 0
