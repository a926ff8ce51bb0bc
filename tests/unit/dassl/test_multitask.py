"""Several tasks in one label space: label rows, metrics, which trainer and evaluator may meet."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from dassl.config import config_sha256, get_cfg_default
from dassl.data import DataManager, samplers
from dassl.data.datasets import DATASET_REGISTRY, DatasetBaseMT, DatumMT
from dassl.engine import TRAINER_REGISTRY
from dassl.engine.result import write_result
from dassl.evaluation import TaskResult, build_evaluator
from dassl.metrics import compute_accuracy_map
from dassl.utils.errors import UserError
from tests.unit.dassl.toy import ToyTrainer, golden_options, make_config, start, write_images

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "softcpt"
EVALUATION = json.loads((GOLDEN / "evaluation.json").read_text())
ARRAYS = np.load(GOLDEN / "evaluation.npz")
CLASSES = EVALUATION["classnames"]
NAMES = ["animals", "vehicles", "plants"]
MEAN = ["mean_acc"] * 3
OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NAME", "ToySuite", "OPTIM.MAX_EPOCH", 1]


def arrays():
    return torch.from_numpy(ARRAYS["logits"]), torch.from_numpy(ARRAYS["labels"])


def make_evaluator(metrics=MEAN, *, per_task=True, options=(), **tasks):
    cfg = get_cfg_default()
    cfg.TEST.PER_TASK_RESULT = per_task  # as trainers add it
    cfg.merge_from_list(list(options))
    tasks = {"task2tname": NAMES, "task2type": ["sl"] * 3, "task2metric": metrics, **tasks}
    return build_evaluator(cfg, lab2cname=CLASSES, **tasks)


@DATASET_REGISTRY.register(force=True)
class ToySuite(DatasetBaseMT):
    """The toy pictures' five classes as a task of two and a task of three."""

    task_datasets = ("toy_red", "toy_grey")

    def __init__(self, cfg):
        lists = {"train_x": [], "val": [], "test": []}
        for place, count in enumerate([5, 9, 4, 7, 6]):
            for index in range(count + 5):
                split = "train_x" if index < count else "val" if index < count + 2 else "test"
                path = f"{cfg.DATASET.ROOT}/toy/c{place}/{index:02d}.png"
                task, label = (0, place) if place < 2 else (1, place - 2)
                lists[split].append(DatumMT(path, [label], 0, [task]))
        if cfg.DATASET.NUM_SHOTS >= 1:
            shots = cfg.DATASET.NUM_SHOTS
            lists["train_x"] = self.generate_fewshot_dataset(lists["train_x"], num_shots=shots)
        super().__init__(
            ["red or green", "the rest"],
            [["red", "green"], ["blue", "grey", "white"]],
            ["two colours", "three more"],
            ["sl"] * 2,
            ["mean_acc", "overall_acc"],
            **lists,
        )


@TRAINER_REGISTRY.register(force=True)
class ToyRows(ToyTrainer):
    """Learns the joint place of a row's class."""

    multitask = True

    def build_model(self):
        self.num_classes = sum(self.num_classes)
        super().build_model()

    def parse_batch_train(self, batch):
        pixels, rows = super().parse_batch_train(batch)
        return pixels, rows.argmax(dim=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    write_images(root)
    return root


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


def test_a_batch_holds_label_rows_and_the_other_entries_of_a_batch(images, tmp_path, capsys):
    manager = DataManager(make_config(images, tmp_path, OPTIONS))
    assert "Task 0     red or green: 2 classes, mean_acc" in capsys.readouterr().out
    batch = next(iter(manager.test_loader))
    published = json.loads((GOLDEN / "data_format.json").read_text())["runs"]["all"]
    assert set(published["test_batch_keys"]) <= set(batch)
    assert batch["label"].dtype == torch.int64 and batch["label"].shape[1] == 5
    for path, row in zip(batch["impath"], batch["label"].tolist(), strict=True):
        place = int(Path(path).parent.name[1:])
        own = range(2) if place < 2 else range(2, 5)
        assert row == [-1 if k not in own else int(k == place) for k in range(5)]


def test_few_shots_are_counted_for_each_task_and_class(images, tmp_path):
    options = [*OPTIONS, "DATASET.NUM_SHOTS", 3]
    dataset = DataManager(make_config(images, tmp_path, options)).dataset
    counts = Counter(item.key for item in dataset.train_x)
    assert counts == {
        ((task, label),): 3 for task, label in [(0, 0), (0, 1), *((1, k) for k in range(3))]
    }
    assert dataset.classnames == ["red", "green", "blue", "grey", "white"]
    assert dataset.num_classes == [2, 3] and dataset.lab2cname[1] == ["blue", "grey", "white"]


def test_a_sampler_of_classes_tells_tasks_apart(images, tmp_path):
    dataset = DataManager(make_config(images, tmp_path, OPTIONS)).dataset
    order = list(samplers.RandomClassSampler(dataset.train_x, 4, 2))
    pairs = [[dataset.train_x[place].key for place in order[k : k + 2]] for k in (0, 2)]
    assert pairs[0][0] == pairs[0][1] != pairs[1][0] == pairs[1][1]


def test_a_run_trains_tests_and_records_its_tasks(images, tmp_path, capsys):
    cfg = make_config(images, tmp_path, OPTIONS, trainer="ToyRows")
    trainer = start(cfg)
    trainer.train()
    assert "Loading evaluator: ClassificationMT" in capsys.readouterr().out
    first, second = trainer.test_record.tasks
    assert isinstance(first, TaskResult) and (first.total, second.total) == (6, 9)
    assert trainer.test_record.results["metric"] == (first.metric + second.metric) / 2
    found = json.loads(write_result(cfg, trainer, seconds={}, job_key=None).read_text())
    assert found["accuracy"] == trainer.test_record.results["metric"]
    assert found["error_rate"] is None and found["num_test"] == 15
    assert [list(task) for task in found["tasks"]] == [
        ["id", "name", "dataset", "metric", "total"]
    ] * 2
    assert [task["dataset"] for task in found["tasks"]] == ["toy_red", "toy_grey"]


def test_a_trainer_that_sets_itself_up_as_softcpts_do(images, tmp_path):
    @TRAINER_REGISTRY.register(force=True)
    class ByHand(ToyRows):
        multitask = False  # never read: the base class's __init__ does not run

        def __init__(self, cfg):
            self._models, self._optims, self._scheds = {}, {}, {}
            self._writer = None
            self.cfg, self.device = cfg, torch.device("cpu")
            self.start_epoch = self.epoch = 0
            self.max_epoch, self.output_dir = cfg.OPTIM.MAX_EPOCH, cfg.OUTPUT_DIR
            self.build_data_loader()
            self.build_model()
            tasks = self.dm.dataset
            self.evaluator = build_evaluator(
                cfg,
                lab2cname=tasks.taskid2cname,
                task2tname=tasks.taskid2tname,
                task2type=tasks.taskid2type,
                task2metric=tasks.taskid2metric,
            )

    options = [*OPTIONS, "TEST.EVALUATOR", "ClassificationMT", "TEST.FINAL_MODEL", "best_val"]
    cfg = make_config(images, tmp_path, options, trainer="ByHand")
    trainer = start(cfg)
    trainer.train()
    assert (tmp_path / "linear" / "model-best.pth.tar").is_file()
    assert [task.dataset for task in trainer.test_record.tasks] == ["", ""]


def test_a_run_of_one_task_has_no_tasks(images, tmp_path):
    cfg = make_config(images, tmp_path, golden_options("log_last_step.txt"))
    trainer = start(cfg)
    trainer.test()
    found = json.loads(write_result(cfg, trainer, seconds={}, job_key=None).read_text())
    assert found["tasks"] is None and found["accuracy"] == trainer.test_record.results["accuracy"]


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        (
            "ToyTrainer",
            OPTIONS,
            "TRAINER.NAME = ToyTrainer: for labels of one task, and ToySuite is",
        ),
        (
            "ToyTrainer",
            [*golden_options("log_last_step.txt"), "TEST.EVALUATOR", "ClassificationMT"],
            "TEST.EVALUATOR = ClassificationMT: ToyData is no multi-task dataset",
        ),
    ],
)
def test_trainers_and_evaluators_of_the_other_kind_are_refused(
    trainer, options, message, images, tmp_path
):
    with pytest.raises(UserError, match=message) as error:
        start(make_config(images, tmp_path, options, trainer=trainer))
    assert len(error.value.problems) == 1


@pytest.mark.parametrize("options", [OPTIONS, golden_options("log_last_step.txt")])
def test_images_are_read_from_the_new_path(options, images, tmp_path):
    (tmp_path / "moved").symlink_to(images)
    cfg = make_config(images, tmp_path, options)
    cfg.defrost()
    cfg.DATALOADER.OLD_DATA_PATH, cfg.DATALOADER.NEW_DATA_PATH = str(images), f"{tmp_path}/moved"
    batch = next(iter(DataManager(cfg).test_loader))
    assert all(path.startswith(f"{tmp_path}/moved/toy/") for path in batch["impath"])
    moved = config_sha256(cfg)
    cfg.DATALOADER.NEW_DATA_PATH = ""
    assert config_sha256(cfg) == moved  # where files lie decides no number
    with pytest.raises(UserError, match="NEW_DATA_PATH = '': give both"):
        DataManager(cfg)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"taskid2cname": [["a"]]}, "taskid2cname has 1 entries for 2 tasks"),
        ({"taskid2cname": [["a"], []]}, r"task 1 \(second\) has no class"),
        ({"taskid2metric": ["mean_acc", "map"]}, "metric of task 1 is 'map'"),
        ({"train_x": []}, "no training images"),
    ],
)
def test_a_malformed_suite_is_refused(changed, message):
    lists = {
        "taskid2tname": ["first", "second"],
        "taskid2cname": [["a"], ["b"]],
        "taskid2desc": ["", ""],
        "taskid2type": ["sl", "sl"],
        "taskid2metric": ["mean_acc", "mean_acc"],
        "train_x": [DatumMT("a.jpg", [0], 0, [0])],
    }
    with pytest.raises(ValueError, match=message):
        DatasetBaseMT(**{**lists, **changed})


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (([0], [2]), "task 2, but the dataset has 2 tasks"),
        (([2], [0]), "label 2, but task 0 has 2 classes"),
    ],
)
def test_an_item_of_no_task_or_class_is_named(item, message, images, tmp_path):
    manager = DataManager(make_config(images, tmp_path, OPTIONS))
    wrapper = manager.test_loader.dataset
    with pytest.raises(UserError, match=f"x.jpg: {message}"):
        wrapper.label(DatumMT("x.jpg", item[0], 0, item[1]))


def test_a_datum_needs_a_task_for_each_label():
    with pytest.raises(AssertionError, match=r"x\.jpg: 1 labels for 2 tasks"):
        DatumMT("x.jpg", [0], 0, [0, 1])
