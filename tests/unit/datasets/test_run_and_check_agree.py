"""What a run and `check` say of the same fault: the same line."""

import errno
import json
import os

import pytest

from dassl.utils.errors import UserError
from dassl.utils.files import read_image
from datasets.dtd import DescribableTextures
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.imagenetv2 import ImageNetV2
from datasets.oxford_pets import OxfordPets
from datasets.parts.reader import TaskPlace
from tests.support.checked_folders import check, only, publish, put, write_aircraft
from tests.support.dataset_tree import dataset_cfg, small_lists
from tests.support.own_pictures import class_images, write_images


def line_of_both(root, capsys, reader=OxfordPets, level="wrong", shots=1) -> str:
    """The line of a run, which has to be the only one that is wrong for check too."""
    with pytest.raises(UserError) as error:
        reader(dataset_cfg(root, shots=shots))
    (line,) = error.value.problems
    line = line.removeprefix(f"{reader.__name__}: ")
    found = check(capsys, root, reader.__name__, "--no-images")
    assert found.code == 2
    assert found.of(level) == [line]
    return line


def test_a_folder_that_is_not_there(tmp_path, capsys):
    reader = DescribableTextures
    assert line_of_both(tmp_path, capsys, reader, "missing") == (
        f"no folder {tmp_path}/dtd; images: {reader.images_url}; split file: {reader.split_url}; "
        "or set --root to the folder that holds dtd/; or run python -m datasets prepare "
        f"DescribableTextures --root {tmp_path}, which fetches what it can"
    )


@pytest.mark.parametrize("name", ["oxford-iiit-pet", "OxfordPets", "oxford-pets"])
def test_a_folder_under_another_name(pets, capsys, name):
    pets.rename(pets.with_name(name))
    line = line_of_both(pets.parent, capsys, level="missing")
    assert f"{pets}; {pets.parent}/{name} is there: rename it to oxford_pets; images: " in line
    assert "prepare" not in line


@pytest.mark.parametrize("name", ["imagenet", "imagenet-100", "imagenetv2-top-images"])
def test_the_folder_of_something_else(tmp_path, capsys, name):
    (tmp_path / name).mkdir()
    assert "rename" not in line_of_both(tmp_path, capsys, ImageNetV2, "missing")


def test_images_in_another_place(pets, capsys):
    (pets / "data").mkdir()
    (pets / "images").rename(pets / "data" / "images")
    line = line_of_both(pets.parent, capsys, level="missing")
    assert line.startswith(f"no images folder {pets}/images; {pets}/data/images is there: move it")


@pytest.mark.parametrize("below", ["", "oxford_pets", "oxford_pets/images"])
def test_a_closed_folder(pets, capsys, monkeypatch, below):
    closed = pets.parent / below
    stat, access = os.stat, os.access

    def is_below(path):
        return str(path).startswith(f"{closed}{os.sep}")

    def refuse(path, **options):
        if is_below(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    def may(path, mode, **options):
        return str(path) != str(closed) and not is_below(path) and access(path, mode, **options)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "access", may)
    line = line_of_both(pets.parent, capsys)
    assert line == f"{closed} cannot be opened (Permission denied); make it readable"


def put_instead(path, kind):
    """Put something that is no file in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "a folder":
        path.mkdir()
    elif kind == "a broken link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)


ODD = ["a folder", "a broken link", "no regular file"]


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_place_of_a_split_file(pets, capsys, kind):
    path = pets / OxfordPets.split_file
    put_instead(path, kind)
    line = line_of_both(pets.parent, capsys)
    assert line.startswith(f"{path} is {kind}; put the split file there")


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_place_of_a_cache(pets, capsys, kind):
    path = pets / "split_fewshot" / "shot_1-seed_1.pkl"
    path.parent.mkdir()
    put_instead(path, kind)
    line = line_of_both(pets.parent, capsys)
    assert line == f"{path} is {kind}; delete it to draw again"


@pytest.mark.parametrize("name", ["variants.txt", "images_variant_val.txt"])
@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_place_of_a_list(tmp_path, capsys, kind, name):
    path = write_aircraft(tmp_path) / name
    put_instead(path, kind)
    line = line_of_both(tmp_path, capsys, FGVCAircraft)
    assert line == f"{path} is {kind}; get it from {FGVCAircraft.images_url}"


def test_a_variant_that_is_listed_twice(tmp_path, capsys):
    path = write_aircraft(tmp_path) / "variants.txt"
    path.write_text("707-320\nA 380\n707-320\nYak-42\n")
    line = line_of_both(tmp_path, capsys, FGVCAircraft)
    assert line == (
        f"{path}: the line '707-320' stands there twice; get it from {FGVCAircraft.images_url}"
    )


def test_a_split_file_of_a_task_that_is_a_broken_link_is_not_passed_over(pets):
    path = pets / "split_dk_OxfordPets.json"
    path.symlink_to("nowhere")
    with pytest.raises(UserError, match=f"{path} is a broken link; put the split file"):
        OxfordPets(dataset_cfg(pets.parent), as_task=TaskPlace(0))


def closed_to_everyone(monkeypatch, path):
    """Let a file be one that this user may not open."""
    access, plain_open = os.access, open

    def refuse(file, *args, **options):
        if str(file) == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return plain_open(file, *args, **options)

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "access", lambda p, *a, **k: str(p) != str(path) and access(p, *a, **k))


def test_a_closed_image_is_to_be_made_readable(pets, capsys, monkeypatch):
    path = pets / "images" / "dog_val_0.jpg"
    (pets / "images" / "dog_val_1.jpg").write_bytes(b"no picture")
    closed_to_everyone(monkeypatch, path)
    (line,) = check(capsys, pets.parent, "OxfordPets").of("wrong")
    assert line.startswith("2 of 40 images cannot be decoded: ")
    assert f"{path} (Permission denied; make it readable)" in line
    with pytest.raises(UserError) as error:
        read_image(path)
    assert str(error.value) == f"{path} cannot be opened (Permission denied); make it readable"


def test_own_pictures_are_not_to_be_unpacked_again(tmp_path, capsys):
    write_images(tmp_path, *class_images(count=10))
    paths = sorted(tmp_path.glob("*/*.*"))
    paths[0].write_bytes(b"")
    paths[1].write_bytes(b"no picture")
    empty, spoilt = check(capsys, tmp_path, "ImageFolder").of("wrong")
    assert empty.endswith("; replace or remove them")
    assert spoilt.endswith("; replace or remove them")


def test_own_lists_of_missing_pictures_are_to_be_corrected(tmp_path, capsys):
    lists = small_lists()
    for path, _, _ in (row for items in lists.values() for row in items):
        put(tmp_path / path)
    (tmp_path / "split.json").write_text(json.dumps(lists))
    (tmp_path / "cat_test_0.jpg").unlink()
    text = only(check(capsys, tmp_path, "ImageFolder"), "missing")
    assert text.endswith(": cat_test_0.jpg; put them there, or correct the list")


def test_published_pictures_are_to_be_unpacked_again(pets, capsys, monkeypatch):
    publish(monkeypatch, pets)
    (pets / "images" / "dog_val_0.jpg").write_bytes(b"no picture")
    text = only(check(capsys, pets.parent, "OxfordPets"), "wrong")
    assert text.endswith("; unpack the published images again")
