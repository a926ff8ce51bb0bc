"""The ways from a JPEG file to the model's input that image_reading.py compares.

Of each stage the first way is the published one, written out; "engine" is what a run does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision import io
from torchvision import transforms as v1
from torchvision.transforms import functional, v2

from dassl.data.transforms import INTERPOLATION_MODES, build_transform
from dassl.utils.files import read_image


@dataclass(frozen=True)
class Way:
    """`run` makes a PIL image or a tensor of one of `inputs`."""

    name: str
    run: Callable[[Any], Any]
    inputs: Sequence[Any]


class Steps:
    """The steps of a transform with the settings of INPUT, one list or function a part."""

    def __init__(self, node: Any) -> None:
        self.size, self.scale = tuple(node.SIZE), tuple(node.RRCROP_SCALE)
        self.mode = INTERPOLATION_MODES[node.INTERPOLATION]
        self.filter = getattr(Image.Resampling, node.INTERPOLATION.upper())
        self.normal = {"mean": node.PIXEL_MEAN, "std": node.PIXEL_STD}

    def test(self, version: Any) -> list[Any]:
        """Resizing and cropping of tests by torchvision's transforms (`v1`) or its `v2`."""
        return [version.Resize(max(self.size), self.mode), version.CenterCrop(self.size)]

    def train(self, version: Any) -> list[Any]:
        """Cropping, resizing, flipping of training."""
        crop = version.RandomResizedCrop(self.size, scale=self.scale, interpolation=self.mode)
        return [crop, version.RandomHorizontalFlip()]

    def to_input(self, *, inplace: bool = False) -> list[Any]:
        """PIL image to float32 [3, H, W], normalised."""
        return [v1.ToTensor(), v1.Normalize(**self.normal, inplace=inplace)]

    def to_input_v2(self) -> list[Any]:
        """The same of a PIL image or a uint8 tensor."""
        to_float = v2.ToDtype(torch.float32, scale=True)
        return [v2.ToImage(), to_float, v2.Normalize(**self.normal)]

    def resized(self, image: Image.Image) -> tuple[int, int]:
        """Width and height when the shorter edge gets the size."""
        width, height = (int(max(self.size) * side / min(image.size)) for side in image.size)
        return width, height

    def test_box(self, image: Image.Image) -> Image.Image:
        """Resamples no pixel but those of the centre crop."""
        (width, height), whole = self.size[::-1], self.resized(image)
        left, top = round((whole[0] - width) / 2), round((whole[1] - height) / 2)
        x, y = image.width / whole[0], image.height / whole[1]
        box = (left * x, top * y, (left + width) * x, (top + height) * y)
        return image.resize((width, height), self.filter, box=box)

    def test_between(self, image: Image.Image) -> Image.Image:
        """Crops columns after Pillow's pass along rows, before its pass along columns."""
        (width, height), whole = self.size[::-1], self.resized(image)
        left = round((whole[0] - width) / 2)
        columns = image.resize((whole[0], image.height), self.filter)
        columns = columns.crop((left, 0, left + width, image.height))
        smaller = columns.resize((width, whole[1]), self.filter)
        return functional.center_crop(smaller, [height, width])

    def test_gap(self, image: Image.Image) -> Image.Image:
        """Averages whole pixels first where the picture is four times too large or more."""
        smaller = image.resize(self.resized(image), self.filter, reducing_gap=2.0)
        return functional.center_crop(smaller, list(self.size))

    def train_box(self, image: Image.Image) -> Image.Image:
        """Resizes a box of the picture, not a crop: pixels around the box count at its border."""
        ratio = [3 / 4, 4 / 3]
        top, left, height, width = v1.RandomResizedCrop.get_params(image, list(self.scale), ratio)
        box = (left, top, left + width, top + height)
        smaller = image.resize(self.size[::-1], self.filter, box=box)
        return v1.RandomHorizontalFlip()(smaller)

    def look_up(self) -> Callable[[Image.Image], Tensor]:
        """PIL image to the model's input: 256 possible values of a channel, from a table."""
        levels = torch.arange(256).float().div(255).expand(3, 1, 256)
        table = v1.Normalize(**self.normal)(levels)[:, 0]  # [3, 256]

        def run(image: Image.Image) -> Tensor:
            result = torch.empty(3, image.height, image.width)
            planes = functional.pil_to_tensor(image).int()
            for values, plane, out in zip(table, planes, result, strict=True):
                torch.index_select(values, 0, plane.flatten(), out=out.view(-1))
            return result

        return run


def as_published(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def decoded(path: Path) -> Tensor:
    """uint8 [3, H, W] by torchvision's decoder."""
    return io.decode_image(io.read_file(str(path)), io.ImageReadMode.RGB)


def drafted(path: Path, size: tuple[int, int]) -> Image.Image:
    """Decodes at 1/2, 1/4 or 1/8 of the size where that is no smaller than `size`."""
    with Image.open(path) as image:
        image.draft("RGB", size)
        return image.convert("RGB")


def stages(paths: list[Path], cfg: Any) -> dict[str, list[Way]]:
    """Name of the stage -> its ways, the published one first, each on the same files."""
    steps = Steps(cfg.INPUT)
    images = [as_published(path) for path in paths]
    cropped = [v1.Compose(steps.test(v1))(image) for image in images]
    found = {
        "decode": [
            Way("published: Pillow, convert", as_published, paths),
            Way("engine: Pillow, no copy of RGB", read_image, paths),
            Way("torchvision decode_image", decoded, paths),
            Way("the same, then PIL", lambda path: functional.to_pil_image(decoded(path)), paths),
            Way("Pillow, draft", partial(drafted, size=steps.size), paths),
        ],
        "test: resize, crop": _resizing(steps.test, images),
        "train: crop, resize, flip": _resizing(steps.train, images),
        "to input": [
            Way("published: ToTensor, Normalize", v1.Compose(steps.to_input()), cropped),
            Way("engine: Normalize in place", v1.Compose(steps.to_input(inplace=True)), cropped),
            Way("table of 256 values", steps.look_up(), cropped),
            Way("v2 ToImage, ToDtype, Normalize", v2.Compose(steps.to_input_v2()), cropped),
        ],
    }
    found["test: resize, crop"] += [
        Way("Pillow, crop by box=", steps.test_box, images),
        Way("Pillow, columns cropped between passes", steps.test_between, images),
        Way("Pillow, reducing_gap=2", steps.test_gap, images),
    ]
    found["train: crop, resize, flip"] += [Way("Pillow, crop by box=", steps.train_box, images)]
    for name, make in (("test, whole", steps.test), ("train, whole", steps.train)):
        engine = build_transform(cfg, is_train=make == steps.train)
        found[name] = _whole(steps, make, engine, paths)
    return found


def _resizing(make: Callable[[Any], list[Any]], images: list[Image.Image]) -> list[Way]:
    pixels = [functional.pil_to_tensor(image) for image in images]
    return [
        Way("published: v1 on PIL", v1.Compose(make(v1)), images),
        Way("v2 on PIL", v2.Compose(make(v2)), images),
        Way("v2 on uint8 tensors", v2.Compose(make(v2)), pixels),
    ]


def _whole(
    steps: Steps, make: Callable[[Any], list[Any]], engine: Any, paths: list[Path]
) -> list[Way]:
    published = v1.Compose([as_published, *make(v1), *steps.to_input()])
    last = steps.to_input_v2()
    tensors = v1.Compose([as_published, functional.pil_to_tensor, *make(v2), *last])
    return [
        Way("published", published, paths),
        Way("engine", v1.Compose([read_image, engine]), paths),
        Way("Pillow, v2 on PIL", v1.Compose([as_published, *make(v2), *last]), paths),
        Way("Pillow, v2 on uint8 tensors", tensors, paths),
        Way("torchvision, v2 on uint8 tensors", v1.Compose([decoded, *make(v2), *last]), paths),
    ]
