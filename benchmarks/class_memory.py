"""Peak memory and step time of a training against the number of classes, with and without a limit.

    python benchmarks/class_memory.py --classes 50 1000
    python benchmarks/class_memory.py --classes 50 1000 10000 --limits none 1.5G 2.5G 4G

Each cell is a process of its own that builds ViT-B/16 with random weights from a state dict, takes
training steps on random images and ends; its parent reads the peak of its resident memory when it
has ended. Beside the peak stands what `trainers.parts.rehearsal` forecasts for an unlimited step:
bytes of tensors, to which what the imports take is added. A cell whose forecast is over `--most` is
left out. `--limits` are taken in turn for each number of classes: every one of them is measured.
Beside the wall time of a step stands its CPU time, of all threads: on a busy machine with one
thread the fairer of the two. Prints a table and, with `--json FILE`, writes it. On a CPU, fp32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
IMPORTS = "import train, trainers, datasets, dassl.engine, torch, torchvision.transforms"
CHILD = "--in-a-process-of-its-own"


def of_child(words: list[str]) -> tuple[dict[str, Any], int]:
    """What a process prints as its last line, and the peak of its resident memory in bytes.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    said, wrong = process.stdout.read().decode(), process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("\n".join(wrong.strip().splitlines()[-3:]))
    lines = said.strip().splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    return json.loads(lines[-1]) if lines else {}, usage.ru_maxrss * unit


def steps(trainer: str, classes: int, limit: str, weights: str, count: int) -> dict[str, Any]:
    """In a process of its own: the forecast, and with a count the seconds of each step."""

    from benchmarks.training_step import build, made_batch
    from trainers.parts.rehearsal import forecast

    options = ["DATALOADER.TRAIN_X.BATCH_SIZE", 4, "USE_CUDA", False]
    options += ["MODEL.MEMORY_LIMIT", limit] if limit != "none" else []
    built = build(trainer, Path(weights), classes, *options)
    built.epoch, batch = 0, made_batch(built)
    if not count:
        found = forecast(built, batch)
        return {"fixed": found.fixed, "peak": found.peak}
    seconds, busy, losses = [], [], []
    for built.batch_idx in range(count):
        started, computed = time.perf_counter(), time.process_time()
        losses.append(float(built.forward_backward(batch)["loss"]))
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - computed)
    return {"seconds": seconds, "cpu": busy, "losses": losses}


def write_weights(path: str) -> None:
    """In a process of its own: random weights, float32."""
    import torch

    import clip

    torch.manual_seed(0)
    torch.save(clip.CLIP(clip.CLIPDims(512, 224, 12, 768, 16)).state_dict(), path)


def measure(args: argparse.Namespace, weights: str) -> list[dict[str, Any]]:
    """A row for each trainer, number of classes and limit."""
    _, imports = of_child(["-c", f"{IMPORTS}; import os; os._exit(0)"])
    rows = []
    for trainer in args.trainers:
        for classes in args.classes:
            cell = [__file__, CHILD, trainer, str(classes)]
            told, _ = of_child([*cell, "none", weights, "0"])
            expected = imports + told["peak"]
            for limit in args.limits:
                if limit == "none" and expected > args.most * 1024 * MIB:
                    continue
                found, peak = of_child([*cell, limit, weights, str(args.steps)])
                row = {
                    **{"trainer": trainer, "classes": classes, "limit": limit},
                    **{"peak_mib": peak / MIB, "forecast_mib": expected / MIB},
                    "step_s": statistics.median(found["seconds"][1:] or found["seconds"]),
                    "cpu_s": statistics.median(found["cpu"][1:] or found["cpu"]),
                    "loss": found["losses"][0],
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
        trainer, classes, limit, weights, count = sys.argv[2:]
        print(json.dumps(steps(trainer, int(classes), limit, weights, int(count))), flush=True)
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
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder, "random.pt"))
        subprocess.run([sys.executable, __file__, "--write", weights], check=True)
        rows = measure(args, weights)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
