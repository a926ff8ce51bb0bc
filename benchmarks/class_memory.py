"""Peak memory and step time of a training against the number of classes, with and without a limit.

    python benchmarks/class_memory.py --classes 50 1000
    python benchmarks/class_memory.py --classes 50 1000 10000 --limits none 1.5G 2.5G 4G

Each cell is a process of its own that builds ViT-B/16 with random weights from a state dict, takes
training steps on random images and ends; its parent reads the peak of its resident memory when it
has ended. Beside the peak stands what `trainers.parts.rehearsal` forecasts for an unlimited step:
bytes of tensors, to which what the imports take is added. A cell whose forecast is over `--most` is
left out. `--limits` are taken in turn for each number of classes: every one of them is measured, or
the refusal printed where it is too little.
Beside the wall time of a step stands its CPU time, of all threads: on a busy machine with one
thread the fairer of the two. Prints a table and, with `--json FILE`, writes it. On a CPU, fp32.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
IMPORTS = "import train, trainers, datasets, dassl.engine, torch, torchvision.transforms"
REFUSED = "UserError: MODEL.MEMORY_LIMIT"  # too little for it; the rest is measured
CHILD = "--in-a-process-of-its-own"


class FailedChild(RuntimeError):
    """A process that failed; the text is the end of what it said."""


class LateChild(FailedChild):
    """It had said nothing within the time that it was given, and was ended."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended well.

    Attributes:
        said: its last line, read as JSON; {} where it printed nothing.
        peak: bytes of its resident memory at their most, or of its parent's if those are more.
        first: seconds until its first line.
        seconds: all of its time.
    """

    said: Any
    peak: int
    first: float
    seconds: float


def of_child(words: list[str], patience: float | None = None, most: int | None = None) -> Ended:
    """What a Python process says, and what it took.

    Args:
        patience: seconds within which it must print its first line.
        most: bytes of data that it may have; an allocation beyond fails. Where Linux counts them.

    Raises:
        FailedChild: it failed.
        LateChild: (a FailedChild) it was late.
    """
    environment, started = {**os.environ, "PYTHONPATH": str(ROOT)}, time.perf_counter()
    with tempfile.TemporaryFile() as wrong:
        process = subprocess.Popen(
            [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=wrong
        )
        if most and hasattr(resource, "prlimit"):
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (most, most))
        late = threading.Event()
        alarm = threading.Timer(patience or 0, lambda: (late.set(), process.kill()))
        if patience:
            alarm.start()
        assert process.stdout is not None
        said = process.stdout.readline()
        first = time.perf_counter() - started
        alarm.cancel()
        said += process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = code = os.waitstatus_to_exitcode(status)
        wrong.seek(0)
        end = wrong.read().decode(errors="replace").strip().splitlines()[-1:]
    if late.is_set():
        raise LateChild(f"no first line within {patience:.0f} s")
    if code:
        raise FailedChild(*(end or [f"ended with {code}"]))
    lines = said.decode().strip().splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    peak = usage.ru_maxrss * unit
    return Ended(json.loads(lines[-1]) if lines else {}, peak, first, seconds)


def steps(
    trainer: str, classes: int, limit: str, weights: str, count: int, patience: float = math.inf
) -> dict[str, Any]:
    """In a process of its own: the forecast, and with a count the seconds of each step; a line is
    printed after the first, and no third or later one begins after `patience` seconds."""

    from benchmarks.training_step import build, made_batch
    from trainers.parts.rehearsal import forecast

    began = time.perf_counter()
    options = ["USE_CUDA", False]
    options += ["MODEL.MEMORY_LIMIT", limit] if limit != "none" else []
    built = build(trainer, Path(weights), classes, *options)
    built.epoch, batch = 0, made_batch(built)
    if not count:
        found = forecast(built, batch)
        return {"fixed": found.fixed, "peak": found.peak}
    seconds, busy, losses = [], [], []
    for built.batch_idx in range(count):
        started, computed = time.perf_counter(), time.process_time()
        if built.batch_idx > 1 and started - began > patience:
            break
        losses.append(float(built.forward_backward(batch)["loss"]))
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - computed)
        if not built.batch_idx:
            print("{}", flush=True)
    size = len(batch["label"])
    return {"seconds": seconds, "cpu": busy, "losses": losses, "batch": size}


def medians(found: dict[str, Any]) -> dict[str, float]:
    """Seconds of a step and of the processor in it, the first step left out if there is another."""
    sides = {"step_s": "seconds", "cpu_s": "cpu"}
    return {name: statistics.median(found[of][1:] or found[of]) for name, of in sides.items()}


def write_weights(path: str) -> None:
    """In a process of its own: random weights, float32."""
    import torch

    import clip

    torch.manual_seed(0)
    torch.save(clip.CLIP(clip.CLIPDims(512, 224, 12, 768, 16)).state_dict(), path)


@contextmanager
def random_weights() -> Iterator[str]:
    """A file with random weights, as long as it is needed; this process holds none of them."""
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder, "random.pt"))
        subprocess.run([sys.executable, __file__, "--write", weights], check=True)
        yield weights


def measure(args: argparse.Namespace, weights: str) -> list[dict[str, Any]]:
    """A row for each trainer, number of classes and limit."""
    imports = of_child(["-c", f"{IMPORTS}; import os; os._exit(0)"]).peak
    rows = []
    for trainer in args.trainers:
        for classes in args.classes:
            cell = [__file__, CHILD, trainer, str(classes)]
            expected = imports + of_child([*cell, "none", weights, "0"]).said["peak"]
            for limit in args.limits:
                if limit == "none" and expected > args.most * 1024 * MIB:
                    continue
                try:
                    ended = of_child([*cell, limit, weights, str(args.steps)])
                except FailedChild as failed:
                    if REFUSED not in str(failed):
                        raise
                    print(f"{trainer:10} {classes:6} {limit:>6} {failed}", flush=True)
                    continue
                row = {
                    **{"trainer": trainer, "classes": classes, "limit": limit},
                    **{"peak_mib": ended.peak / MIB, "forecast_mib": expected / MIB},
                    **medians(ended.said),
                    "loss": ended.said["losses"][0],
                }
                rows.append(row)
                print(
                    f"{trainer:10} {classes:6} {limit:>6} {row['peak_mib']:8.0f} MiB"
                    f" {row['forecast_mib']:8.0f} MiB {row['step_s']:8.3f} s"
                    f" {row['cpu_s']:8.3f} s  {row['loss']:.6f}",
                    flush=True,
                )
    return rows


def main() -> None:
    """Measures cell by cell, prints and saves."""
    if sys.argv[1:2] == [CHILD]:
        trainer, classes, limit, weights, count, *patience = sys.argv[2:]
        found = steps(trainer, int(classes), limit, weights, int(count), *map(float, patience))
        print(json.dumps(found), flush=True)
        os._exit(0)  # what Python loads while it shuts down is no part of it
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trainers", nargs="+", default=["CoOp"])
    parser.add_argument("--classes", nargs="+", type=int, default=[50, 1000])
    parser.add_argument("--limits", nargs="+", default=["none", "1.5G", "2.5G"])
    parser.add_argument("--steps", type=int, default=6, help="the first is a warm-up; default: 6")
    parser.add_argument("--most", type=float, default=8.0, help="GiB; default: 8")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        return write_weights(args.write)
    head = ("trainer", "class", "limit", "peak", "forecast", "step", "CPU time", "first loss")
    print("{:10} {:>6} {:>6} {:>12} {:>12} {:>10} {:>10}  {}".format(*head), flush=True)
    with random_weights() as weights:
        try:
            rows = measure(args, weights)
        except FailedChild as failed:
            sys.exit(str(failed))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
