"""Files that are there whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from runner.errors import UserError


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write `data` beside `path` and rename it into place.

    Raises:
        UserError: the file cannot be written; the old one, if any, is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
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
