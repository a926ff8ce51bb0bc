"""Test images that several runs decode once: the pixels of their crops, in a folder they share.

Runs that start one after the other on a machine test on the same images again and again
(`parallel_runner.py`). Where $PROMPTLAB_CROPS names a folder, the first run that reads an image
leaves the pixels that enter the conversion to a tensor, and later runs start from there: the same
bytes, so the same tensors to the last bit.
"""

import contextlib
import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision import transforms as T

from dassl.utils.files import MAX_PIXELS, read_image

FOLDER = "PROMPTLAB_CROPS"
_FIXED = (T.Resize, T.CenterCrop)  # steps without chance
_SHARE = 4  # all lists together may take this part of the disk's free space
_CHECK = 4  # bytes of the checksum that stands before each image's pixels


class KeptCrops:
    """The crops of one list of images under one transform.

    An image's record is a CRC-32 and its pixels, in the order of the list; what nobody has written
    yet, or only in part, does not fit its checksum and is read from the image instead. So any
    number of processes may read and write at once.

    Args:
        file: holds the records; made on the first write.
        crop: from image to crop, without chance; CenterCrop is its last step.
        rest: from crop to tensor.
        max_pixels: see `read_image`.
    """

    def __init__(
        self, file: Path, crop: T.Compose, rest: T.Compose, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._file, self._crop, self._rest = file, crop, rest
        self._max_pixels = max_pixels
        height, width = crop.transforms[-1].size
        self._shape = (height, width, 3)
        self._record = _CHECK + height * width * 3
        self._descriptor: int | None = None

    def view(self, index: int, path: str) -> Tensor:
        """The transformed image at a place of the list, `[3, H, W]`.

        Raises:
            MissingFileError, BadFileError: as `read_image`.
        """
        pixels = self._read(index)
        if pixels is None:
            image = self._crop(read_image(path, self._max_pixels))
            self._write(index, np.asarray(image).tobytes())
        else:
            image = Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(self._shape))
        return self._rest(image)

    def _read(self, index: int) -> bytes | None:
        try:
            record = os.pread(self._open(), self._record, index * self._record)
        except OSError:
            return None
        check, pixels = record[:_CHECK], record[_CHECK:]
        return pixels if check and check == _checksum(pixels) else None

    def _write(self, index: int, pixels: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk: the image is decoded again next time
            os.pwrite(self._open(), _checksum(pixels) + pixels, index * self._record)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        return self._descriptor

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptor": None}  # a started worker opens the file itself

    def __del__(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)


def kept_crops(
    paths: Sequence[str], transform: Any, max_pixels: int = MAX_PIXELS
) -> KeptCrops | None:
    """The shared crops of a list of images; None where no folder is named, the transform is of
    another kind, an image is not there, or the disk has too little room.
    """
    folder = os.environ.get(FOLDER)
    if not folder or not isinstance(transform, T.Compose):
        return None
    steps = list(transform.transforms)
    conversions = (place for place, step in enumerate(steps) if isinstance(step, T.ToTensor))
    place = next(conversions, 0)
    if place < 1 or not isinstance(steps[place - 1], T.CenterCrop):
        return None
    if not all(isinstance(step, _FIXED) for step in steps[:place]):
        return None
    height, width = steps[place - 1].size
    digest = hashlib.sha256(repr(steps[:place]).encode())
    try:
        if not _fits(len(paths) * height * width * 3, folder):
            return None
        for path in paths:
            found = os.stat(path)
            digest.update(
                f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode("utf-8", "replace")
            )
    except OSError:
        return None
    file = Path(folder, f"{digest.hexdigest()}.crops")
    return KeptCrops(file, T.Compose(steps[:place]), T.Compose(steps[place:]), max_pixels)


def _fits(size: int, folder: str) -> bool:
    """Whether a list of so many bytes may come to those that are there; files that are not full yet
    count as if they were."""
    files = [entry.stat() for entry in os.scandir(folder)]
    promised = sum(file.st_size for file in files)
    written = sum(file.st_blocks * 512 for file in files)
    return promised + size <= (shutil.disk_usage(folder).free + written) // _SHARE


def _checksum(pixels: bytes) -> bytes:
    return zlib.crc32(pixels).to_bytes(_CHECK, "little")
