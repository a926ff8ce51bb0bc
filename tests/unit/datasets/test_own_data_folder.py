"""ImageFolder: a person's own pictures in class folders."""

import json
import os
import random

import pytest

from dassl.utils.errors import UserError
from datasets.__main__ import run
from datasets.own.image_folder import ImageFolder
from tests.support.own_pictures import CLASSES, by_part, class_images, own_cfg, rows, write_images


def read(folder, below="", **options):
    return ImageFolder(own_cfg(folder, below, **options))


def test_class_folders_are_cut_50_20_30_and_the_log_says_so(plain, caplog):
    found = read(plain)
    assert [len(part) for part in by_part(found, plain)] == [20, 8, 12]
    every = [row for part in by_part(found, plain) for row in part]
    assert sorted(path for path, *_ in every) == sorted(class_images(count=10))
    assert all(CLASSES[label] == name == path.split("/")[0] for path, label, name in every)
    (line,) = [r.getMessage() for r in caplog.records if "cut with seed 1" in r.getMessage()]
    assert "20 / 8 / 12 images" in line
    assert f"prepare ImageFolder --root {plain} --make-split" in line
    assert found.split_note == "cut of 40 images, seed 1"


def test_the_cut_is_that_of_its_own_generator(plain):
    """Neither the run's seed nor what was drawn before moves it, and it uses nothing up."""
    random.seed(5)
    state = random.getstate()
    first = by_part(read(plain, seed=1), plain)
    assert random.getstate() == state
    assert by_part(read(plain, seed=2), plain) == first
    files = [f"bee/{i}.jpg" for i in range(10)]
    random.Random(1).shuffle(files)
    assert [path for path, *_ in first[0][:5]] == files[:5]


def test_make_split_writes_the_cut_that_is_read_without_it(plain, caplog):
    before = by_part(read(plain), plain)
    file = ImageFolder.make_split(plain)
    assert file == plain / "split.json" and "--seed 1" in json.loads(file.read_text())["made_by"]
    write_images(plain, "bee/new.jpg")
    found = read(plain)
    assert by_part(found, plain) == before
    assert "ImageFolder --make-split --seed 1" in found.split_note
    assert "not the published split" not in caplog.text, "there is none"
    with pytest.raises(UserError, match=r"split\.json is there: delete it"):
        ImageFolder.make_split(plain)


def test_prepare_makes_the_split_on_request_only(plain, capsys):
    words = ["prepare", "image_folder", "--root", str(plain)]
    assert run(words) == 2
    assert "its folder is your own; nothing is published to prepare" in capsys.readouterr().err
    assert run([*words, "--make-split", "--dry-run"]) == 0 and not (plain / "split.json").exists()
    assert run([*words, "--make-split"]) == 0
    assert f"ImageFolder: {plain / 'split.json'} is written" in capsys.readouterr().out
    assert run([*words, "--make-split"]) == 2
    assert "split.json is there: delete it" in capsys.readouterr().err
    assert run(["prepare", "ImageCSV", "--root", str(plain), "--make-split"]) == 2
    assert "ImageCSV: its folder is your own; nothing is published" in capsys.readouterr().err


def test_another_seed_makes_another_split(plain):
    lists = []
    for seed in (1, 2):
        file = ImageFolder.make_split(plain, seed)
        lists.append(json.loads(file.read_text())["train"])
        file.unlink()
    assert lists[0] != lists[1]


def test_train_and_test_folders_are_taken_as_they_are(parts):
    found = read(parts)
    train, val, test = by_part(found, parts)
    assert [path for path, *_ in train] == class_images(count=3, part="train")
    assert [path for path, *_ in test] == class_images(count=2, part="test")
    assert val == [] and found.classnames == list(CLASSES) and found.split_note == ""
    with pytest.raises(UserError, match="has train and test folders, so nothing is to be cut"):
        ImageFolder.make_split(parts)


def test_a_val_folder_is_the_validation_part(parts):
    write_images(parts, *class_images(count=1, part="val"))
    assert [path for path, *_ in by_part(read(parts), parts)[1]] == class_images(
        count=1, part="val"
    )


def test_val_serves_as_test_where_there_is_no_test(parts, caplog):
    os.rename(parts / "test", parts / "val")
    found = read(parts)
    assert found.val == [] and len(found.test) == 8
    assert "no test part: its 8 validation images serve as test images" in caplog.text


def test_best_val_without_validation_images_warns_in_one_line(parts, caplog):
    cfg = own_cfg(parts)
    cfg.TEST.FINAL_MODEL = "best_val"
    ImageFolder(cfg)
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert (
        "no validation images, so TEST.FINAL_MODEL best_val chooses the epoch by the test" in line
    )


def test_a_class_called_train_is_a_class(tmp_path):
    folder = write_images(tmp_path, *class_images(("car", "test", "train")))
    assert read(folder).classnames == ["car", "test", "train"]


def test_a_split_file_wins_and_may_have_no_validation_part(plain):
    lists = {"train": [["cat/0.jpg", 0, "a cat"]], "val": [], "test": [["cat/1.jpg", 0, "a cat"]]}
    (plain / "split.json").write_text(json.dumps(lists))
    assert by_part(read(plain), plain) == [
        [("cat/0.jpg", 0, "a cat")],
        [],
        [("cat/1.jpg", 0, "a cat")],
    ]


def test_few_shots_are_drawn_before_base_and_new_are_cut(parts):
    random.seed(1)
    every = by_part(read(parts, shots=1), parts)[0]
    halves = []
    for half in ("base", "new"):
        random.seed(1)
        halves.append(read(parts, shots=1, subsample=half))
    assert [found.classnames for found in halves] == [["bee", "cat"], ["dog", "emu"]]
    paths = [path for found in halves for path, *_ in rows(found.train_x, parts)]
    assert paths == [path for path, *_ in every] and len(paths) == 4
    assert [found.num_classes for found in halves] == [2, 2]


def test_a_kept_draw_is_no_class(plain):
    (plain / "split_fewshot").mkdir()
    assert read(plain).classnames == list(CLASSES)


def test_the_folder_may_lie_below_the_root(plain):
    assert len(read(plain.parent, "birds").train_x) == 20


@pytest.mark.parametrize("below", ["../birds", "/birds", "a/../../b"])
def test_a_folder_that_leaves_the_root_is_refused(plain, below):
    with pytest.raises(UserError, match=r"^DATASET.FOLDER = .*: give a folder below DATASET.ROOT"):
        read(plain, below)


def test_other_files_are_skipped_with_one_notice(plain, caplog):
    write_images(plain, "bee/notes.txt", "cat/.DS_Store", "emu/._0.jpg", ".git/x.jpg", "readme.md")
    assert [len(part) for part in by_part(read(plain), plain)] == [20, 8, 12]
    (line,) = [r.getMessage() for r in caplog.records if "not used" in r.getMessage()]
    assert "1 files in" in line and line.endswith("bee/notes.txt")


def test_folders_within_a_class_and_links_belong_to_it(plain, tmp_path):
    outside = write_images(tmp_path / "far", "a.JPG", "deep/b.Png")
    (plain / "fox").mkdir()
    (plain / "fox" / "link").symlink_to(outside)
    (plain / "fox" / "round").symlink_to(plain / "fox")
    (plain / "gnu").symlink_to(outside)
    write_images(plain, *(f"{name}/{i}.jpg" for name in ("fox", "gnu") for i in (1, 2)))
    found = read(plain)
    paths = [path for part in by_part(found, plain) for path, _, name in part if name == "fox"]
    assert {"fox/1.jpg", "fox/2.jpg", "fox/link/a.JPG", "fox/link/deep/b.Png"} <= set(paths)
    assert len(paths) == 6, "fox/round is not walked again"
    assert found.classnames[-1] == "gnu"


def test_names_may_hold_blanks_and_any_letters_and_files_may_share_theirs(tmp_path):
    classes = ["große Möwe", "ねこ", "红 鸟"]
    folder = write_images(tmp_path / "my bïrds", *class_images(classes, 4))
    found = read(folder)
    assert sorted(found.classnames) == sorted(classes)
    assert {path.split("/")[1] for path, *_ in rows(found.train_x, folder)} <= {
        f"{i}.jpg" for i in range(4)
    }


def test_classnames_txt_names_the_folders(parts):
    lines = ["dog  great dane", "bee honey bee", "emu emu", "cat Katze"]
    (parts / "classnames.txt").write_text("\n".join(lines))
    assert read(parts).classnames == ["honey bee", "Katze", "great dane", "emu"]


def test_classnames_txt_may_name_folders_with_blanks(tmp_path):
    folder = write_images(tmp_path, *class_images(("great", "great dane")))
    (folder / "classnames.txt").write_text("great dane big dog\ngreat fine\n", encoding="utf-8-sig")
    assert read(folder).classnames == ["fine", "big dog"]


def test_a_class_without_test_images_is_warned_of(parts, caplog):
    write_images(parts, "train/ant/0.jpg")
    found = read(parts)
    assert found.classnames == ["ant", *CLASSES]
    assert {d.label for d in found.test} == {1, 2, 3, 4}
    assert "no test image of 1 of the 5 classes: ant" in caplog.text


def test_folders_beside_the_parts_are_named(parts, caplog):
    write_images(parts, "labels/0.txt")
    assert read(parts).classnames == list(CLASSES)
    assert f"not used in {parts}: labels" in caplog.text


@pytest.mark.parametrize("name", ["validation", "Val", "testing"])
def test_a_part_of_another_spelling_beside_the_parts_is_warned_of(parts, caplog, name):
    write_images(parts, *class_images(part=name))
    assert by_part(read(parts), parts)[1] == []
    (record,) = [r for r in caplog.records if "not used" in r.getMessage()]
    assert record.levelname == "WARNING"
    assert f"not used in {parts}: {name}; parts are called train, val" in record.getMessage()


def test_classes_may_be_called_as_parts_in_other_letters(tmp_path):
    names = ["Bus", "Train", "valid"]
    assert read(write_images(tmp_path, *class_images(names))).classnames == names
    write_images(tmp_path, "Train/steam/0.jpg")
    assert read(tmp_path).classnames == names
