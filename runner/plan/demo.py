"""The datasets of the demo, which train.py makes on first use, and the folder that takes them."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from runner.errors import UserError
from runner.plan.modes import Mode

DATASETS = ("demo_shapes", "demo_textures", "demo_digits")  # the first is the source of xd and dg
VARIANTS = ("demo_shapes_sketch", "demo_shapes_striped")  # the source's classes in other styles
JOINT = "demo_suite"  # the three as tasks of one dataset
CFG = "demo"
CFG_FOLDER = "CoOp"  # whose file serves a method without one of its own


def datasets(mode: Mode, *, multi_task: bool) -> tuple[str, ...]:
    """Return what a mode runs on in the demo."""
    if mode.name == "dg":
        return VARIANTS
    if multi_task or mode.name == "mt":
        return (JOINT,)
    return DATASETS[1:] if mode.transfer else DATASETS


def cache() -> Path:
    """Return $PROMPTLAB_CACHE, else ~/.cache/promptlab."""
    return Path(os.environ.get("PROMPTLAB_CACHE") or "~/.cache/promptlab").expanduser()


def require_cache(names: Iterable[str]) -> None:
    """Check that those of the datasets `names` that are not in the cache yet can be made there.

    Raises:
        UserError: the cache cannot be written.
    """
    folder = cache()
    wanted = {part for name in names for part in (DATASETS if name == JOINT else (name,))}
    try:
        if all((folder / name).is_dir() for name in wanted):
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
