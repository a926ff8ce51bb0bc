"""Files that are there whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from runner.errors import UserError


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write `data` beside `path` and rename it into place.

    Raises:
        UserError: the file cannot be written; the old one, if any, is untouched.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def shown(path: Path) -> str:
    """Return `path` as a person in the working directory would type it."""
    absolute = path.absolute()
    with contextlib.suppress(ValueError):
        return str(absolute.relative_to(Path.cwd()))
    return str(absolute)


def closed_place(path: Path) -> Path:
    """Return the highest folder above `path`, or `path` itself, that may not be looked into."""
    above = reversed((path, *path.parents))
    return next((each for each in above if not os.access(each, os.X_OK)), path)


def may_not_be_read(path: Path) -> str:
    """Return the line for a folder of runs that is closed to this user."""
    return f"{shown(path)}: may not be read; change its permissions or owner"
