"""Measure the demo CLIP on the demo datasets: zero-shot, and a linear probe on frozen features.

    python -m assets.demo.making.measure

The probe is logistic regression on the normalised features of 16 images a class, mean over the
draws of seeds 1, 2 and 3: what image features allow at best while the image tower stays as it is.
That of a variant of DemoShapes is fitted on DemoShapes, all classes.
"""

import argparse
import logging
import random
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tabulate import tabulate
from torch.nn import functional

import clip
from dassl.config import get_cfg_default
from dassl.utils import read_image
from datasets.demo.suite import (
    DemoDigits,
    DemoShapes,
    DemoShapesSketch,
    DemoShapesStriped,
    DemoTextures,
)

ROOT = Path(__file__).resolve().parents[3]
SEEDS, SHOTS = (1, 2, 3), 16


def read(dataset: type, root: str, seed: int, subset: str):
    """A demo dataset as a run with this seed sees it."""
    cfg = get_cfg_default()
    cfg.DATASET.ROOT, cfg.DATASET.NUM_SHOTS, cfg.SEED = root, SHOTS, seed
    cfg.DATASET.SUBSAMPLE_CLASSES = subset
    random.seed(seed)
    return dataset(cfg)


@torch.no_grad()
def features(model, preprocess, data) -> tuple[np.ndarray, np.ndarray]:
    """Normalised image features [N, D] and labels [N]."""
    images = torch.stack([preprocess(read_image(item.impath)) for item in data])
    found = functional.normalize(model.encode_image(images), dim=-1)
    return found.numpy(), np.array([item.label for item in data])


@torch.no_grad()
def zero_shot(model, dataset, test: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy in percent of the dataset's own template."""
    prompts = [dataset.template.format(name) for name in dataset.classnames]
    text = functional.normalize(model.encode_text(clip.tokenize(prompts)), dim=-1).numpy()
    return 100 * float((np.argmax(test @ text.T, axis=1) == labels).mean())


def linear_probe(train: np.ndarray, targets: np.ndarray, test, labels, classes) -> float:
    """Accuracy in percent of logistic regression, among some of the classes it was fitted on."""
    probe = LogisticRegression(C=100, max_iter=5000).fit(train, targets)
    chosen = probe.decision_function(test)[:, classes].argmax(axis=1)
    return 100 * float((chosen == labels).mean())


def measure(dataset: type, subset: str, source: type, model, preprocess, root: str) -> list:
    """A row of the table; the probe is fitted on `source`."""
    tested = read(dataset, root, SEEDS[0], subset)
    test, labels = features(model, preprocess, tested.test)
    probes = []
    for seed in SEEDS:
        fitted = read(source, root, seed, subset)
        classes = [fitted.classnames.index(name) for name in tested.classnames]
        train = features(model, preprocess, fitted.train_x)
        probes.append(linear_probe(*train, test, labels, classes))
    shot = zero_shot(model, tested, test, labels)
    return [dataset.__name__, subset, len(labels), 100 / tested.num_classes, shot, np.mean(probes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default=str(ROOT / "assets" / "demo" / "clip_demo.pt"))
    parser.add_argument(
        "--root", default="", help="folder of the demo datasets (default: the cache)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("dassl", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)
    model, preprocess = clip.load(args.weights, device="cpu")
    rows = [
        measure(dataset, subset, dataset, model, preprocess, args.root)
        for dataset in (DemoShapes, DemoTextures, DemoDigits)
        for subset in ("base", "new")
    ]
    rows += [
        measure(dataset, "all", DemoShapes, model, preprocess, args.root)
        for dataset in (DemoShapes, DemoShapesSketch, DemoShapesStriped)
    ]
    headers = ["dataset", "classes", "test images", "chance", "zero-shot", "linear probe"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
