"""ImageNet-Sketch: sketches of ImageNet's 1000 classes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.imagenet_folders import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetSketch(ImageNetVariant):
    """`imagenet-sketch/images/<wnid>/` and classnames.txt; 50,889 images."""

    dataset_dir = "imagenet-sketch"
    images = "images"
    images_url = "https://github.com/HaohanWang/ImageNet-Sketch"
    complete = True
