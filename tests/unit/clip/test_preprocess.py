"""The image transform against OpenAI's (tests/golden/clip/README.md)."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip.preprocess import image_transform

ARRAYS = dict(np.load(Path(__file__).parents[2] / "golden" / "clip" / "transform.npz"))
PAIRS = [(f"image{i}", f"transformed{i}_32") for i in range(4)] + [("gray", "gray_32")]
ONE_GREY_LEVEL_AND_A_HALF = 1.5 / 255 / 0.26  # Pillow's resampling may differ between versions


@pytest.mark.parametrize(("picture", "expected"), PAIRS)
def test_pictures_become_the_published_pixels(picture, expected):
    pixels = image_transform(32)(Image.fromarray(ARRAYS[picture]))
    assert pixels.dtype == torch.float32
    golden = torch.from_numpy(ARRAYS[expected])
    torch.testing.assert_close(pixels, golden, rtol=0, atol=ONE_GREY_LEVEL_AND_A_HALF)
    assert float((pixels - golden).abs().mean()) < 1e-4


def test_data_workers_can_pickle_the_transform():
    copy = pickle.loads(pickle.dumps(image_transform(8)))
    assert copy(Image.new("RGBA", (10, 12))).shape == (3, 8, 8)
