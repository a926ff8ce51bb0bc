"""Which places can take a job: GPUs, or CPU workers on a machine without one."""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError

_PATIENCE = 10.0  # seconds for nvidia-smi, which a broken driver holds for ever


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time: a name, which slots of one GPU share, and what it adds to the
    job's environment."""

    name: str
    environment: Mapping[str, str]


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
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except FileNotFoundError:
        return Machine((), {}, "nvidia-smi not found")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Machine((), {}, f"{error}; CUDA_VISIBLE_DEVICES=0 names a GPU without it")
    if asked.returncode:
        said = (asked.stderr or asked.stdout).strip() or f"exit code {asked.returncode}"
        return Machine((), {}, f"nvidia-smi: {said.splitlines()[-1]}")
    indices = tuple(word for word in asked.stdout.split() if word.isdigit())
    # nvidia-smi numbers by bus; CUDA by speed unless told otherwise.
    return Machine(indices, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "nvidia-smi lists none")


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


def make_slots(
    machine: Machine, gpus: Sequence[str], *, jobs_per_gpu: int | None, num_jobs: int
) -> list[Slot]:
    """Return the slots: `jobs_per_gpu` (default 1) on each GPU, or that many CPU workers (default
    one per core, no more than jobs and free gigabytes), which share the cores evenly."""
    if gpus:
        return [
            Slot(f"GPU {gpu}", {**machine.environment, "CUDA_VISIBLE_DEVICES": gpu})
            for _ in range(jobs_per_gpu or 1)
            for gpu in gpus
        ]
    cores = count_cores()
    workers = jobs_per_gpu or max(1, min(cores, num_jobs, free_gigabytes()))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(max(1, cores // workers))}
    return [Slot(f"CPU worker {number}", environment) for number in range(workers)]


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
