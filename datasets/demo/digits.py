"""Pictures of DemoDigits: the handwritten digits that scikit-learn carries (UCI optical digits,
1,797 of 8 x 8).
"""

import numpy as np

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# blocks of the file, which keeps writers apart as far as its order allows
TRAIN_PERCENT, VAL_PERCENT = 60, 10
_FACTOR = 4  # from 8 to 32 pixels
_BLACK, _WHITE = 40, 215


def enlarge(small: np.ndarray) -> np.ndarray:
    """Bilinear enlargement of whole numbers 0..16 [8, 8] to grey levels, RGB uint8 [32, 32, 3].

    Levels up to _BLACK become 0, those from _WHITE on 255: the strokes come out thinner.
    """
    place = 2 * np.arange(small.shape[0] * _FACTOR) + 1 - _FACTOR  # eighths of a source pixel
    below, weight = place // (2 * _FACTOR), place % (2 * _FACTOR)
    last = small.shape[0] - 1
    low, high = np.clip(below, 0, last), np.clip(below + 1, 0, last)
    rows = small[low] * (8 - weight)[:, None] + small[high] * weight[:, None]
    full = rows[:, low] * (8 - weight) + rows[:, high] * weight  # 64 times the value
    grey = (full * 255 + 512) // 1024
    grey = np.clip((grey - _BLACK) * 255 // (_WHITE - _BLACK), 0, 255)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def load() -> dict[str, list[tuple[np.ndarray, int]]]:
    """Pictures uint8 [32, 32, 3] and labels by split (train, val, test), in file order."""
    from sklearn.datasets import load_digits  # heavy: only while the folder is made

    data = load_digits()
    pairs = [
        (enlarge(image.astype(np.int64)), int(label))
        for image, label in zip(data.images, data.target, strict=True)
    ]
    first = len(pairs) * TRAIN_PERCENT // 100
    second = len(pairs) * (TRAIN_PERCENT + VAL_PERCENT) // 100
    return {"train": pairs[:first], "val": pairs[first:second], "test": pairs[second:]}
