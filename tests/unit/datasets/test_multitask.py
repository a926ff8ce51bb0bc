"""Several datasets as the tasks of one: which tasks and classes, names, few shots."""

import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.demo.suite import DemoSuite
from datasets.eurosat import EuroSAT
from datasets.oxford_flowers import OxfordFlowers
from datasets.oxford_pets import OxfordPets
from datasets.parts.multitask import JointDataset
from tests.support import dataset_tree
from tests.support.dataset_tree import dataset_cfg, small_lists, write_tree

CONFIGS = Path(__file__).parents[3] / "configs" / "datasets"
CLASSES = {
    "oxford_pets": ["cat", "dog", "emu"],
    "eurosat": ["river", "lake"],
    "oxford_flowers": ["tulip", "rose", "lily", "iris", "pink"],
}


class ThreeTasks(JointDataset):
    members = {"oxford_pets": OxfordPets, "eurosat": EuroSAT, "oxford_flowers": OxfordFlowers}  # noqa: RUF012


@pytest.fixture
def root(tmp_path):
    for file, reader in ThreeTasks.members.items():
        write_tree(tmp_path, reader, small_lists(CLASSES[file]))
    return tmp_path


def read(root, dataset=ThreeTasks, **options):
    return dataset_tree.read(root, dataset, **options)


def test_the_tasks_stand_in_order_with_the_readers_facts(root):
    found = read(root)
    assert found.taskid2tname == [
        "pet breed recognition",
        "satellite land use recognition",
        "flower recognition",
    ]
    assert found.taskid2cname == list(CLASSES.values())
    assert found.taskid2metric == ["mean_acc", "overall_acc", "mean_acc"]
    assert found.task_templates[1] == "a centered satellite photo of {}."
    assert found.task_datasets == list(CLASSES)
    assert found.num_classes == [3, 2, 5] and len(found.classnames) == 10
    assert [len(items) for items in (found.train_x, found.val, found.test)] == [50, 30, 20]


@pytest.mark.parametrize(
    ("tasks", "taken"),
    [("task1", ["eurosat"]), ("base", ["oxford_pets", "eurosat"]), ("new", ["oxford_flowers"])],
)
def test_some_tasks_are_numbered_from_0(root, tasks, taken):
    found = read(root, tasks=tasks)
    assert found.task_datasets == taken
    assert found.taskid2cname == [CLASSES[file] for file in taken]
    assert {key for item in found.test for key in item.key} == {
        (task, label) for task, file in enumerate(taken) for label in range(len(CLASSES[file]))
    }


def test_only_the_folders_of_the_chosen_tasks_are_needed(root):
    for file in (root / "eurosat").rglob("*"):
        if file.is_file():
            file.unlink()
    assert len(read(root, tasks="task2").train_x) == 25
    with pytest.raises(UserError, match="EuroSAT: no split file"):
        read(root)


@pytest.mark.parametrize("tasks", ["task3", "task", "2", ""])
def test_a_task_that_is_not_there_is_refused(root, tasks):
    with pytest.raises(UserError, match="ThreeTasks has 3 tasks; use all, base, new or one of"):
        read(root, tasks=tasks)


def test_base_and_new_classes_are_cut_inside_each_task(root):
    base, new = (read(root, subsample=subset) for subset in ("base", "new"))
    assert base.taskid2cname == [["cat", "dog"], ["river"], ["tulip", "rose", "lily"]]
    assert new.taskid2cname == [["emu"], ["lake"], ["iris", "pink"]]
    assert {item.key for item in new.test} == {((0, 0),), ((1, 0),), ((2, 0),), ((2, 1),)}


@pytest.mark.parametrize("subset", ["all", "base", "new"])
@pytest.mark.parametrize("shots", [2, -1])
def test_a_member_has_the_images_of_its_single_task_run(root, subset, shots):
    joint = read(root, shots=shots, seed=3, subsample=subset)
    for task, reader in enumerate(ThreeTasks.members.values()):
        alone = read(root, reader, shots=shots, seed=3, subsample=subset)
        for split in ("train_x", "val", "test"):
            expected = [(item.impath, item.label) for item in getattr(alone, split)]
            found = [
                (item.impath, item.label[0])
                for item in getattr(joint, split)
                if list(item.task) == [task]
            ]
            assert found == expected


def test_the_draw_does_not_depend_on_the_global_generator_nor_move_it(root):
    cfg = dataset_cfg(root, shots=2)
    drawn = []
    for seed in (5, 6):
        random.seed(seed)
        before = random.getstate()
        drawn.append([item.impath for item in ThreeTasks(cfg).train_x])
        assert random.getstate() == before
    assert drawn[0] == drawn[1]
    assert set(Counter(item.key for item in ThreeTasks(cfg).train_x).values()) == {2}


def test_without_a_seed_the_global_generator_draws(root):
    cfg = dataset_cfg(root, shots=2, seed=-1)
    drawn = []
    for seed in (5, 6):
        random.seed(seed)
        drawn.append([item.impath for item in ThreeTasks(cfg).train_x])
    assert drawn[0] != drawn[1]


def test_files_in_a_members_folder_name_and_describe_its_task(root):
    (root / "eurosat" / "task_name.txt").write_text("land_use\n")
    (root / "eurosat" / "task_desc.txt").write_text("Telling land use apart.\n")
    found = read(root)
    assert found.taskid2tname[1:] == ["land_use", "flower recognition"]
    assert found.taskid2desc[1:] == ["Telling land use apart.", "flower recognition"]


@pytest.mark.parametrize("text", ["", "two\nlines\n"])
def test_a_task_name_is_one_line(root, text):
    path = root / "eurosat" / "task_name.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=f"{path} has . lines; write one line"):
        read(root)


def test_every_reader_of_a_folder_with_tasks_says_what_it_tells_apart():
    joint = [
        dataset
        for name in DATASET_REGISTRY.registered_names()
        if isinstance(dataset := DATASET_REGISTRY.get(name), type)
        and issubclass(dataset, JointDataset)
    ]
    assert DemoSuite in joint
    for dataset in joint:
        for file, reader in dataset.members.items():
            content = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text())
            assert content["DATASET"]["NAME"] == reader.__name__
            assert "task_name" in vars(reader) and "{}" in reader.template
