"""UCF101: 101 human actions, the middle frame of each video."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.split_dataset import SplitFileDataset


@DATASET_REGISTRY.register()
class UCF101(SplitFileDataset):
    """`ucf101/UCF-101-midframes/<Class_Name>/`, split_zhou_UCF101.json; 7,639 / 1,898 / 3,783
    images.
    """

    dataset_dir = "ucf101"
    images = "UCF-101-midframes"
    split_file = "split_zhou_UCF101.json"
    split_url = "https://drive.google.com/file/d/1I0S0q91hJfsV9Gf4xDIjgDq4AqBNJb1y/view?usp=sharing"
    images_url = (
        "https://drive.google.com/file/d/10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O/view?usp=sharing"
    )
    template = "a photo of a person doing {}."
    task_name = "human action recognition"
