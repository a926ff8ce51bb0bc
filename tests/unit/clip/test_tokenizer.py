"""The tokenizer against OpenAI's (tests/golden/clip/README.md)."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import clip
from clip.simple_tokenizer import VOCABULARY_FILE, SimpleTokenizer, default_tokenizer

STRINGS = json.loads(
    (Path(__file__).parents[2] / "golden" / "clip" / "tokens.json").read_text(encoding="utf-8")
)["strings"]
each_string = pytest.mark.parametrize("case", STRINGS, ids=range(len(STRINGS)))


def test_every_golden_string_is_compared():
    assert len(STRINGS) == 51


@each_string
def test_ids_and_back(case):
    tokenizer = default_tokenizer()
    assert tokenizer.encode(case["text"]) == case["ids"]
    assert tokenizer.decode(case["ids"]) == case["decoded"]


@each_string
def test_rows(case):
    if case["fits"]:
        row = clip.tokenize(case["text"])[0]
        expected = case["row"] + [0] * (77 - len(case["row"]))
        assert torch.equal(clip.tokenize(case["text"], truncate=True)[0], row)
    else:
        with pytest.raises(clip.TokenizeError, match="the context holds 77") as caught:
            clip.tokenize(case["text"])
        assert isinstance(caught.value, RuntimeError)
        assert "\n" not in str(caught.value)
        row = clip.tokenize(case["text"], truncate=True)[0]
        expected = case["truncated_row"]
    assert row.tolist() == expected
    assert int(row.argmax()) == case["eot_index"]


def test_shapes_and_dtype():
    assert clip.tokenize("a cat").shape == (1, 77)
    assert clip.tokenize([]).shape == (0, 77)
    rows = clip.tokenize(["a cat", "a dog"], context_length=8)
    assert rows.shape == (2, 8)
    assert rows.dtype == torch.int64


def test_vocabulary_is_the_published_one():
    content = VOCABULARY_FILE.read_bytes()
    assert len(content) == 1_356_917
    assert hashlib.sha256(content).hexdigest() == (
        "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
    )
    tokenizer = SimpleTokenizer()
    assert len(tokenizer.encoder) == 49408
    assert (tokenizer.encoder["!"], tokenizer.start, tokenizer.end) == (0, 49406, 49407)


def test_import_reads_no_vocabulary():
    code = (
        "import clip, clip.simple_tokenizer as t\n"
        "assert t.default_tokenizer.cache_info().currsize == 0\n"
        "clip.tokenize('a'); clip.tokenize('b')\n"
        "assert t.default_tokenizer.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(clip.__file__).parents[1])
