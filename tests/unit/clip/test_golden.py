"""Both towers against OpenAI's code on the same weights (tests/golden/clip/README.md)."""

from functools import partial

import pytest
import torch
from torch import Tensor

import clip
from clip.blocks import self_attention


def assert_close(actual: Tensor, expected: Tensor, of_largest: float = 1e-5) -> None:
    limit = of_largest * float(expected.abs().max())
    torch.testing.assert_close(actual.detach(), expected, rtol=0, atol=limit)


def test_features_and_logits(golden):
    images, tokens = golden["images"], golden.tokens
    assert_close(golden.model.encode_image(images), golden["image_features"])
    assert_close(golden.model.encode_text(tokens), golden["text_features"])
    per_image, per_text = golden.model(images, tokens)
    assert_close(per_image, golden["logits_per_image"])
    assert_close(per_text, golden["logits_per_text"])


def test_features_of_unrounded_weights(golden):
    model = clip.CLIP(clip.dims_from_state_dict(golden.state)).eval()
    model.load_state_dict(golden.state)
    with torch.no_grad():
        image, text = model.encode_image(golden["images"]), model.encode_text(golden.tokens)
    assert_close(image, golden["image_features_unrounded"])
    assert_close(text, golden["text_features_unrounded"])


def test_rounding_moves_the_features(golden):
    moved = golden["text_features"] - golden["text_features_unrounded"]
    assert float(moved.abs().max()) > 1e-4 * float(golden["text_features"].abs().max())


def test_tokens_are_those_of_the_texts(golden):
    assert torch.equal(clip.tokenize(golden.facts["texts"]), golden.tokens)


def test_text_blocks(golden):
    text, tokens = golden.model.text, golden.tokens[:1]
    x = text.embed(tokens) + text.positional_embedding
    assert len(text.transformer.resblocks) == 3
    for i, block in enumerate(text.transformer.resblocks):
        x = block(x, partial(self_attention, causal=True))
        assert_close(x[0], golden[f"text_block{i}_of_text0"])


def test_vit_blocks(golden_vit):
    visual = golden_vit.model.visual
    x = visual.embed(golden_vit["images"][:1])
    for i, block in enumerate(visual.transformer.resblocks):
        x = block(x, self_attention)
        assert_close(x[0], golden_vit[f"visual_block{i}_of_image0"])


def test_resnet_stages(golden_resnet):
    visual = golden_resnet.model.visual
    x = visual.stem(golden_resnet["images"][:1])
    for i, stage in enumerate(visual.stages, 1):
        x = stage(x)
        expected = golden_resnet[f"visual_layer{i}_channel_mean_of_image0"]
        assert_close(x[0].mean(dim=(1, 2)), expected)


def test_sizes_are_read_from_the_weights(golden):
    facts, model = golden.facts["dimensions"], golden.model
    assert model.visual.input_resolution == facts["input_resolution"]
    assert model.visual.output_dim == model.text.output_dim == facts["output_dim"]
    assert model.text.context_length == facts["context_length"]
    assert model.text.vocab_size == facts["vocab_size"]
    assert sum(p.numel() for p in model.parameters()) == facts["parameters"]


def test_the_same_tensors_are_half(golden):
    model = clip.build_model(golden.state, precision="fp16")
    floats = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    single = {name for name, t in floats.items() if t.dtype == torch.float32}
    assert single == set(golden.facts["tensors_of_float32_after_build_model"])
    half = [name for name, t in floats.items() if t.dtype == torch.float16]
    assert len(half) == golden.facts["number_of_tensors_of_float16_after_build_model"]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_features_in_16_bits(golden, precision):
    model = clip.build_model(golden.state, precision=precision)
    # 8 bits of mantissa in bfloat16, 11 in half, and a few blocks
    limit = {"fp16": 5e-3, "bf16": 4e-2}[precision]
    image = model.encode_image(golden["images"])
    text = model.encode_text(golden.tokens[:4])
    assert image.dtype == text.dtype == model.dtype != torch.float32
    assert_close(image.float(), golden["image_features"], limit)
    assert_close(text.float(), golden["text_features"][:4], limit)
