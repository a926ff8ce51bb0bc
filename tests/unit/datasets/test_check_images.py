"""Decoding of all images by `check`: what a run could not read is found, and nothing else."""

import io
import os
import random
import signal

import pytest
from PIL import Image

from dassl.utils.errors import UserError
from dassl.utils.files import read_image
from datasets.checking import images
from datasets.checking.images import Decoder, why_unreadable
from datasets.oxford_pets import OxfordPets
from tests.support.checked_folders import check, picture, publish, put, write_split


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
    with Decoder(2) as decoder:
        found = decoder.unreadable(paths, "Pets")
        assert list(found) == [paths[7], paths[60]]
        assert decoder.unreadable(paths[8:60], "Pets") == {}
    progress = capsys.readouterr().err
    assert "Pets" in progress
    assert "/100 [" in progress


def _die(paths):
    os._exit(9)


def test_a_process_that_dies_is_one_line_and_the_next_list_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "FEW", 0)
    put(tmp_path / "a.jpg")
    path = str(tmp_path / "a.jpg")
    with Decoder(2) as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(images, "why_each_unreadable", _die)
            with pytest.raises(
                UserError, match=r"a process that decodes images died near .*a\.jpg"
            ):
                decoder.unreadable([path], "Pets")
        assert decoder.unreadable([path], "Pets") == {}


def _hears_interrupts(paths):
    return [None if signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []) else "hears it"]


def test_processes_are_born_deaf_to_interrupts_and_the_parent_hears_them(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "FEW", 0)
    monkeypatch.setattr(images, "why_each_unreadable", _hears_interrupts)
    with Decoder(2) as decoder:
        assert decoder.unreadable([str(tmp_path)], "Pets") == {}
    assert _hears_interrupts([]) == ["hears it"]


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
