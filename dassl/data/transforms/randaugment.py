"""RandAugment with random strengths, as semi-supervised learning uses it."""

import random
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

Operation = Callable[[Image.Image, float], Image.Image]


def _affine(
    img: Image.Image, *, shear: tuple[float, float] = (0, 0), shift: tuple[float, float] = (0, 0)
) -> Image.Image:
    """Shear by tangents, shift by shares of the size."""
    width, height = img.size
    matrix = (1, shear[0], shift[0] * width, shear[1], 1, shift[1] * height)
    return img.transform(img.size, Image.Transform.AFFINE, matrix)


# name -> (operation, least and greatest strength); FixMatch (arXiv:2001.07685), appendix
FIXMATCH_OPERATIONS: dict[str, tuple[Operation, float, float]] = {
    "autocontrast": (lambda img, _: ImageOps.autocontrast(img), 0, 1),
    "brightness": (lambda img, v: ImageEnhance.Brightness(img).enhance(v), 0.05, 0.95),
    "color": (lambda img, v: ImageEnhance.Color(img).enhance(v), 0.05, 0.95),
    "contrast": (lambda img, v: ImageEnhance.Contrast(img).enhance(v), 0.05, 0.95),
    "equalize": (lambda img, _: ImageOps.equalize(img), 0, 1),
    "identity": (lambda img, _: img, 0, 1),
    "posterize": (lambda img, v: ImageOps.posterize(img, int(v)), 4, 8),
    "rotate": (lambda img, v: F.rotate(img, v, InterpolationMode.NEAREST), -30, 30),
    "sharpness": (lambda img, v: ImageEnhance.Sharpness(img).enhance(v), 0.05, 0.95),
    "shear_x": (lambda img, v: _affine(img, shear=(v, 0)), -0.3, 0.3),
    "shear_y": (lambda img, v: _affine(img, shear=(0, v)), -0.3, 0.3),
    "solarize": (lambda img, v: ImageOps.solarize(img, int(v)), 0, 256),
    "translate_x": (lambda img, v: _affine(img, shift=(v, 0)), -0.3, 0.3),
    "translate_y": (lambda img, v: _affine(img, shift=(0, v)), -0.3, 0.3),
}


class RandAugmentFixMatch:
    """`n` random operations with random strengths, each applied with probability p."""

    def __init__(self, n: int = 2, p: float = 1.0) -> None:
        self.n = n
        self.p = p

    def __call__(self, img: Image.Image) -> Image.Image:
        for operation, least, greatest in random.choices(
            list(FIXMATCH_OPERATIONS.values()), k=self.n
        ):
            if random.random() < self.p:
                img = operation(img, random.uniform(least, greatest))
        return img


class RandAugment2(RandAugmentFixMatch):
    """`RandAugmentFixMatch` that leaves each operation out with probability 0.4."""

    def __init__(self, n: int = 2, p: float = 0.6) -> None:
        super().__init__(n, p)
