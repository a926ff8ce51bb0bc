"""Which places can take a job: GPUs, or CPU workers on a machine without one."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError

# What a run takes of a GPU besides its tensors, MiB: the CUDA context and the code of its kernels
# and libraries; and how much more than its tensors the allocator holds.
CONTEXT_MB = 700.0
SLACK = 1.2

_PATIENCE = 10.0  # seconds for nvidia-smi, which a broken driver holds for ever


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time: a name and what it adds to the job's environment; slots of one
    device share its memory."""

    name: str
    environment: Mapping[str, str]
    device: str = ""


@dataclass(frozen=True)
class Machine:
    """The GPUs of this machine as values for CUDA_VISIBLE_DEVICES; why there are none, if so."""

    gpus: tuple[str, ...]
    environment: Mapping[str, str]
    why_none: str = ""


def find_gpus() -> Machine:
    """Return what CUDA_VISIBLE_DEVICES allows, where it is set, else what nvidia-smi lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA stops at the first entry that names no device.
        gpus = []
        for entry in (word.strip() for word in visible.split(",")):
            if entry in ("", "-1", "NoDevFiles"):
                break
            gpus.append(entry)
        return Machine(tuple(gpus), {}, f"CUDA_VISIBLE_DEVICES is '{visible}'")
    program = shutil.which("nvidia-smi")
    if program is None:
        return Machine((), {}, "nvidia-smi not found")
    try:
        answer = _ask([program, "--query-gpu=index", "--format=csv,noheader"])
    except subprocess.TimeoutExpired:
        why = f"nvidia-smi gave no answer in {_PATIENCE:.0f} s"
        return Machine((), {}, f"{why}; CUDA_VISIBLE_DEVICES=0 names a GPU without it")
    except OSError as error:
        return Machine((), {}, f"nvidia-smi: {error}")
    if answer.returncode:
        lines = (answer.stderr or answer.stdout).strip().splitlines()
        return Machine((), {}, f"nvidia-smi: {lines[-1] if lines else 'failed'}")
    indices = tuple(line.strip() for line in answer.stdout.splitlines() if line.strip().isdigit())
    # nvidia-smi numbers by bus; CUDA by speed unless told otherwise.
    return Machine(indices, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "nvidia-smi lists none")


def _ask(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Return what a program says.

    Raises:
        TimeoutExpired: it gave no answer; it is killed, but not waited for, since in a call to a
            broken driver it would not end.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def choose_gpus(machine: Machine, indices: Sequence[int]) -> tuple[str, ...]:
    """Return the GPUs that `--gpus` names, all without it.

    Raises:
        UserError: no such GPU, or one named twice.
    """
    if not indices:
        return machine.gpus
    if not machine.gpus:
        raise UserError(f"--gpus: no GPU here ({machine.why_none}); leave --gpus out to run on CPU")
    wrong = [
        f"--gpus {index}: no such GPU; there are {len(machine.gpus)}, counted from 0"
        for index in indices
        if index >= len(machine.gpus)
    ]
    if len(set(indices)) < len(indices):
        wrong.append("--gpus names a GPU twice; --jobs-per-gpu puts several jobs on each")
    if wrong:
        raise UserError(wrong)
    return tuple(machine.gpus[index] for index in indices)


def free_memory(machine: Machine, gpus: Sequence[str]) -> dict[str, float]:
    """Return the free MiB of each GPU of which nvidia-smi says it."""
    program = shutil.which("nvidia-smi")
    if program is None or not gpus:
        return {}
    words = ["--query-gpu=index,uuid,name,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = _ask([program, *words])
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = [[word.strip() for word in line.split(",")] for line in answer.stdout.splitlines()]
    rows = [row for row in rows if len(row) == 4 and row[3].isdigit()]
    free = {}
    order = {**os.environ, **machine.environment}.get("CUDA_DEVICE_ORDER")
    same_numbers = order == "PCI_BUS_ID" or len({name for _, _, name, _ in rows}) == 1
    for index, uuid, _, number in rows:
        for gpu in gpus:
            # CUDA takes the beginning of a UUID as well.
            if (gpu == index and same_numbers) or (not gpu.isdigit() and uuid.startswith(gpu)):
                free[gpu] = float(number)
    return free


def need_mb(peak: float) -> float:
    """Return the MiB of a GPU to count on for a run whose tensors took `peak`."""
    return peak * SLACK + CONTEXT_MB


def with_room(
    gpus: Sequence[str], free: Mapping[str, float], least: float | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return the GPUs that can take a run, and a line for each that others have filled.

    Args:
        least: MiB that the smallest of the runs needs; None if that is not known.

    Raises:
        UserError: none is left.
    """
    needed = CONTEXT_MB if least is None else least
    full = [gpu for gpu in gpus if free.get(gpu, needed) < needed]
    why = "CUDA itself takes" if least is None else "a run has needed"
    lines = [f"GPU {gpu}: {free[gpu]:.0f} MiB free, {why} about {needed:.0f}" for gpu in full]
    if gpus and len(full) == len(gpus):
        raise UserError([f"{line}; wait, or name another one with --gpus" for line in lines])
    return tuple(gpu for gpu in gpus if gpu not in full), [f"{line}; left out" for line in lines]


def make_slots(
    machine: Machine, gpus: Sequence[str], *, jobs_per_gpu: int | None, num_jobs: int
) -> list[Slot]:
    """Return the slots: `jobs_per_gpu` (default 1; 0: as many as there are cores for) on each GPU,
    or that many CPU workers (default one per core, no more than jobs and free gigabytes), which
    share the cores evenly."""
    if gpus:
        number = 1 if jobs_per_gpu is None else jobs_per_gpu or _most_per_gpu(len(gpus), num_jobs)
        return [
            Slot(name, {**machine.environment, "CUDA_VISIBLE_DEVICES": gpu}, name)
            for _ in range(number)
            for gpu, name in ((gpu, f"GPU {gpu}") for gpu in gpus)
        ]
    cores = count_cores()
    workers = jobs_per_gpu or max(1, min(cores, num_jobs, free_gigabytes()))
    environment = {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(max(1, cores // workers)),
    }
    return [Slot(f"CPU worker {number}", environment, "the CPU") for number in range(workers)]


def _most_per_gpu(num_gpus: int, num_jobs: int) -> int:
    """A run keeps one core busy with what it asks of the GPU."""
    return max(1, min(count_cores(), num_jobs) // num_gpus)


def free_gigabytes() -> int:
    """Return the memory that new processes can have; a run on CPU takes about one gigabyte."""
    with contextlib.suppress(OSError):  # there is no /proc on macOS
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 2**20
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**30


def count_cores() -> int:
    """Return the cores that this process may use, a container's quota included."""
    own = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(own(0)) if own else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores
