"""ImageNet-A: photos that mislead a ResNet-50, of 200 of ImageNet's classes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.imagenet_folders import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetA(ImageNetVariant):
    """`imagenet-adversarial/imagenet-a/<wnid>/` and classnames.txt; 7,500 images. Scored among its
    own 200 classes.
    """

    dataset_dir = "imagenet-adversarial"
    images = "imagenet-a"
    images_url = "https://github.com/hendrycks/natural-adv-examples"
