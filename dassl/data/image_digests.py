"""SHA-256 of files: of a list of images, taken again where one has changed; of code."""

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from image_store import Store
from image_store.entry import Entry

_STAT = np.dtype("<i8")
_STATS = 4  # inode, size, times of content and of status: the last one no program can set
_DIGEST = 32
_WIDTH = _STATS * _STAT.itemsize + _DIGEST
_NUMBER = 2**63 - 1  # file systems of a network number files with 64 bits, which have no sign
_THREADS = 8
# A file that changes twice within a tick of its clock has the same times. Clocks of a shared folder
# may differ by a second or so.
_SETTLED = 5.0  # seconds


@dataclass(frozen=True)
class Contents:
    """What the files of a list hold.

    Args:
        digest: SHA-256 over the digests of all files, in their order.
        paths: the files.
        stats: what `stat` said of them before their digests were taken, int64 [N, 4].
    """

    digest: str
    paths: Sequence[str]
    stats: np.ndarray

    def unchanged(self, places: range) -> bool:
        """Whether the files at these places are still those that the digest is of."""
        try:
            now = _stats([self.paths[place] for place in places])
        except OSError:
            return False
        return bool((now == self.stats[places.start : places.stop]).all())


def contents(paths: Sequence[str], store: Store) -> Contents | None:
    """What the files of a list hold; None where one cannot be read.

    Digests are kept with what `stat` says of the files, and taken again where that differs. A file
    that was changed in the last seconds is read each time.
    """
    names = hashlib.sha256("\0".join(paths).encode("utf-8", "surrogateescape")).hexdigest()
    count = len(paths)
    about = {"what": f"digests, first {paths[0]}"}
    entry = Entry(
        store, "digests", {"paths": names}, rows=count, width=_WIDTH, step=count, about=about
    )
    try:
        now = _stats(paths)
        kept = entry.part(0)
        if kept is None:
            kept = np.zeros((count, _WIDTH), np.uint8)
        known = (kept[:, :-_DIGEST].copy().view(_STAT) == now).all(axis=1)
        changed = np.flatnonzero(~known)
        if len(changed):
            rows = np.concatenate([now.view(np.uint8), kept[:, -_DIGEST:]], axis=1)
            with ThreadPoolExecutor(_THREADS) as pool:
                found = pool.map(_digest, [paths[place] for place in changed])
                for place, digest in zip(changed, found, strict=True):
                    rows[place, -_DIGEST:] = np.frombuffer(digest, np.uint8)
            _keep(entry, rows, paths, now)
            kept = rows
        else:
            entry.use()
    except OSError:
        return None
    return Contents(hashlib.sha256(kept[:, -_DIGEST:].tobytes()).hexdigest(), paths, now)


def code_digest(*files: Path) -> str:
    """SHA-256 over source files: what another version of the code has computed is not taken for
    what this one computes. To be called when the code is imported: its files may change later."""
    return hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest()


def _stats(paths: Sequence[str]) -> np.ndarray:
    found = map(os.stat, paths)
    rows = [(f.st_ino & _NUMBER, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for f in found]
    return np.array(rows, _STAT).reshape(len(paths), _STATS)


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _keep(entry: Entry, rows: np.ndarray, paths: Sequence[str], before: np.ndarray) -> None:
    """Put the digests into the store, without those of files that may have changed meanwhile."""
    rows = rows.copy()
    after = _stats(paths)
    young = after[:, -2:].max(axis=1) > (time.time() - _SETTLED) * 1e9
    rows[young | (after != before).any(axis=1), :-_DIGEST] = 0
    if not entry.store.why_closed:
        try:
            entry.write(0, rows)
        except OSError as error:
            entry.store.close(error)
