"""Pictures of DemoTextures: ten two-tone textures, turned further and coloured otherwise than the
demo CLIP saw them.
"""

from collections.abc import Callable

import numpy as np

from datasets.demo import raster
from datasets.demo.stream import IntegerStream


def _stripes(x, y, period, stream):
    return (y % period) * 100 < period * stream.between(35, 65)


def _dots(x, y, period, stream):
    radius = period * stream.between(24, 36) // 100
    u = x + (y // period % 2) * stream.choose((0, period // 2))
    return raster.in_disc(u % period, y % period, (period // 2, period // 2), radius)


def _checks(x, y, period, stream):
    return (x // period + y // period) % 2 == 0


def _bricks(x, y, period, stream):
    joint = period * stream.between(18, 30) // 100
    u = x + (y // period % 2) * period
    return (y % period > joint) & (u % (2 * period) > joint)


def _waves(x, y, period, stream):
    half = x % period  # half a wave as a parabola, up and down in turn
    bump = 4 * half * (period - half) * 2 // (5 * period)
    swing = np.where(x // period % 2 == 0, bump, -bump)
    return ((y + swing) % period) * 100 < period * stream.between(35, 60)


def _grid(x, y, period, stream):
    line = period * stream.between(18, 32) // 100
    return (x % period < line) | (y % period < line)


def _zigzags(x, y, period, stream):
    width = 2 * period
    swing = abs(x % width - width // 2)
    return ((y + swing) % period) * 100 < period * stream.between(35, 60)


def _speckles(x, y, period, stream):
    cells = stream.integers(raster.SIZE**2, 100).reshape(raster.SIZE, raster.SIZE)
    return np.kron(cells < stream.between(18, 35), np.ones((4, 4), dtype=np.int64)) > 0


def _ripples(x, y, period, stream):
    centre = [int(line.mean()) + stream.between(-8, 8) * raster.PIXEL for line in (x, y)]
    distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    share = stream.between(35, 60)
    rings = range(-(-2 * raster.SPAN // period))
    bounds = [edge for k in rings for edge in (k * period, k * period + period * share // 100)]
    return sum((distance >= bound**2).astype(np.int64) for bound in bounds) % 2 == 1


def _scales(x, y, period, stream):
    u = (x + (y // period % 2) * period) % (2 * period) - period
    distance = u**2 + (y % period) ** 2
    middle, half = 90, stream.between(14, 24)
    low, high = period * (middle - half) // 100, period * (middle + half) // 100
    return (distance > low**2) & (distance < high**2)


_DRAWERS: tuple[Callable[..., np.ndarray], ...] = (
    *(_stripes, _dots, _checks, _bricks, _waves),
    *(_grid, _zigzags, _speckles, _ripples, _scales),
)
_INSIDE = {drawer.__name__.strip("_"): drawer for drawer in _DRAWERS}
CLASSES = tuple(_INSIDE)

# What the demo CLIP never saw: textures turned to one side by these degrees, in any two colours.
_TURNS = (16, 23, 28)
_PERIOD = (5, 9)  # pixels
_NOISE = 30  # grey levels
_CONTRAST = 150  # grey levels, summed over the channels
SEED = 320_000


def draw(name: str, stream: IntegerStream) -> np.ndarray:
    """One picture of a class, uint8 [32, 32, 3]."""
    x, y = raster.turned(raster.TURNS[stream.choose(_TURNS)], *raster.sample_points())
    x, y = (line + stream.between(0, 16 * raster.PIXEL) for line in (x, y))
    period = stream.between(_PERIOD[0] * raster.PIXEL, _PERIOD[1] * raster.PIXEL)
    inside = _INSIDE[name](x, y, period, stream)
    front, back = raster.two_colours(stream, _CONTRAST)
    picture = raster.paint(raster.coverage(inside), front, back)
    return raster.add_noise(picture, stream, _NOISE)
