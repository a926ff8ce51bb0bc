"""UCF101: 101 human actions, the middle frame of each video."""

import re
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.parts.items import Item
from datasets.parts.official_lists import Official, read_official
from datasets.parts.split_file_reader import PublishedSplit
from datasets.parts.text_lists import read_table

LISTS_URL = "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip"


@DATASET_REGISTRY.register()
class UCF101(PublishedSplit):
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

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """ucfTrainTestlist/classInd.txt (`1 ApplyEyeMakeup`), trainlist01.txt and testlist01.txt
        (`ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi`, train with the label behind it).
        """
        place = folder / "ucfTrainTestlist"
        index = place / "classInd.txt"
        numbers = read_table(str(index), f"get it from {LISTS_URL}")
        if not all(number.isdecimal() for number in numbers):
            raise BadFileError(f"{index} has a line without number; get it from {LISTS_URL}")
        labels = {action: int(number) - 1 for number, action in numbers.items()}

        def parse(line: str) -> Item:
            action, video = line.split()[0].split("/")
            name = "_".join(re.findall("[A-Z][^A-Z]*", action))
            return Item(f"{name}/{video.removesuffix('.avi')}.jpg", labels[action], name)

        trainval, test = (
            read_official(place / name, LISTS_URL, parse)
            for name in ("trainlist01.txt", "testlist01.txt")
        )
        return Official(trainval, test)
