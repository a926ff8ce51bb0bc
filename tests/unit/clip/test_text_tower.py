"""The two forms of the text tower: whole rows (the reference) and shared prefixes."""

from functools import partial

import pytest
import torch

import clip
from clip.blocks import self_attention

WIDTH, CONTEXT, LAYERS, SUFFIX = 64, 20, 4, 6
NUM_PROMPTS = 4

GROUPS = {"one stream": [4], "uneven streams": [2, 1, 4], "one stream a row": [1, 1, 1, 1]}


@pytest.fixture(scope="module")
def tower() -> clip.TextTower:
    torch.manual_seed(0)
    sizes = {"context_length": CONTEXT, "vocab_size": 50, "output_dim": 16}
    return clip.TextTower(width=WIDTH, layers=LAYERS, heads=2, **sizes)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def deep_prompts(kind: str, rows: int) -> list[torch.Tensor | None]:
    shared, per_row = (NUM_PROMPTS, WIDTH), (rows, NUM_PROMPTS, WIDTH)
    shapes = {
        "none": [],
        "every block": [shared] * 3,
        "gaps": [None, shared, None],
        "per row": [None, per_row],
        "per row, then shared": [shared, per_row, shared],
        "longer than the prefix": [(7, WIDTH)],
    }[kind]
    return [None if shape is None else random(*shape) for shape in shapes]


@pytest.mark.parametrize("sizes", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("prefix_length", [1 + NUM_PROMPTS, 3 + NUM_PROMPTS])
@pytest.mark.parametrize(
    "kind",
    ["none", "every block", "gaps", "per row", "per row, then shared", "longer than the prefix"],
)
def test_shared_prefix_equals_plain_rows(tower, sizes, prefix_length, kind):
    torch.manual_seed(1)
    rows = sum(sizes)
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group = group[torch.randperm(rows)]
    eot = prefix_length + torch.tensor([0, 2, 5, 3, 5, 1, 4])[:rows]
    prefix = random(len(sizes), prefix_length, WIDTH)
    suffix = random(rows, SUFFIX, WIDTH)
    deep = deep_prompts(kind, rows)
    leaves = [prefix, suffix, *(entry for entry in deep if entry is not None)]
    weights = torch.randn(rows, 16)

    change = clip.deep_prompts(deep)
    plain = tower(torch.cat([prefix[group], suffix], dim=1), eot, change)
    shared = tower.forward_shared(prefix, suffix, group, eot, change)
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=1e-5)
    plain_grads = torch.autograd.grad((plain * weights).sum(), leaves)
    shared_grads = torch.autograd.grad((shared * weights).sum(), leaves)
    for ours, reference in zip(shared_grads, plain_grads, strict=True):
        assert float(reference.abs().max()) > 1e-3
        torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5)


def test_the_last_block_computes_only_what_is_read_whatever_changes_it(tower):
    torch.manual_seed(6)
    rows, length, prefix_length = 3, 9, 4
    prefix, suffix = random(1, prefix_length, WIDTH), random(rows, length - prefix_length, WIDTH)
    eot, group = torch.tensor([8, 5, 7]), torch.zeros(rows, dtype=torch.long)
    *others, last = tower.transformer.resblocks
    part = lambda x, output: output + x.mean(-1, keepdim=True)  # noqa: E731
    changed = clip.BlockChange(
        parts=dict.fromkeys(clip.changes.PARTS, part),
        beside=lambda normed: 0.5 * normed,
        weights={"in_proj": (random(3 * WIDTH, WIDTH) / 8, random(3 * WIDTH))},
    )

    causal = partial(self_attention, causal=True)
    whole = torch.cat([prefix.expand(rows, -1, -1), suffix], dim=1)
    x = whole + tower.positional_embedding[:length]
    for block in others:
        x = block(x, causal)
    x = last(x, causal, change=changed)[torch.arange(rows), eot]
    expected = tower.ln_final(x) @ tower.text_projection

    change, shapes = clip.TowerChange(blocks={LAYERS - 1: changed}), []
    hook = last.register_forward_hook(lambda *call: shapes.append(call[2].shape))
    plain = tower(whole, eot, change)
    shared = tower.forward_shared(prefix, suffix, group, eot, change)
    hook.remove()
    assert shapes == 2 * [(rows, 1, WIDTH)]
    leaves = (prefix, suffix, *changed.weights["in_proj"])
    right = torch.autograd.grad(expected.square().sum(), leaves)
    for features in (plain, shared):
        torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
        gradients = torch.autograd.grad(features.square().sum(), leaves)
        for ours, reference in zip(gradients, right, strict=True):
            limit = 1e-5 * float(reference.abs().max())
            torch.testing.assert_close(ours, reference, rtol=0, atol=limit)


def test_positions_after_the_end_of_text_change_nothing(tower):
    torch.manual_seed(2)
    embedded, eot = torch.randn(3, CONTEXT, WIDTH), torch.tensor([4, 9, 7])
    whole = tower(embedded, eot)
    torch.testing.assert_close(tower(embedded[:, :10], eot), whole, rtol=1e-5, atol=1e-6)


def test_encode_text_cuts_behind_the_longest_text(golden_vit):
    model, tokens = golden_vit.model, golden_vit.tokens[:3]
    lengths = []
    block = model.text.transformer.resblocks[0]
    hook = block.register_forward_hook(lambda *call: lengths.append(call[2].shape[1]))
    model.encode_text(tokens)
    hook.remove()
    assert lengths == [int(tokens.argmax(dim=-1).max()) + 1]


def test_deep_prompts_replace_positions_behind_the_first(tower):
    torch.manual_seed(3)
    embedded, eot, prompt = torch.randn(2, 9, WIDTH), torch.tensor([8, 6]), random(3, WIDTH)
    seen = {}
    for i, block in enumerate(tower.transformer.resblocks):
        block.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(("in", i), args[0]))
        block.register_forward_hook(lambda _, args, out, i=i: seen.__setitem__(("out", i), out))
    tower(embedded, eot, clip.deep_prompts([None, prompt]))
    assert torch.equal(seen["in", 1], seen["out", 0])
    expected = seen["out", 1].clone()
    expected[:, 1:4] = prompt
    assert torch.equal(seen["in", 2], expected)
    assert torch.equal(seen["in", 3], seen["out", 2])


def test_a_prompt_beyond_the_last_block_is_ignored(tower):
    torch.manual_seed(4)
    embedded, eot = random(2, 8, WIDTH), torch.tensor([7, 5])
    deep = [random(2, WIDTH) for _ in range(LAYERS)]
    tower(embedded, eot, clip.deep_prompts(deep)).sum().backward()
    assert [entry.grad is not None for entry in deep] == [True] * (LAYERS - 1) + [False]


def test_prompts_are_cast_to_the_dtype_of_the_tower(small_state):
    text = clip.build_model(small_state, precision="bf16").text
    torch.manual_seed(5)
    prefix, suffix, deep = random(1, 5, 64), random(2, 4, 64), [random(4, 64)]
    group, eot = torch.zeros(2, dtype=torch.long), torch.tensor([8, 7])
    change = clip.deep_prompts(deep)
    shared = text.forward_shared(prefix, suffix, group, eot, change)
    plain = text(torch.cat([prefix.expand(2, -1, -1), suffix], dim=1), eot, change)
    assert shared.dtype == plain.dtype == torch.bfloat16
    torch.testing.assert_close(shared, plain, rtol=0.05, atol=0.05)
    shared.float().sum().backward()
    assert all(leaf.grad.dtype == torch.float32 for leaf in (prefix, suffix, deep[0]))


def test_embed_adds_no_positions(small_state):
    text = clip.build_model(small_state, precision="bf16").text
    embedded = text.embed(torch.tensor([[49406, 320, 49407]]))
    expected = small_state["token_embedding.weight"][[49406, 320, 49407]].bfloat16()
    assert torch.equal(embedded[0], expected)


def test_too_long_a_sequence_is_named(tower):
    eot = torch.tensor([3])
    with pytest.raises(clip.ClipError, match="21 positions: the context holds 20"):
        tower(torch.zeros(1, 21, WIDTH), eot)
    with pytest.raises(clip.ClipError, match="22 positions: the context holds 20"):
        zero = torch.zeros(1, dtype=torch.long)
        tower.forward_shared(torch.zeros(1, 5, WIDTH), torch.zeros(1, 17, WIDTH), zero, eot)


def test_too_many_deep_prompts_are_named(tower):
    deep = clip.deep_prompts([torch.zeros(6, WIDTH)])
    with pytest.raises(clip.ClipError, match="6 vectors: only 5 positions follow the first"):
        tower(torch.zeros(1, 6, WIDTH), torch.tensor([5]), deep)


def test_an_end_of_text_outside_the_row_is_refused(tower):
    prefix, suffix = torch.zeros(1, 5, WIDTH), torch.zeros(1, 4, WIDTH)
    with pytest.raises(RuntimeError, match="out of bounds"):
        tower.forward_shared(prefix, suffix, torch.tensor([0]), torch.tensor([3]))
