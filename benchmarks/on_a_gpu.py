"""What only a GPU can tell: the marked tests, lower precisions beside float32, step time, memory
and share of the card's peak, whether compiling pays, and how many runs share a card well.

    python benchmarks/on_a_gpu.py --json gpu.json --peak-tflops 989
    python benchmarks/on_a_gpu.py --allow-cpu --trainers CoOp --classes 3 --steps 2 --runs 1

Weights are random, of ViT-B/16's shape; data and downloads are not needed. Parts of it by --only.
"""

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from training_step import SHOTS, build, made_batch, measure, print_rows, random_weights, settings

PROJECT = Path(__file__).resolve().parents[1]
TRAINERS = ("CoOp", "CoOpDePT", "CoCoOp", "CoCoOpDePT", "MaPLe", "MaPLeDePT", "PromptSRC",
            "PromptSRCDePT")  # fmt: skip
# A process of its own steps until it has stepped for so many seconds, and says how often.
STEPPING = """
import sys, time, torch
sys.path.insert(0, {folder!r})
from pathlib import Path
from training_step import build, made_batch
trainer = build({name!r}, Path({weights!r}), {classes})
batch = made_batch(trainer)
for _ in range(3): float(trainer.forward_backward(batch)["loss"])
print("ready", flush=True)
sys.stdin.readline()
end, steps = time.perf_counter() + {seconds}, 0
while time.perf_counter() < end:
    float(trainer.forward_backward(batch)["loss"])
    steps += 1
print(steps)
"""
Rows = list[dict[str, Any]]


def tests(args: argparse.Namespace, weights: Path) -> Rows:
    """The tests marked gpu, and how they ended."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-rs", "-n", "0"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    return [{"tests": (done.stdout.strip().splitlines() or ["nothing"])[-1]}]


def parity(args: argparse.Namespace, weights: Path) -> Rows:
    """Losses of the same steps in fp16 and amp, by their distance from float32's."""
    rows = []
    for name in args.trainers:
        key = build(name, weights, 2).precision_key
        losses = {word: _losses(name, weights, args, key, word) for word in ("fp32", "fp16", "amp")}
        exact = losses.pop("fp32")
        for word, found in losses.items():
            apart = (found - exact).abs() / exact.abs()
            row = {"trainer": name, "precision": word, "steps": len(exact)}
            first, last = float(apart[0]), float(apart[-1])
            rows.append({**row, "first": first, "largest": float(apart.max()), "last": last})
    return rows


def _losses(
    name: str, weights: Path, args: argparse.Namespace, key: str, word: str
) -> torch.Tensor:
    """Losses [steps]."""
    typed = (key, word) if torch.cuda.is_available() else (key, "fp32")
    trainer = build(name, weights, args.classes[0], *typed)
    batches = [made_batch(trainer, seed) for seed in range(args.steps)]
    return torch.stack([trainer.forward_backward(b)["loss"].float() for b in batches]).cpu()


def steps(args: argparse.Namespace, weights: Path) -> Rows:
    """Time, memory and share of the card's peak of each trainer's step."""
    counts = {"steps": args.steps, "warmup": 5}
    rows = [
        measure(name, weights, classes=classes, **counts)
        for classes in args.classes
        for name in args.trainers
    ]
    if args.peak_tflops:
        for row in rows:
            row["share of peak"] = f"{row['TFLOP/s'] / args.peak_tflops:.1%}"
    return rows


def _of_each_kind(args: argparse.Namespace) -> list[str]:
    """Of the default trainers CoOp, whose image tower has no gradient, and MaPLe."""
    return args.trainers[:1] + args.trainers[4:5]


def compiled(args: argparse.Namespace, weights: Path) -> Rows:
    """Steps compiled, and compiled into CUDA graphs, beside those as they are; after how many the
    time of compiling is gained, and how many a published run of these classes has."""
    rows: Rows = []
    counts = {"classes": args.classes[0], "steps": args.steps, "warmup": 5}
    for name in _of_each_kind(args):
        cfg = settings(name, weights, args.classes[0])
        batches = SHOTS * args.classes[0] // cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        plain = measure(name, weights, **counts)
        for mode in ("default", "reduce-overhead"):
            found = measure(name, weights, **counts, mode=mode)
            lost = 1000 * (found["warm-up s"] - plain["warm-up s"])
            gained = plain["median ms"] - found["median ms"]
            rows.append(
                {
                    "trainer": name,
                    "mode": mode,
                    "median ms": found["median ms"],
                    "not compiled": plain["median ms"],
                    "peak MiB": found["peak MiB"],
                    "pays after": max(0, round(lost / gained)) if gained > 0 else "never",
                    "steps of a run": batches * cfg.OPTIM.MAX_EPOCH,
                }
            )
    return rows


def sharing(args: argparse.Namespace, weights: Path) -> Rows:
    """Steps in a second of several runs on one card together."""
    rows = []
    for name in _of_each_kind(args):
        for number in args.runs:
            code = STEPPING.format(
                folder=str(PROJECT / "benchmarks"),
                name=name,
                weights=str(weights),
                classes=args.classes[0],
                seconds=args.seconds,
            )
            pipe = subprocess.PIPE
            runs = [
                subprocess.Popen(
                    [sys.executable, "-c", code], cwd=PROJECT, stdin=pipe, stdout=pipe, text=True
                )
                for _ in range(number)
            ]
            for run in runs:
                _until_ready(run)
            for run in runs:
                assert run.stdin is not None
                run.stdin.write("go\n")
                run.stdin.flush()
            counts = [int(run.communicate()[0]) for run in runs]
            rate = sum(counts) / args.seconds
            alone = next((r["steps/s"] for r in rows if r["trainer"] == name), rate)
            rows.append(
                {"trainer": name, "runs": number, "steps/s": round(rate, 2), "gain": rate / alone}
            )
    return rows


def _until_ready(run: "subprocess.Popen[str]") -> None:
    assert run.stdout is not None
    for line in run.stdout:
        if line == "ready\n":
            return
    raise ChildProcessError(f"a run has ended with exit code {run.wait()}")


PARTS: dict[str, Callable[[argparse.Namespace, Path], Rows]] = {
    "tests": tests,
    "parity": parity,
    "steps": steps,
    "compiled": compiled,
    "sharing": sharing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--trainers", nargs="+", default=list(TRAINERS))
    parser.add_argument("--classes", nargs="+", type=int, default=[50, 1000])
    parser.add_argument("--steps", type=int, default=50, help="default: 50")
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 2, 4, 8], help="on one card")
    parser.add_argument("--seconds", type=float, default=5.0, help="of stepping together")
    parser.add_argument("--peak-tflops", type=float, help="of the card in half precision, dense")
    parser.add_argument("--json", help="file that takes all rows")
    parser.add_argument("--allow-cpu", action="store_true", help="to try the script itself")
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.allow_cpu:
        sys.exit("no CUDA device is visible; --allow-cpu tries the script on the CPU")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    found: dict[str, Any] = {"device": device, "torch": torch.__version__}
    failed: list[str] = []
    with random_weights() as weights:
        for name in args.only:
            started = time.perf_counter()
            try:
                found[name] = PARTS[name](args, weights)
            except Exception as error:  # a lent card's minutes are worth the other parts
                traceback.print_exc()
                failed.append(name)
                found[name] = [{"failed": f"{type(error).__name__}: {error}"}]
            print(f"\n{name}, {time.perf_counter() - started:.0f} s")
            print_rows(found[name])
            if args.json:
                Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
