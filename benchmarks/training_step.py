"""Time and peak memory of training steps on a CLIP with random weights of a public model's shape.

    python benchmarks/training_step.py --trainers CoOp MaPLeDePT --classes 50 --steps 50

Needs no data and no download. Prints one line per trainer: median, fastest and slowest step after
the warm-up, peak memory. On a GPU the published fp16, on a CPU fp32.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import clip
from dassl.engine import TRAINER_REGISTRY
from dassl.engine.result import peak_memory_mb
from train import build_parser, setup_cfg

CONFIGS = {
    "CoOp": "configs/trainers/CoOp/vit_b16_ep10_bs4_lr35.yaml",
    "MaPLe": "configs/trainers/MaPLe/vit_b16_c2_ep10_batch4_2ctx.yaml",
}
VIT_B16 = clip.CLIPDims(512, 224, 12, 768, 16)


class WithoutData:
    """The layer in front of a trainer that gives it classnames and no images."""

    def build_data_loader(self) -> None:
        names = [f"class number {index}" for index in range(self.num_made_classes)]
        self.dm = SimpleNamespace(dataset=SimpleNamespace(classnames=names))
        self.num_classes, self.lab2cname = len(names), dict(enumerate(names))
        self.train_loader_x = self.train_loader_u = self.val_loader = self.test_loader = None


def measure(name: str, weights: Path, args: argparse.Namespace) -> str:
    """One row: trainer, precision, step times in milliseconds, peak memory in MiB."""
    words = ["--trainer", name, "--config-file", CONFIGS[name.removesuffix("DePT")]]
    words += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml"]
    cfg = setup_cfg(build_parser().parse_args([*words, "--backbone", str(weights)]))
    torch.manual_seed(1)
    layers = (WithoutData, TRAINER_REGISTRY.get(name))
    trainer = type(name, layers, {"num_made_classes": args.classes})(cfg)
    size = cfg.DATALOADER.TRAIN_X.BATCH_SIZE
    batch = {
        "img": torch.randn(size, 3, 224, 224),
        "label": torch.arange(size) % args.classes,
    }
    trainer.num_batches, times = args.steps + args.warmup + 1, []
    for trainer.batch_idx in range(args.steps + args.warmup):
        started = time.perf_counter()
        float(trainer.forward_backward(batch)["loss"])  # waits for the device
        times.append(1000 * (time.perf_counter() - started))
    times = times[args.warmup :]
    row = [name, trainer.precision.name, f"{statistics.median(times):.1f}"]
    row += [f"{min(times):.1f}", f"{max(times):.1f}", f"{peak_memory_mb(trainer.device):.0f}"]
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainer.device)
    return "  ".join(f"{cell:>10}" for cell in row)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--trainers", nargs="+", default=["CoOp", "MaPLeDePT"])
    parser.add_argument("--classes", type=int, default=50, help="default: 50")
    parser.add_argument("--steps", type=int, default=50, help="counted steps; default: 50")
    parser.add_argument("--warmup", type=int, default=5, help="steps before; default: 5")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random_vit_b16.pt"
        torch.manual_seed(0)
        torch.save(clip.CLIP(VIT_B16).state_dict(), weights)
        head = ["trainer", "precision", "median ms", "min ms", "max ms", "peak MiB"]
        rows = [measure(name, weights, args) for name in args.trainers]
    print("  ".join(f"{cell:>10}" for cell in head), *rows, sep="\n")


if __name__ == "__main__":
    main()
