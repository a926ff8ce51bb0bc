"""A small CLIP, five classes and a batch for every trainer test."""

import functools
from pathlib import Path

import pytest
import torch

import configs
import trainers  # noqa: F401  registers the methods
from dassl.engine import TRAINER_REGISTRY
from tests.support import command, prompt_run, tiny_clip
from tests.unit.trainers.softcpt_runs import HARD, NODE, SMALL, TASKS, words
from trainers.parts import run_config, templates
from trainers.parts.model import Batch
from trainers.parts.register import ALIASES
from trainers.parts.task_training import MultiTaskTrainer
from trainers.parts.trainer import PromptTrainer

SENTENCES = Path(__file__).with_name("sentences.json")  # of NAMES
NAMES = ["red apple", "golden_retriever", "Boeing 737-800", "forest", "sports car"]
# DePT's head takes its dtype in one place: with half a context, with prompts of both towers, in
# float32 and over several tasks it is tested in every precision, elsewhere its method alone.
WITH_DEPT = ("CoOpDePT", "MaPLeDePT", "VPTDePT", "SoftCPTDePT")
SHALLOW = {  # options for towers of two blocks or more
    "CoPrompt": ("TRAINER.CoPrompt.PROMPT_DEPTH", 2),
    "IVLP": ("TRAINER.IVLP.PROMPT_DEPTH_VISION", 2, "TRAINER.IVLP.PROMPT_DEPTH_TEXT", 2),
    "MaPLe": ("TRAINER.MAPLE.PROMPT_DEPTH", 2),
    "MMA": ("TRAINER.MMADAPTER.ADAPTER_START", 1, "TRAINER.MMADAPTER.ADAPTER_END", 2),
    "MMRL": ("TRAINER.MMRL.REP_LAYERS", [1, 2]),
    "MMRLpp": ("TRAINER.MMRLpp.REP_LAYERS", [1, 2]),
    "PromptSRC": (
        *("TRAINER.PROMPTSRC.PROMPT_DEPTH_VISION", 2),
        *("TRAINER.PROMPTSRC.PROMPT_DEPTH_TEXT", 2),
    ),
    "TCP": ("TRAINER.TCP.BLOCK", 2),
    "VPT": ("TRAINER.VPT.PROMPT_DEPTH_VISION", 2),
}


def trained_methods():
    """Every registered method that trains, without the published aliases: tests run over all."""
    names = TRAINER_REGISTRY.registered_names()
    classes = {name: TRAINER_REGISTRY.get(name) for name in names if name not in ALIASES}
    return [n for n, c in classes.items() if issubclass(c, PromptTrainer) and c.trainable]


def plain(name):
    """The method that a registered name is an alias or a variant of."""
    return ALIASES.get(name, name).removesuffix("DePT")


def is_multitask(name):
    """Whether a method is meant for several tasks, and needs their names."""
    return issubclass(TRAINER_REGISTRY.get(name), MultiTaskTrainer)


def dataset_of(name, classnames):
    """What a method's dataset says of its classes: for some methods, that they are of two tasks."""
    if not is_multitask(name):
        return {"classnames": list(classnames)}
    return prompt_run.of_tasks({"living things": classnames[:2], "the rest": classnames[2:]})


@functools.cache
def yaml_of(name):
    """A YAML of the method, for ViT-B/16 where there is one, from the folder that configs.py names;
    the method's own where no experiment is of it."""
    entries = [configs.get_config(experiment)["train"] for experiment in configs.experiments()]
    folders = {train["trainer"]: train.get("cfg_trainer") for train in entries}
    for place in run_config.folder_names(folders.get(name) or name):
        files = sorted(command.PROJECT.glob(f"configs/trainers/{place}/*.yaml"))
        files.sort(key=lambda file: not file.name.startswith("vit_b16"))
        if files:
            return str(files[0].relative_to(command.PROJECT))
    raise FileNotFoundError(f"no YAML of {name}")


def needed_options(name):
    """What a method cannot run without and its YAML leaves to the command line."""
    needed = {
        "SoftCPT": ["TRAINER.MTCOOP.PG_TYPE", "lin"],
        "CoPrompt": ["TRAINER.CoPrompt.SENTENCES", str(SENTENCES)],
    }
    return list(needed.get(plain(name), ()))


def precision_key(name):
    """The config key of a method's precision; "" where it has none."""
    return TRAINER_REGISTRY.get(name).precision_key


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(4, 3, 32, 32, generator=generator)
    return Batch(image, torch.tensor([0, 3, 1, 3]), (image.flip(-1),))


@pytest.fixture
def make(deep_vit, monkeypatch):
    """Builds a trainer in fp32: make("CoOpDePT", "KEY", value, ..., names=[...], seed=1)."""

    def call(trainer, *options, names=NAMES, seed=1, weights=deep_vit, **dataset):
        key = precision_key(trainer)
        settings = ([key, "fp32"] if key else []) + needed_options(trainer) + list(options)
        cfg = prompt_run.config(trainer, yaml_of(trainer), weights, settings)
        dataset = {**dataset_of(trainer, names), **dataset}
        return prompt_run.build(monkeypatch, cfg, seed=seed, **dataset)

    return call


@pytest.fixture(scope="session")
def three_blocks(tmp_path_factory):
    """Path of a CLIP with a block that methods change first, one behind it, and one of its own."""
    path = tmp_path_factory.mktemp("weights") / "three_blocks.pt"
    sizes = {"layers": 3, "text_layers": 3, "vision_width": 64, "text_width": 64}
    return tiny_clip.saved(path, **sizes, embed_dim=32)


@pytest.fixture
def shallow(make, three_blocks, monkeypatch):
    """As make, on towers of three blocks; the teacher of PromptSRC reads two templates of 60."""
    monkeypatch.setattr(templates, "IMAGENET_TEMPLATES", templates.IMAGENET_TEMPLATES[:2])

    def call(name, *options, weights=three_blocks, **how):
        return make(name, *SHALLOW.get(plain(name), ()), *options, weights=weights, **how)

    return call


@pytest.fixture
def softcpt(shallow):
    """Builds SoftCPT over TASKS: softcpt(CSC=True, ...)."""

    def call(name="SoftCPT", tasks=TASKS, seed=1, **values):
        options = words(NODE, {**SMALL, **values})
        return shallow(name, *options, seed=seed, **prompt_run.of_tasks(tasks))

    return call


@pytest.fixture
def hard(shallow):
    """Builds a hard baseline over TASKS: hard(TSC=True, ...)."""

    def call(name="SoftCPTHard", tasks=TASKS, seed=1, **values):
        options = words(HARD, {"N_CTX": 3, **values})
        return shallow(name, *options, seed=seed, **prompt_run.of_tasks(tasks))

    return call


@pytest.fixture
def two_tasks(batch):
    """A batch without an image of cars, the second task."""
    return Batch(batch.image, torch.tensor([0, 1, 4, 3]))
