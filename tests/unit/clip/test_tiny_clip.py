"""The test CLIPs are bit for bit those that the golden numbers were made from."""

import hashlib

import pytest
import torch

import clip
from tests.support import tiny_clip

SMALL_VIT = {
    "layers": 2,
    "vision_width": 64,
    "text_width": 64,
    "text_layers": 1,
    "embed_dim": 32,
    "seed": 5,
    "resolution": 16,
    "patch": 8,
}
SMALL_RESNET = {
    "layers": (2, 1, 1, 1),
    "width": 8,
    "text_width": 64,
    "text_layers": 1,
    "embed_dim": 32,
    "seed": 3,
    "resolution": 32,
}


def digest(state: dict[str, torch.Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


# Digests of the golden data's own recipe.
@pytest.mark.parametrize(
    ("kind", "sizes", "expected"),
    [
        ("vit", SMALL_VIT, "5bcc192fa6b04b83ba280b7545fbf2f21395daef2f5fa2d7b2b613af8fb38b26"),
        (
            "resnet",
            SMALL_RESNET,
            "4b82248ed11a58685a5cb4fe77c5d7f24c4e6c9ef88a36ebcb4a1afb7ad2d28d",
        ),
    ],
)
def test_tensors_are_those_of_the_recipe(kind, sizes, expected):
    assert digest(getattr(tiny_clip, kind)(**sizes)) == expected


def test_default_tensors_are_those_of_the_recipe(golden_vit, golden_resnet):
    vit = "1062dc880764507879407947d95ee1897c7def736d13613e1f797da1f84f3c0a"
    resnet = "0c9bf83d5392f294e0a2db06b63f7b333d120940f2a0be5add4350c454ba5d0b"
    assert digest(golden_vit.state) == vit
    assert digest(golden_resnet.state) == resnet


@pytest.mark.parametrize(("kind", "sizes"), [("vit", SMALL_VIT), ("resnet", SMALL_RESNET)])
def test_saved_files_load(tmp_path, kind, sizes):
    path = tiny_clip.saved(tmp_path / "tiny.pt", kind, **sizes)
    assert digest(clip.load_state_dict(str(path))) == digest(getattr(tiny_clip, kind)(**sizes))
