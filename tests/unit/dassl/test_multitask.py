"""Several tasks in one label space: label rows, runs, which trainer and evaluator may meet."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from dassl.config import config_sha256
from dassl.data import DataManager, samplers
from dassl.data.datasets import DATASET_REGISTRY, DatasetBaseMT, DatumMT
from dassl.engine import TRAINER_REGISTRY
from dassl.engine.result import write_result
from dassl.evaluation import TaskResult, build_evaluator
from dassl.utils.errors import UserError
from tests.support import class_tree
from tests.unit.dassl.toy import ToyTrainer, golden_options, make_config, start

OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NAME", "ToySuite", "OPTIM.MAX_EPOCH", 1]


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


def test_a_batch_holds_label_rows_and_the_other_entries_of_a_batch(images, tmp_path, capsys):
    manager = DataManager(make_config(images, tmp_path, OPTIONS))
    assert "Task 0     red or green: 2 classes, mean_acc" in capsys.readouterr().out
    batch = next(iter(manager.test_loader))
    published = class_tree.golden()["runs"]["all"]
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
    trainer.dm.dataset.task_split_notes = ["made here", ""]
    trainer.train()
    assert "Loading evaluator: ClassificationMT" in capsys.readouterr().out
    first, second = trainer.test_record.tasks
    assert isinstance(first, TaskResult) and (first.total, second.total) == (6, 9)
    assert trainer.test_record.results["metric"] == (first.metric + second.metric) / 2
    found = json.loads(write_result(cfg, trainer, seconds={}, job_key=None).read_text())
    assert found["accuracy"] == trainer.test_record.results["metric"]
    assert found["error_rate"] is None and found["num_test"] == 15
    assert [list(task) for task in found["tasks"]] == [
        ["id", "name", "dataset", "metric", "total", "split_note"]
    ] * 2
    assert [task["split_note"] for task in found["tasks"]] == ["made here", None]
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
