"""Test time of a sweep with the store of test images, beside another checkout's.

    git worktree add ../base 798b71f
    python benchmarks/sweep_tests.py --base ../base --images 600 --json sweep.json
    python benchmarks/sweep_tests.py --base ../base --images 40 --classes 10 --seeds 1

Made JPEGs of ImageNet's usual size (reading_parts.py) in OxfordPets' format, so many that base and
new classes together have `--images` test images; a ViT-B/16 with random weights, 224 pixels, fp32
on the CPU. Every method, seed and learning rate is trained for one step, which is not timed; then
each of these runs is tested on base and on new classes by `train.py --eval-only`, first by the
other checkout, then by this one, in turns. Seconds are those of the test in result.json; beside
other programs the processor's time of the test says more.

Of `frozen` methods (features) the sweep is done once and again with another learning rate, of
`prompted` ones (crops) it is done once, with the number of images decoded and the share of time
that the test waits for images. The other checkout shares crops as its runner lets it
($PROMPTLAB_CROPS); this one starts with an empty store. Accuracies of both are compared.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import clip
from benchmarks.reading_parts import describe, positive, write_jpegs

ROOT = Path(__file__).resolve().parents[1]
VIT_B16 = clip.CLIPDims(512, 224, 12, 768, 16)
WIDTH, HEIGHT = 500, 375
COOP, KGCOOP = "CoOp/vit_b16_ep10_bs4_lr35", "KgCoOp/vit_b16_ep10_ctxv1_bs4_lr35"
YAMLS = {
    "ZeroshotCLIP": COOP,
    "CoOp": COOP,
    "CoOpDePT": COOP,
    "KgCoOp": KGCOOP,
    "KgCoOpDePT": KGCOOP,
    "CoCoOp": "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1",
    "MaPLe": "MaPLe/vit_b16_c2_ep10_batch4_2ctx",
    "MaPLeDePT": "MaPLe/vit_b16_c2_ep10_batch4_2ctx",
    "PromptSRC": "PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx",
}
PROMPTED = ("MaPLe", "MaPLeDePT", "PromptSRC")
FROZEN = tuple(name for name in YAMLS if name not in PROMPTED)
# A run that also says how many images it opened, how long it waited for them, and the processor's
# time of its test; in one process.
CHILD = """
import json, sys, time
sys.path[:0] = [""]
import PIL.Image
from torch.utils.data import DataLoader
opened, waited = [0], [0.0]
plain_open, plain_iter = PIL.Image.open, DataLoader.__iter__
def count(*words, **more):
    opened[0] += 1
    return plain_open(*words, **more)
def timed(loader):
    batches = plain_iter(loader)
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        waited[0] += time.perf_counter() - started
        if batch is None:
            return
        yield batch
PIL.Image.open, DataLoader.__iter__ = count, timed
from dassl.engine.simple import SimpleTrainer
plain_test, used = SimpleTrainer.test, [0.0]
def test(self, split=None):
    started = time.process_time()
    found = plain_test(self, split)
    used[0] += time.process_time() - started
    return found
SimpleTrainer.test = test
import train
code = train.run(sys.argv[2:])
said = {"opened": opened[0], "waited": waited[0], "cpu": used[0]}
open(sys.argv[1], "w").write(json.dumps(said))
sys.exit(code)
"""


class Run(NamedTuple):
    """One trained model, or zero-shot CLIP."""

    trainer: str
    seed: int
    rate: float

    @property
    def name(self) -> str:
        return f"{self.trainer}-{self.seed}-{self.rate}"


class Bench:
    """The data, the weights, and one folder for each side."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.args = folder, args
        self.sides = {"base": args.base.resolve(), "this": ROOT}
        self.weights = folder / "vit_b16.pt"

    def prepare(self) -> None:
        """Makes pictures, their list and the weights."""
        args, images = self.args, self.folder / "data/oxford_pets/images"
        images.mkdir(parents=True)
        each = args.images // args.classes
        paths = write_jpegs(images, args.classes * (each + 1), WIDTH, HEIGHT)
        print(describe(paths, WIDTH, HEIGHT), flush=True)
        split: dict[str, list[list[Any]]] = {"train": [], "val": [], "test": []}
        for number, path in enumerate(paths):
            place, label = divmod(number, args.classes)
            item = [path.name, label, f"class number {label}"]
            split["test" if place else "train"].append(item)
            if place == 1:
                split["val"].append(item)
        file = images.parent / "split_zhou_OxfordPets.json"
        file.write_text(json.dumps(split))
        torch.manual_seed(0)
        torch.save(clip.CLIP(VIT_B16).state_dict(), self.weights)

    def call(self, side: str, run: Run, output: Path, flags: list[str], words: list[str]) -> None:
        """One call of train.py.

        Raises:
            SystemExit: it failed.
        """
        yaml = f"configs/trainers/{YAMLS[run.trainer]}.yaml"
        argv = [
            "--root",
            str(self.folder / "data"),
            "--trainer",
            run.trainer,
            "--config-file",
            yaml,
        ]
        argv += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml"]
        argv += ["--backbone", str(self.weights), "--seed", str(run.seed)]
        argv += ["--output-dir", str(output), *flags, "OPTIM.LR", str(run.rate), *words]
        crops = self.folder / "crops"
        crops.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": str(self.args.threads),
            "PROMPTLAB_CACHE": str(self.folder / "cache"),
            "PROMPTLAB_CROPS": str(crops),
        }
        output.mkdir(parents=True)
        command = [sys.executable, "-c", CHILD, str(output / "reading.json"), *argv]
        done = subprocess.run(
            command, cwd=self.sides[side], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{side}: {run.name} failed\n{done.stderr[-2000:]}")

    def train(self, run: Run) -> None:
        """One step on an image of each base class; the test is left out."""
        words = ["DATASET.NUM_SHOTS", "1", "DATASET.SUBSAMPLE_CLASSES", "base"]
        words += ["OPTIM.MAX_EPOCH", "1", "OPTIM.WARMUP_EPOCH", "-1", "TEST.NO_TEST", "True"]
        words += ["DATALOADER.TRAIN_X.BATCH_SIZE", str(self.args.classes)]
        self.call("this", run, self.folder / "trained" / run.name, [], words)

    def test(self, side: str, run: Run, subset: str) -> dict[str, Any]:
        """Seconds, processor's seconds, images opened, seconds waited, results of one test."""
        output = self.folder / side / subset / run.name
        flags = ["--eval-only"]
        if run.trainer != "ZeroshotCLIP":
            model = self.folder / "trained" / run.name
            flags += ["--model-dir", str(model), "--load-epoch", "-1"]
        words = ["DATASET.NUM_SHOTS", "1", "DATASET.SUBSAMPLE_CLASSES", subset]
        words += ["DATALOADER.NUM_WORKERS", str(self.args.workers)]
        self.call(side, run, output, flags, words)
        content = json.loads((output / "result.json").read_text())
        said = json.loads((output / "reading.json").read_text())
        results = {name: content[name] for name in ("accuracy", "macro_f1")}
        return {"seconds": content["seconds"]["test"], "results": results, **said}


def sweep(bench: Bench, runs: list[Run]) -> Iterator[dict[str, Any]]:
    """A row for each test, both sides one after the other."""
    for run in runs:
        for subset in ("base", "new"):
            found = {side: bench.test(side, run, subset) for side in bench.sides}
            same = found["base"]["results"] == found["this"]["results"]
            seconds = {side: found[side]["seconds"] for side in found}
            print(
                f"{run.name:24} {subset:4}  base {seconds['base']:8.2f} s"
                f"  this {seconds['this']:8.2f} s  {'same' if same else 'OTHER'} results",
                flush=True,
            )
            yield {**run._asdict(), "subset": subset, "same": same, **found}


def total(rows: list[dict[str, Any]], side: str, what: str = "seconds") -> float:
    """The sum over all tests of a sweep."""
    return sum(row[side][what] for row in rows)


def summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is said of a sweep: both sums and their ratio."""
    base, this = (total(rows, side) for side in ("base", "this"))
    line = {"sweep": name, "base_seconds": base, "this_seconds": this, "ratio": base / this}
    print(f"{name}: tests {base:.1f} s, {this:.1f} s: {base / this:.1f} times less", flush=True)
    base, this = (total(rows, side, "cpu") for side in ("base", "this"))
    line |= {"base_cpu": base, "this_cpu": this, "cpu_ratio": base / this}
    print(f"  processor's time {base:.1f} s, {this:.1f} s: {base / this:.1f} times less")
    for trainer in dict.fromkeys(row["trainer"] for row in rows):
        own = [row for row in rows if row["trainer"] == trainer]
        print(f"  {trainer:14} {total(own, 'base'):9.2f} s {total(own, 'this'):9.2f} s")
    return line


def reading(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the prompted methods: images opened by both sides, share of the tests spent waiting."""
    line: dict[str, Any] = {}
    for side in ("base", "this"):
        opened, share = total(rows, side, "opened"), total(rows, side, "waited")
        share /= total(rows, side)
        line[side] = {"opened": opened, "waiting_share": share}
        print(f"  {side}: {opened:.0f} images opened, {100 * share:.2f} % of the tests waiting")
    return line


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, required=True, help="the other checkout")
    for name, default, meaning in (
        ("--images", 600, "test images, base and new together"),
        ("--classes", 50, "classes, base and new together"),
        ("--seeds", 3, "seeds 1 to N"),
        ("--threads", os.cpu_count() or 1, "CPU threads of a run"),
    ):
        parser.add_argument(name, type=positive, default=default, help=f"{meaning} ({default})")
    workers = "data loader workers (0: reading is counted in the run itself)"
    parser.add_argument("--workers", type=int, default=0, help=workers)
    parser.add_argument("--methods", nargs="+", choices=list(YAMLS), default=list(YAMLS))
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser


def main() -> None:
    """Makes what is needed, tests, prints and saves."""
    args = options().parse_args()
    result: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": args.threads,
    }
    seeds = range(1, args.seeds + 1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args)
        bench.prepare()
        sweeps: dict[str, list[Run]] = {}
        for name, methods, rate in (
            ("frozen", FROZEN, 0.002),
            ("frozen, another learning rate", FROZEN, 0.02),
            ("prompted", PROMPTED, 0.002),
        ):
            runs = [Run(method, seed, rate) for method in methods for seed in seeds]
            # zero-shot CLIP has one run, whatever the seeds
            runs = [run for run in runs if run.trainer != "ZeroshotCLIP" or run.seed == 1]
            sweeps[name] = [run for run in runs if run.trainer in args.methods]
        trained = [run for runs in sweeps.values() for run in runs if run.trainer != "ZeroshotCLIP"]
        for number, run in enumerate(trained, 1):
            bench.train(run)
            print(f"trained {number} of {len(trained)}: {run.name}", flush=True)
        for name, runs in sweeps.items():
            if not runs:
                continue
            rows = list(sweep(bench, runs))
            result[name] = summary(name, rows)
            if name == "prompted":
                result[name]["reading"] = reading(rows)
            result[name]["tests"] = rows
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
