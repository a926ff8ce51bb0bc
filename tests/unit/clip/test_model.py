"""Building, rounding, precision, the key layout, and training from scratch."""

import copy
import math
from dataclasses import replace

import pytest
import torch

import clip
from clip.state import HALF_TENSORS, openai_layout
from tests.support import command

TINY = {"embed_dim": 16, "text_width": 64, "text_layers": 2, "vocab_size": 50, "context_length": 8}
VIT = clip.CLIPDims(image_resolution=16, vision_layers=2, vision_width=128, patch_size=8, **TINY)
RESNET = clip.CLIPDims(
    image_resolution=32, vision_layers=(1, 1, 1, 1), vision_width=8, patch_size=None, **TINY
)


def test_built_models_are_frozen_and_in_eval_mode(small_state, small_resnet_state):
    for state in (small_state, small_resnet_state):
        model = clip.build_model(state)
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())


def test_weights_are_rounded_and_copied(small_state):
    model = clip.build_model(small_state)
    rounded = clip.round_to_half(small_state)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, rounded[name]), name
        assert tensor.data_ptr() != small_state[name].data_ptr(), name
    changed = {n for n, t in small_state.items() if not torch.equal(t, rounded[n])}
    assert "text_projection" in changed
    assert changed == {n for n in small_state if HALF_TENSORS.fullmatch(n)}


def test_rounding_keeps_dtypes_and_half_values(small_state):
    half = {name: tensor.half() for name, tensor in small_state.items()}
    assert all(torch.equal(t, half[n]) for n, t in clip.round_to_half(half).items())


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_every_precision_rounds_to_half_first(small_state, precision):
    state = dict(small_state)
    state["text_projection"] = torch.full_like(state["text_projection"], 1 + 2**-12)  # 1 in half
    model = clip.build_model(state, precision=precision)
    assert torch.equal(model.text.text_projection.float(), torch.ones(64, 32))


def test_unknown_precision_is_named(small_state):
    with pytest.raises(clip.ClipError, match="'fp8': use one of fp32, fp16, bf16"):
        clip.build_model(small_state, precision="fp8")


def test_keys_are_openais_also_inside_another_module(small_state):
    model = clip.build_model(small_state)
    assert set(model.state_dict()) == set(small_state)
    outer = torch.nn.ModuleDict({"clip": model})
    saved = outer.state_dict()
    assert set(saved) == {f"clip.{name}" for name in small_state}
    fresh = torch.nn.ModuleDict({"clip": clip.CLIP(clip.dims_from_state_dict(small_state))})
    fresh.load_state_dict(saved)
    assert all(torch.equal(t, saved[n]) for n, t in fresh.state_dict().items())
    assert set(copy.deepcopy(model).state_dict()) == set(small_state)


def test_autocast_agrees_with_float32(small_state):
    model = clip.build_model(small_state)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 16, 16, generator=generator)
    prompt = torch.randn(2, 64, generator=generator, requires_grad=True)
    change = clip.deep_prompts([], prompt, at_end=True)
    tokens = clip.tokenize(["a cat", "a photo of a dog."])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image, text = model.encode_image(images, change), model.encode_text(tokens)
    torch.testing.assert_close(image.float(), model.encode_image(images, change), rtol=0, atol=0.1)
    torch.testing.assert_close(text.float(), model.encode_text(tokens), rtol=0, atol=0.1)
    image.float().sum().backward()
    assert prompt.grad.dtype == torch.float32


@pytest.mark.parametrize("dims", [VIT, RESNET], ids=["vit", "resnet"])
def test_sizes_survive_the_state_dict(dims):
    assert clip.dims_from_state_dict(clip.CLIP(dims).state_dict()) == dims


@pytest.mark.parametrize("dims", [VIT, RESNET], ids=["vit", "resnet"])
def test_a_new_model_learns_to_match_four_pairs(dims):
    torch.manual_seed(0)
    model = clip.CLIP(dims)
    assert float(model.logit_scale.detach()) == pytest.approx(math.log(1 / 0.07))
    images = torch.randn(4, 3, dims.image_resolution, dims.image_resolution)
    tokens = torch.tensor([[48, i, i + 4, 49, 0, 0, 0, 0] for i in range(1, 5)])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        logits, _ = model(images, tokens)
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in model.parameters())
    assert losses[-1] < 0.3 < 1 < losses[0]


def test_initial_spreads_are_clips():
    torch.manual_seed(0)
    model = clip.CLIP(VIT)
    block = model.text.transformer.resblocks[0]
    for tensor, std in (
        (model.text.token_embedding.weight, 0.02),
        (model.text.positional_embedding, 0.01),
        (model.text.text_projection, 64**-0.5),
        (block.attn.in_proj_weight, 64**-0.5),
        (block.attn.out_proj.weight, 64**-0.5 * 4**-0.5),
        (block.mlp.c_fc.weight, 128**-0.5),
        (block.mlp.c_proj.weight, 64**-0.5 * 4**-0.5),
        (model.visual.proj, 128**-0.5),
    ):
        assert float(tensor.detach().std()) == pytest.approx(std, rel=0.1)
    assert not block.attn.in_proj_bias.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": None}, "patch_size None, vision_layers 2"),
        ({"vision_layers": (1, 1)}, "patch_size 8, vision_layers"),
        ({"image_resolution": 20}, "image_resolution 20 is no multiple of the patch size 8"),
        ({"vision_width": 129}, "vision width 129 is no multiple of 64"),
        ({"text_width": 131}, "text width 131 is no multiple of 64"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, message):
    with pytest.raises(clip.ClipError, match=message):
        replace(VIT, **change)


def without(state, *names):
    return {name: tensor for name, tensor in state.items() if name not in names}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: without(s, "text_projection"), "missing text_projection;"),
        (lambda s: without(s, "visual.proj"), "missing visual.proj;"),
        (lambda s: without(s, "ln_final.bias"), "missing ln_final.bias;"),
        (lambda s: {**s, "head.weight": torch.zeros(1)}, "unknown head.weight;"),
        (
            lambda s: {**s, "visual.proj": torch.zeros(3, 3)},
            r"wrong shape of visual.proj \[3, 3\] \(expected \[64, 32\]\);",
        ),
        (
            lambda s: {**s, "visual.positional_embedding": torch.zeros(4, 64)},
            "visual.positional_embedding has 4 rows, not 1 \\+ a square;",
        ),
        (
            lambda s: {n: t for n, t in s.items() if ".attn." not in n},
            "missing .* and 13 more;",
        ),
        (lambda s: {"weight": torch.zeros(2)}, "missing "),
        (lambda s: {**s, "text_projection": torch.zeros(3)}, "too few dimensions;"),
    ],
)
def test_what_is_no_clip_is_named_in_one_line(small_state, edit, message):
    with pytest.raises(clip.WeightsError, match=message) as caught:
        clip.build_model(edit(small_state))
    assert "\n" not in str(caught.value)
    assert "give the state dict of a whole CLIP model" in str(caught.value)


def test_compact_token_embedding_is_restored(small_state):
    ids = torch.tensor([0, 320, 49406, 49407])
    compact = dict(small_state)
    compact["token_embedding.ids"] = ids
    compact["token_embedding.weight"] = small_state["token_embedding.weight"][ids].half()
    weight = clip.build_model(compact).text.token_embedding.weight
    assert weight.shape == (49408, 64)
    assert weight.dtype == torch.float32
    assert torch.equal(weight[ids], compact["token_embedding.weight"].float())
    others = torch.ones(49408, dtype=torch.bool)
    others[ids] = False
    assert not weight[others].any()


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 2, 3], "as many rows"), ([0, 49408], "outside the vocabulary of 49408")],
)
def test_a_wrong_compact_embedding_is_named(small_state, ids, message):
    compact = {**small_state, "token_embedding.ids": torch.tensor(ids)}
    compact["token_embedding.weight"] = torch.zeros(2, 64)
    with pytest.raises(clip.WeightsError, match=message):
        clip.build_model(compact)


def test_wrapper_prefixes_and_extras_come_off(small_state):
    extras = {"input_resolution": torch.tensor(16), "vocab_size": 49408, "epoch": 3}
    wrapped = {"epoch": 3, "state_dict": {f"module.{n}": t for n, t in small_state.items()}}
    wrapped["state_dict"] |= extras
    assert openai_layout(wrapped).keys() == small_state.keys()


def test_loading_leaves_pytorchs_compiler_alone(small_state, tmp_path):
    torch.save(small_state, tmp_path / "weights.pt")
    code = "import sys, clip; clip.load_model(sys.argv[1]); assert 'sympy' not in sys.modules"
    done = command.python("-c", code, tmp_path / "weights.pt")
    assert done.returncode == 0, done.stderr
