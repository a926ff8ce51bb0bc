"""Small models that open_clip knows by name, for as long as a test runs."""

import json

import open_clip
import open_clip.factory
import open_clip.pretrained
import torch

import clip

VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 96, "heads": 3, "layers": 2}
SHORT = {"context_length": 12, "vocab_size": 500}
# The parts of a config by which whole families differ from OpenAI's.
MEAN_POOL = {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
SIGLIP_TEXT = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6}}  # fmt: skip


def remember(monkeypatch):
    """open_clip's registries will be as they were when the test is over."""
    factory, pretrained = open_clip.factory, open_clip.pretrained
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(pretrained, "_PRETRAINED", dict(pretrained._PRETRAINED))


def timm(name, size, **more):
    """A vision_cfg with an image tower of timm."""
    return {"image_size": size, "timm_model_name": name, "timm_model_pretrained": False, **more}


def siglip_vit(monkeypatch, name, size=36, activation=None):
    """Makes timm know a small ViT of SigLIP's kind of this name: patches of 16, two heads."""
    from timm.models import _registry
    from timm.models.vision_transformer import VisionTransformer

    def build(*, num_classes, global_pool, **_downloads):
        return VisionTransformer(
            img_size=size, patch_size=16, embed_dim=64, depth=3, num_heads=2, mlp_ratio=3.5,
            class_token=False, act_layer=activation, num_classes=num_classes,
            global_pool=global_pool,
        )  # fmt: skip

    monkeypatch.setitem(_registry._model_entrypoints, name, build)
    return timm(name, size, timm_pool="map", timm_proj="none")


def register(folder, name, vision=(), text=(), **model):
    """Makes open_clip know a small model of this name; returns the name.

    Args:
        vision, text, model: what of its config is other than a plain ViT's.
    """
    vision = dict(vision)
    config = {
        "embed_dim": 32,
        "vision_cfg": {**({} if "timm_model_name" in vision else VISION), **vision},
        "text_cfg": {**TEXT, **dict(text)},
        **model,
    }
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    return name


def publish(model, tag="small", **settings):
    """Makes open_clip know a tag of a model; with mean and deviation 0.5 if not told otherwise."""
    entry = {"url": "", "hf_hub": "", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5),
             "interpolation": "bicubic", "resize_mode": "shortest", **settings}  # fmt: skip
    open_clip.pretrained._PRETRAINED[model] = {tag: entry}
    return tag


def saved(model, path, **options):
    """Random weights of the model so large that differences show, saved as open_clip saves them."""
    theirs = open_clip.create_model(model, **options)
    torch.manual_seed(0)
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() > 1:
            tensor.normal_(std=2 * tensor[0].numel() ** -0.5)
    torch.save(theirs.state_dict(), path)
    return theirs.eval()


def loaded(model, path, **options):
    """Our CLIP of a model's weights, and theirs."""
    theirs = saved(model, path, **options)
    return clip.load_model(f"open_clip:{model}@{path}"), theirs


def assert_same_features(ours, theirs, tokens=None):
    """Image and text features agree to 1e-5 of the largest."""
    size = ours.visual.input_resolution
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(3))
    tokens = some_ids(ours.text) if tokens is None else tokens
    with torch.no_grad():
        for mine, other in (
            (ours.encode_image(images), theirs.encode_image(images)),
            (ours.encode_text(tokens), theirs.encode_text(tokens)),
        ):
            scale = float(other.abs().max())
            torch.testing.assert_close(mine / scale, other / scale, rtol=1e-5, atol=1e-5)


def some_ids(text):
    """Rows of ids whose end (the largest id, or 2) comes at different places, then zeros."""
    generator = torch.Generator().manual_seed(5)
    length, vocabulary = text.context_length, text.vocab_size
    rows = torch.randint(3, vocabulary - 1, (4, length), generator=generator)
    for place, row in zip((3, 7, length - 2, length - 1), rows, strict=True):
        row[place:] = 0
        row[place] = 2 if text.variant.end_id == 2 else vocabulary - 1
    return rows
