"""What the runner adds to its jobs: hundreds of jobs that do next to nothing, and the demo sweep
with warm workers against isolated processes.

    python benchmarks/runner_overhead.py --jobs 600
    python benchmarks/runner_overhead.py --jobs 200 --seconds 0.5
    python benchmarks/runner_overhead.py --demo --rounds 3

`filled` is the share of time in which the places for jobs were at work, from the first start to the
last end. `overhead per job` is what is left of the time at the places when the work of the jobs is
taken off: starting and ending processes, and the runner's own.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from runner.launch.gpus import Slot  # noqa: E402
from runner.launch.local import LocalLauncher  # noqa: E402
from runner.launch.processes import Isolated  # noqa: E402
from runner.launch.schedule import Scheduler  # noqa: E402
from runner.launch.stop_signals import StopRequest  # noqa: E402
from runner.launch.times import Times  # noqa: E402
from runner.launch.warm_worker import Warm  # noqa: E402
from runner.plan.job_folders import survey  # noqa: E402
from runner.plan.jobs import Job  # noqa: E402
from runner.show.progress import Progress  # noqa: E402

# Stands for train.py: sleeps, then leaves a result; its start and end go to a file of its own.
STUB = f"""
import json, os, sys, time
began = time.time()
sys.path.insert(0, {str(PROJECT)!r})
if "--serve" in sys.argv:
    import socket
    from dassl.utils.serving import JobServer, end_with
    words = JobServer(socket.socket(fileno=int(sys.argv[-1])), lambda argv: None).serve()
    began = time.time()
else:
    words = sys.argv[1:]
def work():
    folder, key, seconds = words[-3:]
    time.sleep(float(seconds))
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/result.json", "w") as file:
        json.dump({{"accuracy": 50.0, "job_key": key, "began": began, "ended": time.time()}}, file)
if words and "--serve" in sys.argv:
    end_with(work)
elif words:
    work()
"""


def make_jobs(folder: Path, count: int, seconds: float) -> list[Job]:
    """Half of them trainings, the other half each a test of one."""
    stub = folder / "stub.py"
    stub.write_text(STUB)
    jobs: list[Job] = []
    for number in range(count):
        needs = jobs[-1] if number % 2 else None
        name = f"run{number}"
        out, dataset = folder / "outputs" / name, f"dataset{number // 2}"
        flags = ["--trainer", "T", "--dataset-config-file", f"{dataset}.yaml"]
        flags += ["--config-file", "y.yaml"] + (["--eval-only"] if needs else [])
        argv = (sys.executable, str(stub), *flags, str(out), name, str(seconds))
        kind, console = "test" if needs else "train", folder / f"console/{name}.txt"
        jobs.append(Job(name, "e", kind, "", dataset, 1, out, console, name, argv, needs))
    return jobs


def sweep(count: int, seconds: float, width: int, *, warm: bool) -> dict[str, float]:
    """Run stub jobs on `width` places and return what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = make_jobs(folder, count, seconds)
        command = jobs[0].argv[:2]
        slots = [Slot(f"CPU worker {number}", {}) for number in range(width)]
        starter = Warm(command, {}) if warm else Isolated()
        progress = Progress(jobs, width=width, stream=io.StringIO())
        launcher = LocalLauncher(slots, starter)
        times = Times(folder / "times.json")
        scheduler = Scheduler(launcher, progress, StopRequest(), times, retries=0)
        began, before = time.monotonic(), os.times()
        outcome = scheduler.run(jobs)
        wall, after = time.monotonic() - began, os.times()
        assert len(outcome.results) == count
        records = [json.loads((job.folder / "result.json").read_text()) for job in jobs]
        looked = time.monotonic()
        survey(jobs)
        looked = time.monotonic() - looked
    work = sum(record["ended"] - record["began"] for record in records)
    span = max(r["ended"] for r in records) - min(r["began"] for r in records)
    own = after.user - before.user + after.system - before.system
    return {
        "seconds": wall,
        "overhead per job, ms": 1000 * (wall * width - count * seconds) / count,
        "runner's own CPU per job, ms": 1000 * own / count,
        "filled, %": 100 * work / (span * width),
        "a look at all folders, ms": 1000 * looked,
    }


def demo_sweep(*flags: str) -> float:
    """Seconds of `parallel_runner.py --demo` from nothing, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, str(PROJECT / "parallel_runner.py"), "--demo", *flags]
        for name in ("configs", "train.py"):
            with contextlib.suppress(FileExistsError):
                (Path(folder) / name).symlink_to(PROJECT / name)
        began = time.monotonic()
        subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=600, help="stub jobs (default: 600)")
    parser.add_argument("--seconds", type=float, default=0.0, help="each sleeps (default: 0)")
    parser.add_argument("--width", type=int, default=os.cpu_count() or 1, help="default: cores")
    parser.add_argument("--rounds", type=int, default=1, help="of each (default: 1)")
    parser.add_argument("--demo", action="store_true", help="the demo sweep instead")
    parser.add_argument("--cfg", nargs="+", default=["zsclip", "maple", "maple_dept"])
    args = parser.parse_args()
    print(f"python benchmarks/runner_overhead.py {' '.join(sys.argv[1:])}".strip())
    if args.demo:
        flags = ["--cfg", *args.cfg]
        found: dict[str, list[float]] = {"warm": [], "isolated": []}
        for _ in range(args.rounds):  # in turn, so that both meet the same machine
            found["warm"].append(demo_sweep(*flags))
            found["isolated"].append(demo_sweep(*flags, "--isolated"))
        warm, isolated = (statistics.median(found[name]) for name in ("warm", "isolated"))
        print(f"demo sweep: warm {warm:.1f} s, isolated {isolated:.1f} s, {isolated / warm:.2f}x")
        return
    for warm in (False, True):
        rounds = [sweep(args.jobs, args.seconds, args.width, warm=warm) for _ in range(args.rounds)]
        print(f"{args.jobs} jobs on {args.width} places, {'warm' if warm else 'isolated'}:")
        for name in rounds[0]:
            print(f"  {name:<30}{statistics.median(r[name] for r in rounds):10.2f}")


if __name__ == "__main__":
    main()
