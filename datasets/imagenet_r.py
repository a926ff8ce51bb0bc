"""ImageNet-R: paintings, toys, tattoos and other renditions of 200 of ImageNet's classes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.imagenet_folders import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetR(ImageNetVariant):
    """`imagenet-rendition/imagenet-r/<wnid>/` and classnames.txt; 30,000 images. Scored among its
    own 200 classes.
    """

    dataset_dir = "imagenet-rendition"
    images = "imagenet-r"
    images_url = "https://github.com/hendrycks/imagenet-r"
