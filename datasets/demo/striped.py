"""Pictures of DemoShapesStriped: six of the shapes of DemoShapes, striped in two tones."""

import numpy as np

from datasets.demo import raster, shapes
from datasets.demo.stream import IntegerStream

CLASSES = ("square", "triangle", "cross", "ring", "heart", "crescent")
SEED = 340_000
_TURNS = (16, 23, 28)  # degrees, of the stripes
_PERIOD = (3, 5)  # pixels
_NOISE = 15  # grey levels


def draw(name: str, stream: IntegerStream) -> np.ndarray:
    """One picture of a class, uint8 [32, 32, 3]."""
    inside = shapes.placed(name, stream)
    front, back = raster.two_colours(stream, shapes.CONTRAST)
    _, y = raster.turned(raster.TURNS[stream.choose(_TURNS)], *raster.sample_points())
    period = stream.between(_PERIOD[0] * raster.PIXEL, _PERIOD[1] * raster.PIXEL)
    stripe = (y + stream.between(0, period)) % period * 2 < period
    picture = raster.paint(raster.coverage(inside), (2 * front + back) // 3, back)
    picture = raster.paint(raster.coverage(inside & stripe), front, picture)
    return raster.add_noise(picture, stream, _NOISE)
