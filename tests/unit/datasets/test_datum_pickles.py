"""The reader of pickled few-shot caches, against files made to do harm."""

import pickle
import struct

import pytest

from dassl.utils.errors import BadFileError
from datasets.parts.fewshot.pickles import CachedItem, load_items, read_cache
from tests.support.foreign_cache import foreign_data

DATUM = b"cdassl.data.datasets.base_dataset\nDatum\n"
ITEM = DATUM + b")\x81"  # an object of it, without attributes
MODULE = "dassl.data.datasets.base_dataset"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def pickled(body: bytes) -> bytes:
    return b"\x80\x04" + body + b"."


HOSTILE = {
    "a function by GLOBAL and REDUCE": b"cos\nsystem\n" + text("true") + b"\x85R",
    "a function by STACK_GLOBAL": text("builtins") + text("eval") + b"\x93" + text("1") + b"\x85R",
    "a function by INST": b"(" + text("true") + b"ios\nsystem\n",
    "a function by OBJ": b"(cos\nsystem\n" + text("true") + b"o",
    "a function of the known module": text(MODULE) + text("os.system") + b"\x93",
    "a method of the known class": text(MODULE) + text("Datum.__init__.__globals__") + b"\x93",
    "the known class, called with arguments": DATUM + text("a.jpg") + b"\x85R",
    "attributes set on the class": DATUM + b"N}" + text("__setstate__") + DATUM + b"s\x86b",
    "attributes put into the class": DATUM + b"}" + text("KEYS") + b"]sb",
    "slots of an object": ITEM + b"N}" + text("__class__") + DATUM + b"s\x86b",
    "a state that is no dictionary": ITEM + text("state") + b"b",
    "a persistent id": text("a file") + b"Q",
    "a registered extension": b"\x82\x01",
    "a buffer from elsewhere": b"\x97",
    "a list put into an object": ITEM + b"(" + text("a") + b"e",
    "30 GB of bytes": b"\x8e" + struct.pack("<Q", 30 << 30) + b"a",
    "30 GB of text": b"\x8d" + struct.pack("<Q", 30 << 30) + b"a",
    "30 GB of a bytearray": b"\x96" + struct.pack("<Q", 30 << 30) + b"a",
    "2 GB of a number": b"\x8b" + struct.pack("<i", (1 << 31) - 1) + b"a",
    "a frame of 30 GB": b"\x95" + struct.pack("<Q", 30 << 30) + b"N",
    "2 billion places of the memo": b"N" + b"r" + struct.pack("<I", (1 << 31) - 1),
    "2 billion places of the memo, in words": b"Np2000000000\n",
    "a place of the memo that is not there": b"j" + struct.pack("<I", (1 << 31) - 1),
    "an empty stack": b"0",
    "no opcode": b"\xff",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_pickle_ends_in_one_line(tmp_path, body):
    path = tmp_path / "shot_1-seed_1.pkl"
    path.write_bytes(pickled(body))
    with pytest.raises(BadFileError) as error:
        read_cache(str(path), "oxford_pets/images")
    (line,) = error.value.problems
    assert str(path) in line and line.endswith("; delete it to draw again")
    assert "\n" not in line and len(line) < len(str(path)) + 320
    assert CachedItem.KEYS == ("_impath", "_label", "_classname", "_task")
    item = load_items(pickle.dumps(foreign_data([["a.jpg", 0, "cat"]], "/d")[0]))
    assert vars(item) == {"_impath": "/d/a.jpg", "_label": 0, "_classname": "cat"}


@pytest.mark.parametrize("put", [b"r" + struct.pack("<I", 5000), b"q\xff", b"p5000\n"])
def test_more_places_than_the_file_has_steps_are_not_reserved(put):
    with pytest.raises(ValueError, match="places in a file of"):
        load_items(pickled(b"N" + put))


def test_only_the_attributes_of_an_image_are_kept():
    state = {"_label": 1, "__class__": int, "_load": 2, "__setstate__": 3}
    body = ITEM + b"}"
    for key in state:
        body += text(key) + b"K\x01s"
    assert vars(load_items(pickled(body + b"b"))) == {"_label": 1}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_pickles_of_all_python_3_versions_are_read(protocol):
    data = pickle.dumps(foreign_data([["a.jpg", 0, "cat"]], "/d"), protocol)
    assert [vars(item) for item in load_items(data)] == [
        {"_impath": "/d/a.jpg", "_label": 0, "_classname": "cat"}
    ]
