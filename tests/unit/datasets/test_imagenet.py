"""ImageNet: class folders and classnames.txt; goldens of the reference reader, listings sorted."""

import json
import os
import shutil
from pathlib import Path

import pytest

from dassl.utils.errors import UserError
from datasets.imagenet import ImageNet
from tests.support import dataset_tree
from tests.support.dataset_tree import as_rows
from tests.support.foreign_cache import write_foreign_cache

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "datasets" / "readers.json").read_text()
)["imagenet"]
ALL = GOLDEN["cases"][0]
WNIDS = [row[0].split("/")[1] for row in ALL["test"]]
NAMES = ALL["classnames"]
TRAIN_IMAGES = 4  # of each class, when the golden lists were made


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "imagenet"
    for wnid in reversed(WNIDS):
        (path / "images" / "train" / wnid).mkdir(parents=True)
        for i in reversed(range(TRAIN_IMAGES)):
            (path / "images" / "train" / wnid / f"{wnid}_{i}.JPEG").touch()
    for image, _, _ in ALL["test"]:
        (path / "images" / image).parent.mkdir(parents=True)
        (path / "images" / image).touch()
    lines = [f"{wnid} {name}\n" for wnid, name in zip(WNIDS, NAMES, strict=True)]
    (path / "classnames.txt").write_text("".join(lines))
    return path


def read(folder, *, shots=GOLDEN["shots"], subsample="all"):
    options = {"shots": shots, "seed": GOLDEN["seed"], "subsample": subsample}
    return dataset_tree.read(folder.parent, ImageNet, **options)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["subsample"])
def test_lists_are_the_reference_readers(folder, case):
    found = read(folder, subsample=case["subsample"])
    assert found.classnames == case["classnames"]
    assert as_rows(found.train_x, found.image_dir) == case["train"]
    for data in (found.val, found.test):
        assert as_rows(data, found.image_dir) == case["test"]


@pytest.mark.parametrize(
    ("subsample", "wnids"), [("all", WNIDS), ("base", WNIDS[:3]), ("new", WNIDS[3:])]
)
def test_class_ids_are_the_wnids_in_label_order(folder, subsample, wnids):
    assert read(folder, subsample=subsample).class_ids == wnids


def test_without_shots_all_images_are_read(folder):
    found = read(folder, shots=-1)
    assert [os.path.basename(item.impath) for item in found.train_x[:5]] == [
        *(f"{WNIDS[0]}_{i}.JPEG" for i in range(TRAIN_IMAGES)),
        f"{WNIDS[1]}_0.JPEG",
    ]
    assert len(found.train_x) == TRAIN_IMAGES * len(WNIDS)


def test_classes_of_the_same_name_stay_apart(folder, capsys):
    path = folder / "classnames.txt"
    path.write_text(path.read_text().replace("goldfish", "tench"))
    found = read(folder)
    assert found.num_classes == len(WNIDS)
    assert found.classnames[:2] == ["tench", "tench"]
    assert found.class_ids == WNIDS
    assert "have the same prompts: tench (label 0) and tench (label 1);" in capsys.readouterr().out


@pytest.mark.parametrize("shots", [-1, 2])
def test_no_image_is_looked_up(folder, monkeypatch, shots):
    asked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **kw: asked.append(str(path)) or stat(path, **kw))
    read(folder, shots=shots)
    assert asked
    assert [path for path in asked if path.endswith(".JPEG")] == []


def test_hidden_files_files_beside_the_folders_and_published_lists_are_skipped(folder):
    before = as_rows(read(folder).train_x, str(folder))
    (folder / "images" / "train" / WNIDS[0] / ".listing").touch()
    (folder / "images" / "train" / ".cache").mkdir()
    (folder / "images" / "val" / "README.txt").touch()
    (folder / "preprocessed.pkl").write_bytes(b"of another machine")
    assert as_rows(read(folder).train_x, str(folder)) == before


def cached_rows(image="1"):
    return [
        [f"train/{wnid}/{wnid}_{image}.JPEG", label, NAMES[label]]
        for label, wnid in enumerate(WNIDS)
    ]


def test_a_published_cache_is_honoured(folder, capsys):
    lists = {"train": cached_rows()}
    write_foreign_cache(folder, lists, "/home/someone/DATA/imagenet/images", shots=1)
    found = read(folder, shots=1)
    assert as_rows(found.train_x, found.image_dir) == lists["train"]
    assert as_rows(found.val, found.image_dir) == ALL["test"]
    assert "holds other images than the sorted listing gives" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (cached_rows("77"), "5 of the images are not in"),
        (cached_rows()[1:], r"lacks the class tench \(label 0\)"),
        ([[path, label, "newt"] for path, label, _ in cached_rows()], "alone has the class newt"),
    ],
)
def test_a_cache_of_other_images_or_classes_is_refused(folder, rows, message):
    path = write_foreign_cache(folder, {"train": rows}, "/d/imagenet/images", shots=1)
    with pytest.raises(UserError, match=message) as error:
        read(folder, shots=1)
    assert str(path) in str(error.value) and len(error.value.problems) == 1


def prepare_of(folder) -> str:
    return f"python -m datasets prepare ImageNet --root {folder.parent}"


def message_of(folder) -> str:
    """The one-line error that the folder gives."""
    with pytest.raises(UserError) as error:
        read(folder)
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_flat_val_is_named_with_the_remedy(folder):
    val = folder / "images" / "val"
    for wnid in WNIDS:
        for image in (val / wnid).iterdir():
            image.rename(val / image.name)
        (val / wnid).rmdir()
    message = message_of(folder)
    assert message.endswith(
        f"no class folders in {val}, but 5 files; run {prepare_of(folder)}, which sorts them into "
        "a folder for each wnid"
    )


def test_a_flat_train_is_named_with_the_script_that_sorts_it(folder):
    train = folder / "images" / "train"
    shutil.rmtree(train)
    train.mkdir()
    (train / "n01440764.tar").touch()
    message = message_of(folder)
    assert f"no class folders in {train}, but 1 files; sort them into a folder" in message
    assert "extract_ILSVRC.sh" in message


@pytest.mark.parametrize("short", ["train", "val"])
def test_a_folder_of_one_side_only_is_named(folder, short):
    gone = folder / "images" / short / WNIDS[1]
    for image in gone.iterdir():
        image.unlink()
    gone.rmdir()
    counts = "4 class folders in train and 5" if short == "train" else "5 class folders in train"
    side = "val" if short == "train" else "train"
    message = message_of(folder)
    assert counts in message and f"only in {side}: {WNIDS[1]};" in message
    assert "unpack both again" in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_folder_that_is_no_class_is_to_be_moved(folder, split):
    (folder / "images" / split / "__MACOSX").mkdir()
    assert f"only in {split}: __MACOSX; labels are places among them: move what is no class" in (
        message_of(folder)
    )


def test_folders_of_any_name_are_classes_if_they_have_their_lines(folder):
    for split in ("train", "val"):
        (folder / "images" / split / WNIDS[0]).rename(folder / "images" / split / "a_tench")
    path = folder / "classnames.txt"
    path.write_text(path.read_text().replace(f"{WNIDS[0]} tench", "a_tench tench"))
    assert read(folder).class_ids == ["a_tench", *WNIDS[1:]]


def test_missing_class_names_are_named_with_the_command_that_writes_them(folder):
    (folder / "classnames.txt").unlink()
    message = message_of(folder)
    assert message == (
        f"no list {folder / 'classnames.txt'}; run {prepare_of(folder)}, which writes it"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines[:-1], ["4 lines for 5 class folders", f"the folders: {WNIDS[-1]};"]),
        (lambda lines: [*lines, "n99 yak"], ["6 lines for 5 class folders", "the lines: n99;"]),
        (lambda lines: [*lines, lines[0]], [f"{WNIDS[0]} stands there twice"]),
        (lambda lines: [*lines, "n99"], ["the line 'n99' is no '<key> <name>'"]),
        (lambda lines: [], ["0 lines for 5", f"the folders: {', '.join(WNIDS[:3])}, ...;"]),
    ],
)
def test_class_names_that_do_not_fit_the_folders_are_named(folder, change, expected):
    path = folder / "classnames.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())))
    message = message_of(folder)
    assert "delete this one and run" in message or "delete it and run" in message
    for part in (str(path), prepare_of(folder), *expected):
        assert part in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_class_folder_is_named(folder, split):
    empty = folder / "images" / split / WNIDS[2]
    for image in empty.iterdir():
        image.unlink()
    assert f"no image in {empty}; unpack" in message_of(folder)


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    closed = str(folder / "images" / "train" / WNIDS[0])
    listdir = os.listdir

    def refuse(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert f"cannot list {closed} (Permission denied)" in message_of(folder)


def test_missing_val_is_named_with_its_link(folder):
    (folder / "images" / "val").rename(folder / "val")
    message = message_of(folder)
    assert f"no images folder {folder / 'images' / 'val'};" in message
    assert "image-net.org" in message


def kept_at(folder, shots=2):
    return folder / "split_fewshot" / f"shot_{shots}-seed_{GOLDEN['seed']}.json"


def test_the_draw_is_kept_and_found_again(folder):
    expected = as_rows(read(folder).train_x, str(folder / "images"))
    content = json.loads(kept_at(folder).read_text())
    assert content["train"] == expected == ALL["train"] and "val" not in content
    content["train"][0][0] = f"train/{WNIDS[0]}/{WNIDS[0]}_0.JPEG"  # shows that it is used
    kept_at(folder).write_text(json.dumps(content))
    found = read(folder)
    assert as_rows(found.train_x, found.image_dir) == content["train"] != expected
    assert as_rows(found.test, found.image_dir) == ALL["test"]


def test_without_shots_or_seed_no_draw_is_kept(folder):
    read(folder, shots=-1)
    cfg = dataset_tree.dataset_cfg(folder.parent, shots=2, seed=-1)
    ImageNet(cfg)
    assert not kept_at(folder).parent.exists()


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_a_draw_of_another_listing_is_named(folder, change):
    read(folder)
    image = folder / "images" / "train" / WNIDS[0] / f"{WNIDS[0]}_9.JPEG"
    if change == "more":
        image.touch()
    else:
        image.with_name(f"{WNIDS[0]}_0.JPEG").unlink()
    message = message_of(folder)
    assert f"{kept_at(folder)} was drawn from other lists" in message
    assert message.endswith("delete it to draw again")


def test_each_folder_is_listed_once(folder, monkeypatch):
    read(folder)
    asked = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: asked.append(str(path)) or listdir(path))
    read(folder)
    assert len(asked) == len(set(asked)) == 2 * (1 + len(WNIDS))


def test_the_same_file_names_in_several_class_folders_just_work(folder):
    for wnid in WNIDS:
        for i, image in enumerate(sorted((folder / "images" / "train" / wnid).iterdir())):
            image.rename(image.with_name(f"größe {i}.JPEG"))
    found = read(folder)
    rows = as_rows(found.train_x, found.image_dir)
    assert len({row[0] for row in rows}) == len(rows) == 2 * len(WNIDS)
    assert as_rows(read(folder).train_x, found.image_dir) == rows
