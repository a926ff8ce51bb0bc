"""The folder of the demo datasets, which train.py makes on first use."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from runner.errors import UserError


def cache() -> Path:
    """Return $PROMPTLAB_CACHE, else ~/.cache/promptlab."""
    return Path(os.environ.get("PROMPTLAB_CACHE") or "~/.cache/promptlab").expanduser()


def require_cache(datasets: Iterable[str]) -> None:
    """Check that those of `datasets` that are not in the cache yet can be made there.

    Raises:
        UserError: the cache cannot be written.
    """
    folder = cache()
    try:
        if all((folder / name).is_dir() for name in datasets):
            return
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        taken = isinstance(error, FileExistsError)  # what mkdir says of a file
        reason = "Not a directory" if taken else error.strerror or error
        raise UserError(
            f"cannot make the demo datasets in {folder} ({reason}); set PROMPTLAB_CACHE to a "
            "folder that can be written"
        ) from error
