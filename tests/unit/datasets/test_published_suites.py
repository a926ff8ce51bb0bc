"""General-10, Plant-6 and Fashion-20 on small folders in the true layouts."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from dassl.config import get_cfg_default
from dassl.data import DataManager
from dassl.utils.errors import UserError
from datasets.__main__ import run
from datasets.caltech101 import Caltech101
from datasets.fashion20 import Fashion20
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.general10 import General10
from datasets.plant6 import Plant6
from datasets.plant_village import NEW_CNAMES, PlantVillage
from tests.support import class_tree
from tests.support.dataset_tree import read, small_lists, write_tree

PROJECT = Path(__file__).parents[3]
PUBLISHED = class_tree.golden()["runs"]


@pytest.fixture(scope="module")
def plants(tmp_path_factory):
    root = class_tree.write_plant6(tmp_path_factory.mktemp("plant6"))
    assert run(["prepare", "Plant6", "--root", str(root), "--make-split"]) == 0
    return root


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    root = class_tree.write_fashion20(tmp_path_factory.mktemp("fashion"))
    assert run(["prepare", "Fashion20", "--make-split", "--root", str(root)]) == 0
    return root


RUNS = {
    "all": {},
    "base": {"subsample": "base"},
    "new": {"subsample": "new"},
    "task2": {"tasks": "task2"},
    "tasks_base": {"tasks": "base"},
}


def test_every_published_run_is_compared():
    assert RUNS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", RUNS)
def test_tasks_classes_and_shots_are_the_published(plants, name):
    found, expected = read(plants, Plant6, shots=2, **RUNS[name]), PUBLISHED[name]
    assert found.taskid2tname == expected["tasks"]
    assert found.taskid2cname == expected["classes"]
    assert found.taskid2desc == expected["desc"]
    assert found.taskid2metric == expected["metric"]
    assert found.num_classes == expected["num_classes"]
    for split, items in (("train", found.train_x), ("val", found.val), ("test", found.test)):
        assert len(items) == expected[split]
    pairs = [[item.task[0], item.label[0]] for item in found.train_x]
    assert pairs == expected["train_task_label"]


def test_without_a_split_file_the_command_that_makes_it_is_named(tmp_path):
    class_tree.write_plant6(tmp_path)
    with pytest.raises(UserError) as error:
        read(tmp_path, Plant6)
    (line,) = error.value.problems
    assert str(tmp_path / "fruit_vegetable" / "split_dk_FruitVegetable.json") in line
    command = f"python -m datasets prepare FruitVegetable --root {tmp_path} --make-split"
    assert line.endswith(command)


def test_a_split_is_made_once_and_says_that_it_is_our_own(plants, capsys):
    path = plants / "kaggle_flower_recognition" / "split_dk_kaggle_flower.json"
    content = json.loads(path.read_text())
    assert content["meta"]["taskid2cname"] == [["daisy", "rose"]]
    assert "not the split of any published number" in content["made_by"]
    assert run(["prepare", "KaggleFlower", "--make-split", "--root", str(plants)]) == 2
    assert (
        capsys.readouterr().err
        == f"error: KaggleFlower: {path} is there: delete it to make another one\n"
    )


def test_a_split_depends_on_its_seed_alone(tmp_path):
    made = []
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        class_tree.write_classes(tmp_path / folder / "kaggle_mushroom" / "Mushrooms", ["x", "y"])
        random.seed(len(made))
        root = str(tmp_path / folder)
        assert (
            run(["prepare", "KaggleMushroom", "--make-split", "--root", root, "--seed", seed]) == 0
        )
        path = tmp_path / folder / "kaggle_mushroom" / "split_dk_KaggleMushroom.json"
        made.append(json.loads(path.read_text())["train"])
    assert made[0] == made[1] != made[2]
    assert len(made[0]) == 10  # half of both classes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["KaggleMushroom"], "KaggleMushroom: no .*/Mushrooms; get the images from https://.*"),
        (["KaggleMushroom", "--seed", "-1"], "--seed -1: use 0 or more"),
    ],
)
def test_a_split_that_cannot_be_made_is_one_line(tmp_path, capsys, words, message):
    assert run(["prepare", *words, "--make-split", "--root", str(tmp_path)]) == 2
    assert re.match(f"error: {message}\n$", capsys.readouterr().err)


def test_the_documented_command_makes_a_split(tmp_path, monkeypatch, capsys):
    page = (PROJECT / "docs" / "multitask_datasets.md").read_text(encoding="utf-8")
    (line,) = re.findall("    python -m datasets (.*)", page)
    images = tmp_path / "data" / PlantVillage.dataset_dir / PlantVillage.images
    class_tree.write_classes(images, ["Apple___healthy", "Tomato___Late_blight"])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(line.split()) == 0
    path = tmp_path / "data" / "PlantVillage" / "split_dk_PlantVillage.json"
    assert f"PlantVillage: {path} is written" in capsys.readouterr().out
    assert len(read(tmp_path / "data", PlantVillage).train_x) == 10


def test_three_folders_need_the_same_classes(tmp_path, capsys):
    for part in class_tree.PARTS:
        folder = tmp_path / "kaggle_vegetable" / "images" / part
        class_tree.write_classes(folder, ["Bean", "Leek" if part == "test" else "Radish"])
    assert run(["prepare", "KaggleVegetable", "--make-split", "--root", str(tmp_path)]) == 2
    assert "do not have the same class folders" in capsys.readouterr().err


def test_plant_village_has_a_name_for_each_class():
    assert len(NEW_CNAMES) == len(set(NEW_CNAMES.values())) == 39
    assert PlantVillage.renamed is NEW_CNAMES


def test_general10_has_its_tasks_in_order_and_judges_them_as_published():
    assert [reader.task_metric for reader in General10.members.values()] == [
        "mean_acc" if task in (0, 3, 5, 6) else "overall_acc" for task in range(10)
    ]
    names = [reader.__name__ for reader in General10.members.values()]
    assert names[0] == "Caltech101" and names[3] == "FGVCAircraft" and names[-1] == "UCF101"


def test_general10_reads_its_members_folders(tmp_path):
    for reader in General10.members.values():
        if reader is not FGVCAircraft:
            write_tree(tmp_path, reader, small_lists())
            (tmp_path / reader.dataset_dir / "cars_train").mkdir()
            (tmp_path / reader.dataset_dir / "cars_test").mkdir()
    aircraft = tmp_path / "fgvc_aircraft"
    class_tree.write_classes(aircraft, ["images"], count=12)
    (aircraft / "variants.txt").write_text("707-320\nA 380\n")
    for k, split in enumerate(("train", "val", "test")):
        lines = [f"{4 * k + i:02d} {('707-320', 'A 380')[i % 2]}\n" for i in range(4)]
        (aircraft / f"images_variant_{split}.txt").write_text("".join(lines))
    found = read(tmp_path, General10, shots=1)
    assert found.num_classes == [4, 4, 4, 2, 4, 4, 4, 4, 4, 4]
    assert len(found.train_x) == 38 and found.taskid2cname[3] == ["707-320", "A 380"]


def test_a_softcpt_split_file_of_a_member_wins_and_its_folder_names_are_renamed(tmp_path):
    write_tree(tmp_path, Caltech101, small_lists(["face", "emu"]))
    content = {
        split: [
            [f"{name}_{split}_0.jpg", [label], [0]] for label, name in ((0, "face"), (1, "emu"))
        ]
        for split in ("train", "val", "test")
    }
    meta = {"taskid2cname": [["Faces", "emu"]], "taskid2tname": ["things"]}  # as UCF101's: no more
    path = tmp_path / "caltech-101" / "split_dk_Caltech101.json"
    path.write_text(json.dumps({**content, "meta": meta}))
    found = read(tmp_path, General10, tasks="task0")
    assert found.taskid2cname == [["face", "emu"]] and found.taskid2tname == ["things"]
    assert len(found.train_x) == 2
    assert len(read(tmp_path, Caltech101).train_x) == 10  # a single-task run keeps its own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": [["a.jpg", 0, "face"]]}, r"train\[0\]: .* is no \[relative path, \[label\]"),
        ({"val": [["a.jpg", [2], [0]]]}, r"val\[0\]: .* of the file's classes"),
        ({"test": [["../a.jpg", [0], [0]]]}, r"test\[0\]"),
        ({"meta": {}}, "meta has no class names"),
        ({"meta": {"taskid2cname": [["a"], ["b"]]}}, "has 2 tasks; one is expected"),
    ],
)
def test_a_malformed_split_file_is_refused(tmp_path, change, message):
    write_tree(tmp_path, Caltech101, small_lists(["face", "emu"]))
    content = {"train": [], "val": [], "test": [], "meta": {"taskid2cname": [["face", "emu"]]}}
    path = tmp_path / "caltech-101" / "split_dk_Caltech101.json"
    path.write_text(json.dumps({**content, **change}))
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, General10, tasks="task0")
    assert str(path) in str(error.value)


def test_fashion20_has_twenty_tasks_under_mean_accuracy(fashion):
    found = read(fashion, Fashion20, shots=2)
    assert found.num_classes == [2, 3] * 10
    assert set(found.taskid2metric) == {"mean_acc"}
    assert found.taskid2tname[3] == "question 3" and found.taskid2cname[1][2] == "kind 1 2"
    templates = found.task_templates
    assert templates[0] == "a photo of {}, a type of pants."
    last_words = {3: "tops", 6: "tops", 7: "shoes", 13: "shoes", 14: "hat", 15: "socks"}
    last_words |= {16: "socks", 17: "skirt", 18: "tops", 19: "underwear"}
    for task, word in last_words.items():
        assert templates[task].endswith(f"a type of {word}.")
    assert found.task_datasets[7] == "fashion20_task7"
    counts = Counter(item.key for item in found.train_x)  # tasks are cut whole, not by class
    assert len(counts) == 50 and set(counts.values()) <= {1, 2}
    assert len(found.test) == 10 * (20 - 10 - 4) + 10 * (30 - 15 - 6)


def test_a_task_of_fashion20_has_its_images_of_the_joint_run(fashion):
    joint, alone = (read(fashion, Fashion20, tasks=tasks, shots=2) for tasks in ("all", "task1"))
    assert alone.num_classes == [3] and {item.task[0] for item in alone.test} == {0}
    expected = [item.impath for item in joint.train_x if item.task[0] == 1]
    assert [item.impath for item in alone.train_x] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subsample": "base"}, "the classes of Fashion20 are not cut; use all"),
        ({"tasks": "task20"}, "Fashion20 has 20 tasks; use all, base, new or one of task0"),
    ],
)
def test_what_fashion20_does_not_have_is_refused(fashion, options, message):
    with pytest.raises(UserError, match=message):
        read(fashion, Fashion20, **options)


def test_a_task_info_line_is_checked(tmp_path, capsys):
    class_tree.write_fashion20(tmp_path)
    path = tmp_path / "fashion20" / "task_info.csv"
    path.write_text(path.read_text().replace("4\tquestion 4\t", "4\t"))
    assert run(["prepare", "Fashion20", "--make-split", "--root", str(tmp_path)]) == 2
    assert f"{path}: the line '4\\t-" in capsys.readouterr().err


def test_a_class_folder_that_no_class_has_is_named(tmp_path, capsys):
    class_tree.write_fashion20(tmp_path)
    folder = tmp_path / "fashion20" / "images" / "0" / "2"
    folder.mkdir()
    (folder / "1.jpg").touch()
    assert run(["prepare", "Fashion20", "--make-split", "--root", str(tmp_path)]) == 2
    assert f"{folder} is none of the classes 0 ... 1" in capsys.readouterr().err


def test_a_suite_builds_by_its_name_in_the_config(plants):
    cfg = get_cfg_default()
    cfg.DATASET.ROOT, cfg.DATASET.NAME, cfg.DATASET.NUM_SHOTS = str(plants), "Plant6", 2
    manager = DataManager(cfg)
    assert manager.num_classes == PUBLISHED["all"]["num_classes"]
    row = manager.train_loader_x.dataset.label(manager.dataset.train_x[-1])
    assert list(row.shape) == [PUBLISHED["all"]["train_batch"]["label"][2][1]]
    assert Path(manager.dataset.train_x[-1].impath).is_file()
