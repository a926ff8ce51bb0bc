"""The store as a whole: where it lies, what it holds, how much it may take."""

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger("dassl.image_store")  # shown as the engine's own lines are

FOLDER = "store"
KINDS = ("features", "crops", "digests")
ABOUT = "about.json"
LIMIT = 20 * 1000**3  # bytes; the crops of the eleven datasets' test images take as much
_SHARE = 4  # and never more than this part of what it holds and the disk has free
_STEP = 256  # a survey lets this part of the limit be written before the next one
_ABANDONED = 3600.0  # seconds after which an unfinished file is nobody's


def default_folder() -> Path:
    """$PROMPTLAB_CACHE, else ~/.cache/promptlab."""
    return Path(os.environ.get("PROMPTLAB_CACHE") or "~/.cache/promptlab").expanduser()


@dataclass(frozen=True)
class Held:
    """One entry as it lies on disk: bytes, time of the last use, what `about.json` says."""

    path: Path
    size: int
    used: float
    about: dict[str, Any]

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.path.parent.name

    def is_renewed(self) -> bool:
        """Whether it was used or made anew since."""
        try:
            return (self.path / ABOUT).stat().st_mtime > self.used
        except OSError:
            return False


class NoRoom(OSError):
    """The store may not take so much."""


class Store:
    """The store of one folder.

    Attributes:
        root: its own folder, below the one that was given.
        why_closed: why this process writes nothing more; "" while it does.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder.expanduser().absolute() / FOLDER
        self.why_closed = ""
        self._budget = 0  # bytes that may be written before the next survey

    @property
    def limit(self) -> int:
        """Bytes that all entries together may take."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.root / "limit").read_text())
        return LIMIT

    def set_limit(self, size: int) -> None:
        """Say what all processes may put there together, and remove what is too much.

        Raises:
            OSError: the folder cannot be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        write_whole(self.root / "limit", f"{size}\n".encode())
        self._survey()

    def place(self, kind: str, key: str) -> Path:
        """The folder of an entry."""
        return self.root / kind / key

    def entries(self) -> list[Held]:
        """Everything that is there, the least recently used first."""
        found = []
        for kind in KINDS:
            for path in _folders(self.root / kind):
                with contextlib.suppress(OSError):  # just removed by another process
                    found.append(_held(path))
        return sorted(found, key=lambda held: held.used)

    def allowed(self) -> int:
        """Bytes that the entries may take, by the limit and by what the disk has free."""
        return self._allowed(sum(held.size for held in self.entries()))

    def require_room(self, size: int, own: Path) -> None:
        """Removes the least recently used of the other entries where `size` more bytes need it.

        Args:
            own: the entry that grows.

        Raises:
            NoRoom: even then it would be too much.
        """
        if self._budget < size:
            self._survey(size, own)
        self._budget -= size

    def empty(self) -> None:
        """Remove all entries; a process that reads them decodes and encodes itself."""
        for held in self.entries():
            _remove(held.path)

    def close(self, error: OSError) -> None:
        """Write nothing more in this process, and say why, once."""
        if not self.why_closed:
            self.why_closed = error.strerror or str(error)
            logger.warning(
                f"Notice: {self.root} takes no more test images ({self.why_closed}); what is not "
                "there is decoded and encoded in each run"
            )

    def _survey(self, size: int = 0, own: Path | None = None) -> None:
        entries = self.entries()
        total = sum(held.size for held in entries)
        allowed = self._allowed(total)
        step = max(size, allowed // _STEP)
        for held in entries:
            if total + step <= allowed:
                break
            if held.path != own:
                _remove(held.path)
                total -= held.size
        self._budget = min(step, allowed - total)
        if self._budget < size:
            raise NoRoom(None, f"its limit of {allowed / 1e9:.3g} GB is reached")

    def _allowed(self, total: int) -> int:
        place = self.root
        while not place.exists():
            place = place.parent
        return min(self.limit, (shutil.disk_usage(place).free + total) // _SHARE)


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file under another name, synchronise and rename it.

    Raises:
        OSError: it could not be written; nothing is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _folders(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (Path(found.path) for found in os.scandir(parent) if found.is_dir())


def _held(path: Path) -> Held:
    size, used, about = 0, path.stat().st_mtime, {}
    for found in os.scandir(path):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile, or damaged
            status = found.stat()
            if _unfinished(found.name) and time.time() - status.st_mtime > _ABANDONED:
                os.unlink(found.path)
                continue
            size += status.st_size
            if found.name == ABOUT:
                used = status.st_mtime
                about = json.loads(Path(found.path).read_text())
    return Held(path, size, used, about)


def _unfinished(name: str) -> bool:
    return name.startswith(".") or name.endswith(".claim")


def _remove(path: Path) -> None:
    # Under another name first: a reader then finds all of an entry or nothing.
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with contextlib.suppress(OSError):
        path.rename(aside)
        path = aside
    shutil.rmtree(path, ignore_errors=True)


_active: Store | None = None


def activate(store: Store | None) -> None:
    """Choose the store that this process and its forks use; None for no store."""
    global _active
    _active = store


def active() -> Store | None:
    """The store in use, if any."""
    return _active
