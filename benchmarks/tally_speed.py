"""Time and memory of `tally`, `status`, `report` and a dry run over many result folders, beside
another checkout's.

    python benchmarks/tally_speed.py --base ../other_checkout
    python benchmarks/tally_speed.py --folders 1000 --rounds 3

The folders lie in a temporary folder: every protocol of as many experiments as it takes, each run
with result.json and log.txt. Commands of both checkouts alternate, and the least CPU time and the
least peak memory of each are printed, since other work on the machine only adds to them.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ELEVEN = ("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
          "fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101")  # fmt: skip
VARIANTS = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")
TRAINERS = ("CoOp", "CoOpDePT", "CoCoOp", "CoCoOpDePT", "KgCoOp", "KgCoOpDePT", "MaPLe",
            "MaPLeDePT", "IVLP", "IVLPDePT", "PromptSRC", "PromptSRCDePT")  # fmt: skip
SEEDS = (1, 2, 3)
FILLER = "".join(f"  KEY_{number}: value {number}\n" for number in range(180))
LOG = """***************
** Arguments **
***************
config_file: configs/trainers/{trainer}/vit_b16.yaml
opts: ['DATASET.NUM_SHOTS', '{shots}', 'OPTIM.MAX_EPOCH', '50']
seed: {seed}
trainer: {trainer}
************
** Config **
************
DATASET:
  NAME: {dataset}
{filler}MODEL:
  BACKBONE:
    NAME: ViT-B/16
TRAINER:
  COOP:
    PREC: fp16
Collecting env info ...
{epochs}Finish training
Evaluate on the *test* set
=> result
* total: 1,000
* accuracy: {accuracy:.1f}%
* error: {error:.1f}%
* macro_f1: {accuracy:.1f}%
"""
EPOCHS = "".join(f"epoch [{number}/50] batch [5/5] loss 1.0 lr 2.0e-03\n" for number in range(50))


def places(experiment: int) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield (step, dataset, classes, shots, seed) of every run of one experiment."""
    for dataset, seed in itertools.product(ELEVEN, SEEDS):
        yield "train_base/", dataset, "base", 16, seed
        yield "test_new/", dataset, "new", 16, seed
        for shots in (1, 2, 4, 8, 16):
            yield "train_all/", dataset, "all", shots, seed
    for dataset, seed in itertools.product((*ELEVEN, *VARIANTS), SEEDS):
        yield "", dataset, "all", 16, seed


def fill(root: Path, number: int) -> None:
    """Make `number` folders of runs."""
    made = (
        (experiment, *place) for experiment in itertools.count() for place in places(experiment)
    )
    for experiment, step, dataset, classes, shots, seed in itertools.islice(made, number):
        trainer = TRAINERS[experiment % len(TRAINERS)]
        below = f"{step}{trainer}/{dataset}/shots{shots}/vit_b16/seed{seed}"
        folder = root / f"exp{experiment:03}" / below
        folder.mkdir(parents=True)
        value = 50 + (hash((experiment, step, dataset, shots, seed)) % 40000) / 1000
        place = {"trainer": trainer, "dataset": dataset, "seed": seed, "shots": shots}
        record = {
            **{"format": 1, **place, "split": "test", "subsample_classes": classes},
            **{"accuracy": value, "error_rate": 100 - value, "macro_f1": value, "tasks": None},
            **{"num_test": 1000, "trainable_parameters": 2048, "epochs": 50, "precision": "amp"},
            **{"device": "H200", "seconds": {"build": 1.0, "train": 50.0, "test": 4.0}},
            **{"peak_memory_mb": 900.0, "versions": {"python": "3.11", "torch": "2.10"}},
            **{"commit": "abc", "config_sha256": "0" * 64, "job_key": "1" * 64},
        }
        (folder / "result.json").write_text(json.dumps(record, indent=2) + "\n")
        text = LOG.format(**place, filler=FILLER, epochs=EPOCHS, accuracy=value, error=100 - value)
        (folder / "log.txt").write_text(text)


def measure(checkout: Path, words: list[str], place: Path) -> tuple[float, float]:
    """Run a command of a checkout; returns seconds of CPU and MiB at its peak."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    code = (  # a parent of its own, whose only child it is
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([done.returncode, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024]))\n"
    )
    words = [sys.executable, "-c", code, sys.executable, *words]
    done = subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, check=True
    )
    status, seconds, memory = json.loads(done.stdout)
    if status:
        raise SystemExit(f"{checkout}: {' '.join(words[4:])}: exit code {status}\n{done.stderr}")
    return seconds, memory


def commands(checkout: Path, runs: Path, number: int) -> dict[str, list[str]]:
    """Return what is timed, by name."""
    seeds = ",".join(str(seed + 1) for seed in range(max(1, number // 22)))
    plan = ["--cfg", "coop", "--mode", "b2n", "--seeds", seeds, "--data", "none", "--dry-run"]
    return {
        "status": ["-m", "runner", "status", str(runs)],
        "tally": ["-m", "runner", "tally", str(runs), "--out", "tables"],
        "report": ["-m", "runner", "report", str(runs), "--out", "report.html"],
        "dry run": [str(checkout / "parallel_runner.py"), *plan],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, help="another checkout (default: this one alone)")
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="one of: status, tally, report, dry run")
    args = parser.parse_args()
    print(f"python {' '.join(sys.argv)}", flush=True)
    checkouts = {"ours": PROJECT, **({"base": args.base.resolve()} if args.base else {})}
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary) / "outputs"
        fill(runs, args.folders)
        for name in commands(PROJECT, runs, args.folders):
            if args.only not in ("", name):
                continue
            found: dict[str, list[tuple[float, float]]] = {each: [] for each in checkouts}
            for _ in range(args.rounds):
                for each, checkout in checkouts.items():
                    words = commands(checkout, runs, args.folders)[name]
                    found[each].append(measure(checkout, words, Path(temporary)))
            best = {
                each: [min(column) for column in zip(*v, strict=True)] for each, v in found.items()
            }
            said = [f"{each} {best[each][0]:.2f} s {best[each][1]:.0f} MiB" for each in best]
            ratio = f", ratio {best['ours'][0] / best['base'][0]:.2f}" if args.base else ""
            print(f"{name}: {', '.join(said)}{ratio}", flush=True)


if __name__ == "__main__":
    main()
