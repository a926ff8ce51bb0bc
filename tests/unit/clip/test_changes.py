"""What changes a tower: the shared and the plain form agree, merging keeps the numbers, and the
frozen weights stay as they are."""

import pytest
import torch
import torch.nn.functional as F

import clip
from clip.blocks import self_attention
from clip.changes import PARTS, BlockChange, Tokens, TowerChange, merged

WIDTH, LAYERS = 64, 3
SIZES = {"k": WIDTH, "q": WIDTH, "v": WIDTH, "o": WIDTH, "c_fc": 4 * WIDTH, "c_proj": WIDTH}


class LowRank:
    """output + x A^T B^T, which can be folded into the weight."""

    def __init__(self, inputs, outputs):
        self.a, self.b = random(2, inputs), random(outputs, 2)

    def __call__(self, x, output):
        return output + x @ self.a.t() @ self.b.t()

    def fold(self, weight, bias):
        return weight + self.b @ self.a, bias


class Scaled:
    """gamma * output + beta, which can be folded into weight and bias."""

    def __init__(self, outputs):
        self.gamma, self.beta = 1 + random(outputs), random(outputs)

    def __call__(self, x, output):
        return self.gamma * output + self.beta

    def fold(self, weight, bias):
        return self.gamma[:, None] * weight, self.gamma * bias + self.beta


def random(*shape, scale=0.1):
    return (scale * torch.randn(*shape)).requires_grad_()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    dims = clip.CLIPDims(32, 16, LAYERS, WIDTH, 8, text_width=WIDTH, text_layers=LAYERS)
    return clip.CLIP(dims).eval().requires_grad_(False)


def low_rank():
    parts = {n: LowRank(4 * WIDTH if n == "c_proj" else WIDTH, size) for n, size in SIZES.items()}
    return TowerChange({1: BlockChange(parts=parts)}), [parts["q"].a, parts["c_proj"].b]


def beside():
    down, up = random(8, WIDTH), random(WIDTH, 8)
    change = BlockChange(beside=lambda x: F.relu(x @ down.t()) @ up.t())
    return TowerChange({0: change, 2: change}), [down, up]


def at_input():
    weight = random(WIDTH, WIDTH)
    return TowerChange(at_input=lambda x: x @ weight), [weight]


def scaled():
    parts = {name: Scaled(SIZES.get(name, WIDTH)) for name in PARTS}
    return TowerChange({1: BlockChange(parts=parts)}), [parts["ln_1"].gamma, parts["c_fc"].beta]


def inserted():
    first, second = random(2, WIDTH), random(2, WIDTH)
    blocks = {
        1: BlockChange(tokens=Tokens(first, insert=True)),
        2: BlockChange(tokens=Tokens(second, share=0.3)),
    }
    return TowerChange(blocks), [first, second]


def inserted_before_the_first():
    tokens = random(2, WIDTH)
    return TowerChange({0: BlockChange(tokens=Tokens(tokens, insert=True))}), [tokens]


def inserted_a_row():
    tokens = random(4, 2, WIDTH)
    return TowerChange({1: BlockChange(tokens=Tokens(tokens, insert=True))}), [tokens]


MAKERS = [
    *(low_rank, beside, at_input, scaled),
    *(inserted, inserted_before_the_first, inserted_a_row),
]


@pytest.mark.parametrize("make", MAKERS)
def test_shared_prefix_equals_plain_rows_in_a_changed_tower(make, model):
    torch.manual_seed(1)
    change, leaves = make()
    prefix, suffix = random(2, 4, WIDTH, scale=1), random(4, 6, WIDTH, scale=1)
    group, eot = torch.tensor([1, 0, 0, 1]), torch.tensor([4, 9, 6, 7])
    weights = torch.randn(4, 32)
    whole = torch.cat([prefix[group], suffix], dim=1)
    plain = model.text(whole, eot, change)
    shared = model.text.forward_shared(prefix, suffix, group, eot, change)
    assert not torch.allclose(plain, model.text(whole, eot), atol=1e-3)
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=1e-5)
    leaves = [prefix, suffix, *leaves]
    both = [torch.autograd.grad((f * weights).sum(), leaves) for f in (shared, plain)]
    for ours, reference in zip(*both, strict=True):
        assert float(reference.abs().max()) > 1e-4
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [low_rank, scaled])
@pytest.mark.parametrize("tower", ["text", "visual"])
def test_merged_parts_give_the_same_features(make, tower, model):
    torch.manual_seed(2)
    change, _ = make()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fold = merged(change, model.blocks(tower))
    assert set(fold.blocks[1].parts) == ({"ln_1", "ln_2"} if make is scaled else set())
    assert not any(t.requires_grad for pair in fold.blocks[1].weights.values() for t in pair)

    def run(change):
        if tower == "visual":
            return model.encode_image(torch.ones(2, 3, 16, 16), change)
        return model.text(torch.ones(2, 5, WIDTH), torch.tensor([4, 3]), change)

    with torch.no_grad():
        torch.testing.assert_close(run(fold), run(change), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_merging_under_autocast_does_not_round_the_update(model):
    torch.manual_seed(5)
    change, _ = low_rank()
    exact = merged(change, model.blocks("text")).blocks[1].weights
    with torch.autocast("cpu", torch.bfloat16):
        under = merged(change, model.blocks("text")).blocks[1].weights
    assert all(torch.equal(under[name][0], weight) for name, (weight, _) in exact.items())


def test_a_part_that_cannot_be_folded_keeps_its_projection_unmerged(model):
    parts = {"q": LowRank(WIDTH, WIDTH), "v": lambda x, output: output, "o": Scaled(WIDTH)}
    change = TowerChange({1: BlockChange(parts=parts)})
    fold = merged(change, model.blocks("text")).blocks[1]
    assert set(fold.parts) == {"q", "v"} and set(fold.weights) == {"o"}


def test_tokens_behind_the_class_token_and_the_states_that_were_asked_for(model):
    """MMRL's rule spelled out: in, replaced in part, read with the class token at the end."""
    torch.manual_seed(3)
    images, visual = torch.randn(2, 3, 16, 16), model.visual
    first, second = random(3, WIDTH), random(3, WIDTH)
    blocks = {
        1: BlockChange(tokens=Tokens(first, insert=True)),
        2: BlockChange(tokens=Tokens(second, share=0.25)),
    }
    found = visual.encode(images, TowerChange(blocks, states=slice(1, 4)))
    x = visual.transformer.resblocks[0](visual.embed(images), self_attention)
    x = torch.cat([x[:, :1], first.repeat(2, 1, 1), x[:, 1:]], dim=1)
    x = visual.transformer.resblocks[1](x, self_attention)
    x[:, 1:4] = 0.25 * second + 0.75 * x[:, 1:4]
    x = visual.ln_post(visual.transformer.resblocks[2](x, self_attention))
    torch.testing.assert_close(found.feature, x[:, 0] @ visual.proj, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.states, x[:, 1:4], rtol=1e-5, atol=1e-5)


def test_all_patches_are_states_too(model):
    images = torch.ones(2, 3, 16, 16)
    found = model.visual.encode(images, TowerChange(states=slice(1, None)))
    assert found.states.shape == (2, 4, WIDTH)
    assert torch.equal(
        found.feature, model.visual.encode(images, TowerChange(states=slice(0, 1)))[0]
    )
    torch.testing.assert_close(found.feature, model.encode_image(images), rtol=1e-5, atol=1e-6)


def test_two_changes_of_one_tower_add_up(model):
    torch.manual_seed(4)
    images = torch.ones(1, 3, 16, 16)
    (low, _), (scale, _), (side, _), (first, _) = low_rank(), scaled(), beside(), at_input()
    both = low.plus(scale).plus(side).plus(side).plus(first).plus(first)
    fold = merged(both, model.blocks("visual"))
    parts = {
        name: (lambda x, y, n=name: scale.blocks[1].parts[n](x, low.blocks[1].parts[n](x, y)))
        if name in SIZES
        else scale.blocks[1].parts[name]
        for name in PARTS
    }
    twice = BlockChange(beside=lambda x: 2 * side.blocks[0].beside(x))
    by_hand = TowerChange(
        {0: twice, 1: BlockChange(parts=parts), 2: twice},
        at_input=lambda x: 2 * first.at_input(x),
    )
    with torch.no_grad():
        expected = model.encode_image(images, by_hand)
        for change in (both, fold):
            torch.testing.assert_close(model.encode_image(images, change), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockChange(parts={"query": lambda x, y: y}), "'query': use one of ln_1, q, k"),
        (lambda: inserted()[0].plus(inserted()[0]), "put tokens before the same block"),
        (lambda: TowerChange(states=slice(1)).plus(TowerChange(states=slice(2))), "have states"),
    ],
)
def test_changes_that_make_no_sense_are_named(make, message):
    with pytest.raises(clip.ClipError, match=message):
        make()


@pytest.mark.parametrize(
    "change",
    [
        clip.deep_prompts([torch.zeros(1, WIDTH)], at_end=True),
        TowerChange(prompt=torch.zeros(1, WIDTH)),
        TowerChange(states=slice(1)),
    ],
)
def test_a_text_tower_refuses_what_only_images_have(change, model):
    with pytest.raises(clip.ClipError, match="no prompt at its end and gives no states"):
        model.text(torch.zeros(1, 4, WIDTH), torch.tensor([3]), change)


def test_changes_keep_the_dtype_of_a_half_tower(model, small_state):
    half = clip.build_model(small_state, precision="bf16")
    change = TowerChange({1: BlockChange(parts={"q": Scaled(WIDTH)}, beside=lambda x: x.float())})
    found = half.encode_image(torch.ones(1, 3, 16, 16), change)
    assert found.dtype == torch.bfloat16
    fold = merged(change, half.blocks("visual")).blocks[1].weights["in_proj"]
    assert [tensor.dtype for tensor in fold] == [torch.bfloat16] * 2
