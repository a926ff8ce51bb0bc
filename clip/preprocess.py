"""The image transform of the public models."""

from collections.abc import Callable, Sequence

from PIL import Image
from torch import Tensor

# Mean and standard deviation of CLIP's training images, red, green, blue.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)


def image_transform(
    size: int,
    mean: Sequence[float] = PIXEL_MEAN,
    std: Sequence[float] = PIXEL_STD,
    resizing: tuple[str, str] | None = None,
) -> Callable[[Image.Image], Tensor]:
    """Picture to [3, size, size]: shorter edge to ``size`` and centre crop, or squashed to a
    square, RGB, normalised; ``resizing`` is that of Source, default bicubic and centre crop."""
    # torchvision takes seconds to import and only callers of clip.load need it
    from torchvision import transforms

    interpolation, mode = resizing or ("bicubic", "shortest")
    return transforms.Compose(
        [
            transforms.Resize(
                [size, size] if mode == "squash" else size,
                interpolation=transforms.InterpolationMode(interpolation),
            ),
            transforms.CenterCrop(size),
            transforms.Lambda(to_rgb),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode in three channels; a named function, so that data workers can pickle
    it."""
    return image.convert("RGB")
