"""Image transforms from the configuration node INPUT."""

from dassl.data.transforms.transforms import INTERPOLATION_MODES, build_transform, check_views

__all__ = ["INTERPOLATION_MODES", "build_transform", "check_views"]
