"""Files: whole or not at all when written, a clear error when they cannot be read."""

import json
import logging
import os
import secrets
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dassl.utils.errors import BadFileError, MissingFileError, UserError

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

StrPath = str | os.PathLike[str]

# Width times height. ImageNet's largest pictures have some tens of millions; Pillow itself warns
# from 89 million on and refuses 179 million. As RGB, so many take 0.4 GB.
MAX_PIXELS = 128_000_000


class WriteError(UserError, OSError):
    """A file could not be written: no space left, no permission, no such folder."""


def atomic_write(path: StrPath, data: bytes | bytearray | memoryview | str) -> None:
    """Write a file whole or not at all; a file that stood there before stays when writing fails.

    The folder is made if it is missing.

    Raises:
        WriteError: names the path and the reason, e.g. no space left on device.
    """
    target = Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # a hidden name of its own: several processes may write the same file
        temporary = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}"
        with open(temporary, "xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise WriteError(
                f"cannot write {target}: {reason}; check free space and permissions"
            ) from error
        raise


def mkdir_if_missing(dirname: StrPath) -> None:
    """Make a folder and its parents unless it exists."""
    try:
        Path(dirname).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make the folder {dirname}: {error.strerror}") from error


def check_isfile(fpath: StrPath) -> bool:
    """Whether a file exists; warns if not."""
    found = os.path.isfile(fpath)
    if not found:
        logger.warning('No file found at "%s"', fpath)
    return found


def listdir_nohidden(path: StrPath, sort: bool = False) -> list[str]:
    """Names in a folder that do not start with a dot, in the file system's order unless `sort`."""
    try:
        names = [name for name in os.listdir(path) if not name.startswith(".")]
    except FileNotFoundError as error:
        raise MissingFileError(f"no folder {path}") from error
    return sorted(names) if sort else names


def read_json(fpath: StrPath) -> Any:
    """Load a JSON file."""
    try:
        with open(fpath, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError as error:
        raise MissingFileError(f"no file {fpath}") from error
    except ValueError as error:
        raise BadFileError(f"{fpath} is not a whole JSON file: {error}") from error


def write_json(obj: Any, fpath: StrPath) -> None:
    """Write JSON with indent 4, whole or not at all; the folder is made."""
    atomic_write(fpath, json.dumps(obj, indent=4, separators=(",", ": ")))


def open_image(path: StrPath, max_pixels: int = MAX_PIXELS) -> "Image.Image":
    """Open an image; its pixels are not decoded yet.

    Raises:
        BadFileError: it has more than `max_pixels`, INPUT.MAX_PIXELS.
        Exception: whatever Pillow raises of a file that it cannot open.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit here stands in place of Pillow's
    image = Image.open(path)
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise BadFileError(
            f"{path} has {width:,} x {height:,} pixels, more than INPUT.MAX_PIXELS {max_pixels:,}; "
            "replace the file, or give a higher INPUT.MAX_PIXELS"
        )
    return image


def read_image(path: StrPath, max_pixels: int = MAX_PIXELS) -> "Image.Image":
    """Read an image as RGB.

    Raises:
        MissingFileError, BadFileError: name the file; also where it has more than `max_pixels`.
    """
    try:
        with open_image(path, max_pixels) as image:
            image.load()
            # convert would copy an image that is RGB already
            return image if image.mode == "RGB" else image.convert("RGB")
    except BadFileError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"no image file {path}; check DATASET.ROOT") from error
    except PermissionError as error:
        raise BadFileError(
            f"{path} cannot be opened (Permission denied); make it readable"
        ) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadFileError(
            f"cannot read the image {path} ({reason}); replace the file or remove it from the data"
        ) from error


def download_url(url: str, dst: StrPath) -> None:
    """Download a file by HTTP(S), whole or not at all."""
    logger.info("Downloading %s to %s", url, dst)
    try:
        with urllib.request.urlopen(url) as response:
            data = response.read()
    except OSError as error:
        raise BadFileError(f"cannot download {url}: {error}") from error
    atomic_write(dst, data)
