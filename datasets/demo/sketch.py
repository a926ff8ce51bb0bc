"""Pictures of DemoShapesSketch: the shapes of DemoShapes as coloured outlines with a pale wash."""

import numpy as np

from datasets.demo import raster, shapes
from datasets.demo.stream import IntegerStream

CLASSES = shapes.CLASSES
SEED = 330_000
_LINE = 4  # sample points, one pixel
_NOISE = 15  # grey levels


def draw(name: str, stream: IntegerStream) -> np.ndarray:
    """One picture of a class, uint8 [32, 32, 3]."""
    inside = shapes.placed(name, stream)
    front, back = raster.two_colours(stream, shapes.CONTRAST)
    washed = raster.paint(raster.coverage(inside), (front + 2 * back) // 3, back)
    picture = raster.paint(raster.coverage(raster.edge(inside, _LINE)), front, washed)
    return raster.add_noise(picture, stream, _NOISE)
