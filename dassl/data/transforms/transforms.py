"""`build_transform`: fixed order of steps, whatever the order in INPUT.TRANSFORMS."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

from dassl.data.transforms.randaugment import RandAugment2, RandAugmentFixMatch
from dassl.data.transforms.steps import (
    Cutout,
    GaussianNoise,
    InstanceNormalization,
    Random2DTranslation,
)
from dassl.utils.errors import BadValueError, CheckFailedError
from dassl.utils.tools import get_most_similar_str_to_a_from_b

logger = logging.getLogger(__name__)

INTERPOLATION_MODES = {
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "nearest": InterpolationMode.NEAREST,
}

Step = tuple[str, Callable[[Any], Any]]  # the printed line and the transform

_POLICIES = {
    "imagenet_policy": T.AutoAugmentPolicy.IMAGENET,
    "cifar10_policy": T.AutoAugmentPolicy.CIFAR10,
    "svhn_policy": T.AutoAugmentPolicy.SVHN,
}
CHOICES = [
    "random_flip",
    "random_resized_crop",
    "normalize",
    "instance_norm",
    "random_crop",
    "random_translation",
    "center_crop",  # accepted and ignored: every test transform crops the centre
    "cutout",
    *_POLICIES,
    "randaugment",
    "randaugment_fixmatch",
    "randaugment2",
    "gaussian_noise",
    "colorjitter",
    "randomgrayscale",
    "gaussian_blur",
]
WITHOUT_CHANCE = ("normalize", "instance_norm", "center_crop")
_STRENGTHS = 31  # RandAugment's magnitudes 0 to 30


def build_transform(
    cfg: Any, is_train: bool = True, choices: Sequence[str] | None = None
) -> T.Compose | None:
    """The training or test transform of the node INPUT; None if INPUT.NO_TRANSFORM.

    Args:
        cfg: the whole tree.
        is_train: training (random) or test transform.
        choices: names of steps instead of INPUT.TRANSFORMS.

    Raises:
        CheckFailedError: (an AssertionError) unknown step or interpolation, impossible size,
            mean or standard deviation.
        BadValueError: (a ValueError) a step is given a number that it cannot use.
    """
    if cfg.INPUT.NO_TRANSFORM:
        logger.info("Note: no transform is applied!")
        return None
    chosen = list(cfg.INPUT.TRANSFORMS if choices is None else choices)
    _check(chosen, cfg.INPUT)
    if is_train:
        logger.info("Building transform_train")
        steps = [
            *_geometry(cfg.INPUT, chosen),
            *_colours(cfg.INPUT, chosen),
            _to_tensor(),
            *_on_tensor(cfg.INPUT, chosen),
        ]
    else:
        logger.info("Building transform_test")
        steps = _test_steps(cfg.INPUT, chosen)
    for line, _ in steps:
        logger.info("+ %s", line)
    return T.Compose([transform for _, transform in steps])


def check_views(cfg: Any) -> None:
    """Check that DATALOADER.K_TRANSFORMS training views of an image differ.

    Raises:
        BadValueError: (a ValueError) there are several, and no step of INPUT.TRANSFORMS is random.
    """
    views, chosen = cfg.DATALOADER.K_TRANSFORMS, list(cfg.INPUT.TRANSFORMS)
    if views > 1 and not cfg.INPUT.NO_TRANSFORM and set(chosen) <= set(WITHOUT_CHANCE):
        raise BadValueError(
            f"DATALOADER.K_TRANSFORMS = {views}: INPUT.TRANSFORMS = {chosen} holds no random step, "
            "so that all views of an image are equal; add one such as random_resized_crop"
        )


def _check(chosen: list[str], node: Any) -> None:
    problems = []
    interpolation = node.INTERPOLATION
    for name in chosen:
        if name not in CHOICES:
            nearest = get_most_similar_str_to_a_from_b(str(name), CHOICES)
            problems.append(
                f"INPUT.TRANSFORMS: unknown transform {name!r}, did you mean {nearest}? "
                f"(all: {', '.join(CHOICES)})"
            )
    if interpolation not in INTERPOLATION_MODES:
        problems.append(
            f"INPUT.INTERPOLATION = {interpolation!r}: not one of {', '.join(INTERPOLATION_MODES)}"
        )
    if len(node.SIZE) != 2 or not all(isinstance(side, int) and side > 0 for side in node.SIZE):
        problems.append(f"INPUT.SIZE = {node.SIZE}: must be (height, width) in pixels")
    if len(node.PIXEL_MEAN) != 3 or len(node.PIXEL_STD) != 3 or 0 in node.PIXEL_STD:
        problems.append("INPUT.PIXEL_MEAN, INPUT.PIXEL_STD: three numbers each, no 0 in the second")
    scale, means = node.RRCROP_SCALE, (*node.PIXEL_MEAN, *node.PIXEL_STD)
    if not all(isinstance(value, int | float) for value in (*means, *scale)):
        problems.append("INPUT.PIXEL_MEAN, PIXEL_STD, RRCROP_SCALE: must hold numbers only")
    elif len(scale) != 2 or not 0 < scale[0] <= scale[1]:
        problems.append(f"INPUT.RRCROP_SCALE = {scale}: must be two shares of the area, 0 < a <= b")
    if node.CROP_PADDING < 0:
        problems.append(f"INPUT.CROP_PADDING = {node.CROP_PADDING}: must be 0 or more pixels")
    if problems:
        raise CheckFailedError(problems)


def _to_tensor() -> Step:
    return "to torch tensor of range [0, 1]", T.ToTensor()


def _normalisations(node: Any, chosen: list[str]) -> dict[str, Step]:
    return {
        "normalize": (
            f"normalization (mean={node.PIXEL_MEAN}, std={node.PIXEL_STD})",
            # in place: its tensor is new, made by ToTensor or by the step after it
            T.Normalize(mean=node.PIXEL_MEAN, std=node.PIXEL_STD, inplace=True),
        ),
        "instance_norm": ("instance normalization", InstanceNormalization()),
    }


def _test_steps(node: Any, chosen: list[str]) -> list[Step]:
    height, width = node.SIZE
    mode = INTERPOLATION_MODES[node.INTERPOLATION]
    squash = node.get("RESIZE") == "squash"  # a key that trainers add
    resized = (f"resize the smaller edge to {max(node.SIZE)}", T.Resize(max(node.SIZE), mode))
    if squash:
        resized = (f"squash to {height}x{width}", T.Resize(node.SIZE, mode))
    steps: list[Step] = [
        resized,
        (f"{height}x{width} center crop", T.CenterCrop(node.SIZE)),
        _to_tensor(),
    ]
    last = _normalisations(node, chosen)
    return steps + [step for name, step in last.items() if name in chosen]


def _geometry(node: Any, chosen: list[str]) -> list[Step]:
    """Resizing, cropping, flipping of PIL images."""
    size, (height, width) = node.SIZE, node.SIZE
    mode = INTERPOLATION_MODES[node.INTERPOLATION]
    steps: list[Step] = []
    if "random_crop" not in chosen and "random_resized_crop" not in chosen:
        steps.append((f"resize to {height}x{width}", T.Resize(size, interpolation=mode)))
    if "random_translation" in chosen:
        steps.append(("random translation", Random2DTranslation(height, width)))
    if "random_crop" in chosen:
        padding = node.CROP_PADDING
        steps.append((f"random crop (padding = {padding})", T.RandomCrop(size, padding=padding)))
    if "random_resized_crop" in chosen:
        line = f"random resized crop (size={size}, scale={node.RRCROP_SCALE})"
        crop = T.RandomResizedCrop(size, scale=node.RRCROP_SCALE, interpolation=mode)
        steps.append((line, crop))
    if "random_flip" in chosen:
        steps.append(("random flip", T.RandomHorizontalFlip()))
    return steps


def _colours(node: Any, chosen: list[str]) -> list[Step]:
    """Policies and colour changes of PIL images."""
    n, m = node.RANDAUGMENT_N, node.RANDAUGMENT_M
    brightness, contrast = node.COLORJITTER_B, node.COLORJITTER_C
    saturation, hue = node.COLORJITTER_S, node.COLORJITTER_H
    kernel = node.GB_K
    makers: dict[str, tuple[str, Callable[[], Callable[[Any], Any]]]] = {
        name: (name.replace("_", " "), lambda policy=policy: T.AutoAugment(policy))
        for name, policy in _POLICIES.items()
    }
    makers |= {
        "randaugment": (
            f"randaugment (n={n}, m={m})",
            lambda: T.RandAugment(n, m, num_magnitude_bins=_STRENGTHS),
        ),
        "randaugment_fixmatch": (f"randaugment_fixmatch (n={n})", lambda: RandAugmentFixMatch(n)),
        "randaugment2": (f"randaugment2 (n={n})", lambda: RandAugment2(n)),
        "colorjitter": (
            f"color jitter (brightness={brightness}, contrast={contrast}, "
            f"saturation={saturation}, hue={hue})",
            lambda: T.ColorJitter(brightness, contrast, saturation, hue),
        ),
        "randomgrayscale": ("random gray scale", lambda: T.RandomGrayscale(p=node.RGS_P)),
        "gaussian_blur": (
            f"gaussian blur (kernel={kernel})",
            lambda: T.RandomApply([T.GaussianBlur(kernel)], p=node.GB_P),
        ),
    }
    steps = []
    for name, (line, make) in makers.items():
        if name in chosen:
            try:
                steps.append((line, make()))
            except ValueError as error:  # torchvision checks the numbers
                raise BadValueError(f"INPUT, {line}: {error}") from error
    return steps


def _on_tensor(node: Any, chosen: list[str]) -> list[Step]:
    """Steps after the conversion to a tensor `[C, H, W]`."""
    last = _normalisations(node, chosen)
    holes, length = node.CUTOUT_N, node.CUTOUT_LEN
    noise = f"gaussian noise (mean={node.GN_MEAN}, std={node.GN_STD})"
    steps: dict[str, Step] = {
        "cutout": (f"cutout (n_holes={holes}, length={length})", Cutout(holes, length)),
        "normalize": last["normalize"],
        "gaussian_noise": (noise, GaussianNoise(node.GN_MEAN, node.GN_STD)),
        "instance_norm": last["instance_norm"],
    }
    return [step for name, step in steps.items() if name in chosen]
