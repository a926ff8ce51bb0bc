"""Several tasks in one label space: losses, DePT's FiLM, head and fusion follow each task."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from tests.support import prompt_run
from trainers.parts.classes import ClassSpace, Task

FRUIT, PETS = ["apple", "pear"], ["cat", "dog", "rabbit"]
NAMES = FRUIT + PETS
LABELS = torch.tensor([0, 1, 4, 2])  # two images of each task


def tasks(**lists):
    """A multi-task dataset with one task per keyword, for `make`."""
    dataset = prompt_run.of_tasks(lists)
    return {"names": dataset.pop("classnames"), **dataset}


TWO = tasks(fruit=FRUIT, pets=PETS)


def space_of(**lists):
    names = [name for classnames in lists.values() for name in classnames]
    bounds = [sum(map(len, list(lists.values())[:i])) for i in range(len(lists) + 1)]
    all_tasks = [Task(n, *bounds[i : i + 2]) for i, n in enumerate(lists)]
    return ClassSpace(tuple(names), tasks=tuple(all_tasks))


@pytest.fixture
def dept(make, batch):
    trainer = make("CoOpDePT", **TWO)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for tensor in trainer.model.parameters():
            tensor += 0.05 * torch.randn(tensor.shape, generator=generator)
    return trainer


def test_tasks_are_neighbouring_ranges_of_the_label_space(make):
    space = make("CoOp", **TWO).model.space
    assert [(task.name, task.start, task.end) for task in space.tasks] == [
        *(("fruit", 0, 2), ("pets", 2, 5))
    ]
    assert space.task_of_class() == [0, 0, 1, 1, 1]


def test_the_published_lists_by_task_are_enough():
    """Datasets of SoftCPT's engine have no joint list of classnames."""
    lists = {"taskid2tname": ["fruit", "pets"], "taskid2cname": [FRUIT, PETS]}
    assert ClassSpace.of(SimpleNamespace(**lists)) == space_of(fruit=FRUIT, pets=PETS)


def test_tasks_outlive_a_checkpoint():
    space = space_of(fruit=FRUIT, pets=PETS)
    assert ClassSpace.from_plain(space.to_plain()) == space


def test_rows_of_another_space_are_found_task_by_task():
    trained = space_of(fruit=FRUIT, pets=PETS)
    assert space_of(pets=PETS).rows_in(trained) == [2, 3, 4]
    assert space_of(fruit=FRUIT, pets=["cow"]).rows_in(trained) == [0, 1, -1]
    assert space_of(cars=FRUIT).rows_in(trained) is None


def test_the_softmax_runs_inside_the_samples_own_task(make):
    model = make("CoOp", **TWO).model
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    apart = [F.cross_entropy(logits[i, :2][None], LABELS[i][None]) for i in (0, 1)]
    apart += [F.cross_entropy(logits[i, 2:][None], LABELS[i][None] - 2) for i in (2, 3)]
    torch.testing.assert_close(model.classification_loss(logits, LABELS), sum(apart) / 4)


def test_columns_that_were_not_computed_are_left_out_of_the_softmax(make):
    model = make("CoOp", **TWO).model
    logits = torch.randn(1, 5, generator=torch.Generator().manual_seed(0))
    columns = torch.tensor([True, True, True, False, True])
    expected = F.cross_entropy(logits[:, [2, 4]], torch.tensor([1]))
    torch.testing.assert_close(
        model.classification_loss(logits, torch.tensor([4]), columns), expected
    )


def test_label_rows_become_places_in_the_joint_space(make, batch):
    trainer = make("CoOp", **TWO)
    rows = torch.full((4, 5), -1)
    for row, label in zip(rows, LABELS, strict=True):
        own = slice(0, 2) if label < 2 else slice(2, 5)
        row[own] = 0
        row[label] = 1
    losses = [prompt_run.step(make("CoOp", **TWO), batch.image, LABELS)["loss"]]
    losses.append(prompt_run.step(trainer, batch.image, rows)["loss"])
    assert torch.equal(*losses)


def test_every_task_has_a_film_pair_of_its_own(dept, batch):
    model = dept.model
    assert model.film_lp_img.scale.shape == (2, model.clip.visual.output_dim)
    features = model.features(batch.image)
    with torch.no_grad():
        task = model.task_of(LABELS)
        scaled = features.image * model.film_lp_img.scale[task] + model.film_lp_img.bias[task]
        torch.testing.assert_close(model.film_lp_img(features.image, task), scaled)


def test_the_folded_head_of_all_tasks_equals_the_plain_one(dept, batch):
    model = dept.model
    with torch.no_grad():
        image = model.features(batch.image).image
        plain = [
            model.linear_logits(model.film_lp_img(image, torch.full((4,), task))) for task in (0, 1)
        ]
        folded = model.head_logits(model.features(batch.image), model.head_rows())
    torch.testing.assert_close(folded[:, :2], plain[0][:, :2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded[:, 2:], plain[1][:, 2:], rtol=1e-4, atol=1e-4)


def test_an_absent_task_leaves_the_gradient_of_its_head_zero(dept, batch):
    prompt_run.step(dept, batch.image, torch.tensor([0, 1, 1, 0]))
    head, film = dept.model.linear_probe_proj, dept.model.film_lp_img
    assert head.weight.grad[:2].abs().sum() > 0 and head.weight.grad[2:].abs().sum() == 0
    assert film.scale.grad[0].abs().sum() > 0 and film.scale.grad[1].abs().sum() == 0


def test_fusion_is_decided_for_each_task(dept, make, batch, tmp_path):
    dept.save_model(0, str(tmp_path))
    changed = tasks(pets=PETS, fruit=["plum"])
    other = make("CoOpDePT", seed=4, **changed)
    other.load_model(str(tmp_path))
    other.set_model_mode("eval")
    with torch.no_grad():
        features = other.model.features(batch.image)
        logits = other.model.logits(features)
        similarity = other.model.similarity(features)
        assert torch.equal(logits[:, 3], similarity[:, 3])
        fused = prompt_run.logits(dept, batch.image)[:, 2:]
    torch.testing.assert_close(logits[:, :3], fused, rtol=1e-4, atol=1e-4)


def test_weight_0_gives_the_base_methods_loss(make, batch):
    plain = make("CoOp", **TWO)
    dept = make("CoOpDePT", "TRAINER.LINEAR_PROBE.WEIGHT", 0.0, **TWO)
    dept.model.load_state_dict(plain.model.state_dict(), strict=False)
    losses = [prompt_run.step(t, batch.image, LABELS)["loss"] for t in (plain, dept)]
    assert torch.equal(*losses)


def test_a_task_of_a_dataset_that_has_one_is_refused(make):
    with pytest.raises(UserError, match=r"^DATASET.SUBSAMPLE_TASKS = task3: OxfordPets is one"):
        make("CoOp", "DATASET.SUBSAMPLE_TASKS", "task3")
