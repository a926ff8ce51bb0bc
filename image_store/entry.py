"""One entry of the store: N rows of as many bytes each, in parts that come one by one."""

import contextlib
import functools
import hashlib
import io
import json
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from image_store.folder import ABOUT, Store, write_whole
from image_store.sharing import Owner, this_process

NAMELESS = 60  # seconds that a claim may be without its name, clocks of machines apart included


class Entry:
    """The rows of one key.

    Args:
        store: where it lies.
        kind: one of `folder.KINDS`.
        facts: what the rows depend on; their SHA-256 is the key.
        rows: N.
        width: bytes of a row.
        step: rows of a part.
        about: what a person is told of the entry.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        facts: Mapping[str, Any],
        *,
        rows: int,
        width: int,
        step: int,
        about: Mapping[str, Any],
    ) -> None:
        content = {"facts": facts, "rows": rows, "width": width, "step": step}
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        self.store, self.rows, self.step = store, rows, step
        self.folder = store.place(kind, key[:40])
        self._about = {**about, "rows": rows, "facts": dict(facts)}
        self._type = np.dtype([("check", "<u4"), ("row", "u1", (width,))])

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.rows // self.step)

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return self.rows * self._type.itemsize

    def span(self, part: int) -> range:
        """The rows of a part."""
        return range(part * self.step, min((part + 1) * self.step, self.rows))

    def use(self) -> None:
        """Note that the entry is in use: the least recently used ones make room for others."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)

    def missing(self) -> list[int]:
        """The parts that are not there."""
        names = set()
        with contextlib.suppress(OSError):
            names.update(os.listdir(self.folder))
        return [part for part in range(self.parts) if f"{part:06d}.npy" not in names]

    def has(self, part: int) -> bool:
        """Whether a part is there."""
        try:
            return self._file(part).exists()
        except OSError:  # of a folder that this user may not search, or a server that is gone
            return False

    def part(self, part: int) -> np.ndarray | None:
        """The rows of a part, uint8 [n, width]; None where it is not there, or damaged."""
        found = self._read(part, 0, len(self.span(part)))
        return None if found is None else np.array(found)

    def row(self, index: int) -> np.ndarray | None:
        """A row, uint8 [width], for reading; None where its part is not there, or damaged."""
        part, place = divmod(index, self.step)
        found = self._read(part, place, 1)
        return None if found is None else found[0]

    def write(self, part: int, rows: np.ndarray) -> None:
        """Put a part in, uint8 [n, width].

        Raises:
            OSError: it cannot be written, or the store may not take as much.
        """
        records = np.empty(len(rows), self._type)
        records["row"] = rows
        records["check"] = _checks(rows)
        file = io.BytesIO()
        np.save(file, records, allow_pickle=False)
        self.store.require_room(len(file.getbuffer()), self.folder)
        try:
            self._prepare()
            write_whole(self._file(part), file.getbuffer())
        except FileNotFoundError:  # another process has removed the entry in between
            self._prepare()
            write_whole(self._file(part), file.getbuffer())

    def claim(self, part: int) -> bool:
        """Take a part as this process's to make; False where another one that lives is at it, or
        has just made it.

        Raises:
            OSError: the folder cannot be written.
        """
        for _ in range(2):
            self._prepare()
            if self._take(part):
                if not self.has(part):
                    return True
                self.release(part)
                return False
            if self.claimed(part):
                return False
            self.release(part)  # of a process that was killed
        return False

    def claimed(self, part: int) -> bool:
        """Whether a process that may live is at a part. A claim that stays without a name is
        nobody's: its process was killed before it could write it."""
        try:
            owner = Owner.read(self._claim(part).read_text())
            if owner is None:
                return time.time() - self._claim(part).stat().st_mtime < NAMELESS
        except OSError:
            return False
        return owner.may_live()

    def release(self, part: int) -> None:
        """Give a claim back."""
        with contextlib.suppress(OSError):
            self._claim(part).unlink()

    def _take(self, part: int) -> bool:
        name = str(this_process())
        try:
            handle = os.open(self._claim(part), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except (FileExistsError, FileNotFoundError):
            return False
        with os.fdopen(handle, "w") as file:
            file.write(name)
        return True

    def _prepare(self) -> None:
        for last in (False, True):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                if not (self.folder / ABOUT).exists():
                    write_whole(self.folder / ABOUT, json.dumps(self._about, indent=1).encode())
                return
            except FileNotFoundError:  # another process has removed the entry in between
                if last:
                    raise

    def _read(self, part: int, place: int, count: int) -> np.ndarray | None:
        """Rows of a part from a place on, uint8 [count, width]."""
        head, size = _head(self._type, len(self.span(part))), self._type.itemsize
        try:
            # Read, not mapped: another machine may remove the file meanwhile.
            with self._file(part).open("rb") as file:
                same = file.read(len(head)) == head
                file.seek(len(head) + place * size)
                content = file.read(count * size)
        except OSError:
            return None
        if same and len(content) == count * size:
            found = np.frombuffer(content, self._type)
            if (_checks(found["row"]) == found["check"]).all():
                return found["row"]
        self._drop(part)
        return None

    def _drop(self, part: int) -> None:
        with contextlib.suppress(OSError):
            self._file(part).unlink()

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:06d}.npy"

    def _claim(self, part: int) -> Path:
        return self.folder / f"{part:06d}.claim"


def _checks(rows: np.ndarray) -> np.ndarray:
    """The CRC-32 of each row."""
    return np.array([zlib.crc32(row.tobytes()) for row in rows], "<u4")


@functools.cache
def _head(kind: np.dtype, rows: int) -> bytes:
    """What stands before the rows in the file of a part."""
    about = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": (rows,)}
    file = io.BytesIO()
    npy.write_array_header_1_0(file, about)
    return file.getvalue()
