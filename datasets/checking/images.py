"""Decoding of all images, in a pool of processes."""

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from tqdm import tqdm

from dassl.utils.errors import BadFileError, UserError
from dassl.utils.files import MAX_PIXELS, open_image
from datasets.parts.folders import LEGIBLE

_CHUNK = 32  # images that a process takes at a time
FEW = 256  # so many are decoded here: processes take longer to start
_SCALE = 8  # a JPEG's smallest scale: it reads all of the file, and skips most of the arithmetic


def why_unreadable(path: str, max_pixels: int = MAX_PIXELS) -> str | None:
    """Why an image cannot be decoded, as a run reads it; None if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which no run looks at
            with open_image(path, max_pixels) as image:
                if image.format == "JPEG":
                    small = [max(1, side // _SCALE) for side in image.size]
                    image.draft(image.mode, (small[0], small[1]))
                image.convert("RGB")
    except BadFileError as error:
        return str(error).removeprefix(f"{path} ")
    except PermissionError:
        return f"Permission denied; {LEGIBLE}"
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        return " ".join(str(error).split()) or type(error).__name__
    return None


def unreadable(
    paths: Sequence[str], title: str, jobs: int = 1, max_pixels: int = MAX_PIXELS
) -> dict[str, str]:
    """Path -> reason of the images that cannot be decoded; shows progress on stderr.

    Args:
        jobs: number of processes.
        max_pixels: an image of more is not decoded.

    Raises:
        UserError: a process died.
    """
    why = partial(why_unreadable, max_pixels=max_pixels)
    bad: dict[str, str] = {}
    bar = tqdm(paths, desc=title, unit=" images", file=sys.stderr, leave=False)
    with bar, contextlib.ExitStack() as stack:
        reasons: Iterator[str | None] = map(why, paths)
        if jobs > 1 and len(paths) > FEW:
            pool = ProcessPoolExecutor(jobs)
            stack.callback(pool.shutdown, cancel_futures=True)  # when interrupted, too
            reasons = pool.map(why, paths, chunksize=_CHUNK)
        for path in bar:
            try:
                reason = next(reasons)
            except BrokenProcessPool as error:
                raise UserError(
                    f"a process that decodes images died near {path} (memory, or an image that "
                    "breaks the decoder); use --jobs 1"
                ) from error
            if reason is not None:
                bad[path] = reason
    return bad
