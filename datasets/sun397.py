"""SUN397: 397 scenes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.split_dataset import SplitFileDataset


@DATASET_REGISTRY.register()
class SUN397(SplitFileDataset):
    """`sun397/SUN397/<letter>/<class>/`, where a class may be two folders deep,
    split_zhou_SUN397.json; 15,880 / 3,970 / 19,850 images.
    """

    dataset_dir = "sun397"
    images = "SUN397"
    split_file = "split_zhou_SUN397.json"
    split_url = "https://drive.google.com/file/d/1y2RD81BYuiyvebdN-JymPfyWYcd8_MUq/view?usp=sharing"
    images_url = (
        "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz "
        "or a copy with md5 8ca2778205c41d23104230ba66911c7a"
    )
    template = "a photo of a {}."
    task_name = "scene recognition"
