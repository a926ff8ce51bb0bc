"""Drawing with whole numbers. One pixel is 64 units; each pixel is sampled at 4 x 4 points."""

import numpy as np

from datasets.demo.stream import IntegerStream

SIZE = 32  # pixels, width and height
PIXEL = 64  # units
SPAN = SIZE * PIXEL
_SAMPLES = 4  # points along each side of a pixel

Point = tuple[int, int]
Turn = tuple[int, int, int]

# degrees -> (c, s, h) of a Pythagorean triple: cos = c / h and sin = s / h exactly
TURNS: dict[int, Turn] = {
    16: (24, 7, 25),
    23: (12, 5, 13),
    28: (15, 8, 17),
    37: (4, 3, 5),
}


def sample_points() -> tuple[np.ndarray, np.ndarray]:
    """x and y of all sample points in units, int64 [SIZE * 4, SIZE * 4] each."""
    step = PIXEL // _SAMPLES
    line = np.arange(SIZE * _SAMPLES, dtype=np.int64) * step + step // 2
    y, x = np.meshgrid(line, line, indexing="ij")
    return x, y


def coverage(inside: np.ndarray) -> np.ndarray:
    """Number of points inside, 0..16 for each pixel, int64 [SIZE, SIZE], of bool [SIZE * 4, SIZE *
    4].
    """
    return inside.astype(np.int64).reshape(SIZE, _SAMPLES, SIZE, _SAMPLES).sum(axis=(1, 3))


def turned(turn: Turn, x, y):
    """Turn points or arrays by (c, s, h) around the origin, rounded down to units."""
    c, s, h = turn
    return (c * x - s * y) // h, (s * x + c * y) // h


def in_disc(x: np.ndarray, y: np.ndarray, centre: Point, radius: int) -> np.ndarray:
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2


def in_polygon(x: np.ndarray, y: np.ndarray, corners: list[Point]) -> np.ndarray:
    """Even-odd rule, exact: sides are compared after multiplying out the division."""
    inside = np.zeros(x.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        spans = (y1 <= y) != (y2 <= y)
        side = (x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)
        inside ^= spans & ((side < 0) if y2 > y1 else (side > 0))
    return inside


def edge(inside: np.ndarray, width: int) -> np.ndarray:
    """The sample points inside that have one outside within `width` points, bool [SIZE * 4, SIZE *
    4].
    """
    core = inside.copy()
    reach = range(-width, width + 1)
    for down, right in ((d, r) for d in reach for r in reach if d * d + r * r <= width * width):
        core &= np.roll(inside, (down, right), axis=(0, 1))
    return inside & ~core


def two_colours(stream: IntegerStream, contrast: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random colours int64 [3] each, whose channels differ by `contrast` or more in sum."""
    while True:
        drawn = stream.integers(6, 256)
        if abs(int(drawn[:3].sum() - drawn[3:].sum())) >= contrast:
            return drawn[:3], drawn[3:]


def paint(cover: np.ndarray, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Blend int64 [SIZE, SIZE, 3] of coverage 0..16 [SIZE, SIZE] and colours [3] or pictures
    [SIZE, SIZE, 3].
    """
    share = cover[..., None]
    return (share * front + (16 - share) * back + 8) // 16


def add_noise(picture: np.ndarray, stream: IntegerStream, amplitude: int) -> np.ndarray:
    """Add -amplitude..amplitude to every channel of every pixel and clip; uint8 [SIZE, SIZE, 3]."""
    noise = stream.integers(picture.size, 2 * amplitude + 1).reshape(picture.shape) - amplitude
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
