"""SUN397: 397 scenes."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.items import Item
from datasets.parts.official_lists import Official, read_official
from datasets.parts.split_file_reader import PublishedSplit
from datasets.parts.text_lists import read_lines

LISTS_URL = "https://vision.princeton.edu/projects/2010/SUN/download/Partitions.zip"


@DATASET_REGISTRY.register()
class SUN397(PublishedSplit):
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
    task_name = "scene recognition"

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """ClassName.txt (label = line, from 0: `/a/apartment_building/outdoor`), Training_01.txt
        and Testing_01.txt (`/a/apartment_building/outdoor/sun_aaar.jpg`).
        """
        lines = read_lines(str(folder / "ClassName.txt"), f"get it from {LISTS_URL}")
        labels = {line.lstrip("/"): label for label, line in enumerate(lines)}

        def parse(line: str) -> Item:
            path = line.lstrip("/")
            place = path.rpartition("/")[0]
            return Item(path, labels[place], _class_name(place))

        trainval, test = (
            read_official(folder / name, LISTS_URL, parse)
            for name in ("Training_01.txt", "Testing_01.txt")
        )
        return Official(trainval, test)


def _class_name(place: str) -> str:
    """The folders after the letter, the innermost first."""
    return " ".join(reversed(place.split("/")[1:]))
