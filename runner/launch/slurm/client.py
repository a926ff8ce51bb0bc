"""SLURM's client commands: what they are asked and what their answers mean."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.errors import UserError
from runner.launch.slurm.batch import SCRIPT
from runner.plan.arguments import option_names

DEFAULT_MAX_ARRAY = 1001  # SLURM's own
LIVE = {
    *("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"),
    *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESIZING", "STAGE_OUT"),
    *("RESV_DEL_HOLD",),
}
AT_WORK = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_TIMEOUT = 120
_GPUS = {"--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket"}
_GPU_VARIABLES = ("SBATCH_GRES", "SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK")

# What the node runs. SBATCH_* variables and --slurm-args overrule its #SBATCH lines. A day, since
# many sites refuse an array without a limit.
_SCRIPT = """\
#!/bin/sh
#SBATCH --job-name=promptlab
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
{gpu}#SBATCH --time=1440
exec {python} -c {start} {repo} {folder}
"""
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from runner.launch.slurm.element import main; "
    "sys.exit(main(sys.argv[2]))"
)


def _speak_of_gpus(words: Sequence[str]) -> bool:
    """Return whether words of --slurm-args, or SBATCH_ variables, say which GPUs an element gets:
    what they say adds to a --gres in the script, while other options take its place."""
    return bool(option_names(words) & _GPUS) or any(map(os.environ.get, _GPU_VARIABLES))


def array_script(folder: Path, extra: Sequence[str]) -> str:
    """Return the script of an array, whose elements get a GPU each where `extra`, the words of
    --slurm-args, say nothing of GPUs."""
    repo = Path(__file__).resolve().parents[3]
    return _SCRIPT.format(
        gpu="" if _speak_of_gpus(extra) else "#SBATCH --gres=gpu:1\n",
        python=shlex.quote(sys.executable),
        start=shlex.quote(_START),
        repo=shlex.quote(str(repo)),
        folder=shlex.quote(str(folder)),
    )


def sbatch_words(folder: Path, size: int, chosen: Namespace) -> list[str]:
    """Return the command that submits the script in the folder of a batch of `size` elements, by
    --max-jobs and --slurm-args of the command line."""
    most = f"%{chosen.max_jobs}" if chosen.max_jobs else ""
    output = str(folder).replace("%", "%%") + "/element-%a.txt"
    words = ["sbatch", "--parsable", f"--array=0-{size - 1}{most}"]
    words += [f"--chdir={os.getcwd()}", f"--output={output}", *chosen.slurm_args]
    return [*words, str(folder / SCRIPT)]


def sbatch(words: Sequence[str]) -> str:
    """Submit an array and return its job id.

    Raises:
        UserError: with what sbatch said.
    """
    done = _ask(*words)
    if done is None:
        raise UserError(f"sbatch has not answered for {_TIMEOUT} s; try again later")
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        said = "; ".join(line.removeprefix("sbatch: error: ") for line in lines if line)
        raise UserError(f"sbatch refused: {said or 'without a word'}")
    return done.stdout.strip().splitlines()[-1].partition(";")[0].strip()


def squeue(jobs: Iterable[str]) -> dict[str, dict[int, str]] | None:
    """Return the states of the elements of arrays in SLURM's words, by job id and index; what it
    has forgotten is not there. None: SLURM cannot be asked now."""
    found: dict[str, dict[int, str]] = {job: {} for job in jobs}
    if not found:
        return {}
    done = _ask("squeue", "-h", "-r", "--states=all", "-o", "%i|%T", "-j", ",".join(found))
    if done is None or (done.returncode and "Invalid job id" not in done.stderr):
        return None
    for line in done.stdout.splitlines():
        element, _, state = line.strip().partition("|")
        job, _, index = element.partition("_")
        if job in found and index.isdecimal():
            found[job][int(index)] = state
    return found


def max_array_size() -> int:
    """Return how many elements an array may have on this site."""
    done = _ask("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE) if done else None
    return max(1, int(found[1])) if found else DEFAULT_MAX_ARRAY


def require_client() -> None:
    """
    Raises:
        UserError: SLURM's commands are not here.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel") if not shutil.which(name)]
    if missing:
        raise UserError(
            f"--launcher slurm: {', '.join(missing)} not found; run on a login node of the cluster"
        )


def _ask(*words: str) -> "subprocess.CompletedProcess[str] | None":
    """Run a command; None if it cannot be run or does not answer."""
    try:
        # In a session of its own: Ctrl-C in the terminal must not end sbatch half-way.
        return subprocess.run(
            words, capture_output=True, text=True, timeout=_TIMEOUT, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
