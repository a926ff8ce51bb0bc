"""DePT over SoftCPT's tasks: the promises of its design."""

import torch

from tests.support import prompt_run
from tests.support.prompt_run import wander
from tests.unit.trainers.conftest import NAMES
from tests.unit.trainers.softcpt_runs import HARD, NODE, SMALL, TASKS, words


def test_depts_folders_are_the_parts_and_its_own(softcpt, tmp_path):
    trainer = softcpt("SoftCPTDePT")
    trainer.save_model(0, str(tmp_path))
    folders = {path.name for path in tmp_path.iterdir()}
    assert folders == {"prompt_learner", "task_prompt_learner", "prompt_gen", "linear_probe"}
    content = torch.load(tmp_path / "linear_probe" / "model.pth.tar-1", weights_only=True)
    shapes = {key: tuple(value.shape) for key, value in content["state_dict"].items()}
    assert shapes == {
        **{f"film_lp_{side}.{t}": (3, 32) for side in ("img", "text") for t in ("scale", "bias")},
        "linear_probe_proj.weight": (5, 32),
        "linear_probe_proj.bias": (5,),
    }
    assert content["extra"]["head"]["classnames"] == [n for names in TASKS.values() for n in names]


def test_dept_over_one_task_is_coops(shallow, batch):
    """One context for all classes of a single task: the hard baseline is CoOp."""
    one = prompt_run.of_tasks({"things": NAMES})
    ours = wander(shallow("SoftCPTHardDePT", *words(HARD, {"N_CTX": 4}), **one))
    coop = shallow("CoOpDePT", "TRAINER.COOP.N_CTX", 4)
    state = ours.model.state_dict()
    coop.model.load_state_dict({k: v.squeeze(0) if "film" in k else v for k, v in state.items()})
    losses = [prompt_run.step(t, batch.image, batch.label)["loss"] for t in (ours, coop)]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)


def test_depts_folded_head_equals_the_plain_one(softcpt, two_tasks):
    model = wander(softcpt("SoftCPTDePT")).model
    with torch.no_grad():
        features = model.features(two_tasks.image)
        folded = model.head_logits(features, model.head_rows())
        pair = model.task_of_class.repeat(4)
        images = model.film_lp_img(features.image.repeat_interleave(5, dim=0), pair)
        plain = model.linear_logits(images).reshape(4, 5, 5).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-4)


def test_order_of_tasks_permutes_depts_parameters_only(softcpt, two_tasks):
    first = wander(softcpt("SoftCPTDePT"))
    turned = dict(reversed(TASKS.items()))
    second = softcpt("SoftCPTDePT", tasks=turned)
    order = [3, 4, 2, 0, 1]  # the old place of each class
    state = dict(first.model.state_dict())
    for key, value in state.items():
        if key.startswith("film"):
            state[key] = value.flip(0)
        elif key.startswith("linear"):
            state[key] = value[order]
    second.model.load_state_dict(state)
    label = torch.tensor([order.index(int(y)) for y in two_tasks.label])
    losses = [
        prompt_run.step(first, two_tasks.image, two_tasks.label)["loss"],
        prompt_run.step(second, two_tasks.image, label)["loss"],
    ]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)


def test_an_absent_task_leaves_depts_head_gradient_zero(softcpt, two_tasks):
    trainer = softcpt("SoftCPTDePT")
    prompt_run.step(trainer, two_tasks.image, two_tasks.label)
    model = trainer.model
    rows = model.linear_probe_proj.weight.grad.abs().sum(dim=1)
    assert (rows > 0).tolist() == [True, True, False, True, True]
    pairs = model.film_lp_img.scale.grad.abs().sum(dim=1)
    assert pairs[0] > 0 and pairs[1] == 0


def test_one_film_pair_can_serve_all_tasks(shallow, softcpt, two_tasks):
    options = [*words(NODE, SMALL), "TRAINER.LINEAR_PROBE.SHARE_FILM", True]
    shared = wander(shallow("SoftCPTDePT", *options, **prompt_run.of_tasks(TASKS)))
    assert shared.model.film_lp_text.scale.shape == (1, 32)
    each = softcpt("SoftCPTDePT")
    state = shared.model.state_dict()
    state |= {k: v.expand(3, -1) for k, v in state.items() if k.startswith("film")}
    each.model.load_state_dict(state)
    results = [
        (
            prompt_run.logits(t, two_tasks.image),
            prompt_run.step(t, two_tasks.image, two_tasks.label),
        )
        for t in (shared, each)
    ]
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-5, atol=1e-5)
    assert results[0][1]["loss"] == results[1][1]["loss"]
