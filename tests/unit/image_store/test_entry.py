"""Rows that processes share: whole or not there, whoever writes and whoever is killed."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from image_store import Store, left_over
from image_store.entry import NAMELESS, Entry
from tests.support.command import PROJECT

ROWS, WIDTH, STEP = 50, 1000, 4
# Fills an entry part by part, as a run does, and says what it made.
WRITER = f"""
import sys, time
from pathlib import Path
import numpy as np
from image_store import Store, left_over, shared_order
from image_store.entry import Entry
entry = Entry(Store(Path(sys.argv[1])), "crops", {{}}, rows={ROWS}, width={WIDTH}, step={STEP},
              about={{}})
pause, others = float(sys.argv[2]), []
for part in shared_order(entry.missing()):
    if entry.has(part):
        continue
    if not entry.claim(part):
        others.append(part)
        continue
    time.sleep(pause)
    entry.write(part, np.stack([np.full({WIDTH}, row, np.uint8) for row in entry.span(part)]))
    entry.release(part)
    print("made", part, flush=True)
assert not list(left_over(entry, others, 60))
"""


def entry_of(folder, rows=ROWS, **facts):
    return Entry(Store(folder), "crops", facts, rows=rows, width=WIDTH, step=STEP, about={})


def rows_of(entry, part):
    return np.stack([np.full(WIDTH, row, np.uint8) for row in entry.span(part)])


def filled(folder, **facts):
    entry = entry_of(folder, **facts)
    for part in range(entry.parts):
        entry.write(part, rows_of(entry, part))
    return entry


def start(folder, pause=0.0):
    words = [sys.executable, "-c", WRITER, str(folder), str(pause)]
    return subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def assert_whole(entry, parts):
    for part in parts:
        assert np.array_equal(entry.part(part), rows_of(entry, part))


def test_what_was_written_is_read_by_row_and_by_part(tmp_path):
    entry = filled(tmp_path)
    again = entry_of(tmp_path)
    assert again.missing() == [] and again.parts == 13
    assert_whole(again, range(again.parts))
    assert [again.row(index)[0] for index in range(ROWS)] == list(range(ROWS))
    assert entry.part(12).shape == (2, WIDTH)


def test_other_facts_are_another_entry(tmp_path):
    filled(tmp_path, weights="a")
    assert len(entry_of(tmp_path, weights="b").missing()) == 13
    assert len(entry_of(tmp_path, rows=ROWS - 1, weights="a").missing()) == 13
    assert entry_of(tmp_path, weights="a").missing() == []


@pytest.mark.parametrize("damage", ["another byte", "cut short", "empty", "no array"])
def test_a_damaged_part_is_missing(tmp_path, damage):
    entry = filled(tmp_path)
    file = entry.folder / "000003.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    changed = {"another byte": content, "cut short": content[:300], "empty": b"", "no array": b"x"}
    file.write_bytes(changed[damage])
    assert entry.row(15) is None  # the last of part 3
    assert entry.part(3) is None and entry.missing() == [3]
    assert_whole(entry, [2, 4])


def test_a_killed_writer_leaves_whole_parts_and_nothing_that_blocks(tmp_path):
    draw = random.Random(5)
    for _ in range(4):
        writer = start(tmp_path, pause=0.01)
        writer.stdout.readline()
        time.sleep(draw.uniform(0, 0.03))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    entry = entry_of(tmp_path)
    assert_whole(entry, set(range(entry.parts)) - set(entry.missing()))
    for claim in entry.folder.glob("*.claim"):  # one may be without its name
        make_old(claim)
    for part in entry.missing():
        assert entry.claim(part)  # those of the killed are nobody's
        entry.release(part)


def make_old(claim):
    then = time.time() - NAMELESS - 1
    os.utime(claim, (then, then))


def test_a_claim_whose_process_was_killed_before_it_wrote_its_name_ends_by_itself(tmp_path):
    entry = entry_of(tmp_path)
    assert entry.claim(0) and not entry.claim(0)
    claim = entry.folder / "000000.claim"
    claim.write_text("")
    assert not entry.claim(0)  # it may be about to write it
    make_old(claim)
    assert list(left_over(entry, [0], 60)) == [0]
    assert entry.claim(0) and not entry.claim(0)


def test_a_folder_that_does_not_answer_holds_nothing(tmp_path, monkeypatch):
    """Of another user who lets nobody in, or of a file server that is gone."""
    entry = filled(tmp_path)
    assert entry.has(0)

    def no_answer(self, *_mode, **_how):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    with monkeypatch.context() as closed:
        for call in ("stat", "exists", "open", "read_text"):
            closed.setattr(Path, call, no_answer)
        assert not entry.has(0) and entry.part(0) is None and entry.row(0) is None
        assert list(left_over(entry, [0, 1], 60)) == [0, 1]
        with pytest.raises(OSError, match="Permission denied"):
            entry.claim(0)
    assert_whole(entry, [0])


@pytest.mark.parametrize("died", ["and another process got its number", "unreaped"])
def test_the_claim_of_a_process_that_died_is_taken_over(tmp_path, died):
    entry = entry_of(tmp_path)
    assert entry.claim(0) and not entry.claim(0)
    claim = entry.folder / "000000.claim"
    if died == "unreaped":
        writer = start(tmp_path, pause=60)
        while not (claimed := [part for part in range(1, entry.parts) if entry.claimed(part)]):
            time.sleep(0.01)
        claim = entry.folder / f"{claimed[0]:06d}.claim"
        writer.kill()
        os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    else:
        host, process, started = claim.read_text().split()
        claim.write_text(f"{host} {process} {float(started) - 3600}")
    part = int(claim.stem)
    assert list(left_over(entry, [part], 60)) == [part]
    assert entry.claim(part) and not entry.claim(part)
    if died == "unreaped":
        writer.communicate()


def test_two_writers_share_the_work(tmp_path):
    writers = [start(tmp_path, pause=0.1) for _ in range(2)]
    made = [line for each in writers for line in each.communicate(timeout=60)[0].splitlines()]
    assert [each.returncode for each in writers] == [0, 0]
    entry = entry_of(tmp_path)
    assert_whole(entry, range(entry.parts))
    assert sorted(made) == sorted(f"made {part}" for part in range(entry.parts))


def test_a_part_that_another_process_makes_is_waited_for(tmp_path):
    entry = entry_of(tmp_path)
    writer = start(tmp_path, pause=0.05)
    writer.stdout.readline()
    while not (claimed := [part for part in entry.missing() if entry.claimed(part)]):
        time.sleep(0.005)
    assert not entry.claim(claimed[0])
    assert list(left_over(entry, claimed, 60)) == []
    assert_whole(entry, claimed)
    writer.communicate(timeout=60)


def test_who_is_silent_for_too_long_or_is_nobody_is_not_waited_for(tmp_path):
    entry = entry_of(tmp_path)
    assert list(left_over(entry, [0, 1], 60)) == [0, 1]  # nobody is at them
    for part in (2, 3, 4):
        assert entry.claim(part)
        (entry.folder / f"{part:06d}.claim").write_text("another-machine 7 0.0")
    started = time.monotonic()
    assert list(left_over(entry, [2, 3, 4], 0.2)) == [2, 3, 4]
    assert time.monotonic() - started < 5  # once, not for each
    assert not entry.claim(2)


def test_no_temporary_file_stays_where_a_write_fails(tmp_path, monkeypatch):
    entry = filled(tmp_path)

    def full(*_words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        entry.write(0, rows_of(entry, 0))
    assert not [name for name in os.listdir(entry.folder) if name.startswith(".")]
    assert_whole(entry, [0])
