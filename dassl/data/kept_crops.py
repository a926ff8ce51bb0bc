"""Test images that are decoded once for all runs: the pixels of their crops, kept in the store.

Runs test on the same images again and again: seeds, methods, points of a grid. The first one that
reads a list of images leaves the pixels that enter the conversion to a tensor, and later ones start
from there: the same bytes, so the same tensors to the last bit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import PIL.features
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from tqdm import tqdm

from dassl.data.image_digests import Contents, code_digest, contents
from dassl.utils import files
from dassl.utils.errors import UserError
from dassl.utils.files import MAX_PIXELS, read_image
from image_store import active, left_over, shared_order
from image_store.entry import Entry
from image_store.folder import NoRoom

_CROPPING = (T.Resize, T.CenterCrop)  # steps without chance before the conversion to a tensor
_WITHOUT_CHANCE = (*_CROPPING, T.ToTensor, T.Normalize)  # and whole in their `repr`
_STEP = 64  # images of a part
_PATIENCE = 30.0  # seconds for another process to decode a part
_READING = code_digest(Path(files.__file__))


def image_facts(
    paths: Sequence[str], transform: Any, max_pixels: int
) -> tuple[dict[str, Any], Contents] | None:
    """What the tensors of a list of images depend on (contents of the files, the transform, the
    libraries that decode and resize), and the contents alone.

    None where there is no store, the transform has a step of chance or an unknown one, or a file
    cannot be read.
    """
    store = active()
    if store is None or not paths or not isinstance(transform, T.Compose):
        return None
    if not all(type(step) in _WITHOUT_CHANCE for step in transform.transforms):
        return None
    found = contents(paths, store)
    if found is None:
        return None
    facts = {
        "content": found.digest,
        "steps": [repr(step) for step in transform.transforms],
        "max_pixels": max_pixels,
        "reading": _READING,
        "pillow": PIL.__version__,
        "jpeg": PIL.features.version("jpg"),
        "torchvision": torchvision.__version__,
    }
    return facts, found


class KeptCrops:
    """The crops of one list of images under one transform.

    Args:
        entry: of the store; a row is a crop, uint8 [H, W, 3].
        images: their contents.
        crop: from image to crop, without chance; CenterCrop is its last step.
        rest: from crop to tensor.
        max_pixels: see `read_image`.
    """

    def __init__(
        self, entry: Entry, images: Contents, crop: T.Compose, rest: T.Compose, max_pixels: int
    ) -> None:
        self.entry, self.images = entry, images
        self._crop, self._rest = crop, rest
        self._max_pixels = max_pixels
        self._shape = (*crop.transforms[-1].size, 3)

    def view(self, index: int) -> Tensor:
        """The transformed image at a place of the list, `[3, H, W]`.

        Raises:
            MissingFileError, BadFileError: as `read_image`.
        """
        row = self.entry.row(index)
        if row is None:
            return self._rest(self._cropped(index))
        return self._rest(Image.fromarray(row.reshape(self._shape)))

    def fill(self, num_workers: int) -> None:
        """Decode what is not there yet, together with other processes that do so at the same time.

        Images that cannot be read are left to `view`, which names them. What cannot be written
        closes the store.
        """
        self.entry.use()
        store, missing = self.entry.store, self.entry.missing()
        if not missing or store.why_closed:
            return
        try:
            if self.entry.size > (allowed := store.allowed()):
                sizes = f"{self.entry.size / 1e9:.3g} GB, and it may hold {allowed / 1e9:.3g}"
                raise NoRoom(None, f"the crops of {self.entry.rows} images are {sizes}")
            others = self._decode(shared_order(missing), num_workers)
            for part in left_over(self.entry, others, _PATIENCE):
                self.make(part)
                self.entry.release(part)
        except OSError as error:
            store.close(error)

    def make(self, part: int) -> None:
        """Decode a part and put it into the store, unless an image has changed meanwhile.

        Raises:
            OSError: it cannot be written.
        """
        span = self.entry.span(part)
        try:
            rows = [np.asarray(self._cropped(index)) for index in span]
        except UserError:
            return
        if self.images.unchanged(span):
            self.entry.write(part, np.stack(rows).reshape(len(rows), -1))

    def _decode(self, parts: list[int], num_workers: int) -> list[int]:
        """Make parts in worker processes; returns those that other processes are at.

        Raises:
            OSError: one cannot be written.
        """
        loader = DataLoader(
            _Parts(self),
            batch_size=None,
            sampler=parts,  # type: ignore[arg-type]
            num_workers=min(num_workers, len(parts)),
            generator=torch.Generator(),  # the run's own is left alone
        )
        others = []
        for part, done, why in tqdm(loader, disable=None):  # on stderr, and only on a terminal
            if why is not None:
                raise why
            if not done:
                others.append(part)
        return others

    def _cropped(self, index: int) -> Image.Image:
        return self._crop(read_image(self.images.paths[index], self._max_pixels))


class _Parts(Dataset):
    """Parts as items of a loader: the part, whether it is dealt with, what was in the way."""

    def __init__(self, crops: KeptCrops) -> None:
        self._crops = crops

    def __getitem__(self, part: int) -> tuple[int, bool, OSError | None]:
        entry = self._crops.entry
        try:
            if entry.has(part):
                return part, True, None
            if not entry.claim(part):
                return part, False, None
            try:
                self._crops.make(part)
            finally:
                entry.release(part)
        except OSError as error:
            return part, False, error
        return part, True, None


def kept_crops(
    paths: Sequence[str], transform: Any, max_pixels: int = MAX_PIXELS, name: str = "a list"
) -> KeptCrops | None:
    """The crops of a list of images; None where there is no store, or the transform is of another
    kind than resize, centre crop, tensor. `name` is that of the dataset.
    """
    store = active()
    steps = list(transform.transforms) if isinstance(transform, T.Compose) else []
    conversions = (place for place, step in enumerate(steps) if isinstance(step, T.ToTensor))
    place = next(conversions, 0)
    if store is None or place < 1 or not isinstance(steps[place - 1], T.CenterCrop):
        return None
    cropping = T.Compose(steps[:place])
    if not all(type(step) in _CROPPING for step in cropping.transforms):
        return None
    known = image_facts(paths, cropping, max_pixels)
    if known is None:
        return None
    facts, images = known
    height, width = steps[place - 1].size
    size = {"rows": len(paths), "width": height * width * 3, "step": _STEP}
    entry = Entry(store, "crops", facts, **size, about={"what": f"crops of {name}"})
    return KeptCrops(entry, images, cropping, T.Compose(steps[place:]), max_pixels)
