"""Describable Textures (DTD): 47 textures. The folder splitter that other dataset files import
hangs on its class.
"""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.new_splits import split_folders
from datasets.parts.split_file_reader import PublishedSplit


@DATASET_REGISTRY.register()
class DescribableTextures(PublishedSplit):
    """`dtd/images/<class>/`, split_zhou_DescribableTextures.json; 2,820 / 1,128 / 1,692 images."""

    dataset_dir = "dtd"
    images = "images"
    split_file = "split_zhou_DescribableTextures.json"
    split_url = "https://drive.google.com/file/d/1u3_QfB467jqHgNXC00UIzbLZRQCg2S7x/view?usp=sharing"
    images_url = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    template = "{} texture."
    task_name = "texture recognition"

    read_and_split_data = staticmethod(split_folders)
