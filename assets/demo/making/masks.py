"""Black and white forms that the demo CLIP's training pictures are painted from.

Drawn at three times the size of the finished picture, which averages them down.
"""

import math
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 32  # pixels, width and height of a finished picture
SCALE = 3  # drawn this many times larger, then averaged down
CANVAS = SIZE * SCALE

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Italic.ttf",
    "DejaVuSansMono.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralItalic.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)


def polygon(sides: int, turn: float = 0.0, depth: float = 1.0) -> list[tuple[float, float]]:
    """Corners of a regular polygon of radius 1; depth < 1 pulls in every second corner."""
    step = 2 * math.pi / sides
    return [
        (
            (depth if k % 2 else 1.0) * math.sin(k * step + turn),
            -(depth if k % 2 else 1.0) * math.cos(k * step + turn),
        )
        for k in range(sides)
    ]


def _heart() -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    x = 16 * np.sin(angles) ** 3 / 17
    y = (
        -(
            13 * np.cos(angles)
            - 5 * np.cos(2 * angles)
            - 2 * np.cos(3 * angles)
            - np.cos(4 * angles)
        )
        / 17
    )
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _ellipse(width: float, height: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return list(
        zip((width * np.cos(angles)).tolist(), (height * np.sin(angles)).tolist(), strict=True)
    )


def _crescent() -> list[tuple[float, float]]:
    outer = [(math.cos(t), math.sin(t)) for t in np.linspace(0.7, 2 * math.pi - 0.7, 30)]
    inner = [
        (0.45 + 0.72 * math.cos(t), 0.72 * math.sin(t))
        for t in np.linspace(2 * math.pi - 1.05, 1.05, 30)
    ]
    return outer + inner


_A = 0.32
SHAPES: dict[str, list[tuple[float, float]]] = {
    "circle": _ellipse(1, 1),
    "square": polygon(4, math.pi / 4),
    "triangle": polygon(3),
    "star": polygon(10, 0.0, 0.42),
    "cross": [
        (-_A, -1),
        (_A, -1),
        (_A, -_A),
        (1, -_A),
        (1, _A),
        (_A, _A),
        (_A, 1),
        (-_A, 1),
        (-_A, _A),
        (-1, _A),
        (-1, -_A),
        (-_A, -_A),
    ],
    "ring": _ellipse(1, 1),
    "diamond": [(0, -1), (0.68, 0), (0, 1), (-0.68, 0)],
    "heart": _heart(),
    "arrow": [
        (-1, -0.25),
        (0.1, -0.25),
        (0.1, -0.75),
        (1, 0),
        (0.1, 0.75),
        (0.1, 0.25),
        (-1, 0.25),
    ],
    "crescent": _crescent(),
    "hexagon": polygon(6),
    "oval": _ellipse(1, 0.6),
    "rectangle": [(-1, -0.55), (1, -0.55), (1, 0.55), (-1, 0.55)],
}


def _place(points, radius: float, centre, turn: float, stretch: float = 1.0):
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (
            centre[0] + radius * stretch * (x * cos - y * sin),
            centre[1] + radius * (x * sin + y * cos),
        )
        for x, y in points
    ]


def shape_mask(name: str, rng: np.random.Generator, *, outline: bool, large: bool) -> Image.Image:
    """Coverage of one shape, 'L' image [CANVAS, CANVAS]."""
    radius = CANVAS * (rng.uniform(0.36, 0.46) if large else rng.uniform(0.24, 0.34))
    room = CANVAS / 2 - radius
    centre = (CANVAS / 2 + rng.uniform(-room, room), CANVAS / 2 + rng.uniform(-room, room))
    turn = math.radians(rng.uniform(-15, 15))
    points = _place(SHAPES[name], radius, centre, turn, rng.uniform(0.85, 1.15))
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    pen = ImageDraw.Draw(mask)
    pen.polygon(points, fill=255)
    if name == "ring":
        pen.polygon(_place(SHAPES["ring"], radius * rng.uniform(0.5, 0.7), centre, 0), fill=0)
    if outline:
        border = 2 * int(rng.integers(2, 4)) + 1
        inner = mask.filter(ImageFilter.MinFilter(border))
        mask = Image.fromarray(np.asarray(mask) - np.asarray(inner))
    return mask


def glyph_mask(text: str, rng: np.random.Generator, *, large: bool) -> Image.Image:
    """One character in a random font, turned, sheared, thinned or thickened; 'L' image [CANVAS,
    CANVAS].
    """
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    height = int(CANVAS * (rng.uniform(0.9, 1.15) if large else rng.uniform(0.65, 0.85)))
    font = ImageFont.truetype(str(folder / FONTS[rng.integers(len(FONTS))]), height)
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    ImageDraw.Draw(mask).text((CANVAS / 2, CANVAS / 2), text, fill=255, font=font, anchor="mm")
    if rng.random() < 0.6:
        weight = ImageFilter.MaxFilter(2 * int(rng.integers(1, 4)) + 1)
        mask = mask.filter(weight)
    turn, shear = math.radians(rng.uniform(-10, 10)), rng.uniform(-0.2, 0.2)
    wide, tall = rng.uniform(0.8, 1.25), rng.uniform(0.85, 1.15)
    half = CANVAS / 2
    a, b = wide * math.cos(turn), wide * (math.sin(turn) + shear)
    d, e = -tall * math.sin(turn), tall * math.cos(turn)
    dx, dy = rng.uniform(-0.08, 0.08, 2) * CANVAS
    coefficients = (a, b, half - a * half - b * half + dx, d, e, half - d * half - e * half + dy)
    return mask.transform(
        mask.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )


def _grid(rng: np.random.Generator, lean: float) -> tuple[np.ndarray, np.ndarray]:
    turn = math.radians(rng.uniform(-lean, lean))
    y, x = np.mgrid[0:CANVAS, 0:CANVAS] / SCALE
    x, y = x + rng.uniform(0, 16), y + rng.uniform(0, 16)
    return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)


def _stripes(x, y, p, rng):
    return (y / p) % 1 < rng.uniform(0.35, 0.65)


def _dots(x, y, p, rng):
    shift = (np.floor(y / p) % 2) * 0.5 * rng.integers(2)
    return ((x / p + shift) % 1 - 0.5) ** 2 + ((y / p) % 1 - 0.5) ** 2 < rng.uniform(
        0.22, 0.36
    ) ** 2


def _checks(x, y, p, rng):
    return (np.floor(x / p) + np.floor(y / p)) % 2 == 0


def _bricks(x, y, p, rng):
    row = np.floor(y / p)
    line = rng.uniform(0.16, 0.28)
    return ((y / p) % 1 > line) & ((x / (2 * p) + 0.5 * (row % 2)) % 1 > line / 2)


def _waves(x, y, p, rng):
    return ((y + 0.4 * p * np.sin(2 * math.pi * x / (2 * p))) / p) % 1 < rng.uniform(0.45, 0.7)


def _grid_lines(x, y, p, rng):
    line = rng.uniform(0.18, 0.32)
    return ((x / p) % 1 < line) | ((y / p) % 1 < line)


def _zigzags(x, y, p, rng):
    return ((y + 1.2 * p * np.abs((x / (2.4 * p)) % 1 - 0.5) * 2) / p) % 1 < rng.uniform(0.45, 0.7)


def _speckles(x, y, p, rng):
    cells = rng.random((CANVAS // SCALE, CANVAS // SCALE)) < rng.uniform(0.15, 0.35)
    return np.kron(cells, np.ones((SCALE, SCALE))) > 0.5


def _ripples(x, y, p, rng):
    cx, cy = x.mean() + rng.uniform(-8, 8), y.mean() + rng.uniform(-8, 8)
    return (np.hypot(x - cx, y - cy) / p) % 1 < rng.uniform(0.45, 0.7)


def _scales(x, y, p, rng):
    row = np.floor(y / p)
    u, v = (x / (2 * p) + 0.5 * (row % 2)) % 1 - 0.5, (y / p) % 1
    return np.abs(np.hypot(2 * u, v) - 0.9) < rng.uniform(0.14, 0.24)


TEXTURES = {
    "stripes": _stripes,
    "dots": _dots,
    "checks": _checks,
    "bricks": _bricks,
    "waves": _waves,
    "grid": _grid_lines,
    "zigzags": _zigzags,
    "speckles": _speckles,
    "ripples": _ripples,
    "scales": _scales,
}


def texture_mask(name: str, rng: np.random.Generator, *, large: bool) -> Image.Image:
    """Two-tone texture over the whole picture, 'L' image [CANVAS, CANVAS]."""
    x, y = _grid(rng, lean=15)
    period = rng.uniform(7, 10) if large else rng.uniform(5, 7)
    return Image.fromarray((TEXTURES[name](x, y, period, rng) * 255).astype(np.uint8))
