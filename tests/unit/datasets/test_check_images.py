"""Decoding of all images by `check`: what a run could not read is found, and nothing else."""

import io
import os
import random

import pytest
from PIL import Image

from dassl.utils.errors import UserError
from dassl.utils.files import read_image
from datasets.checking import images
from datasets.checking.images import unreadable, why_unreadable
from datasets.oxford_pets import OxfordPets
from tests.support.checked_folders import check, only, picture, publish, put, write_split


def is_read_by_a_run(path):
    try:
        read_image(path)
    except UserError:
        return False
    return True


KINDS = [
    {"size": (160, 120)},
    {"size": (160, 120), "progressive": True},
    {"size": (33, 7), "subsampling": 0},
    {"size": (160, 120), "kind": "PNG"},
]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_the_fast_way_finds_what_the_full_way_finds(tmp_path, options, damage):
    generator = random.Random(1)
    whole = picture(**options)
    path = tmp_path / "picture"
    path.write_bytes(whole)
    assert why_unreadable(str(path)) is None
    outcomes = set()
    for _ in range(40):
        start = generator.randrange(1, len(whole))
        damaged = bytearray(whole)
        if damage == "noise":
            damaged[start] = generator.randrange(256)
        else:
            damaged[start:] = b"\0" * (len(whole) - start) * (damage == "zeros")
        path.write_bytes(damaged)
        found = why_unreadable(str(path)) is None
        assert found == is_read_by_a_run(path)
        outcomes.add(found)
    assert False in outcomes


def test_every_kind_of_whole_picture_is_read(tmp_path):
    path = str(tmp_path / "picture")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"):
        for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
            file = io.BytesIO()
            try:
                Image.new(mode, (20, 10)).save(file, kind)
            except (OSError, ValueError):
                continue  # not of this mode
            put(tmp_path / "picture", file.getvalue())
            assert why_unreadable(path) is None, (mode, kind)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", picture()[:200]])
def test_what_is_no_picture_has_a_reason_in_one_line(tmp_path, content):
    put(tmp_path / "picture.jpg", content)
    assert why_unreadable(str(tmp_path / "picture.jpg"))
    assert "\n" not in why_unreadable(str(tmp_path / "picture.jpg"))


def test_a_pool_finds_the_bad_pictures_and_shows_progress(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(images, "FEW", 0)
    paths = [str(tmp_path / f"{k:03d}.jpg") for k in range(100)]
    for k, path in enumerate(paths):
        put(tmp_path / os.path.basename(path), picture()[: 200 if k in (7, 60) else None])
    assert list(unreadable(paths, "Pets", jobs=2)) == [paths[7], paths[60]]
    progress = capsys.readouterr().err
    assert "Pets" in progress
    assert "/100 [" in progress


def test_a_process_that_dies_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "FEW", 0)
    monkeypatch.setattr(images, "open_image", lambda *_: os._exit(9))
    with pytest.raises(UserError, match=r"a process that decodes images died near .*a\.jpg"):
        unreadable([str(tmp_path / "a.jpg")], "Pets", jobs=2)


def zeros(folder, side):
    """A picture of side x side zeros, of a few kilobytes."""
    path = folder / "zeros.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("1", (side, side)).save(path)
    return path


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, recwarn):
    path = zeros(tmp_path, 13_000)
    line = (
        f"{path} has 13,000 x 13,000 pixels, more than INPUT.MAX_PIXELS 128,000,000; replace the "
        "file, or give a higher INPUT.MAX_PIXELS"
    )
    with pytest.raises(UserError) as error:
        read_image(path)
    assert error.value.problems == [line]
    assert why_unreadable(str(path)) == line.removeprefix(f"{path} ")
    assert not recwarn.list


def test_the_limit_can_be_raised_and_lowered(tmp_path, monkeypatch, capsys):
    path = zeros(tmp_path, 100)
    assert read_image(path, max_pixels=10_000).size == (100, 100)
    with pytest.raises(UserError, match="100 x 100 pixels"):
        read_image(path, max_pixels=9_999)
    folder = write_split(tmp_path, OxfordPets)
    publish(monkeypatch, folder)
    assert check(capsys, tmp_path, "OxfordPets", "--max-pixels", "64").code == 0
    text = only(check(capsys, tmp_path, "OxfordPets", "--max-pixels", "63"), "wrong")
    assert text.startswith("40 of 40 images cannot be decoded: ")
    assert "(has 8 x 8 pixels, more than INPUT.MAX_PIXELS 63; " in text


def test_bad_images_are_named_and_no_images_skips_them(tmp_path, monkeypatch, capsys):
    folder = write_split(tmp_path, OxfordPets)
    publish(monkeypatch, folder)
    put(folder / "images" / "dog_test_1.jpg", picture()[:300])
    put(folder / "images" / "fox_val_0.jpg", b"<html>")
    found = check(capsys, tmp_path, "OxfordPets")
    assert found.code == 2
    (text,) = found.of("wrong")
    assert text.startswith("2 of 40 images cannot be decoded: ")
    assert "dog_test_1.jpg (" in text
    assert "fox_val_0.jpg (cannot identify image file" in text
    assert check(capsys, tmp_path, "OxfordPets", "--no-images").code == 0
