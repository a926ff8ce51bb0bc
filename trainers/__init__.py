"""The methods, one file each.

Every module of this folder is imported when the package is. A module that cannot be imported is
listed in `BROKEN` and hurts only the trainers it would have registered.
"""

import re
from dataclasses import replace
from pathlib import Path

from dassl.utils.discovery import BrokenModule, import_modules
from dassl.utils.logger import log_to_stdout
from trainers.parts.register import BROKEN

_OF_CLIP = re.compile(r"cannot import name '\w+' from 'clip[.']|No module named 'clip\.")


def _with_remedy(broken: BrokenModule) -> BrokenModule:
    """Says how a published file runs: those bring a `clip` package of their own."""
    if not _OF_CLIP.search(broken.error):
        return broken
    here = Path(__file__).resolve().parents[1]
    return replace(
        broken,
        error=f"{broken.error}; it needs the clip/ of its own repository: run that repository's "
        f"train.py on this engine: cd <its folder> && PYTHONPATH={here} python train.py ...",
    )


log_to_stdout(__name__)
BROKEN += [_with_remedy(broken) for broken in import_modules(__name__)]
