"""Pictures and captions from which the demo CLIP learns: shapes, textures and printed digits.

The demo's datasets (`datasets/demo/`) are another world on purpose. Here Pillow and numpy draw with
anti-aliasing, from fonts, in nine named colours; there whole numbers draw with other strokes,
colours, backgrounds and seeds, and the digits are handwriting. The words are shared.
"""

import numpy as np
from PIL import Image, ImageFilter

from assets.demo.making.masks import SHAPES, SIZE, TEXTURES, glyph_mask, shape_mask, texture_mask

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 70, 210),
    "yellow": (230, 210, 50),
    "purple": (140, 60, 170),
    "orange": (235, 140, 40),
    "white": (240, 240, 240),
    "black": (20, 20, 20),
    "gray": (128, 128, 128),
}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
STYLES = {  # and the words that captions use for them
    "blurry": ("blurry", "low resolution"),
    "noisy": ("noisy", "bad"),
    "dark": ("dark",),
    "bright": ("bright",),
}
FACTS = ("name", "outline", "front", "back", "size", "style", "tone")
FRAMES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a picture of a {}.",
    "an image of the {}.",
    "a drawing of a {}.",
    "a sketch of the {}.",
    "a rendering of a {}.",
    "art of the {}.",
    "a {} in a video game.",
    "itap of a {}.",
    "a origami {}.",
    "a cropped photo of a {}.",
    "a photo of one {}.",
    "a good photo of the {}.",
    "the {}.",
    "{}.",
)


def _choose(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def paint(mask: Image.Image, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, str]]:
    """Colour a mask and add blur, noise or shade.

    Returns the picture uint8 [SIZE, SIZE, 3] and the facts front, back, style and tone ("" where
    there is none).
    """
    cover = np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float32)
    cover = cover[..., None] / 255
    front, back = map(str, rng.choice(list(COLOURS), 2, replace=False))
    while abs(sum(COLOURS[front]) - sum(COLOURS[back])) < 200:
        front, back = map(str, rng.choice(list(COLOURS), 2, replace=False))
    tint = rng.uniform(-20, 20, (2, 3))
    picture = cover * (COLOURS[front] + tint[0]) + (1 - cover) * (COLOURS[back] + tint[1])
    style = str(rng.choice(["", *STYLES], p=[0.4, 0.2, 0.2, 0.1, 0.1]))
    if style == "blurry":
        soft = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        soft = soft.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.3))))
        picture = np.asarray(soft, dtype=np.float32)
    elif style == "noisy":
        picture = picture + rng.normal(0, rng.uniform(10, 30), picture.shape)
    elif style == "dark":
        picture = picture * rng.uniform(0.45, 0.7)
    elif style == "bright":
        picture = 255 - (255 - picture) * rng.uniform(0.45, 0.7)
    facts = {"front": front, "back": back, "style": style, "tone": ""}
    if rng.random() < 0.15:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
        facts |= {"front": "", "back": "", "tone": "black and white"}
    return picture.clip(0, 255).astype(np.uint8), facts


def draw_picture(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, str]]:
    """One picture uint8 [SIZE, SIZE, 3] and its facts: a word ("" where there is none) by name of
    FACTS.
    """
    kind = str(rng.choice(["shape", "texture", "digit"], p=[0.35, 0.25, 0.4]))
    large, outline = bool(rng.random() < 0.75), False
    if kind == "shape":
        name = _choose(rng, list(SHAPES))
        outline = bool(rng.random() < 0.2 and name != "ring")
        mask = shape_mask(name, rng, outline=outline, large=large)
    elif kind == "texture":
        name = _choose(rng, list(TEXTURES))
        mask = texture_mask(name, rng, large=large)
    else:
        value = int(rng.integers(10))
        name = DIGITS[value]
        mask = glyph_mask(str(value), rng, large=large)
    picture, facts = paint(mask, rng)
    size = "large" if large else "small"
    return picture, facts | {"name": name, "size": size, "outline": "outline" if outline else ""}


def make_caption(facts: dict[str, str], rng: np.random.Generator) -> tuple[str, dict[str, str]]:
    """A sentence on a picture: always its name, each other fact in a part of the draws.

    Returns the sentence and the facts that it mentions.
    """
    said = {"name": facts["name"]}

    def say(fact: str, share: float) -> bool:
        if facts[fact] and rng.random() < share:
            said[fact] = facts[fact]
        return fact in said

    thing = facts["name"]
    if thing in TEXTURES:
        thing = _choose(rng, ("{}", "{} texture", "{} pattern")).format(thing)
    elif thing in DIGITS:
        thing = _choose(rng, ("{}", "{}", "number {}", "digit {}")).format(thing)
    if say("outline", 0.5):
        thing = f"outline of a {thing}"
    if say("front", 0.2):
        thing = f"{facts['front']} {thing}"
    if say("size", 0.1):
        thing = f"{facts['size']} {thing}"
    frame = _choose(rng, FRAMES)
    if say("tone", 0.35):
        frame = "a black and white photo of a {}."
    elif say("style", 0.35):
        frame = (
            f"a {_choose(rng, STYLES[facts['style']])} photo of {_choose(rng, ('a', 'the'))} {{}}."
        )
    if say("back", 0.08):
        frame = frame.removesuffix(".") + f" on a {facts['back']} background."
    return frame.format(thing), said
