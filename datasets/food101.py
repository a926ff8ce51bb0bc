"""Food-101: 101 dishes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.split_file_reader import PublishedSplit


@DATASET_REGISTRY.register()
class Food101(PublishedSplit):
    """`food-101/images/<class>/`, split_zhou_Food101.json; 50,500 / 20,200 / 30,300 images."""

    dataset_dir = "food-101"
    images = "images"
    split_file = "split_zhou_Food101.json"
    split_url = "https://drive.google.com/file/d/1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl/view?usp=sharing"
    images_url = "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/"
    template = "a photo of {}, a type of food."
    task_name = "food recognition"
