"""Prompts in the ViT, their refusal by the ResNet, and images of a wrong size."""

import pytest
import torch

import clip
from clip.blocks import self_attention


@pytest.fixture(scope="module")
def model(small_state) -> clip.CLIP:
    return clip.build_model(small_state)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def prompts(prompt, deep=()):
    return clip.deep_prompts(deep, prompt, at_end=True)


def by_the_rules(visual, images, prompt, deep):
    """The forks' rules spelled out: appended before ln_pre, last m replaced, class token read."""
    size = prompt.shape[0]
    x = visual.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.repeat(len(x), 1, 1), x], dim=1)
    x = x + visual.positional_embedding
    x = visual.ln_pre(torch.cat([x, prompt.repeat(len(x), 1, 1)], dim=1))
    for i, block in enumerate(visual.transformer.resblocks):
        if i and deep[i - 1] is not None:
            x = torch.cat([x[:, :-size], deep[i - 1].repeat(len(x), 1, 1)], dim=1)
        x = block(x, self_attention)
    return visual.ln_post(x)[:, 0] @ visual.proj


@pytest.mark.parametrize("with_deep", [False, True])
def test_prompts_enter_where_the_forks_put_them(model, images, with_deep):
    prompt = random(3, 64)
    deep = [random(3, 64, seed=1)] if with_deep else [None]
    leaves = [prompt, *(entry for entry in deep if entry is not None)]
    ours = model.encode_image(images, prompts(prompt, deep))
    rules = by_the_rules(model.visual, images, prompt, deep)
    torch.testing.assert_close(ours, rules, rtol=1e-5, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad(f.sum(), leaves) for f in (ours, rules)), strict=True):
        assert float(b.abs().max()) > 1e-4
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_without_prompts_nothing_is_recorded_for_gradients(model, images):
    assert not model.encode_image(images).requires_grad
    assert model.encode_image(images, prompts(random(2, 64))).requires_grad


def test_entries_beyond_the_last_block_are_ignored(model, images):
    prompt, deep = random(3, 64), [random(3, 64), random(3, 64)]
    model.encode_image(images, prompts(prompt, deep)).sum().backward()
    assert deep[0].grad is not None
    assert deep[1].grad is None


def test_deep_prompts_must_match_the_input_prompt(model, images):
    with pytest.raises(clip.ClipError, match="2 vectors: 3 were appended at the input"):
        model.encode_image(images, prompts(random(3, 64), [random(2, 64)]))
    with pytest.raises(clip.ClipError, match="2 vectors: 0 were appended at the input"):
        model.encode_image(images, prompts(None, [random(2, 64)]))


@pytest.mark.parametrize(
    "change",
    [
        prompts(torch.zeros(2, 8)),
        prompts(None, [torch.zeros(2, 8)]),
        clip.TowerChange({0: clip.BlockChange(parts={"q": lambda x, output: output})}),
        clip.TowerChange(states=slice(1, 3)),
    ],
)
def test_resnet_refuses_what_changes_blocks(small_resnet_state, change):
    model = clip.build_model(small_resnet_state)
    assert not model.visual.accepts_changes
    with pytest.raises(clip.ClipError, match="ResNet tower: it takes no prompts"):
        model.encode_image(torch.zeros(1, 3, 32, 32), change)


def test_images_of_another_size_are_named(model, small_resnet_state):
    with pytest.raises(clip.ClipError, match="20 x 16 pixels: this CLIP takes 16 x 16"):
        model.encode_image(torch.zeros(1, 3, 20, 16))
    with pytest.raises(clip.ClipError, match="16 x 16 pixels: this CLIP takes 32 x 32"):
        clip.build_model(small_resnet_state).encode_image(torch.zeros(1, 3, 16, 16))


def test_towers_say_their_sizes(model, small_resnet_state):
    visual = model.visual
    sizes = (visual.input_resolution, visual.output_dim, visual.width, visual.layers)
    assert sizes == (16, 32, 64, 2)
    visual = clip.build_model(small_resnet_state).visual
    sizes = (visual.input_resolution, visual.output_dim, visual.width, visual.layers)
    assert sizes == (32, 32, 8, (2, 1, 1, 1))
