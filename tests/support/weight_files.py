"""Weights files for tests: TorchScript archives with CLIP's names, files that name a program."""

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import clip


def module_tree(state: Mapping[str, Tensor]) -> nn.Module:
    """Nested modules whose state dict is ``state``: numbers as parameters, integers as buffers."""
    root = nn.Module()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        node = root
        for part in path:
            if part not in node._modules:
                node.add_module(part, nn.Module())
            node = node.get_submodule(part)
        if tensor.is_floating_point():
            node.register_parameter(leaf, nn.Parameter(tensor.clone()))
        else:
            node.register_buffer(leaf, tensor.clone())
    return root


class Traceable(nn.Module):
    """Gives a module tree a forward that can be traced, so that the archive holds a program."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.logit_scale + self.visual.conv1.weight.float().sum()


def save_archive(path: Path, state: Mapping[str, Tensor], *, traced: bool = True) -> Path:
    """Saves ``state`` as a TorchScript archive, with the extras that the public archives hold."""
    tree = module_tree(state)
    for name, value in (("input_resolution", 16), ("context_length", 77), ("vocab_size", 49408)):
        tree.register_buffer(name, torch.tensor(value))
    for block in tree.transformer.resblocks.children():
        block.attn_mask = torch.full((77, 77), float("-inf")).triu(
            1
        )  # neither parameter nor buffer
    tree.__class__ = Traceable
    script = torch.jit.trace(tree, torch.zeros(1)) if traced else torch.jit.script(tree)
    script.save(str(path))
    return path


def repacked(path: Path, target: Path, edit: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a zip file, every entry passed through ``edit(name, content)``."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, edit(name, old.read(name)))
    return target


class RunsACommand:
    """An object whose unpickling makes a file, in an unpickler that does as it is told."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)


def with_command(archive: Path, target: Path, marker: Path) -> Path:
    """A copy of an archive whose module tree asks for os.system."""
    program = pickle.dumps(RunsACommand(marker), protocol=2)
    return repacked(archive, target, lambda n, c: program if n.endswith("/data.pkl") else c)


def refusal(load, path, *parts: str) -> str:
    """The line by which `load` refuses a weights file: it names the file and holds the parts."""
    with pytest.raises(clip.WeightsError) as caught:
        load(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message
    return message
