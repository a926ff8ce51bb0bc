import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import clip
from tests.support import tiny_clip

GOLDEN = Path(__file__).parents[2] / "golden" / "clip"


@dataclass
class Golden:
    """One tiny CLIP as this code builds it, and what OpenAI's computes with the same weights."""

    state: dict[str, Tensor]
    model: clip.CLIP
    facts: dict
    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    @property
    def tokens(self) -> Tensor:
        return self["tokens"].long()


def _golden(kind: str) -> Golden:
    state = getattr(tiny_clip, kind)()
    facts = json.loads((GOLDEN / "models.json").read_text())[kind]
    with np.load(GOLDEN / f"{kind}.npz") as file:
        arrays = dict(file)
    return Golden(state, clip.build_model(state), facts, arrays)


@pytest.fixture(scope="session")
def golden_vit() -> Golden:
    return _golden("vit")


@pytest.fixture(scope="session")
def golden_resnet() -> Golden:
    return _golden("resnet")


@pytest.fixture(params=["vit", "resnet"])
def golden(request: pytest.FixtureRequest) -> Golden:
    return request.getfixturevalue(f"golden_{request.param}")


@pytest.fixture(scope="session")
def small_state() -> dict[str, Tensor]:
    """A ViT CLIP small enough to save and load many times (its vocabulary is nearly all of it)."""
    return tiny_clip.vit(
        layers=2,
        resolution=16,
        patch=8,
        vision_width=64,
        text_width=64,
        text_layers=2,
        embed_dim=32,
        seed=1,
    )


@pytest.fixture(scope="session")
def small_resnet_state() -> dict[str, Tensor]:
    return tiny_clip.resnet(
        layers=(2, 1, 1, 1),
        resolution=32,
        width=8,
        text_width=64,
        text_layers=1,
        embed_dim=32,
        seed=2,
    )
