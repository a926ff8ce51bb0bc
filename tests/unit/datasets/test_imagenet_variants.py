"""ImageNetV2, -Sketch, -A and -R in folders of their true layouts."""

import os

import pytest

from dassl.utils.errors import UserError
from datasets import published
from datasets.imagenet import ImageNet
from datasets.imagenet_a import ImageNetA
from datasets.imagenet_r import ImageNetR
from datasets.imagenet_sketch import ImageNetSketch
from datasets.imagenetv2 import ImageNetV2
from tests.support.dataset_tree import as_rows, dataset_cfg
from trainers.parts.classes import ClassSpace

NAMES = {f"n{k:08d}": name for k, name in enumerate(["tench", "great white shark", "cock", "hen"])}
NAMES |= {f"n{k:08d}": f"fish_{k}" for k in range(4, 12)}  # 12 classes: "10" and "2" as folders
WNIDS = list(NAMES)
PART = [WNIDS[10], WNIDS[1], WNIDS[3]]  # of ImageNet-A and -R
FOLDERS = {
    ImageNetV2: ("imagenetv2", "imagenetv2-matched-frequency-format-val"),
    ImageNetSketch: ("imagenet-sketch", "images"),
    ImageNetA: ("imagenet-adversarial", "imagenet-a"),
    ImageNetR: ("imagenet-rendition", "imagenet-r"),
}
PARTIAL = (ImageNetA, ImageNetR)


def classes_of(dataset):
    """Class folders and wnids of a small tree, in label order."""
    if dataset is ImageNetV2:
        return [str(k) for k in range(12)], WNIDS
    return (sorted(PART), sorted(PART)) if dataset in PARTIAL else (WNIDS, WNIDS)


def write(root, dataset, per_class=2):
    below, images = FOLDERS[dataset]
    folder = root / below
    for name in reversed(classes_of(dataset)[0]):
        (folder / images / name).mkdir(parents=True)
        for i in range(per_class):
            (folder / images / name / f"{name}_{i}.jpg").touch()
    lines = [f"{wnid} {name}\n" for wnid, name in NAMES.items()]
    (folder / "classnames.txt").write_text("".join(lines))
    return folder / images


@pytest.fixture(autouse=True)
def published_classes(monkeypatch):
    """The twelve classes are all of ImageNet's, and A and R are published with three."""
    wnids = {"ImageNet": WNIDS, "ImageNetA": sorted(PART), "ImageNetR": sorted(PART)}
    monkeypatch.setattr(published, "wnids", wnids.get)
    monkeypatch.setattr(published, "classnames", {"ImageNet": list(NAMES.values())}.get)


@pytest.fixture(params=FOLDERS, ids=lambda dataset: dataset.__name__)
def dataset(request):
    return request.param


def test_labels_names_and_images_are_those_of_the_layout(tmp_path, dataset):
    images = write(tmp_path, dataset)
    found = dataset(dataset_cfg(tmp_path))
    folders, wnids = classes_of(dataset)
    expected = [
        [f"{folder}/{folder}_{i}.jpg", label, NAMES[wnids[label]]]
        for label, folder in enumerate(folders)
        for i in (0, 1)
    ]
    assert as_rows(found.test, str(images)) == expected
    assert as_rows(found.train_x, str(images)) == expected
    assert not found.val
    assert found.class_ids == wnids
    assert found.all_class_ids == sorted(WNIDS)
    assert found.classnames == [NAMES[wnid] for wnid in wnids]
    assert found.template == "a photo of a {}."


def test_shots_draw_nothing_and_write_nothing(tmp_path, dataset, capsys):
    write(tmp_path, dataset)
    before = sorted(os.walk(tmp_path))
    found = dataset(dataset_cfg(tmp_path, shots=16))
    assert len(found.test) == 2 * len(found.class_ids)
    assert sorted(os.walk(tmp_path)) == before
    assert "Warning" not in capsys.readouterr().out


@pytest.mark.parametrize("subsample", ["base", "new"])
def test_base_and_new_are_halves_of_the_sets_own_classes(tmp_path, dataset, subsample):
    write(tmp_path, dataset)
    found = dataset(dataset_cfg(tmp_path, subsample=subsample))
    wnids = classes_of(dataset)[1]
    half = (len(wnids) + 1) // 2
    assert found.class_ids == (wnids[:half] if subsample == "base" else wnids[half:])
    assert len(found.test) == 2 * len(found.class_ids)


def test_classes_are_found_among_imagenets_by_wnid(tmp_path, dataset):
    write(tmp_path, dataset)
    folder = tmp_path / "imagenet"
    for split in ("train", "val"):
        for wnid in WNIDS:
            (folder / "images" / split / wnid).mkdir(parents=True)
            (folder / "images" / split / wnid / "1.JPEG").touch()
    (folder / "classnames.txt").write_text("".join(f"{w} {n}\n" for w, n in NAMES.items()))
    source, target = (ClassSpace.of(kind(dataset_cfg(tmp_path))) for kind in (ImageNet, dataset))
    rows = target.rows_in(source)
    assert rows == ([1, 3, 10] if dataset in PARTIAL else list(range(12)))


def test_files_beside_the_class_folders_are_skipped(tmp_path, dataset):
    images = write(tmp_path, dataset)
    (images / "README.txt").touch()
    (images / "list.csv").touch()
    (images / ".cache").mkdir()
    assert dataset(dataset_cfg(tmp_path)).class_ids == classes_of(dataset)[1]


def message_of(root, dataset) -> str:
    with pytest.raises(UserError) as error:
        dataset(dataset_cfg(root))
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_missing_folder_is_named_with_the_link(tmp_path, dataset):
    message = message_of(tmp_path, dataset)
    assert f"{dataset.__name__}: no folder {tmp_path / FOLDERS[dataset][0]}" in message
    assert "https://github.com/" in message


def test_a_missing_images_folder_is_named_with_the_link(tmp_path, dataset):
    images = write(tmp_path, dataset)
    images.rename(tmp_path / "elsewhere")
    message = message_of(tmp_path, dataset)
    assert f"{dataset.__name__}: no images folder {images};" in message
    assert "https://github.com/" in message


def test_missing_class_names_are_named_with_the_command_that_writes_them(tmp_path, dataset):
    root = tmp_path / "my data"
    images = write(root, dataset)
    (images.parent / "classnames.txt").unlink()
    assert message_of(root, dataset) == (
        f"no list {images.parent / 'classnames.txt'}; run python -m datasets prepare "
        f"{dataset.__name__} --root '{root}', which writes it"
    )


def test_images_outside_of_class_folders_are_named(tmp_path, dataset):
    images = write(tmp_path, dataset, per_class=0)
    for folder in images.iterdir():
        folder.rmdir()
    (images / "1.jpg").touch()
    message = message_of(tmp_path, dataset)
    assert f"{dataset.__name__}: no class folders in {images}, but 1 files; unpack" in message


def test_a_folder_without_a_line_is_named(tmp_path, dataset):
    images = write(tmp_path, dataset)
    name = "99" if dataset is ImageNetV2 else "n99"
    (images / name).mkdir()
    message = message_of(tmp_path, dataset)
    assert f"only in the folders: {name}; move folders that are no classes away; for the" in message


@pytest.mark.parametrize("complete", [ImageNetV2, ImageNetSketch])
def test_a_missing_class_folder_is_to_be_unpacked(tmp_path, complete):
    images = write(tmp_path, complete)
    gone = images / classes_of(complete)[0][2]
    gone.rename(tmp_path / "gone")
    remedy = f"only in the lines: {gone.name}; unpack the images of each class there: "
    line = message_of(tmp_path, complete)
    assert line.endswith("; or read the classes that are there: DATASET.PARTIAL True")
    assert f"11 class folders in {images}; {remedy}{complete.images_url}; or, for the p" in line


def test_folders_that_are_no_classes_are_to_be_moved(tmp_path, dataset):
    images = write(tmp_path, dataset)
    for name in ("__MACOSX", "notes"):
        (images / name).mkdir()
    line = message_of(tmp_path, dataset)
    assert "only in the folders: __MACOSX, notes; move folders that are no classes away" in line


def test_numbers_with_zeros_in_front_are_named_beside_those_of_the_lines(tmp_path):
    images = write(tmp_path, ImageNetV2)
    for folder in list(images.iterdir()):
        folder.rename(images / f"{int(folder.name):04d}")
    line = message_of(tmp_path, ImageNetV2)
    assert "only in the folders: 0000, 0001, 0002, ..., only in the lines: 0, 1, 10, ..." in line


def test_an_empty_class_folder_is_named(tmp_path, dataset):
    images = write(tmp_path, dataset, per_class=0)
    first = images / classes_of(dataset)[0][0]
    assert f"{dataset.__name__}: no image in {first}; unpack" in message_of(tmp_path, dataset)


def test_no_draw_is_kept_of_a_test_set(tmp_path, dataset):
    images = write(tmp_path, dataset)
    cfg = dataset_cfg(tmp_path, shots=2)
    cfg.DATASET.SAVE_FEWSHOT = True
    cfg.OUTPUT_DIR = str(tmp_path / "output")
    dataset(cfg)
    assert not (images.parent / "split_fewshot").exists()
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("part", PARTIAL)
def test_a_class_folder_that_the_set_has_not_is_refused(tmp_path, part):
    images = write(tmp_path, part)
    for wnid in (WNIDS[0], WNIDS[2]):
        (images / wnid).mkdir()
        (images / wnid / "1.jpg").touch()
    assert message_of(tmp_path, part) == (
        f"{part.__name__}: 2 of the 5 class folders in {images} are none of the set's 3 classes: "
        f"{WNIDS[0]}, {WNIDS[2]}; remove them, or unpack the archive again: {part.images_url}"
    )


@pytest.mark.parametrize("part", PARTIAL)
def test_a_set_with_classes_missing_is_not_comparable(tmp_path, part, capsys):
    images = write(tmp_path, part)
    (images / PART[0]).rename(tmp_path / "gone")
    assert len(part(dataset_cfg(tmp_path)).class_ids) == 2
    (line,) = warnings_in(capsys)
    assert line == (
        f"Warning: {part.__name__}: accuracy is among 2 of 3 classes, so it is not comparable: "
        f"{images} has no folder of {PART[0]}"
    )


def warnings_in(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if "Warning" in line]


def test_v2_refuses_class_names_in_another_order(tmp_path):
    file = write(tmp_path, ImageNetV2).parent / "classnames.txt"
    file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))
    assert message_of(tmp_path, ImageNetV2) == (
        f"{file}: the lines are not in the order of the wnids, which are those of "
        f"the folders; delete it and run python -m datasets prepare ImageNetV2 --root {tmp_path}, "
        "which writes it"
    )


def test_names_that_are_not_the_published_ones_are_a_warning(tmp_path, dataset, capsys):
    file = write(tmp_path, dataset).parent / "classnames.txt"
    file.write_text(file.read_text().replace("tench", "fish").replace(" hen", " chicken"))
    assert len(dataset(dataset_cfg(tmp_path)).class_ids) == len(classes_of(dataset)[1])
    (line,) = warnings_in(capsys)
    assert line.startswith(
        f"Warning: {file}: prompts are not the published ones: 2 names not as published, as "
        f"{WNIDS[0]}, which is 'fish' and not 'tench'; for the published file delete this one and "
        f"run python -m datasets prepare {dataset.__name__} "
    )


def test_names_that_are_published_alike_are_no_warning(tmp_path, capsys, monkeypatch):
    names = ["hen", "great white shark", "cock", "hen", *list(NAMES.values())[4:]]
    monkeypatch.setattr(published, "classnames", {"ImageNet": names}.get)
    file = write(tmp_path, ImageNetSketch).parent / "classnames.txt"
    file.write_text(file.read_text().replace("tench", "hen"))
    assert ImageNetSketch(dataset_cfg(tmp_path)).classnames == names
    assert warnings_in(capsys) == []
