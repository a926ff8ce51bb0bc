"""Share of a training run that passes in waiting for images, by number of workers.

    python benchmarks/waiting_for_data.py
    python benchmarks/waiting_for_data.py --data jpegs --device cuda --batches 50 --threads 8

CoOp and MaPLe with their published batches: on the demo suite's DemoShapes with its small CLIP, and
on made JPEGs of ImageNet's usual size (reading_parts.py) with a ViT-B/16 of random weights. Three
tables: the wait ("data" of log.txt: from the end of a step to the next batch) in epochs of the
engine, where the numbers of workers take turns; what one process reads and what the model takes,
each alone; what the start and the end of an epoch cost where no model computes, with the asked
number of workers, with those that a run starts, and if they stayed from epoch to epoch.
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import clip
from benchmarks.reading_parts import describe, positive, quiet, write_jpegs
from benchmarks.watched_runs import (
    Watched,
    bare_epochs,
    model_rate,
    reading_rate,
    run_epochs,
    training_loader,
)
from dassl.engine import build_trainer
from train import build_parser as training_parser
from train import setup_cfg

CONFIGS = {
    "CoOp": {"demo": "demo.yaml", "jpegs": "vit_b16_ep50.yaml"},
    "MaPLe": {"demo": "demo.yaml", "jpegs": "vit_b16_c2_ep5_batch4_2ctx.yaml"},
}
VIT_B16 = clip.CLIPDims(512, 224, 12, 768, 16)
WIDTH, HEIGHT = 500, 375
LIST = str.maketrans("", "", "[],'")  # a list as the words of a command line
TABLES = {
    "waiting": "| data | trainer | batch | workers | step ms | waiting % | behind 1st batch % |",
    "rates": "| data | trainer | one process reads images/s | model takes images/s | enough |",
    "starts": "| data | trainer | batches | asked | used | asked: start, end ms | used | kept |",
}


def build_options() -> argparse.ArgumentParser:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", nargs="+", choices=["demo", "jpegs"], default=["demo", "jpegs"], help="(both)"
    )
    parser.add_argument(
        "--trainers", nargs="+", choices=list(CONFIGS), default=list(CONFIGS), help="(both)"
    )
    workers = "numbers of workers; published is 8 (0 2 8)"
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 2, 8], help=workers)
    for name, default, meaning in (
        ("--batches", 4, "batches of an epoch of made JPEGs"),
        ("--rounds", 3, "epochs with each number of workers"),
        ("--threads", 1, "CPU threads of the model"),
    ):
        parser.add_argument(name, type=positive, default=default, help=f"{meaning} ({default})")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(cpu)")
    return parser


def make_cfg(name: str, data: str, folder: Path, device: str) -> Any:
    """The published settings of a trainer, on the demo suite (made in `folder`) or its JPEGs."""
    words = ["--trainer", name, "--config-file", f"configs/trainers/{name}/{CONFIGS[name][data]}"]
    words += ["--dataset-config-file", "configs/datasets/demo_shapes.yaml", "--root", str(folder)]
    words += ["DATASET.NUM_SHOTS", "16", "USE_CUDA", str(device == "cuda"), "VERBOSE", "False"]
    if data == "jpegs":
        words += ["DATASET.NAME", "MadeJPEGs", "MODEL.BACKBONE.NAME", str(folder / "weights.pt")]
    return setup_cfg(training_parser().parse_args(words))


def prepare(folder: Path, batches: int, size: int) -> None:
    """Makes the JPEGs of so many batches and the weights."""
    paths = write_jpegs(folder, batches * size, WIDTH, HEIGHT)
    print(describe(paths, WIDTH, HEIGHT))
    torch.manual_seed(0)
    torch.save(clip.CLIP(VIT_B16).state_dict(), folder / "weights.pt")


def measure(name: str, data: str, folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """Rows of each table for one trainer on one kind of images."""
    cfg = make_cfg(name, data, folder, args.device)
    if data == "jpegs":
        prepare(folder, args.batches, cfg.DATALOADER.TRAIN_X.BATCH_SIZE)
    torch.manual_seed(1)
    trainer = build_trainer(cfg)
    alone = training_loader(cfg, 0)
    model = model_rate(trainer, next(iter(alone)), args.rounds)
    reading = reading_rate(alone, args.rounds)
    loaders = {workers: Watched(training_loader(cfg, workers)) for workers in args.workers}
    run_epochs(trainer, loaders, args.rounds)
    cells = [f"{reading:.0f}", f"{model:.1f}", f"{math.ceil(model / reading)}"]
    found: dict[str, list[str]] = {"waiting": [], "rates": [_row(data, name, *cells)], "starts": []}
    for workers, seen in loaders.items():
        cells = [f"{alone.batch_size}", f"{workers}", f"{1000 * statistics.median(seen.steps):.0f}"]
        cells += [f"{100 * share:.1f}" for share in seen.shares()]
        found["waiting"].append(_row(data, name, *cells))
        if workers:
            used = seen.loader.num_workers
            cells = [f"{len(seen)}", f"{workers}", f"{used}"]
            for number, keep in ((workers, False), (used, False), (used, True)):
                times = bare_epochs(alone, number, keep=keep, rounds=args.rounds)
                cells.append(", ".join(f"{1000 * value:.0f}" for value in times))
            found["starts"].append(_row(data, name, *cells))
    return found


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    parser = build_options()
    args = parser.parse_args(arguments)
    if min(args.workers) < 0:
        parser.error(f"--workers {min(args.workers)}: must be 0 or more")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no CUDA device here; use cpu")
    torch.set_num_threads(args.threads)
    words = [f"--{name} {value}" for name, value in vars(args).items()]
    print("python benchmarks/waiting_for_data.py", *(w.translate(LIST) for w in words))
    device = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(f"torch {torch.__version__}, {device}, {os.cpu_count()} processors")
    parts = []
    for name in args.trainers:
        for data in args.data:
            with tempfile.TemporaryDirectory() as folder, quiet():
                parts.append(measure(name, data, Path(folder), args))
    for table, head in TABLES.items():
        print("", head, "|---" * (head.count("|") - 1) + "|", sep="\n")
        print(*(row for part in parts for row in part[table]), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
