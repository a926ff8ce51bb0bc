"""Seconds of the demo's sweep, beside another checkout's.

    python benchmarks/demo_sweep.py --base ../other_checkout
    python benchmarks/demo_sweep.py --cfg zsclip coop --rounds 1

Each round runs `parallel_runner.py --demo` of both checkouts in turn, into a folder of its own; the
demo's datasets are made before. The median of the rounds is printed, with `--json FILE` all.
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

PROJECT = Path(__file__).resolve().parents[1]


def sweep(checkout: Path, cfg: list[str], cache: Path, *words: str) -> float:
    """Seconds of a sweep of a checkout.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, str(checkout / "parallel_runner.py"), "--demo", "--cfg", *cfg]
    environment = {**os.environ, "PROMPTLAB_CACHE": str(cache)}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{checkout}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--base", type=Path, help="another checkout")
    parser.add_argument("--cfg", nargs="+", default=["zsclip", "maple", "maple_dept"])
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--json", help="file that takes the seconds")
    args = parser.parse_args()
    sides = {"ours": PROJECT, **({"base": args.base.resolve()} if args.base else {})}
    found: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        for checkout in sides.values():  # datasets, and what only a first call does
            sweep(checkout, args.cfg[:1], cache, "--seeds", "1")
        for _ in range(args.rounds):
            for side, checkout in sides.items():
                found[side].append(sweep(checkout, args.cfg, cache))
    for side, seconds in found.items():
        every = ", ".join(f"{each:.1f}" for each in seconds)
        print(f"{side}: median {statistics.median(seconds):.1f} s of {every}")
    if args.base:
        ratio = statistics.median(found["ours"]) / statistics.median(found["base"])
        print(f"ours / base: {ratio:.2f}")
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
