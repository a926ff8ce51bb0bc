"""How several tasks in one label space are judged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from dassl.config import get_cfg_default
from dassl.evaluation import build_evaluator
from dassl.metrics import compute_accuracy_map
from dassl.utils.errors import UserError

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "softcpt"
EVALUATION = json.loads((GOLDEN / "evaluation.json").read_text())
ARRAYS = np.load(GOLDEN / "evaluation.npz")
CLASSES = EVALUATION["classnames"]
NAMES = ["animals", "vehicles", "plants"]
MEAN = ["mean_acc"] * 3


def arrays():
    return torch.from_numpy(ARRAYS["logits"]), torch.from_numpy(ARRAYS["labels"])


def make_evaluator(metrics=MEAN, *, per_task=True, options=(), **tasks):
    cfg = get_cfg_default()
    cfg.TEST.PER_TASK_RESULT = per_task  # as trainers add it
    cfg.merge_from_list(list(options))
    tasks = {"task2tname": NAMES, "task2type": ["sl"] * 3, "task2metric": metrics, **tasks}
    return build_evaluator(cfg, lab2cname=CLASSES, **tasks)


@pytest.mark.parametrize("metrics", EVALUATION["runs"])
def test_results_and_printed_lines_are_the_published(metrics, capsys):
    evaluator = make_evaluator(metrics.split("+"))
    capsys.readouterr()
    logits, labels = arrays()
    for rows in (slice(0, 17), slice(17, None)):
        evaluator.process(logits[rows], labels[rows])
    results = evaluator.evaluate()
    expected = EVALUATION["runs"][metrics]
    assert list(results) == list(expected["results"])
    assert results == pytest.approx(expected["results"], rel=1e-12)
    assert capsys.readouterr().out.splitlines() == expected["printed"]
    assert [(task.id, task.name, task.total) for task in evaluator.tasks] == [
        (0, "animals", 16),
        (1, "vehicles", 11),
        (2, "plants", 13),
    ]


def test_an_image_of_two_tasks_counts_in_both():
    evaluator = make_evaluator(["overall_acc"] * 3)
    rows = torch.tensor([[0, 1, 0, 1, 0, -1, -1, -1, -1], [-1] * 5 + [1, 0, 0, 0]])
    logits = torch.tensor([[0.0, 1, 2, 1, 0, 9, 9, 9, 9], [9.0] * 5 + [1, 0, 0, 0]])
    evaluator.process(logits, rows)
    evaluator.evaluate()
    assert [(task.metric, task.total) for task in evaluator.tasks] == [(0, 1), (100, 1), (100, 1)]


def test_tasks_are_printed_only_on_request(capsys):
    evaluator = make_evaluator(per_task=False)
    evaluator.process(*arrays())
    assert list(evaluator.evaluate()) == ["metric"]
    assert "task" not in capsys.readouterr().out


def test_a_class_without_images_is_left_out_of_the_mean_with_a_warning(capsys):
    logits, labels = arrays()
    kept = labels[:, 1] != 1  # no blue jay
    evaluator = make_evaluator()
    evaluator.process(logits[kept], labels[kept])
    results = evaluator.evaluate()
    assert np.isfinite(results["metric"])
    inside = logits[kept][:, :3].argmax(dim=1)
    recalls = [(inside[labels[kept][:, k] == 1] == k).double().mean().item() for k in (0, 2)]
    assert evaluator.tasks[0].metric == pytest.approx(100 * np.mean(recalls))
    warned = "task 0 (animals): no image of 1 of 3 classes (blue jay)"
    assert warned in capsys.readouterr().out


def test_a_task_without_images_is_an_error_that_names_it():
    logits, labels = arrays()
    kept = (labels[:, 3:5] == -1).all(dim=1)
    evaluator = make_evaluator()
    evaluator.process(logits[kept], labels[kept])
    with pytest.raises(UserError, match=r"no image of task 1 \(vehicles\)"):
        evaluator.evaluate()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"task2tname": None}, "TEST.EVALUATOR = ClassificationMT: .* no multi-task dataset"),
        ({"task2metric": ["f1", "f1", "f1"]}, "metric of task 0 is 'f1'; use mean_acc or overall"),
        ({"task2type": ["sl", "ml", "sl"]}, "type of task 1 is 'ml'; use sl"),
        ({"options": ["TEST.PER_CLASS_RESULT", True]}, "use TEST.PER_TASK_RESULT"),
    ],
)
def test_what_the_evaluator_cannot_judge_is_refused(changed, message):
    options = ["TEST.EVALUATOR", "ClassificationMT", *changed.pop("options", [])]
    with pytest.raises(UserError, match=message) as error:
        make_evaluator(options=options, **changed)
    assert len(error.value.problems) == 1


def test_average_precision_is_the_published():
    found = compute_accuracy_map(torch.from_numpy(ARRAYS["softmax"]), arrays()[1])
    assert found.item() == pytest.approx(EVALUATION["compute_accuracy_map"], rel=1e-12)


@pytest.mark.parametrize("levels", [3, 1000])  # many equal scores, hardly any
def test_average_precision_is_scikit_learns(levels):
    generator = torch.Generator().manual_seed(levels)
    for _ in range(20):
        scores = torch.randint(0, levels, (6, 9), generator=generator) / levels
        rows = torch.randint(-1, 2, (6, 9), generator=generator)
        counted = rows != -1
        expected = 100 * average_precision_score(rows[counted], scores[counted])
        assert compute_accuracy_map(scores, rows).item() == pytest.approx(expected, rel=1e-12)


def test_average_precision_without_a_class_is_zero():
    assert compute_accuracy_map(torch.rand(2, 3), torch.zeros(2, 3)).item() == 0
