"""Builds trainers on a small CLIP with a data manager that only knows classnames.

A frozen CLIP is loaded once a process and shared by all trainers of this file, of all tests; one
that a test has changed all the same is refused to the next.
"""

import random
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import torch

import clip
from clip.source import stamp
from dassl.engine import TrainerX, build_trainer
from train import build_parser, setup_cfg

SMALL = (
    *("INPUT.SIZE", "(32, 32)"),
    *("OPTIM.MAX_EPOCH", "5"),
    *("USE_CUDA", "False"),
    *("DATASET.SUBSAMPLE_CLASSES", "base"),
)
PETS = "configs/datasets/oxford_pets.yaml"


def config(trainer, config_file, weights, options=(), dataset=PETS):
    """The config of a run as train.py makes it."""
    words = ["--trainer", trainer, "--config-file", config_file, "--dataset-config-file", dataset]
    words += ["--backbone", str(weights), *SMALL, *map(str, options)]
    return setup_cfg(build_parser().parse_args(words))


def of_tasks(tasks):
    """What `build` takes for a dataset of several tasks, given as task name -> classnames."""
    return {
        "classnames": [name for names in tasks.values() for name in names],
        "taskid2tname": list(tasks),
        "taskid2cname": list(tasks.values()),
        "taskid2type": ["sl"] * len(tasks),
        "taskid2metric": ["overall_acc"] * len(tasks),
        "task_templates": ["a photo of a {}."] * len(tasks),
    }


def label_rows(label, tasks):
    """Joint labels [B] -> the rows [B, C] of a multi-task batch: -1 outside the task, 1 at the
    class."""
    sizes = torch.tensor([len(names) for names in tasks.values()])
    task_of_class = torch.arange(len(tasks)).repeat_interleave(sizes)
    rows = (task_of_class == task_of_class[label][:, None]).long() - 1
    rows[torch.arange(len(label)), label] = 1
    return rows


def two_shots(classnames, tasks=None):
    """Items of two training images a class, which nothing reads."""
    places = [(t, c) for t, names in enumerate(tasks or [classnames]) for c in range(len(names))]
    return 2 * [SimpleNamespace(impath="", label=[c] if tasks else c, task=[t]) for t, c in places]


def handed_on(trained, other, place, folder):
    """Another trainer with what one has saved as its second epoch, in `folder` below a place."""
    trained.save_model(1, str(place))
    assert (place / folder / "model.pth.tar-2").is_file()
    other.load_model(str(place), epoch=2)
    return other


load_model = clip.load_model


@lru_cache(maxsize=6)
def _loaded(name, stamps, precision, activation):
    model = load_model(name, precision, activation)
    return model, _state_of(model)


def _state_of(model):
    """What is not to change in a frozen CLIP: modes, and how often its tensors were written to."""
    modes = [module.training for module in model.modules()]
    return modes, [(id(p), p._version, p.requires_grad) for p in model.parameters()]


def shared_model(name, precision="fp32", activation="auto"):
    """As `clip.load_model`, the same model for the same file."""
    path = Path(name)
    # a folder and a name of open_clip's are more than one file; on a GPU a run moves its CLIP
    if not path.is_file() or torch.cuda.is_available():
        return load_model(name, precision, activation)
    model, state = _loaded(name, (stamp(path), stamp(path.parent)), precision, activation)
    assert _state_of(model) == state, "a test has changed the CLIP that is shared"
    return model


def build(monkeypatch, cfg, classnames, seed=1, **dataset):
    """A trainer for the given classes, without any data."""
    dataset.setdefault("train_x", two_shots(classnames, dataset.get("taskid2cname")))

    def stub_data(trainer):
        trainer.dm = SimpleNamespace(dataset=SimpleNamespace(classnames=classnames, **dataset))
        trainer.num_classes = len(classnames)
        trainer.lab2cname = dict(enumerate(dataset.get("taskid2cname", classnames)))
        trainer.train_loader_x = trainer.val_loader = trainer.test_loader = None
        trainer.train_loader_u = None

    monkeypatch.setattr(TrainerX, "build_data_loader", stub_data)
    monkeypatch.setattr(clip, "load_model", shared_model)
    torch.manual_seed(seed)
    trainer = build_trainer(cfg)
    trainer.set_model_mode("train")
    return trainer


def step(trainer, image, label, batch_idx=0, num_batches=2):
    """One training step on images [B, 3, H, H] and labels [B]; a second view is mirrored, and what
    a method draws from Python's generator is the same in every step."""
    random.seed(3)
    trainer.batch_idx, trainer.num_batches = batch_idx, num_batches
    views = [image, image.flip(-1)]
    image = views if trainer.cfg.DATALOADER.K_TRANSFORMS == 2 else image
    return trainer.forward_backward({"img": image, "label": label})


def trained(trainer):
    """The tensors that train, by name."""
    return {n: p for n, p in trainer.model.named_parameters() if p.requires_grad}


@torch.no_grad()
def wander(trainer, scale=0.05):
    """Moves all tensors away from their start (FiLM's is the identity); returns the trainer."""
    generator = torch.Generator().manual_seed(3)
    for tensor in trainer.model.parameters():
        tensor += scale * torch.randn(tensor.shape, generator=generator)
    return trainer


@torch.no_grad()
def logits(trainer, image):
    """Logits [B, C] of evaluation."""
    trainer.set_model_mode("eval")
    return trainer.model_inference(image)
