"""Oxford Flowers: 102 kinds of flowers."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.split_dataset import SplitFileDataset


@DATASET_REGISTRY.register()
class OxfordFlowers(SplitFileDataset):
    """`oxford_flowers/jpg/`, split_zhou_OxfordFlowers.json; 4,093 / 1,633 / 2,463 images."""

    dataset_dir = "oxford_flowers"
    images = "jpg"
    split_file = "split_zhou_OxfordFlowers.json"
    split_url = "https://drive.google.com/file/d/1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT/view?usp=sharing"
    images_url = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz"
    template = "a photo of a {}, a type of flower."
    task_name = "flower recognition"
    task_metric = "mean_acc"
