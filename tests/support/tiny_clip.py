"""Small CLIPs with seeded random weights in OpenAI's state-dict layout.

The golden numbers under tests/golden were made from these tensors: numpy's legacy RandomState gives
the same stream everywhere, and the order of the tables below is the order of the draws.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Entry = tuple[str, tuple[int, ...], float, float]  # name, shape, standard deviation, mean

CONTEXT, VOCABULARY = 77, 49408
UNIFORM = math.nan  # in place of a deviation: uniform from the mean to the mean + 1


def vit(
    layers: int = 3,
    resolution: int = 32,
    patch: int = 16,
    vision_width: int = 768,
    text_width: int = 512,
    text_layers: int = 3,
    embed_dim: int = 512,
    seed: int = 0,
) -> dict[str, Tensor]:
    """State dict of a ViT CLIP, float32; by default the widths of ViT-B/16 with three blocks."""
    scale = vision_width**-0.5
    positions = (resolution // patch) ** 2 + 1
    visual: list[Entry] = [
        ("visual.class_embedding", (vision_width,), scale, 0.0),
        ("visual.positional_embedding", (positions, vision_width), scale, 0.0),
        ("visual.proj", (vision_width, embed_dim), scale, 0.0),
        ("visual.conv1.weight", (vision_width, 3, patch, patch), 0.02, 0.0),
        *_norm("visual.ln_pre", vision_width),
        *_norm("visual.ln_post", vision_width),
        *_blocks("visual.transformer", layers, vision_width),
    ]
    return _draw(seed, text_width, text_layers, embed_dim, visual)


def resnet(
    layers: Sequence[int] = (1, 1, 1, 1),
    resolution: int = 64,
    width: int = 16,
    text_width: int = 512,
    text_layers: int = 3,
    embed_dim: int = 1024,
    seed: int = 0,
) -> dict[str, Tensor]:
    """State dict of a ResNet CLIP, float32; by default one bottleneck a stage, and RN50's text
    widths."""
    pooled = 32 * width
    positions = (resolution // 32) ** 2 + 1
    visual: list[Entry] = [
        *_conv_norm("visual", "1", width // 2, 3, 3),
        *_conv_norm("visual", "2", width // 2, width // 2, 3),
        *_conv_norm("visual", "3", width, width // 2, 3),
        *_stages(layers, width),
        ("visual.attnpool.positional_embedding", (positions, pooled), pooled**-0.5, 0.0),
    ]
    for name, outputs in zip("qkvc", (pooled, pooled, pooled, embed_dim), strict=True):
        visual += _linear(f"visual.attnpool.{name}_proj", outputs, pooled)
    return _draw(seed, text_width, text_layers, embed_dim, visual)


def vit12() -> dict[str, Tensor]:
    """Twelve blocks in both towers, for methods of upper blocks: text of ViT-B/16's widths."""
    return vit(layers=12, text_layers=12, vision_width=128)


def vit12_narrow() -> dict[str, Tensor]:
    """Twelve blocks in both towers, all widths 64 (one head)."""
    return vit(layers=12, text_layers=12, vision_width=64, text_width=64, embed_dim=64)


def saved(path: str | Path, kind: str = "vit", **sizes: object) -> Path:
    """Saves a kind of CLIP, ``vit(**sizes)`` for instance, as a plain state dict and returns the
    path."""
    kinds = {"vit": vit, "vit12": vit12, "vit12_narrow": vit12_narrow, "resnet": resnet}
    torch.save(kinds[kind](**sizes), path)
    return Path(path)


def _draw(
    seed: int, text_width: int, text_layers: int, embed_dim: int, visual: list[Entry]
) -> dict[str, Tensor]:
    entries: list[Entry] = [
        ("positional_embedding", (CONTEXT, text_width), 0.01, 0.0),
        ("text_projection", (text_width, embed_dim), text_width**-0.5, 0.0),
        *visual,
        *_blocks("transformer", text_layers, text_width),
        ("token_embedding.weight", (VOCABULARY, text_width), 0.02, 0.0),
        *_norm("ln_final", text_width),
    ]
    rng = np.random.RandomState(seed)
    state = {"logit_scale": torch.tensor(math.log(1 / 0.07))}
    for name, shape, std, mean in entries:
        if math.isnan(std):
            values = mean + rng.random_sample(shape)
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
        else:
            values = rng.standard_normal(shape) * std + mean
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def _norm(name: str, width: int) -> list[Entry]:
    return [(f"{name}.weight", (width,), 0.05, 1.0), (f"{name}.bias", (width,), 0.05, 0.0)]


def _linear(name: str, outputs: int, inputs: int, sep: str = ".") -> list[Entry]:
    return [
        (f"{name}{sep}weight", (outputs, inputs), inputs**-0.5, 0.0),
        (f"{name}{sep}bias", (outputs,), 0.01, 0.0),
    ]


def _blocks(tower: str, layers: int, width: int) -> Iterator[Entry]:
    for i in range(layers):
        block = f"{tower}.resblocks.{i}"
        yield from _linear(f"{block}.attn.in_proj", 3 * width, width, sep="_")
        yield from _linear(f"{block}.attn.out_proj", width, width)
        yield from _norm(f"{block}.ln_1", width)
        yield from _norm(f"{block}.ln_2", width)
        yield from _linear(f"{block}.mlp.c_fc", 4 * width, width)
        yield from _linear(f"{block}.mlp.c_proj", width, 4 * width)


def _conv_norm(parent: str, number: str, outputs: int, inputs: int, kernel: int) -> list[Entry]:
    """A convolution and the batch norm behind it: conv<n> and bn<n>."""
    names = (f"{parent}.conv{number}", f"{parent}.bn{number}")
    return _conv_norm_named(*names, outputs, inputs, kernel)


def _conv_norm_named(conv: str, norm: str, outputs: int, inputs: int, kernel: int) -> list[Entry]:
    std = math.sqrt(2 / (inputs * kernel**2))
    return [
        (f"{conv}.weight", (outputs, inputs, kernel, kernel), std, 0.0),
        *_norm(norm, outputs),
        (f"{norm}.running_mean", (outputs,), 0.1, 0.0),
        (f"{norm}.running_var", (outputs,), UNIFORM, 0.5),
    ]


def _stages(layers: Sequence[int], width: int) -> Iterator[Entry]:
    inputs = width
    for stage, count in enumerate(layers):
        planes = width * 2**stage
        for i in range(count):
            block = f"visual.layer{stage + 1}.{i}"
            yield from _conv_norm(block, "1", planes, inputs, 1)
            yield from _conv_norm(block, "2", planes, planes, 3)
            yield from _conv_norm(block, "3", 4 * planes, planes, 1)
            if i == 0:
                shortcut = f"{block}.downsample"
                yield from _conv_norm_named(f"{shortcut}.0", f"{shortcut}.1", 4 * planes, inputs, 1)
            inputs = 4 * planes
