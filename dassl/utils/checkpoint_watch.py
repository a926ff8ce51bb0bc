"""Which checkpoints a run reads and writes, in order: what its numbers are of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FileUse:
    """One checkpoint that was read or written.

    Attributes:
        path: the file.
        epoch: that its content names, None where it names none.
        written: whether it was written, not read.
    """

    path: Path
    epoch: int | None
    written: bool


_watchers: list[list[FileUse]] = []


@contextmanager
def watched_files() -> Iterator[list[FileUse]]:
    """Inside, every checkpoint that the engine's functions read or write joins the list."""
    uses: list[FileUse] = []
    _watchers.append(uses)
    try:
        yield uses
    finally:
        _watchers.remove(uses)


def tell_watchers(path: Any, content: Any, *, written: bool) -> None:
    """Notes a checkpoint that was read or written."""
    if _watchers:
        epoch = content.get("epoch") if isinstance(content, dict) else None
        use = FileUse(Path(path), epoch if isinstance(epoch, int) else None, written)
        for uses in _watchers:
            uses.append(use)
