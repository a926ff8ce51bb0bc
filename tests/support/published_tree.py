"""A repository as published ones are: its own clip/, trainers/, datasets/ and train.py, written for
the public engine, which it does not bring along."""

from pathlib import Path

FILES = {
    "clip/__init__.py": "from .clip import *\n",
    "clip/clip.py": '''
import torch
from .simple_tokenizer import SimpleTokenizer

__all__ = ["load", "tokenize"]


def load(name):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4))


def tokenize(text):
    return SimpleTokenizer().encode(text)
''',
    "clip/simple_tokenizer.py": '''
class SimpleTokenizer:
    def encode(self, text):
        return [ord(letter) for letter in text]
''',
    "trainers/__init__.py": "",
    "trainers/theirs.py": '''
import torch.nn.functional as F
from torch import nn

from clip import clip
from clip.simple_tokenizer import SimpleTokenizer as _Tokenizer
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.optim import build_lr_scheduler, build_optimizer

_tokenizer = _Tokenizer()


@TRAINER_REGISTRY.register()
class Theirs(TrainerX):
    def build_model(self):
        tower = clip.load(self.cfg.MODEL.BACKBONE.NAME)
        name = self.dm.dataset.classnames[0]
        assert clip.tokenize(name) == _tokenizer.encode(name)
        self.model = nn.Sequential(tower, nn.Linear(4, self.num_classes)).to(self.device)
        self.optim = build_optimizer(self.model, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("theirs", self.model, self.optim, self.sched)

    def forward_backward(self, batch):
        image, label = batch["img"].to(self.device), batch["label"].to(self.device)
        loss = F.cross_entropy(self.model(image), label)
        self.model_backward_and_update(loss)
        return {"loss": loss.item()}
''',
    "datasets/__init__.py": "",
    "datasets/theirs.py": '''
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum


@DATASET_REGISTRY.register()
class TheirData(DatasetBase):
    def __init__(self, cfg):
        items = [
            Datum(f"{cfg.DATASET.ROOT}/{label}.png", label, classname=name)
            for label, name in enumerate(["red", "blue"])
        ]
        super().__init__(train_x=items, val=items, test=items)
''',
    "train.py": '''
import argparse

import datasets.theirs
import trainers.theirs
from dassl.config import get_cfg_default
from dassl.engine import build_trainer
from dassl.utils import set_random_seed, setup_logger

parser = argparse.ArgumentParser()
parser.add_argument("--root")
parser.add_argument("--output-dir")
parser.add_argument("--trainer")
args = parser.parse_args()
cfg = get_cfg_default()
cfg.merge_from_list(["INPUT.SIZE", (8, 8), "DATALOADER.NUM_WORKERS", 0, "OPTIM.MAX_EPOCH", 1,
                     "DATALOADER.TRAIN_X.BATCH_SIZE", 2, "DATASET.NAME", "TheirData",
                     "DATASET.ROOT", args.root, "OUTPUT_DIR", args.output_dir,
                     "TRAINER.NAME", args.trainer])
cfg.freeze()
set_random_seed(1)
setup_logger(cfg.OUTPUT_DIR)
trainer = build_trainer(cfg)
trainer.train()
''',
}  # fmt: skip


def write(folder: Path) -> Path:
    """Writes the repository, with two pictures in `data/`, and returns its folder."""
    from PIL import Image

    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    (folder / "data").mkdir()
    for label, colour in enumerate(["red", "blue"]):
        Image.new("RGB", (12, 10), colour).save(folder / "data" / f"{label}.png")
    return folder
