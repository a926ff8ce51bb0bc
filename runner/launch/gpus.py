"""Which places can take a job: GPUs, or CPU workers on a machine without one."""

import contextlib
import itertools
import math
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError
from runner.launch.processes import signal_group

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
        entries = [word.strip() for word in visible.split(",")]
        gpus = itertools.takewhile(lambda word: word not in ("", "-1", "NoDevFiles"), entries)
        return Machine(tuple(gpus), {}, f"CUDA_VISIBLE_DEVICES is '{visible}'")
    try:
        answer = _ask_nvidia_smi("--query-gpu=index", "--format=csv,noheader")
    except FileNotFoundError:
        return Machine((), {}, "nvidia-smi not found")
    except subprocess.TimeoutExpired:
        why = f"nvidia-smi gave no answer in {_PATIENCE:.0f} s"
        return Machine((), {}, f"{why}; CUDA_VISIBLE_DEVICES=0 names a GPU without it")
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or getattr(error, "output", "") or str(error)
        return Machine((), {}, f"nvidia-smi: {said.strip().splitlines()[-1]}")
    indices = tuple(word for word in answer.split() if word.isdigit())
    # nvidia-smi numbers by bus; CUDA by speed unless told otherwise.
    return Machine(indices, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "nvidia-smi lists none")


def _ask_nvidia_smi(*words: str) -> str:
    """Return what nvidia-smi says.

    Raises:
        OSError: it is not there or cannot be run.
        CalledProcessError: it has failed.
        TimeoutExpired: it gave no answer; it is killed, but not waited for, since in a call to a
            broken driver it would not end.
    """
    command = ["nvidia-smi", *words]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGKILL)
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    return out


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
    words = ("--query-gpu=index,uuid,name,memory.free", "--format=csv,noheader,nounits")
    try:
        answer = _ask_nvidia_smi(*words) if gpus else ""
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [[word.strip() for word in line.split(",")] for line in answer.splitlines()]
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


def need_mb(peak: float | None) -> float:
    """Return the MiB of a GPU to count on for a run whose tensors took `peak`; infinite where that
    is not known."""
    return math.inf if peak is None else peak * SLACK + CONTEXT_MB


def with_room(gpus: Sequence[str], free: Mapping[str, float], least: float) -> tuple[str, ...]:
    """Return the GPUs that can take a run, and name each that others have filled.

    Args:
        least: MiB that the smallest of the runs needs; infinite if that is not known.

    Raises:
        UserError: none is left.
    """
    needed, why = (least, "a run has needed") if least < math.inf else (CONTEXT_MB, "CUDA takes")
    full = {
        gpu: f"GPU {gpu}: {free[gpu]:.0f} MiB free, {why} about {needed:.0f}"
        for gpu in gpus
        if free.get(gpu, needed) < needed
    }
    if gpus and len(full) == len(gpus):
        remedy = "wait, or name another one with --gpus"
        raise UserError([f"{line}; {remedy}" for line in full.values()])
    for line in full.values():
        print(f"{line}; left out")
    return tuple(gpu for gpu in gpus if gpu not in full)


def make_slots(
    machine: Machine, gpus: Sequence[str], *, jobs_per_gpu: int | None, num_jobs: int
) -> list[Slot]:
    """Return the slots: `jobs_per_gpu` (default 1; 0: as many as there are cores for) on each GPU,
    or that many CPU workers (default one per core, no more than jobs and free gigabytes), which
    share the cores evenly."""
    if gpus:
        # A run keeps one core busy with what it asks of the GPU.
        most = max(1, min(count_cores(), num_jobs) // len(gpus))
        number = 1 if jobs_per_gpu is None else jobs_per_gpu or most
        return [
            Slot(f"GPU {gpu}", {**machine.environment, "CUDA_VISIBLE_DEVICES": gpu}, f"GPU {gpu}")
            for _ in range(number)
            for gpu in gpus
        ]
    cores = count_cores()
    workers = jobs_per_gpu or max(1, min(cores, num_jobs, free_gigabytes()))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(max(1, cores // workers))}
    return [Slot(f"CPU worker {number}", environment, "the CPU") for number in range(workers)]


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
