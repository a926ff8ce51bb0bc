"""`check` on few-shot caches: ours, those of other repositories, those of tasks."""

import hashlib
import json
import os
import pickle
import random

import pytest

from dassl.data.datasets import DatumMT
from datasets import published
from datasets.checking.lists import is_published_draw
from datasets.imagenetv2 import ImageNetV2
from datasets.parts.fewshot.draw import draw_lists
from datasets.parts.fewshot.files import json_cache_path
from datasets.parts.fewshot.json_files import source_sha256, write_json_cache
from datasets.parts.multitask import TaskInfo
from datasets.parts.softcpt_splits import TaskItem, write_task_split
from datasets.parts.split_files import load_split
from tests.support.checked_folders import (
    check,
    only,
    publish,
    put,
    write_imagenet,
    write_variant,
)
from tests.support.foreign_cache import write_foreign_cache

HOME = "/home/someone/DATA/oxford_pets/images"
SPLIT = "split_zhou_OxfordPets.json"


def drawn(folder, shots=2, seed=1):
    """The draw of the split file as items."""
    lists = load_split(str(folder / SPLIT))
    return draw_lists(lists, ("train", "val"), shots, seed)


def rows(lists):
    return {split: [[i.path, i.label, i.classname] for i in lists[split]] for split in lists}


def write_own(folder, **changes):
    path = json_cache_path(str(folder), 2, 1)
    content = {"dataset": "OxfordPets", "shots": 2, "seed": 1} | changes
    content.setdefault("split_sha256", source_sha256(str(folder / SPLIT), {}))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_json_cache(path, drawn(folder), **content)


def findings(capsys, folder, name="OxfordPets"):
    return check(capsys, folder.parent, name, "--no-images")


def test_draws_of_the_split_file_are_counted(pets, capsys):
    write_foreign_cache(pets, rows(drawn(pets)), HOME, shots=2)
    write_own(pets)
    found = findings(capsys, pets)
    assert (found.code, found.bad) == (0, [])
    text = found.of("ok")[-1]
    assert text.startswith(
        f"2 caches in {pets}/split_fewshot equal to the draw of the lists: shot_2"
    )


def test_another_draw_is_a_warning(pets, capsys):
    write_foreign_cache(pets, rows(drawn(pets, seed=7)), HOME, shots=2)
    text = only(findings(capsys, pets), "warning")
    assert "shot_2-seed_1.pkl is stale: it does not hold the draw of the split file" in text
    assert "2 shots, seed 1" in text


def test_a_published_draw_of_another_split_is_called_so(pets, capsys, monkeypatch):
    other = drawn(pets, seed=7)
    write_foreign_cache(pets, rows(other), HOME, shots=2)
    monkeypatch.setattr("datasets.checking.caches.is_published_draw", lambda *_: True)
    text = only(findings(capsys, pets), "warning")
    assert "holds the published draw, which is not the draw of the split file" in text


def test_a_published_draw_is_known_by_its_digests(pets, monkeypatch):
    one, other = drawn(pets), drawn(pets, seed=7)

    def digest(items):
        return hashlib.sha256("\n".join(item.path for item in items).encode()).hexdigest()

    known = published.Draw(8, digest(one["train"]), 8, digest(one["val"]))
    monkeypatch.setattr(published, "fewshot_draw", lambda *_: known)
    assert is_published_draw("OxfordPets", one, 2, 1)
    assert not is_published_draw("OxfordPets", other, 2, 1)
    monkeypatch.setattr(published, "fewshot_draw", lambda *_: None)
    assert is_published_draw("OxfordPets", one, 2, 1) is None


class Hostile:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({"train": [Hostile()], "val": []}), "no few-shot cache of Datum lists"),
        (pickle.dumps({"train": []})[:-4], "no few-shot cache of Datum lists"),
        (pickle.dumps({"train": []}), "lacks the lists train and val"),
        (b"", "no few-shot cache"),
    ],
)
def test_a_cache_that_cannot_be_read_is_wrong(pets, capsys, content, words):
    put(pets / "split_fewshot" / "shot_2-seed_1.pkl", content)
    assert words in only(findings(capsys, pets), "wrong")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: [row[0], row[1], "wolf"], "the class"),
        (lambda row: [f"gone_{row[0]}", *row[1:]], "are not in"),
        (lambda row: [row[0].replace("_train_", "_test_").replace("4", "1"), *row[1:]], "testing"),
    ],
)
def test_a_cache_that_does_not_fit_is_wrong(pets, capsys, change, words):
    content = rows(drawn(pets))
    content["train"] = [change(row) if row[1] == 0 else row for row in content["train"]]
    if words == "testing":
        content["train"][0][0] = "cat_test_0.jpg"
    write_foreign_cache(pets, content, HOME, shots=2)
    assert words in only(findings(capsys, pets), "wrong")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "EuroSAT"}, 'has "EuroSAT" as dataset, not "OxfordPets"'),
        ({"shots": 4}, "has 4 as shots, not 2"),
        ({"split_sha256": "0"}, "was drawn from other lists than there are now"),
    ],
)
def test_our_cache_of_something_else_is_wrong(pets, capsys, change, words):
    write_own(pets, **change)
    assert words in only(findings(capsys, pets), "wrong")


def test_our_cache_that_is_cut_short_is_wrong(pets, capsys):
    put(pets / "split_fewshot" / "shot_2-seed_1.json", b'{"format": 1')
    assert "cannot be read as JSON" in only(findings(capsys, pets), "wrong")


def test_one_bad_cache_does_not_hide_the_others(pets, capsys):
    for seed in (1, 2, 3):
        write_foreign_cache(pets, rows(drawn(pets, seed=seed)), HOME, shots=2, seed=seed)
    put(pets / "split_fewshot" / "shot_2-seed_2.pkl", b"no pickle")
    found = findings(capsys, pets)
    assert "shot_2-seed_2.pkl" in only(found, "wrong")
    assert found.of("ok")[-1].startswith("2 caches")


def test_a_cache_is_read_where_the_split_file_is_broken(pets, capsys):
    write_foreign_cache(pets, rows(drawn(pets)), HOME, shots=2)
    put(pets / "split_fewshot" / "shot_2-seed_2.pkl", b"no pickle")
    (pets / SPLIT).write_text("{")
    found = findings(capsys, pets)
    assert len(found.of("wrong")) == 2
    assert f"1 cache in {pets}/split_fewshot readable" in found.of("ok")[-1]


def test_a_file_that_is_no_cache_is_a_warning(pets, capsys):
    put(pets / "split_fewshot" / "notes.txt", b"-")
    found = findings(capsys, pets)
    assert "notes.txt is no shot_K-seed_S cache; it is unused" in only(found, "warning")


def test_a_file_in_place_of_the_cache_folder_is_a_warning(pets, capsys):
    put(pets / "split_fewshot", b"-")
    assert "no cache is read from it" in only(findings(capsys, pets), "warning")


def test_imagenets_cache_has_training_images_alone(tmp_path, monkeypatch, capsys):
    publish(monkeypatch)
    folder = write_imagenet(tmp_path)
    train = sorted((folder / "images" / "train").glob("*/*"))
    labels = sorted({path.parent.name for path in train})
    content = [
        [f"train/{path.parent.name}/{path.name}", labels.index(path.parent.name), ""]
        for path in train
    ]
    for row in content:
        row[2] = f"fish {row[1]}"
    random.Random(1).shuffle(content)
    write_foreign_cache(folder, {"train": content[:20]}, f"{HOME}/imagenet/images", shots=1)
    found = findings(capsys, folder, "ImageNet")
    assert "is stale" in only(found, "warning")


def test_a_cache_of_a_test_set_is_said_to_be_unused(tmp_path, monkeypatch, capsys):
    publish(monkeypatch)
    folder = write_variant(tmp_path, ImageNetV2).parent
    put(folder / "split_fewshot" / "shot_1-seed_1.pkl", b"-")
    found = findings(capsys, folder, "ImageNetV2")
    assert found.code == 0
    assert f"{folder}/split_fewshot is not read" in found.of("ok")[-1]


def write_task_cache(folder, lists, task):
    """`split_fewshot_mt/shot_2-seed_1.pkl` of items, as another machine pickled it."""
    content = {
        split: [DatumMT(f"{HOME}/{i.path}", [i.label], 0, [task]) for i in items]
        for split, items in lists.items()
    }
    put(folder / "split_fewshot_mt" / "shot_2-seed_1.pkl", pickle.dumps(content))


@pytest.mark.parametrize("name", ["split_fewshot", "split_fewshot_mt"])
def test_a_folder_of_caches_that_is_a_broken_link_is_wrong_as_a_run_stops_there(pets, capsys, name):
    (pets / name).symlink_to(pets / "nowhere")
    found = only(findings(capsys, pets), "wrong")
    assert found.startswith(f"{pets / name} is a broken link; delete it to draw again")


def test_a_cache_of_tasks_is_compared_too(pets, capsys):
    write_task_cache(pets, drawn(pets), 0)
    found = findings(capsys, pets)
    assert (found.code, found.bad) == (0, [])
    assert f"1 cache in {pets}/split_fewshot_mt equal" in found.of("ok")[-1]
    write_task_cache(pets, drawn(pets, seed=7), 0)
    assert "is stale" in only(findings(capsys, pets), "warning")


def test_a_cache_of_a_suite_is_checked_with_the_suite(pets, capsys):
    write_task_cache(pets.parent / "general10", drawn(pets), 6)  # OxfordPets' number there
    assert findings(capsys, pets).code == 0
    found = check(capsys, pets.parent, "general10", "--no-images")
    assert any(line.startswith("General10 ") and " 1 cache in " in line for line in found.lines)
    write_task_cache(pets.parent / "general10", drawn(pets, seed=7), 6)
    found = check(capsys, pets.parent, "general10", "--no-images")
    assert any(line.startswith("General10 ") and "is stale" in line for line in found.lines)
    put(pets.parent / "general10" / "split_fewshot_mt" / "shot_2-seed_1.pkl", b"-")
    found = check(capsys, pets.parent, "general10", "--no-images")
    assert sum("no few-shot cache of Datum lists" in line for line in found.lines) == 1


def test_a_second_split_file_of_softcpt_is_checked(pets, capsys):
    lists = {
        split: [TaskItem(item.path, item.label, 0) for item in items]
        for split, items in load_split(str(pets / SPLIT)).items()
    }
    names = ["cat", "dog", "emu", "fox"]
    task = TaskInfo("pets", names, "", "mean_acc", "{}", "oxford_pets")
    file = pets / "split_dk_OxfordPets.json"
    write_task_split(str(file), lists, [task], made_by="")
    found = findings(capsys, pets)
    assert (found.code, found.bad) == (0, [])
    assert any(text.startswith("split_dk_OxfordPets.json has 4 classes") for text in found.of("ok"))
    file.write_text(json.dumps({"train": [], "val": [], "test": []}))
    assert "meta has no class names" in only(findings(capsys, pets), "wrong")
