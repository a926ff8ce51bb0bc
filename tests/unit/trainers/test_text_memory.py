"""Texts in chunks: the same losses and gradients, within a limit."""

import math

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import plain, trained_methods
from trainers.parts import text_memory
from trainers.parts.prompts import TextPrompts
from trainers.parts.text_memory import Cost, Plan, TextMemory, limit_in_bytes, plan_of

CPU = torch.device("cpu")
WITH_TEXTS = [  # the others' text features are fixed
    name
    for name in trained_methods()
    if plain(name) not in {"CLIPAdapter", "TaskRes", "TipAdapterF", "VPT"}
]


def gradients(trainer, batch):
    report = prompt_run.step(trainer, batch.image, batch.label)
    return report["loss"], {n: p.grad for n, p in prompt_run.trained(trainer).items()}


@pytest.mark.parametrize("name", WITH_TEXTS)
def test_chunks_give_the_same_loss_and_first_gradients(name, shallow, batch, monkeypatch):
    """One text is kept, the others are encoded again two by two."""
    dropout = ["TRAINER.CLIPLORA.DROPOUT", 0]  # drawn anew for each chunk
    whole = shallow(name, *dropout)
    expected, wanted = gradients(whole, batch)
    monkeypatch.setattr(text_memory, "plan_of", lambda rows, cost, left: Plan(1, 2))
    chunked = shallow(name, *dropout, "MODEL.MEMORY_LIMIT", "900G")
    parts = count_parts(monkeypatch)
    loss, found = gradients(chunked, batch)
    assert len(parts) > 2
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    assert found.keys() == wanted.keys()
    for key, gradient in wanted.items():
        difference = (found[key] - gradient).norm() / gradient.norm().clamp(min=1e-8)
        assert difference < 1e-4, key


def count_parts(monkeypatch):
    parts, some = [], TextPrompts.some
    monkeypatch.setattr(
        TextPrompts, "some", lambda self, rows: parts.append(rows) or some(self, rows)
    )
    return parts


def test_a_limit_that_holds_everything_changes_no_bit(shallow, batch):
    expected, wanted = gradients(shallow("CoOp"), batch)
    loss, found = gradients(shallow("CoOp", "MODEL.MEMORY_LIMIT", "900G"), batch)
    assert torch.equal(loss, expected)
    assert all(torch.equal(found[key], gradient) for key, gradient in wanted.items())


def test_a_test_within_a_limit_scores_the_same(shallow, batch, monkeypatch):
    whole = prompt_run.logits(shallow("MaPLe"), batch.image)
    monkeypatch.setattr(text_memory, "plan_of", lambda rows, cost, left: Plan(1, 2))
    chunked = shallow("MaPLe", "MODEL.MEMORY_LIMIT", "900G")
    parts = count_parts(monkeypatch)
    torch.testing.assert_close(prompt_run.logits(chunked, batch.image), whole, rtol=1e-5, atol=1e-5)
    assert [part.start for part in parts][-3:] == [0, 2, 4]


def test_plans_keep_what_fits_and_chunk_the_rest():
    mib = 2**20
    cost = Cost(row=1.0 * mib, chunk=4.0 * mib)
    whole = cost.of(50) + text_memory.GRAPH
    assert plan_of(50, cost, math.ceil(whole)) == Plan(50, 50)
    assert plan_of(50, cost, int(whole) - 1).at_once < 50
    assert cost.of(50) == cost.saved(50) and cost.of(500) > 1.5 * cost.saved(500)
    plan = plan_of(1000, cost, left := 1000 * mib)
    assert plan.at_once > 100 and plan.kept > 4 * plan.at_once and plan.kept % plan.at_once == 0
    taken = cost.again(1000, plan.at_once)
    taken += plan.kept // plan.at_once * cost.saved(plan.at_once)
    assert 0.8 * left < taken <= left
    least = plan_of(10_000, cost, 0)
    assert least.kept == 0 and cost.again(10_000, least.at_once) < 300 * mib
    for at_once in (text_memory.SMALLEST_CHUNK, 200):
        assert cost.again(10_000, least.at_once) < cost.again(10_000, at_once)
    assert plan_of(100, cost, 0).at_once == text_memory.SMALLEST_CHUNK
    assert Plan(6, 3).parts(10) == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert Plan(3, 4).parts(9) == [(0, 3), (3, 7), (7, 9)]
    assert Plan(0, 4).parts(6) == [(0, 4), (4, 6)]
    assert Plan(6, 6).parts(6) == [(0, 6)]


def test_what_is_counted_is_what_each_row_and_each_part_saves(shallow):
    """By hand: of each row its exponential, of a chunk what is made of the scale."""
    given = torch.zeros(64, 100)
    scale = torch.ones(7, requires_grad=True)

    def some(start, end):
        rows = given[start:end] * scale.mean()
        return rows.exp().sum() + scale.exp().sum()

    cost = text_memory.cost_of(some, 64, [given])
    assert cost.row == pytest.approx(4 * 100)  # exp keeps what it returns
    assert 0 < cost.chunk < 4 * 100


def test_sizes_of_limits():
    assert limit_in_bytes("", CPU) is None
    assert limit_in_bytes("1.5G", CPU) == 3 * 2**29
    assert limit_in_bytes("800M", CPU) == 800 * 2**20
    assert limit_in_bytes("auto", CPU) > text_memory.in_use(CPU) > 2**26


@pytest.mark.parametrize("size", ["8", "8 G", "8GB", "-1G", "much"])
def test_other_sizes_are_refused(size, shallow):
    with pytest.raises(UserError, match=rf"MODEL\.MEMORY_LIMIT = '{size}': use a size such as 8G"):
        shallow("CoOp", "MODEL.MEMORY_LIMIT", size)


def test_a_limit_below_what_is_in_use_says_what_is_needed(shallow, batch):
    trainer = shallow("CoOp", "MODEL.MEMORY_LIMIT", "50M")
    with pytest.raises(UserError, match=r"MODEL\.MEMORY_LIMIT = 50M: \d+M are in use .* or more"):
        prompt_run.step(trainer, batch.image, batch.label)


def test_a_limit_is_kept_by_plans_of_one_shape(shallow, batch):
    trainer = shallow("CoOp", "MODEL.MEMORY_LIMIT", "900G")
    prompt_run.step(trainer, batch.image, batch.label)
    memory = trainer.model.text_memory
    assert isinstance(memory, TextMemory) and list(memory._plans.values()) == [Plan(5, 5)]


@pytest.mark.parametrize(("at_once", "expected"), [(2, 1), (5, 0)])
def test_the_heap_is_given_back_before_images_where_texts_went_in_chunks(
    shallow, batch, monkeypatch, at_once, expected
):
    monkeypatch.setattr(text_memory, "plan_of", lambda rows, cost, left: Plan(0, at_once))
    trainer = shallow("MMA", "MODEL.MEMORY_LIMIT", "900G")
    prompt_run.step(trainer, batch.image, batch.label)
    given, before = [], []
    monkeypatch.setattr(text_memory, "give_back", given.append)
    tower = trainer.model.clip.visual
    encode = tower.encode
    monkeypatch.setattr(tower, "encode", lambda *words: before.append(len(given)) or encode(*words))
    prompt_run.step(trainer, batch.image, batch.label)
    assert before == [expected]
