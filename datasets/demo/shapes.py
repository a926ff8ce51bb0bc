"""Pictures of DemoShapes: ten shapes as the demo CLIP knows them, but drawn in another manner."""

import numpy as np

from datasets.demo import raster
from datasets.demo.raster import Point, Turn
from datasets.demo.stream import IntegerStream

CLASSES = (
    *("circle", "square", "triangle", "star", "cross"),
    *("ring", "diamond", "heart", "arrow", "crescent"),
)

# corners in thousandths of the radius; y points down. Of the right half, from top to bottom: the
# left one is its mirror image.
_RIGHT_CORNERS: dict[str, list[Point]] = {
    "square": [(800, -800), (800, 800)],
    "triangle": [(0, -1000), (900, 650)],
    "star": [(0, -1000), (240, -330), (950, -310), (390, 125), (590, 810), (0, 405)],
    "cross": [(300, -1000), (300, -300), (1000, -300), (1000, 300), (300, 300), (300, 1000)],
    "diamond": [(0, -1000), (700, 0), (0, 1000)],
    "heart": [(0, -420), (930, -120), (0, 1000)],
}
_CORNERS = {
    name: right + [(-x, y) for x, y in reversed(right) if x]
    for name, right in _RIGHT_CORNERS.items()
}
_HEAD, _SHAFT = [(150, -700), (1000, 0), (150, 700)], [(150, 230), (-1000, 230)]
_CORNERS["arrow"] = [(-1000, -230), (150, -230), *_HEAD, *_SHAFT]
# discs: centre and radius in thousandths, and whether the disc adds to the shape or cuts from it
_DISCS: dict[str, list[tuple[Point, int, bool]]] = {
    "circle": [((0, 0), 1000, True)],
    "ring": [((0, 0), 1000, True), ((0, 0), 600, False)],
    "crescent": [((0, 0), 1000, True), ((480, 0), 780, False)],
    "heart": [((-480, -320), 500, True), ((480, -320), 500, True)],
}


def _inside(name: str, centre: Point, radius: int, turn: Turn) -> np.ndarray:
    """Sample points inside a shape, bool [128, 128]."""
    x, y = raster.sample_points()

    def place(point: Point) -> Point:
        u, v = raster.turned(turn, point[0] * radius, point[1] * radius)
        return centre[0] + u // 1000, centre[1] + v // 1000

    inside = np.zeros(x.shape, dtype=bool)
    if name in _CORNERS:
        inside = raster.in_polygon(x, y, [place(corner) for corner in _CORNERS[name]])
    for middle, size, adds in _DISCS.get(name, []):
        disc = raster.in_disc(x, y, place(middle), size * radius // 1000)
        inside = inside | disc if adds else inside & ~disc
    return inside


# What the demo CLIP never saw: shapes turned to one side by these degrees, in any two colours.
_TURNS = (23, 28, 37)
_RADIUS = (9, 13)  # pixels
_NOISE = 30  # grey levels
CONTRAST = 150  # grey levels, summed over the channels
SEED = 310_000


def placed(name: str, stream: IntegerStream) -> np.ndarray:
    """Sample points inside a shape of a random size, place and turn, bool [128, 128]."""
    radius = stream.between(_RADIUS[0] * raster.PIXEL, _RADIUS[1] * raster.PIXEL)
    room = (raster.SPAN // 2 - radius) // 2
    x, y = (raster.SPAN // 2 + stream.between(-room, room) for _ in range(2))
    return _inside(name, (x, y), radius, raster.TURNS[stream.choose(_TURNS)])


def draw(name: str, stream: IntegerStream) -> np.ndarray:
    """One picture of a class, uint8 [32, 32, 3]."""
    inside = placed(name, stream)
    front, back = raster.two_colours(stream, CONTRAST)
    picture = raster.paint(raster.coverage(inside), front, back)
    return raster.add_noise(picture, stream, _NOISE)
