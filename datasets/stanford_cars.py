"""Stanford Cars: 196 models, names start with the year."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.split_dataset import SplitFileDataset


@DATASET_REGISTRY.register()
class StanfordCars(SplitFileDataset):
    """`stanford_cars/cars_train/` and `cars_test/`, split_zhou_StanfordCars.json; 6,509 / 1,635 /
    8,041 images. With the split file no .mat file is needed.
    """

    dataset_dir = "stanford_cars"
    images = "."
    image_folders = ("cars_train", "cars_test")
    split_file = "split_zhou_StanfordCars.json"
    split_url = "https://drive.google.com/file/d/1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT/view?usp=sharing"
    images_url = "https://github.com/pytorch/vision/issues/7545 (copies; the first links are dead)"
    template = "a photo of a {}."
    task_name = "car model recognition"
