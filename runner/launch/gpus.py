"""Which places can take a job: GPUs, or CPU workers on a machine without one."""

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.errors import UserError

_MEMORY_OF_A_RUN = 2**30  # bytes, about, on a CPU
_PATIENCE = 10.0  # seconds for nvidia-smi, which a broken driver holds for ever


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time: a name, which slots of one GPU share, and what it adds to the
    job's environment."""

    name: str
    environment: Mapping[str, str]


def find_slots(
    indices: Sequence[int], *, jobs_per_gpu: int | None, num_jobs: int
) -> tuple[list[Slot], str]:
    """Return the places for jobs: on every GPU or those that `--gpus` names, else CPU workers; and
    where they are, in words.

    Raises:
        UserError: no such GPU, or one named twice.
    """
    found, why_none = _visible_gpus()
    if indices and not found:
        raise UserError(f"--gpus: no GPU here ({why_none}); leave --gpus out to run on CPU")
    if not found:
        slots = cpu_workers(jobs_per_gpu, num_jobs)
        workers = "1 CPU worker" if len(slots) == 1 else f"{len(slots)} CPU workers"
        return slots, f"on {workers} (no GPU: {why_none})"
    gpus, each = _chosen(found, indices), jobs_per_gpu or 1
    # nvidia-smi, which was asked without the variable, numbers by bus; CUDA by speed.
    by_bus = "CUDA_VISIBLE_DEVICES" not in os.environ
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if by_bus else {}
    slots = [Slot(f"GPU {gpu}", {**order, "CUDA_VISIBLE_DEVICES": gpu}) for gpu in gpus * each]
    names = f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({', '.join(gpus)})"
    return slots, f"on {names}, {each} at a time on each" if each > 1 else f"on {names}"


def _visible_gpus() -> tuple[list[str], str]:
    """Return what CUDA_VISIBLE_DEVICES allows, where it is set, else what nvidia-smi lists; and why
    there are none, if so."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA stops at the first entry that names no device.
        entries = [word.strip() for word in visible.split(",")]
        gpus = itertools.takewhile(lambda word: word not in ("", "-1", "NoDevFiles"), entries)
        return list(gpus), f"CUDA_VISIBLE_DEVICES is '{visible}'"
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except FileNotFoundError:
        return [], "nvidia-smi not found"
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"{error}; CUDA_VISIBLE_DEVICES=0 names a GPU without it"
    if asked.returncode:
        said = (asked.stderr or asked.stdout).strip() or f"exit code {asked.returncode}"
        return [], f"nvidia-smi: {said.splitlines()[-1]}"
    return [word for word in asked.stdout.split() if word.isdigit()], "nvidia-smi lists none"


def _chosen(gpus: list[str], indices: Sequence[int]) -> list[str]:
    wrong = [
        f"--gpus {index}: no such GPU; there are {len(gpus)}, counted from 0"
        for index in indices
        if index >= len(gpus)
    ]
    if len(set(indices)) < len(indices):
        wrong.append("--gpus names a GPU twice; --jobs-per-gpu puts several jobs on each")
    if wrong:
        raise UserError(wrong)
    return [gpus[index] for index in indices] or gpus


def cpu_workers(number: int | None, num_jobs: int) -> list[Slot]:
    """Return CPU workers, which share the cores evenly: by default one per core, no more than jobs
    and free memory allow."""
    from joblib import cpu_count  # knows what affinity and a container's quota leave

    from machine import free_memory

    cores = cpu_count()
    number = number or max(1, min(cores, num_jobs, free_memory() // _MEMORY_OF_A_RUN))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(max(1, cores // number))}
    return [Slot(f"CPU worker {each}", environment) for each in range(number)]
