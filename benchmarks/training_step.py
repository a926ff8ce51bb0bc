"""Time, peak memory and arithmetic of training steps on a CLIP with random weights of a public
model's shape.

    python benchmarks/training_step.py --trainers CoOp MaPLeDePT --classes 50 --steps 50

Needs no data and no download. Prints one line per trainer: median, fastest and slowest step after
the warm-up, its seconds, peak memory, floating-point operations of a step and what it does of them
in a second. On a GPU the published precision, on a CPU fp32.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.compiler.config
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import clip
import configs
from dassl.engine import TRAINER_REGISTRY
from dassl.engine.result import peak_memory_mb
from train import build_parser, setup_cfg
from trainers.parts.task_training import MultiTaskTrainer

VIT_B16 = clip.CLIPDims(512, 224, 12, 768, 16)
SHOTS = 16  # what Tip-Adapter-F's cache holds of each class
TASKS = 10  # that a method for several tasks gets the classes in
SENTENCES = "TRAINER.CoPrompt.SENTENCES"  # a file that it cannot do without


class WithoutData:
    """The layer in front of a trainer that gives it classnames, in tasks where it is meant for
    several, and training images which nothing reads."""

    def build_data_loader(self) -> None:
        names = made_classnames(self.num_made_classes)
        facts: dict[str, Any] = {"classnames": names}
        lab2cname: dict[int, Any] = dict(enumerate(names))
        if isinstance(self, MultiTaskTrainer):
            each = max(1, len(names) // TASKS)
            tasks = [names[start : start + each] for start in range(0, len(names), each)]
            facts |= {"taskid2cname": tasks, "taskid2type": ["sl"] * len(tasks)}
            facts |= {"taskid2tname": [f"task number {index}" for index in range(len(tasks))]}
            facts |= {"taskid2metric": ["overall_acc"] * len(tasks)}
            facts |= {"task_templates": ["a photo of a {}."] * len(tasks)}
            lab2cname = dict(enumerate(tasks))
        items = [SHOTS * [SimpleNamespace(label=label)] for label in range(len(names))]
        self.dm = SimpleNamespace(dataset=SimpleNamespace(train_x=[*chain(*items)], **facts))
        self.num_classes, self.lab2cname = len(names), lab2cname
        self.train_loader_x = self.train_loader_u = self.val_loader = self.test_loader = None


@contextmanager
def random_weights() -> Iterator[Path]:
    """A file with random weights of ViT-B/16's shape, as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random_vit_b16.pt"
        torch.manual_seed(0)
        torch.save(clip.CLIP(VIT_B16).state_dict(), weights)
        yield weights


def made_classnames(number: int) -> list[str]:
    """Names of classes that are not there."""
    return [f"class number {index}" for index in range(number)]


def published(name: str) -> tuple[str, list[str]]:
    """The YAML of a trainer and its words, as configs.py has them for ViT-B/16.

    Raises:
        SystemExit: it has none.
    """
    for experiment in configs.experiments():
        train = configs.get_config(experiment)["train"]
        if train["trainer"] == name:
            file = train["cfg"].replace("rn50", "vit_b16")
            place = f"configs/trainers/{train.get('cfg_trainer', name)}/{file}.yaml"
            return place, [str(word) for word in train["opts"]]
    sys.exit(f"{name}: configs.py has no entry that trains it")


def settings(name: str, weights: Path, classes: int, *options: object) -> Any:
    """The config of a trainer with its published YAML."""
    yaml, own = published(name)
    words = ["--trainer", name, "--backbone", str(weights), "--config-file", yaml]
    words += ["--dataset-config-file", "configs/datasets/oxford_pets.yaml", *own]
    words += ["MODEL.BACKBONE.ACTIVATION", "quick_gelu", *map(str, options)]
    if name.startswith("CoPrompt"):
        file = weights.with_name(f"sentences_{classes}.json")
        texts = {each: [f"a photo of a {each}."] for each in made_classnames(classes)}
        file.write_text(json.dumps(texts))
        words += [SENTENCES, str(file)]
    return setup_cfg(build_parser().parse_args(words))


def build(name: str, weights: Path, classes: int, *options: object) -> Any:
    """A trainer with its published YAML and made-up classnames."""
    cfg = settings(name, weights, classes, *options)
    torch.manual_seed(1)
    layers = (WithoutData, TRAINER_REGISTRY.get(name))
    trainer = type(name, layers, {"num_made_classes": classes})(cfg)
    trainer.num_batches = sys.maxsize  # no step is an epoch's last
    trainer.batch_idx = 0
    return trainer


def made_batch(trainer: Any, seed: int = 2) -> dict[str, torch.Tensor]:
    """A batch of noise of the published size; two views where the method takes two."""
    size = trainer.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(size, 3, *trainer.cfg.INPUT.SIZE, generator=generator)
    views = [image, image.flip(-1)] if trainer.cfg.DATALOADER.K_TRANSFORMS == 2 else image
    return {"img": views, "label": torch.arange(size) % trainer.num_classes}


def measure(
    name: str, weights: Path, *, classes: int, steps: int, warmup: int, mode: str = ""
) -> dict[str, Any]:
    """Milliseconds of a step, MiB at the peak, 10^9 operations of a step.

    Args:
        mode: of torch.compile, for both towers and what the method does before its logits; not
            compiled by default.
    """
    trainer = build(name, weights, classes)
    plain = trainer.model.features
    if mode:
        torch.compiler.reset()  # and no kernels of an earlier call, that the warm-up be a run's own
        torch.compiler.config.force_disable_caches = True
        trainer.model.features = torch.compile(plain, mode=mode)
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainer.device)
    batch, times = made_batch(trainer), []
    for _ in range(steps + warmup):
        started = time.perf_counter()
        torch.compiler.cudagraph_mark_step_begin()
        float(trainer.forward_backward(batch)["loss"])  # waits for the device
        times.append(1000 * (time.perf_counter() - started))
    peak = peak_memory_mb(trainer.device)
    trainer.model.features = plain
    with FlopCounterMode(display=False) as counted:
        trainer.forward_backward(batch)
    before, times = sum(times[:warmup]), times[warmup:]
    operations = counted.get_total_flops()
    median = statistics.median(times)
    return {
        "trainer": name,
        "precision": trainer.precision.name,
        "classes": classes,
        "median ms": round(median, 2),
        "min ms": round(min(times), 2),
        "max ms": round(max(times), 2),
        "warm-up s": round(before / 1000, 1),
        "peak MiB": round(peak),
        "GFLOP": round(operations / 1e9, 1),
        "TFLOP/s": round(operations / median / 1e9, 2),
    }


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Prints a table, a line for each row."""
    print(tabulate(rows, headers="keys"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--trainers", nargs="+", default=["CoOp", "MaPLeDePT"])
    parser.add_argument("--classes", type=int, default=50, help="default: 50")
    parser.add_argument("--steps", type=int, default=50, help="counted steps; default: 50")
    parser.add_argument("--warmup", type=int, default=5, help="steps before; default: 5")
    parser.add_argument("--compile", default="", metavar="MODE", help="compiled; a mode of torch's")
    args = parser.parse_args()
    counts = {"classes": args.classes, "steps": args.steps, "warmup": args.warmup}
    with random_weights() as weights:
        print_rows([measure(name, weights, **counts, mode=args.compile) for name in args.trainers])


if __name__ == "__main__":
    main()
