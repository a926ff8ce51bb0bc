"""Decoding of all images, in a pool of processes."""

import multiprocessing
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from PIL import Image
from tqdm import tqdm

from dassl.utils.errors import UserError

_CHUNK = 32  # images that a process takes at a time
FEW = 256  # so many are decoded here: processes take longer to start
_SCALE = 8  # a JPEG's smallest scale: it reads all of the file, and skips most of the arithmetic


def why_unreadable(path: str) -> str | None:
    """Why an image cannot be decoded, as a run reads it; None if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which no run looks at
            with Image.open(path) as image:
                if image.format == "JPEG":
                    small = [max(1, side // _SCALE) for side in image.size]
                    image.draft(image.mode, (small[0], small[1]))
                image.convert("RGB")
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        return " ".join(str(error).split()) or type(error).__name__
    return None


def why_each_unreadable(paths: Sequence[str]) -> list[str | None]:
    """`why_unreadable` of each image."""
    return [why_unreadable(path) for path in paths]


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C waits till the end. A process that starts inside is born so and never hears it, also
    not in its first second, before `_ignore_interrupts` is called in it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its start, by the first process else, lets Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Decoder:
    """Decodes lists of images; the processes start when they are first needed and serve all lists.

    Args:
        jobs: number of processes.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()

    def unreadable(self, paths: Sequence[str], title: str) -> dict[str, str]:
        """Path -> reason of the images that cannot be decoded; shows progress on stderr.

        Raises:
            UserError: a process died.
        """
        bad: dict[str, str] = {}
        chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
        with tqdm(
            total=len(paths), desc=title, unit=" images", file=sys.stderr, leave=False
        ) as bar:
            for chunk, reasons in zip(chunks, self._decoded(chunks, len(paths)), strict=True):
                bad |= {p: why for p, why in zip(chunk, reasons, strict=True) if why is not None}
                bar.update(len(chunk))
        return bad

    def _decoded(self, chunks: Sequence[Sequence[str]], count: int) -> Iterator[list[str | None]]:
        if self._jobs == 1 or count <= FEW:
            yield from map(why_each_unreadable, chunks)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._jobs, multiprocessing.get_context("spawn"), _ignore_interrupts
            )
        done = 0
        try:
            with _interrupts_later():
                results = self._pool.map(why_each_unreadable, chunks)
            for reasons in results:
                yield reasons
                done += 1
        except BrokenProcessPool as error:
            self._stop()
            raise UserError(
                f"a process that decodes images died near {chunks[done][0]} (memory, or an image "
                "that breaks the decoder); use --jobs 1"
            ) from error

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
