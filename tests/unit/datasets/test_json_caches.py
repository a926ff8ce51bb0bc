"""Few-shot caches as JSON: the format, and files that are not what they have to be."""

import hashlib
import json
import os

import pytest

from dassl.utils.errors import BadFileError
from datasets.parts.fewshot.files import json_cache_path
from datasets.parts.fewshot.json_files import (
    read_json_cache,
    source_sha256,
    write_json_cache,
)
from datasets.parts.items import Item

WHAT = {"dataset": "OxfordPets", "shots": 1, "seed": 3, "split_sha256": "ab" * 32}
DRAWN = {
    "train": [Item("Große Katze/é 1.jpg", 0, "große Katze"), Item("dog/1.jpg", 1, "dog")],
    "val": [Item("dog/2.jpg", 1, "dog")],
}


@pytest.fixture
def path(tmp_path):
    path = json_cache_path(str(tmp_path), 1, 3)
    write_json_cache(path, DRAWN, **WHAT)
    return path


def change(path, **entries):
    """Write the cache anew with other entries; None takes one out."""
    with open(path) as file:
        content = json.load(file) | entries
    content = {key: value for key, value in content.items() if value is not None}
    with open(path, "w") as file:
        json.dump(content, file)


def message_of(path, **what) -> str:
    with pytest.raises(BadFileError) as error:
        read_json_cache(path, **(WHAT | what))
    (line,) = error.value.problems
    assert path in line and line.endswith("; delete it to draw again") and "\n" not in line
    return line


def test_a_cache_holds_what_was_drawn_and_what_it_is_of(tmp_path, path):
    assert path == str(tmp_path / "split_fewshot" / "shot_1-seed_3.json")
    with open(path) as file:
        content = json.load(file)
    assert content == {
        "format": 1,
        **WHAT,
        "train": [["Große Katze/é 1.jpg", 0, "große Katze"], ["dog/1.jpg", 1, "dog"]],
        "val": [["dog/2.jpg", 1, "dog"]],
    }
    assert read_json_cache(path, **WHAT) == DRAWN
    assert read_json_cache(path, **(WHAT | {"split_sha256": None})) == DRAWN


def test_a_list_that_is_not_drawn_from_is_not_needed(path):
    change(path, val=None)
    assert read_json_cache(path, **WHAT, splits=("train",)) == {"train": DRAWN["train"]}
    assert "lacks the list val" in message_of(path)


def test_a_file_name_that_is_not_utf8_is_kept(tmp_path):
    item = Item(os.fsdecode(b"cat/\xff.jpg"), 0, "cat")
    path = str(tmp_path / "cache.json")
    write_json_cache(path, {"train": [item]}, **WHAT)
    assert read_json_cache(path, **WHAT, splits=("train",)) == {"train": [item]}
    assert len(source_sha256(str(tmp_path), {"train": [item]}, ("train",))) == 64


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"dataset": "DescribableTextures"}, '"OxfordPets" as dataset, not "DescribableTextures"'),
        ({"shots": 2}, "has 1 as shots, not 2"),
        ({"seed": 1}, "has 3 as seed, not 1"),
        ({"split_sha256": "0" * 64}, "drawn from other lists than there are now"),
    ],
)
def test_a_cache_of_something_else_is_refused(path, what, expected):
    assert expected in message_of(path, **what)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"format": 2}, "has 2 as format, not 1"),
        ({"format": None}, "has null as format, not 1"),
        ({"shots": True}, "has true as shots, not 1"),
        ({"train": None}, "lacks the list train"),
        ({"train": {}}, "lacks the list train"),
        ({"train": [["a.jpg", 0]]}, 'train[0]: ["a.jpg", 0] is no [relative path'),
        ({"train": [["a.jpg", -1, "cat"]]}, "train[0]"),
        ({"train": [["a.jpg", True, "cat"]]}, "train[0]"),
        ({"train": [["a.jpg", 0, 1]]}, "train[0]"),
        ({"train": [["../../etc/passwd", 0, "cat"]]}, "train[0]"),
        ({"train": [["/etc/passwd", 0, "cat"]]}, "train[0]"),
        ({"val": [["a.jpg", 0, "cat"], "b.jpg"]}, 'val[1]: "b.jpg" is no'),
    ],
)
def test_a_malformed_entry_is_named(path, entries, expected):
    change(path, **entries)
    assert expected in message_of(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "cannot be read as JSON"),
        (b'{"format": 1, "dataset": "Oxf', "cannot be read as JSON"),
        (b"\xff\xfe\x00{", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"format": ' + b"9" * 10_000 + b"}", "cannot be read as JSON"),
        (b"[1, 2]", "no few-shot cache"),
    ],
)
def test_a_file_of_another_kind_is_named(path, content, expected):
    with open(path, "wb") as file:
        file.write(content)
    assert expected in message_of(path)


def test_a_file_that_is_far_too_large_is_not_read(path):
    os.truncate(path, 30 << 30)  # takes no place on the disk
    assert "has 32,212,254,720 bytes, too many" in message_of(path)


def test_a_folder_in_its_place_is_named(tmp_path):
    assert "is a folder; delete it to draw again" in message_of(str(tmp_path))


def test_a_cache_that_cannot_be_written_whole_is_not_written(path, monkeypatch):
    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        write_json_cache(path, {"train": [], "val": []}, **WHAT)
    assert read_json_cache(path, **WHAT) == DRAWN
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_the_source_is_the_split_file_or_the_paths_in_the_order_of_the_draw(tmp_path):
    split = tmp_path / "split.json"
    split.write_bytes(b"{}\r\n")
    assert source_sha256(str(split), DRAWN) == hashlib.sha256(b"{}\r\n").hexdigest()
    lines = "Große Katze/é 1.jpg\ndog/1.jpg\ndog/2.jpg\n".encode()
    assert source_sha256(str(tmp_path), DRAWN) == hashlib.sha256(lines).hexdigest()
    assert source_sha256(str(tmp_path), DRAWN, ("train",)) != source_sha256(str(tmp_path), DRAWN)
