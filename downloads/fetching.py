"""Fetches a file: resumed where it stopped, checked, put in place only when whole."""

import contextlib
import errno
import http.client
import logging
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from downloads.checksum import Checksum

try:
    import fcntl
except ImportError:  # Windows: no lock, runs that start together may fetch a file twice
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # before the second attempt; each later pause is twice as long
BUSY = (429, 500, 502, 503, 504)  # answers of a server that may give the file in a moment


class DownloadError(Exception):
    """A file could not be fetched: one line with the link or path, the reason and the remedy."""


def fetch(url: str, target: Path, checksum: Checksum, *, remedy: str = "free the space") -> Path:
    """Returns ``target`` with the given checksum, downloading it unless it is there already.

    An incomplete download stays beside it as ``<name>.part`` and is resumed by the next call.
    Several processes may ask for one file at once: one of them downloads it.

    Args:
        url: where the file is published.
        target: where it is put; its folder is made.
        checksum: of the whole file.
        remedy: what to do where ``target`` cannot be written.

    Raises:
        DownloadError: no connection, what arrived has another checksum, or no space.
    """
    try:
        if checksum.fits(target):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(target.name + ".lock")):
            if checksum.fits(target):  # another process fetched it meanwhile
                return target
            if target.exists():
                logger.warning(
                    "%s: its %s is not the published one; downloading again", target, checksum.name
                )
            part = target.with_name(target.name + ".part")
            _download(url, part, checksum)
            os.replace(part, target)
    except OSError as error:
        raise DownloadError(
            f"{target}: cannot be written: {error.strerror or error}; {remedy}"
        ) from None
    return target


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock that a file stands for; another process waits. The file stays."""
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(url: str, part: Path, checksum: Checksum) -> None:
    """Fills ``part``; a resumed file that turns out wrong is fetched once more from its start."""
    resumed = part.exists()
    _receive_whole(url, part)
    good = checksum.fits(part)
    if not good and resumed:
        part.unlink()
        _receive_whole(url, part)
        good = checksum.fits(part)
    if not good:
        part.unlink()
        raise DownloadError(
            f"{url}: the {checksum.name} of the download is not {checksum.digest}; try again later"
        )


def _receive_whole(url: str, part: Path) -> None:
    """Asks for the rest of a file until all of it is there, with pauses that grow."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause = PAUSE_SECONDS * 2 ** (attempt - 1)
            logger.warning("%s: %s; trying again in %g s", url, reason, pause)
            time.sleep(pause)
        try:
            if _receive(url, part):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and part.exists():
                return  # nothing is left to send: the checksum decides
            reason = f"HTTP {error.code} {error.reason}"
            if error.code not in BUSY:
                break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        except (ConnectionError, ssl.SSLError) as error:
            reason = str(error)
    raise DownloadError(
        f"{url}: download failed: {reason}; try again (it resumes), or put the file at "
        f"{part.with_suffix('')} by hand"
    )


def _receive(url: str, part: Path) -> bool:
    """One request, from where ``part`` ends; True if everything announced has arrived."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if response.status != 206 or not _continues(response, have):
            have = 0  # the server sends the file from its start
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _check_space(part, total, have)
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="iB", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    return total is None or part.stat().st_size == total


def _check_space(part: Path, total: int | None, have: int) -> None:
    """Refuses a file for which there is no space before an hour is spent on its first part."""
    if total is not None and total - have > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC) + f" for {total / 1e9:.1f} GB")


def _continues(response: http.client.HTTPResponse, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == have
