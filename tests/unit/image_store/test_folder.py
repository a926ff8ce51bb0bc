"""The store as a whole: its limit, what goes first, what a person sees of it."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from image_store import Store
from image_store.entry import Entry
from image_store.folder import FOLDER, NoRoom
from runner.__main__ import main
from runner.show.cache_command import read_size
from tests.support import command

WIDTH = 100_000


def add(store, name, used, rows=4):
    """An entry of about `rows` x 100 kB, used at a time."""
    entry = Entry(
        store, "crops", {"name": name}, rows=rows, width=WIDTH, step=1, about={"what": name}
    )
    for part in range(rows):
        entry.write(part, np.zeros((1, WIDTH), np.uint8))
    os.utime(entry.folder / "about.json", (used, used))
    return entry


def names(store):
    return [held.about["what"] for held in store.entries()]


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path)
    found.set_limit(1_000_000)
    return found


def test_the_least_recently_used_goes_first(store):
    first = add(store, "first", 100)
    add(store, "second", 200)
    first.use()
    add(store, "third", 300)
    assert sorted(names(store)) == ["first", "third"]
    assert sum(held.size for held in store.entries()) <= store.limit
    assert first.missing() == []


def test_an_entry_larger_than_the_limit_is_refused_and_none_goes_on_its_own(store):
    with pytest.raises(NoRoom, match=r"its limit of 0.001 GB is reached"):
        add(store, "large", 100, rows=20)
    (held,) = store.entries()
    assert held.size <= store.limit


def test_no_more_than_a_quarter_of_what_is_free_is_taken(store, monkeypatch):
    usage = SimpleNamespace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    assert store.allowed() == 500_000
    add(store, "first", 100)
    add(store, "second", 200)
    assert names(store) == ["second"]


def test_a_lower_limit_removes_at_once_what_is_too_much(store):
    add(store, "first", 100)
    add(store, "second", 200)
    store.set_limit(500_000)
    assert names(store) == ["second"]
    assert Store(store.root.parent).limit == 500_000


def test_unfinished_files_of_killed_processes_go_after_an_hour(store):
    entry = add(store, "first", 100)
    for name in (".000001.npy.7.ab", "000001.claim"):
        (entry.folder / name).write_bytes(b"x")
    store.entries()
    assert len(os.listdir(entry.folder)) == 7
    for name in (".000001.npy.7.ab", "000001.claim"):
        os.utime(entry.folder / name, (1, 1))
    store.entries()
    assert len(os.listdir(entry.folder)) == 5
    assert entry.missing() == []


def test_an_entry_that_was_removed_under_a_writer_is_made_anew(store):
    entry = add(store, "first", 100)
    store.empty()
    entry.write(2, np.ones((1, WIDTH), np.uint8))
    assert entry.part(2).all() and entry.missing() == [0, 1, 3]


def test_the_command_shows_limits_and_empties(store, capsys):
    add(store, "crops of Pets", 100)
    folder = str(store.root.parent)
    shown = command.call(capsys, main, "cache", folder)
    assert shown.returncode == 0
    first, last = shown.stdout.splitlines()
    assert first.startswith("400.9 kB  used ") and first.endswith(" ago  4 crops of Pets")
    assert last.endswith(f"{FOLDER}: 1 entry, 400.9 kB, limit 1.0 MB")
    limited = command.call(capsys, main, "cache", folder, "--limit", "2.5G")
    assert limited.stdout.endswith("limit 2.5 GB\n")
    emptied = command.call(capsys, main, "cache", folder, "--empty")
    assert emptied.stdout.endswith(f"{FOLDER}: 1 entry, 400.9 kB removed\n")
    assert store.entries() == []


@pytest.mark.parametrize(
    "words, line",
    [
        (["/nowhere"], "error: /nowhere: no such folder\n"),
        (["--limit", "many"], "error: --limit many: must be a size, as 50G or 800M\n"),
        (["--limit", "0G"], "error: --limit 0G: must be a size, as 50G or 800M\n"),
    ],
)
def test_mistakes_are_one_line(words, line, capsys):
    done = command.call(capsys, main, "cache", *words)
    assert (done.returncode, done.stderr) == (2, line)


def test_sizes_take_units():
    sizes = [read_size(text) for text in ("800M", "1.5 GB", "2t")]
    assert sizes == [800_000_000, 1_500_000_000, 2_000_000_000_000]
