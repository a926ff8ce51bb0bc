"""Milliseconds of a training step of the published code, beside ours.

    git clone https://github.com/Koorye/DePT ../DePT
    git clone https://github.com/muzairkhattak/PromptSRC ../PromptSRC
    python benchmarks/published_steps.py --dept ../DePT --promptsrc ../PromptSRC

CoOp, KgCoOp, CoCoOp and MaPLe of the DePT repository, IVLP and PromptSRC of PromptSRC's, each with
its own YAML, CLIP and trainer file, on this project's engine, which takes them as they are; only
casts to half and moves to a GPU, which some do in every precision, do nothing. Both sides have the
same torch, random weights of ViT-B/16, made-up classnames and images of noise, fp32 on the CPU;
they take turns, each time in a process of its own. A repository that is not given is left out.
Nothing else should run on the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parents[1]
REPOSITORIES = {
    "dept": ("CoOp", "KgCoOp", "CoCoOp", "MaPLe"),
    "promptsrc": ("IVLP", "PromptSRC"),
}
OURS, PUBLISHED = "--ours", "--published"  # what a process of its own is to run
DATASET = "OxfordPets"  # by whose name trainers choose a template
SEED = 1


def published_trainer(
    name: str, yaml: str, weights: str, classnames: list[str], options: list[str]
) -> Any:
    """A trainer of the repository that stands first on the path.

    Args:
        yaml: its settings, from the repository.
        weights: the state dict of a CLIP, in place of a download.
        options: `KEY VALUE ...`, as in ours.
    """
    sys.modules.setdefault("plotnine", ModuleType("plotnine"))  # for figures, which no step draws
    import train  # the repository's, which registers its trainers
    from dassl.config import get_cfg_default
    from dassl.engine import TRAINER_REGISTRY

    cfg = get_cfg_default()
    train.extend_cfg(cfg)  # type: ignore[attr-defined]
    cfg.merge_from_file(yaml)
    cfg.merge_from_list(options)
    cfg.DATASET.NAME, cfg.DATASET.SUBSAMPLE_CLASSES = DATASET, "base"
    cfg.TRAINER.NAME, cfg.USE_CUDA = name, False
    for node in cfg.TRAINER.values():
        if isinstance(node, dict) and "PREC" in node:
            node.PREC = "fp32"
    for module in [found for key, found in sys.modules.items() if key.endswith(".clip")]:
        module._download = lambda *_words: weights  # type: ignore[attr-defined]
    for base in (torch.Tensor, torch.nn.Module):  # some cast or move whatever the config says
        base.half = base.cuda = lambda self, *_words, **_how: self  # type: ignore

    def without_data(self: Any) -> None:
        count, dataset = len(classnames), SimpleNamespace(classnames=classnames)
        self.dm = SimpleNamespace(dataset=dataset, num_classes=count)
        self.num_classes, self.lab2cname = count, dict(enumerate(classnames))
        self.train_loader_x = self.train_loader_u = self.val_loader = self.test_loader = None

    kind = TRAINER_REGISTRY.get(name)
    return type(name, (kind,), {"build_data_loader": without_data})(cfg)


def seconds(trainer: Any, classes: int, steps: int) -> list[float]:
    """Seconds of steps on one batch of noise, after one that does not count."""
    trainer.num_batches, trainer.batch_idx = sys.maxsize, 0  # no step is an epoch's last
    size = trainer.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
    generator = torch.Generator().manual_seed(SEED)
    image = torch.randn(size, 3, *trainer.cfg.INPUT.SIZE, generator=generator)
    batch = {"img": image, "label": torch.arange(size) % classes}
    taken = []
    for _ in range(1 + steps):
        started = time.perf_counter()
        float(trainer.forward_backward(batch)["loss"])
        taken.append(time.perf_counter() - started)
    return taken[1:]


def child(words: Sequence[str]) -> None:
    """One side's steps, as JSON on the last line."""
    side, facts = words[0], json.loads(words[1])
    name, weights, names = facts["name"], facts["weights"], facts["classnames"]
    torch.manual_seed(SEED)
    if side == OURS:
        from benchmarks.training_step import build

        trainer = build(name, Path(weights), len(names))
    else:
        trainer = published_trainer(name, facts["yaml"], weights, names, facts["options"])
    print("\n" + json.dumps(seconds(trainer, len(names), facts["steps"])))


def of_child(side: str, facts: dict[str, Any], *path: Path) -> list[float]:
    """What `child` says, in a process of its own with these folders on its path.

    Raises:
        SystemExit: it failed.
    """
    places = os.pathsep.join(str(place) for place in (*path, PROJECT))
    environment = {**os.environ, "PYTHONPATH": places, "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-P", __file__, side, json.dumps(facts)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        end = (done.stderr or done.stdout).strip().splitlines()[-1:]
        sys.exit(f"{facts['name']}, {side.strip('-')}: {''.join(end)}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    for name, trainers in REPOSITORIES.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=", ".join(trainers))
    parser.add_argument("--trainers", nargs="+", help="of these alone")
    parser.add_argument("--classes", type=int, default=50, help="default: 50")
    parser.add_argument("--steps", type=int, default=3, help="of each turn; default: 3")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side; default: 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all seconds")
    args = parser.parse_args()
    places = {name: getattr(args, name) for name in REPOSITORIES}
    chosen = [
        (trainer, place.resolve())
        for name, place in places.items()
        for trainer in REPOSITORIES[name]
        if place and (not args.trainers or trainer in args.trainers)
    ]
    if not chosen:
        parser.error("nothing to run: --dept DIR or --promptsrc DIR, a clone that has the trainers")

    from benchmarks.training_step import made_classnames, published, random_weights

    rows, found = [], {}
    with random_weights() as weights:
        for name, place in chosen:
            yaml, options = published(name)
            facts = {"name": name, "weights": str(weights), "yaml": str(place / yaml)}
            facts |= {"options": options, "steps": args.steps}
            facts |= {"classnames": made_classnames(args.classes)}
            sides: dict[str, list[float]] = {PUBLISHED: [], OURS: []}
            for _ in range(args.rounds):
                sides[PUBLISHED] += of_child(PUBLISHED, facts, place)
                sides[OURS] += of_child(OURS, facts)
            theirs, ours = (1000 * statistics.median(each) for each in sides.values())
            found[name] = {side.strip("-"): each for side, each in sides.items()}
            rows.append([name, f"{theirs:.0f}", f"{ours:.0f}", f"{theirs / ours:.1f}"])
            print(*rows[-1], flush=True)
    print(tabulate(rows, headers=["trainer", "published ms", "ours ms", "published / ours"]))
    if args.json:
        args.json.write_text(json.dumps({"torch": torch.__version__, "seconds": found}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] in ([OURS], [PUBLISHED]):
        child(sys.argv[1:])
    else:
        sys.path.insert(0, str(PROJECT))
        main()
