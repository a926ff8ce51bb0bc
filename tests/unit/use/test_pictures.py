"""Finding pictures, and files that are not plain RGB."""

import numpy as np
import pytest
from PIL import Image

from dassl.utils.errors import UserError
from dassl.utils.files import read_image
from use.pictures import find_pictures, read_picture


def save(path, mode="RGB", size=(40, 30), **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, **how.pop("new", {})).save(path, **how)
    return str(path)


def test_files_folders_and_globs_are_found_once_and_in_order(tmp_path):
    second, first = save(tmp_path / "b" / "deep" / "2.PNG"), save(tmp_path / "b" / "1.jpg")
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    other = save(tmp_path / "a.png")
    words = [other, tmp_path / "b", str(tmp_path / "**" / "*.png")]
    assert find_pictures(words) == [other, first, second]


def test_a_file_without_a_pictures_ending_is_taken_when_named(tmp_path):
    path = tmp_path / "upload"
    Image.new("RGB", (4, 4)).save(path, format="PNG")
    assert find_pictures([path]) == [str(path)]


def test_every_word_that_names_nothing_gets_a_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    words = [tmp_path / "gone.png", tmp_path / "empty", tmp_path / "texts", tmp_path / "*.gif"]
    with pytest.raises(UserError) as caught:
        find_pictures(words)
    endings = ["no such file or folder", "is empty", "none of them a picture", "no file matches"]
    assert len(caught.value.problems) == 4
    for problem, word, ending in zip(caught.value.problems, words, endings, strict=True):
        assert problem.startswith(str(word)) and ending in problem


@pytest.mark.parametrize(
    ("mode", "name", "notice"),
    [
        ("CMYK", "a.jpg", "CMYK is turned into RGB"),
        ("RGBA", "a.png", "transparency is dropped"),
        ("LA", "a.png", "transparency is dropped"),
        ("L", "a.png", ""),
    ],
)
def test_what_is_lost_on_the_way_to_rgb_is_said_in_a_line(mode, name, notice, tmp_path, caplog):
    path = save(tmp_path / name, mode)
    picture = read_picture(path, (32, 32))
    assert np.array_equal(picture, read_image(path)), "as tests read it"
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bool(notice) and all(notice in line and path in line for line in lines)


def test_of_an_animation_the_first_frame_is_taken(tmp_path, caplog):
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert read_picture(str(path), (32, 32)).getpixel((0, 0)) == (255, 0, 0)
    assert "the first one is taken" in caplog.text


def test_one_pixel_is_enlarged_and_said(tmp_path, caplog):
    path = save(tmp_path / "dot.png", size=(1, 1))
    assert read_picture(path, (224, 224)).size == (1, 1)
    assert "1 x 1 pixels are enlarged to 224 x 224" in caplog.text


def test_a_hundred_megapixels_are_read(tmp_path):
    path = save(tmp_path / "wall.png", "L", size=(10_000, 10_000), compress_level=1)
    assert read_picture(path, (32, 32)).size == (10_000, 10_000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_text("no picture"), "cannot read the image"),
        (lambda p: p.touch(), "cannot read the image"),
        (lambda p: Image.fromarray(np.full((9, 9), 3000, np.uint16)).save(p), "more than 8 bits"),
        (lambda p: Image.new("RGB", (1, 4000)).save(p), "too long for a crop"),
        (
            lambda p: Image.new("L", (20_000, 20_000)).save(p, compress_level=1),
            "more than INPUT.MAX",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_line_with_the_path(make, message, tmp_path):
    path = tmp_path / "bad.png"
    make(path)
    with pytest.raises(UserError, match=message) as caught:
        read_picture(str(path), (224, 224))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
