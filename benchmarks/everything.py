"""The benchmarks behind docs/speed.md, one after the other, into a folder: what each prints, its
figures as JSON where it has some, and `index.md` with machine, versions, commands and tables.

    python benchmarks/everything.py --base ../other_checkout --out bench
    python benchmarks/everything.py --out bench --only memory loading

`--base` is the checkout to compare with (`git worktree add ../other_checkout 798b71f`); without it
the rows that need two sides are left out. The short form takes about ten minutes on two cores,
`--full` hours. Nothing else should run on the machine. What needs a GPU (on_a_gpu.py) or the
published repositories (published_steps.py) is not in it, nor what docs/image_reading.md tells.
"""

import argparse
import datetime
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """One benchmark: what it is about, its script, and the words of its two forms.

    Attributes:
        sides: whether it needs the other checkout.
        json: whether it takes `--json`.
    """

    about: str
    script: str
    short: str
    full: str
    sides: bool = True
    json: bool = True


ROWS = {
    "tests": Row(
        "Tests of a sweep, with the store of test images",
        "sweep_tests.py",
        "--images 24 --classes 10 --seeds 1 --methods ZeroshotCLIP CoOp MaPLe",
        "--images 600 --classes 10",
    ),
    "memory": Row(
        "Peak memory and step time by classes",
        "class_memory.py",
        "--classes 50 1000 --limits none 1.5G 2.5G --steps 3",
        "--classes 50 1000 10000 --limits none 1.5G 2.5G 4G",
        sides=False,
    ),
    "curves": Row(
        "Step time and peak memory of methods by classes",
        "class_curves.py",
        "--methods CoOp CoCoOp MaPLe --classes 10 100 --minutes 3 --anew",
        "--patience 100 --steps 2 --anew",
        sides=False,
    ),
    "loading": Row(
        "Loading ViT-B/16: peak above the imports", "loading_memory.py", "--repeat 3", "--repeat 5"
    ),
    "steps": Row(
        "Training steps at 50 classes",
        "training_step.py",
        "--trainers CoOp KgCoOp MaPLe IVLP --steps 5 --warmup 1",
        "--trainers CoOp CoCoOp KgCoOp MaPLe IVLP PromptSRC --steps 20",
        sides=False,
        json=False,
    ),
    "text": Row(
        "The text tower with shared prefixes",
        "text_encoding.py",
        "--context-tokens 16 --repeats 3",
        "--context-tokens 16",
        sides=False,
        json=False,
    ),
    "demo": Row("The demo's sweep", "demo_sweep.py", "--rounds 1", "--rounds 5"),
    "tables": Row(
        "Tables of many result folders",
        "tally_speed.py",
        "--folders 2000 --rounds 2",
        "--folders 10000 --rounds 5",
        json=False,
    ),
}


def command_of(name: str, args: argparse.Namespace) -> list[str]:
    """The words after `python` for a row."""
    row = ROWS[name]
    words = [f"benchmarks/{row.script}", *(row.full if args.full else row.short).split()]
    words += ["--base", str(args.base)] if row.sides else []
    return [*words, *(["--json", str(args.out / f"{name}.json")] if row.json else [])]


def run(words: Sequence[str], log: Path) -> tuple[int, float]:
    """Exit code and seconds of a benchmark; what it prints goes to a file."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=PROJECT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return done.returncode, time.perf_counter() - started


def head() -> list[str]:
    """Date, machine and versions."""
    made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {device}"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return ["# Benchmarks", "", f"{made}; {machine}; {versions}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--base", type=Path, help="another checkout, to compare with")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder (default: bench)")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--full", action="store_true", help="as docs/speed.md has it; hours")
    args = parser.parse_args()
    args.out = args.out.absolute()
    args.base = args.base and args.base.absolute()
    args.out.mkdir(parents=True, exist_ok=True)
    page, failed = head(), []
    for name in args.only:
        row = ROWS[name]
        if row.sides and args.base is None:
            print(f"{name}: left out, it needs --base")
            continue
        words, log = command_of(name, args), args.out / f"{name}.txt"
        print(f"{name}: {row.about}", flush=True)
        code, seconds = run(words, log)
        print(f"{name}: {'failed' if code else 'done'} after {seconds:.0f} s, {log}", flush=True)
        failed += [name] if code else []
        text = log.read_text(encoding="utf-8").rstrip()
        page += [
            "",
            f"## {row.about}",
            "",
            f"    python {shlex.join(words)}",
            "",
            "```",
            text,
            "```",
        ]
    index = args.out / "index.md"
    index.write_text("\n".join(page) + "\n", encoding="utf-8")
    print(f"page: {index}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
