"""Few-shot caches of SoftCPT's dataset files: which draw a task has."""

import json
import pickle
from pathlib import Path

import pytest

from dassl.data.datasets import DatumMT
from dassl.utils.errors import UserError
from datasets.__main__ import run
from datasets.eurosat import EuroSAT
from datasets.fashion20 import Fashion20
from datasets.general10 import General10
from datasets.kaggle_flower import KaggleFlower
from datasets.plant6 import Plant6
from tests.support import class_tree
from tests.support.dataset_tree import read, small_lists, write_tree
from tests.support.foreign_cache import write_foreign_cache


def write_task_cache(folder, images, rows, task=0):
    """A draw of two shots and seed 1 as SoftCPT's dataset files leave it."""
    data = [DatumMT(f"/elsewhere/{images}/{path}", [label], 0, [task]) for path, label in rows]
    other = DatumMT("/elsewhere/dtd/images/banded/a.jpg", [0], 0, [task + 1])
    path = folder / "split_fewshot_mt" / "shot_2-seed_1.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps({"train": [*data, other], "val": data[:1]}))
    return path


def test_a_published_draw_of_all_tasks_comes_before_that_of_a_member(tmp_path):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    write_task_cache(folder, "eurosat/2750", [("lake_train_1.jpg", 1), ("river_train_4.jpg", 0)])
    rows = [("lake_train_0.jpg", 1), ("river_train_2.jpg", 0)]
    write_task_cache(tmp_path / "general10", "eurosat/2750", rows, task=2)
    found = read(tmp_path, General10, tasks="task2", shots=2)
    assert [Path(item.impath).name for item in found.train_x] == [name for name, _ in rows]
    assert {tuple(item.task) for item in found.train_x} == {(0,)}


def test_a_published_draw_of_fashion20_is_honoured(tmp_path, capsys):
    class_tree.write_fashion20(tmp_path)
    assert run(["prepare", "Fashion20", "--make-split", "--root", str(tmp_path)]) == 0
    rows = [("5/0/03.jpg", 0), ("5/2/07.jpg", 2)]
    folder = tmp_path / "fashion20"
    path = write_task_cache(folder, "fashion20/images", rows, task=5)
    with pytest.raises(UserError, match=r"image path '/elsewhere/dtd.* has no /fashion20/images/"):
        read(tmp_path, Fashion20, tasks="task5", shots=2)
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({"train": content["train"][:2], "val": content["val"]}))
    found = read(tmp_path, Fashion20, tasks="task5", shots=2)
    assert [item.impath for item in found.train_x] == [str(folder / "images" / p) for p, _ in rows]
    assert [list(item.label) for item in found.train_x] == [[0], [2]] and len(found.val) == 1
    assert f"{path} is used; delete it to draw again" in capsys.readouterr().out


@pytest.mark.parametrize("task", [(0, 1), 0, ("0",)])
def test_a_draw_without_tasks_is_refused(tmp_path, task):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    item = DatumMT("/d/eurosat/2750/lake_train_1.jpg", [1], 0, [0])
    item.task = list(task) if isinstance(task, tuple) else task
    path = folder / "split_fewshot_mt" / "shot_2-seed_1.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"train": [item], "val": []}))
    with pytest.raises(UserError, match=f"{path}: an entry has no task; delete the file"):
        read(tmp_path, General10, tasks="task2", shots=2)


@pytest.mark.parametrize("label", [[[1]], [], [None], 1, [-1]])
def test_an_entry_without_a_label_is_refused(tmp_path, label):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    item = DatumMT("/d/eurosat/2750/lake_train_1.jpg", [1], 0, [0])
    item.label = label
    path = folder / "split_fewshot_mt" / "shot_2-seed_1.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"train": [item], "val": []}))
    with pytest.raises(UserError, match=f"{path}: an entry has no label and class name"):
        read(tmp_path, General10, tasks="task2", shots=2)


def test_a_published_draw_of_a_task_is_honoured_and_only_there(tmp_path, capsys):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    rows = [("lake_train_1.jpg", 1), ("river_train_4.jpg", 0)]
    path = write_task_cache(folder, "eurosat/2750", rows)
    found = read(tmp_path, General10, tasks="task2", shots=2)
    assert [Path(item.impath).name for item in found.train_x] == [name for name, _ in rows]
    assert [list(item.label) for item in found.train_x] == [[1], [0]]
    assert f"{path} is used, but holds other images" in capsys.readouterr().out
    assert len(read(tmp_path, EuroSAT, shots=2).train_x) == 4


def test_a_draw_of_another_split_file_is_not_used_with_softcpts(tmp_path):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    cached = {"train": [["river_train_0.jpg", 0, "river"], ["lake_train_0.jpg", 1, "lake"]]}
    write_foreign_cache(folder, {**cached, "val": []}, "/d/eurosat/2750", shots=2)
    assert len(read(tmp_path, General10, tasks="task2", shots=2).train_x) == 2
    lists = {
        split: [[name, [label], [0]] for name, label, _ in rows]
        for split, rows in small_lists(["river", "lake"]).items()
    }
    lists["meta"] = {"taskid2cname": [["river", "lake"]]}
    (folder / "split_dk_EuroSAT.json").write_text(json.dumps(lists))
    assert len(read(tmp_path, General10, tasks="task2", shots=2).train_x) == 4


def test_a_draw_with_an_unknown_label_is_refused(tmp_path):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    rows = [("lake_train_1.jpg", 2), ("river_train_4.jpg", 0)]
    path = write_task_cache(folder, "eurosat/2750", rows)
    with pytest.raises(UserError, match=f"{path} lacks the class lake"):
        read(tmp_path, General10, tasks="task2", shots=2)


def test_a_dataset_of_softcpts_split_file_has_the_draw_of_its_task_when_read_alone(tmp_path):
    folder = tmp_path / "kaggle_flower_recognition"
    class_tree.write_classes(folder / "flowers", ["daisy", "rose"])
    assert run(["prepare", "KaggleFlower", "--make-split", "--root", str(tmp_path)]) == 0
    lists = json.loads((folder / "split_dk_kaggle_flower.json").read_text())
    rows = [(path, label) for path, (label,), _ in lists["train"][::-1]][:6]
    write_task_cache(folder, "kaggle_flower_recognition/flowers", rows)
    joint = read(tmp_path, Plant6, tasks="task1", shots=2)
    alone = read(tmp_path, KaggleFlower, shots=2)
    images = [item.impath for item in joint.train_x]
    assert images == [str(folder / "flowers" / path) for path, _ in rows]
    assert [item.impath for item in alone.train_x] == images
    assert [item.impath for item in alone.val] == [item.impath for item in joint.val] == images[:1]
