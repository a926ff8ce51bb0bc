"""Fetches a weights file: resumed where it stopped, checked by its SHA-256, put in place only when
whole."""

import contextlib
import hashlib
import http.client
import logging
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from clip.errors import WeightsError

try:
    import fcntl
except ImportError:  # Windows: no lock, runs that start together may fetch a file twice
    fcntl = None

logger = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
ATTEMPTS = 5


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, target: Path, sha256: str) -> Path:
    """Returns ``target`` with the given hash, downloading it unless it is there already.

    An incomplete download stays beside it as ``<name>.part`` and is resumed by the next call.
    Several processes may
    ask for one file at once: one of them downloads it.

    Raises:
        WeightsError: no connection, or what arrived has another hash.
    """
    try:
        if _is_whole(target, sha256):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.with_name(target.name + ".lock")):
            if _is_whole(target, sha256):  # another process fetched it meanwhile
                return target
            if target.exists():
                logger.warning(
                    "%s: its SHA-256 is not the published one; downloading again", target
                )
            part = target.with_name(target.name + ".part")
            _download(url, part, sha256)
            os.replace(part, target)
    except OSError as error:
        raise WeightsError(
            f"{target}: cannot be written: {error.strerror or error}; "
            "free the space or name another folder with download_root"
        ) from None
    return target


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _download(url: str, part: Path, sha256: str) -> None:
    """Fills ``part``; a resumed file that turns out wrong is fetched once more from its start."""
    resumed = part.exists()
    _receive_whole(url, part)
    if sha256_of(part) != sha256 and resumed:
        part.unlink()
        _receive_whole(url, part)
    if sha256_of(part) != sha256:
        part.unlink()
        raise WeightsError(f"{url}: the SHA-256 of the download is not {sha256}; try again later")


def _receive_whole(url: str, part: Path) -> None:
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            if _receive(url, part):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code != 416 or not part.exists():
                reason = f"HTTP {error.code} {error.reason}"
                break
            return  # nothing is left to send: the hash decides
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        except (ConnectionError, ssl.SSLError) as error:
            reason = str(error)
    raise WeightsError(
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
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="iB", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    return total is None or part.stat().st_size == total


def _continues(response: http.client.HTTPResponse, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return bool(found) and int(found[1]) == have


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
