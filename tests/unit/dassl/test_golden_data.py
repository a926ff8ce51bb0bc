"""Few-shot choice, samplers, loaders, transforms."""

import json
import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image

from dassl.config import get_cfg_default
from dassl.data import samplers
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import DatasetBase
from dassl.data.datasets.base_dataset import Datum
from dassl.data.transforms import build_transform
from dassl.utils import set_random_seed
from tests.unit.dassl.toy import GOLDEN

FEWSHOT = json.loads((GOLDEN / "fewshot.json").read_text())
SAMPLERS = json.loads((GOLDEN / "samplers.json").read_text())
TRANSFORMS = json.loads((GOLDEN / "transforms.json").read_text())


def made_up(impath, label, domain=0, classname=""):
    """A Datum of a file that does not exist, as unpickling makes it."""
    item = Datum.__new__(Datum)
    item.__dict__.update(_impath=impath, _label=label, _domain=domain, _classname=classname)
    return item


def items(split):
    labels = FEWSHOT[f"{split}_labels"]
    return [made_up(str(i), label, classname=f"class {label}") for i, label in enumerate(labels)]


def positions(chosen):
    return [int(item.impath) for item in chosen]


@pytest.mark.parametrize("case", FEWSHOT["selected"], ids=lambda c: f"{c['seed']}-{c['shots']}")
def test_fewshot_choice(case, capsys):
    train, val = items("train"), items("val")
    base, shots = DatasetBase(train_x=train), case["shots"]
    set_random_seed(case["seed"])
    chosen = base.generate_fewshot_dataset(train, num_shots=shots)
    chosen_val = base.generate_fewshot_dataset(val, num_shots=min(shots, 4))
    assert positions(chosen) == case["train"] and positions(chosen_val) == case["val"]
    assert capsys.readouterr().out == case["printed"]
    assert random.random() == case["next_random"]
    set_random_seed(case["seed"])
    repeated = base.generate_fewshot_dataset(train, num_shots=shots, repeat=True)
    assert positions(repeated) == case["repeat_train"]
    both = base.generate_fewshot_dataset(train, val, num_shots=shots)
    assert [positions(source) for source in both] == case["two_sources_after_repeat"]


def test_no_shots_gives_the_sources_back():
    train, val = items("train"), items("val")
    base = DatasetBase(train_x=train)
    assert base.generate_fewshot_dataset(train) is train
    assert base.generate_fewshot_dataset(train, val, num_shots=0) == (train, val)


def test_published_fewshot_cache_opens():
    with open(GOLDEN / "shot_2-seed_1.pkl", "rb") as file:
        cache = pickle.load(file)
    found = {
        split: [[item.impath, item.label, item.domain, item.classname] for item in cached]
        for split, cached in cache.items()
    }
    assert found == FEWSHOT["cache_shots_2"]


@pytest.mark.parametrize("case", SAMPLERS["RandomSampler"])
def test_random_sampler(case):
    set_random_seed(case["seed"])
    sampler = samplers.RandomSampler(range(case["n"]))
    assert [list(sampler) for _ in case["epochs"]] == case["epochs"]
    assert torch.rand(1).item() == case["next_torch"]


class Positions(torch.utils.data.Dataset):
    """Stands in for DatasetWrapper: an item is its position."""

    def __init__(self, cfg, data_source, transform=None, is_train=False):
        self.data_source = data_source

    def __len__(self):
        return len(self.data_source)

    def __getitem__(self, index):
        return index


@pytest.mark.parametrize("case", SAMPLERS["loader"])
def test_loader_order(case):
    cfg = get_cfg_default()
    cfg.DATALOADER.NUM_WORKERS = case["workers"]
    cfg.USE_CUDA = False
    source = [made_up(str(i), 0) for i in range(case["n"])]
    set_random_seed(case["seed"])
    shared = {"data_source": source, "batch_size": case["batch"], "dataset_wrapper": Positions}
    train = build_data_loader(cfg, "RandomSampler", is_train=True, **shared)
    test = build_data_loader(cfg, "SequentialSampler", is_train=False, **shared)
    assert train.drop_last == case["drop_last"]
    epochs = [[batch.tolist() for batch in train] for _ in case["epochs"]]
    assert epochs == case["epochs"]
    assert [batch.tolist() for batch in test] == case["test"]
    assert torch.rand(1).item() == case["next_torch"]


@pytest.mark.parametrize("case", SAMPLERS["other"], ids=lambda c: f"{c['kind']}-{c['seed']}")
def test_class_and_domain_samplers(case):
    source = [
        made_up(str(i), label, domain)
        for i, (label, domain) in enumerate(zip(case["labels"], case["domains"], strict=True))
    ]
    set_random_seed(case["seed"])
    sampler = getattr(samplers, case["kind"])(source, **case["args"])
    assert len(sampler) == case["length"]
    assert [[int(i) for i in sampler] for _ in case["epochs"]] == case["epochs"]


@pytest.mark.parametrize(
    "case", TRANSFORMS["cases"], ids=lambda c: f"{c['name']}-{'train' if c['is_train'] else 'test'}"
)
def test_transforms(case, capsys):
    arrays = np.load(GOLDEN / "transforms.npz")
    cfg = get_cfg_default()
    cfg.INPUT.SIZE = (32, 32)
    cfg.INPUT.INTERPOLATION = "bicubic"
    cfg.INPUT.PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073]
    cfg.INPUT.PIXEL_STD = [0.26862954, 0.26130258, 0.27577711]
    cfg.INPUT.TRANSFORMS = tuple(case["transforms"])
    for key, value in case["overrides"].items():
        cfg.merge_from_list([key, value])
    transform = build_transform(cfg, is_train=case["is_train"])
    assert capsys.readouterr().out == case["printed"]
    assert [type(step).__name__ for step in transform.transforms] == case["steps"]
    image = Image.fromarray(arrays["image"])
    set_random_seed(TRANSFORMS["seed"])
    kind = "train" if case["is_train"] else "test"
    for expected in torch.from_numpy(arrays[f"{case['name']}_{kind}"]):
        torch.testing.assert_close(transform(image), expected, rtol=1e-5, atol=1e-5)
