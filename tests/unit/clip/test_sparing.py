"""What is computed again in the backward pass gives the same bits."""

from contextlib import nullcontext

import pytest
import torch

from clip import blocks, sparing


def random(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).to(dtype)


def plain_quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


@pytest.fixture(params=["kept", "computed again"])
def small_ones(request):
    """Both ways with the small tensors of a test."""
    with nullcontext() if request.param == "kept" else sparing.nothing_small():
        yield request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_quick_gelu_and_its_gradient_are_the_plain_forms(dtype, small_ones):
    x, gradient = random(5, 33, dtype=dtype).requires_grad_(), random(5, 33, dtype=dtype, seed=1)
    plain, own = plain_quick_gelu(x), sparing.quick_gelu(x)
    assert torch.equal(plain, own) and torch.equal(plain, sparing.quick_gelu(x.detach()))
    expected = torch.autograd.grad(plain, x, gradient)
    assert torch.equal(torch.autograd.grad(own, x, gradient)[0], expected[0])


def test_attention_to_shared_prefixes_and_its_gradient_are_the_plain_forms(monkeypatch, small_ones):
    attend = blocks.SharedPrefixAttention(2, 5, 3, torch.tensor([0, 1, 1, 0, 1]))
    x, gradient = random(25, 12, 16).requires_grad_(), random(25, 4, 16, seed=1)

    def run():
        output = attend(*x.chunk(3, dim=1))
        return output, torch.autograd.grad(output, x, gradient)[0]

    own = run()
    monkeypatch.setattr(blocks, "recomputed", lambda compute, *inputs: compute(*inputs))
    assert all(map(torch.equal, own, run()))


def saved(compute, *inputs):
    """Bytes of the tensors kept until the backward pass."""
    kept = {}
    pack = lambda t: kept.setdefault(t.untyped_storage().data_ptr(), t)  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        compute(*inputs)
    return sum(t.untyped_storage().nbytes() for t in kept.values())


def test_less_is_kept_of_what_is_not_small(small_ones):
    x = random(64, 32).requires_grad_()
    small = small_ones == "kept"
    assert saved(sparing.quick_gelu, x) == (1 + small) * x.nbytes
    assert saved(plain_quick_gelu, x) == 2 * x.nbytes
    one, many = random(1, 32).requires_grad_(), random(64, 32)
    compute = lambda a, b: (a.expand(64, -1) * b).exp()  # noqa: E731
    less = saved(lambda *x: sparing.recomputed(compute, *x), one, many)
    assert less == saved(compute, one, many) if small else less < saved(compute, one, many)


def test_a_large_tensor_is_computed_again():
    x = torch.zeros(2**18 + 1, requires_grad=True)
    assert saved(sparing.quick_gelu, x) == x.nbytes


def test_without_a_gradient_nothing_is_kept_and_only_what_is_asked_for_is_made(small_ones):
    x, y = random(4, 4), random(4, 4, seed=1).requires_grad_()
    with torch.no_grad():
        assert not sparing.recomputed(torch.mul, x, y).requires_grad
    sparing.recomputed(torch.mul, x, y).sum().backward()
    assert x.grad is None and torch.equal(y.grad, x)
