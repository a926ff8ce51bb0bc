"""What the benchmarks of image reading share: made JPEGs, an option's type, silence.

The pictures are sums of waves whose strength falls with frequency^1.5 and whose colour varies less
than their brightness; saved with quality 96 and whole colour (4:4:4), as most files of ImageNet. A
file of 500 x 375 pixels has about 120 kB, on which the time of decoding depends.
"""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

FALL = 1.5  # exponent: 1.2 would give 220 kB a file, 1.8 70 kB
MIDDLE, SPREAD = 118, 52  # mean and standard deviation of the brightness, in grey levels


def picture(width: int, height: int, seed: int) -> Image.Image:
    """An RGB picture of coarse and fine structure; the same for the same arguments."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency = np.maximum(frequency, 1 / max(width, height))
    planes = []
    for strength in (1, 0.35, 0.35):  # brightness, two differences of colour
        real, imaginary = rng.normal(size=(2, *frequency.shape))
        waves = (real + 1j * imaginary) / frequency**FALL
        plane = np.fft.irfft2(waves, s=(height, width))
        planes.append(strength * plane / plane.std())
    grey, red, blue = planes
    pixels = np.stack([grey + red, grey - (red + blue) / 2, grey + blue], axis=-1)
    return Image.fromarray(np.clip(MIDDLE + SPREAD * pixels, 0, 255).astype(np.uint8))


def write_jpegs(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Writes `count` files; every fourth one has its sides exchanged."""
    paths = []
    for number in range(count):
        sides = (height, width) if number % 4 == 3 else (width, height)
        paths.append(folder / f"{number:05d}.jpg")
        picture(*sides, seed=number).save(paths[-1], quality=96, subsampling=0)
    return paths


def describe(paths: list[Path], width: int, height: int) -> str:
    """One line that says what was made."""
    kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1000
    return f"{len(paths)} made JPEGs of {width} x {height} pixels, {kilobytes:.0f} kB on average"


def positive(text: str) -> int:
    """Type of a command line's option: 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the engine logs out of the tables."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
