"""Stanford Cars: 196 models, names start with the year."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import BadFileError
from datasets.parts.items import Item
from datasets.parts.official_lists import Official, read_mat
from datasets.parts.split_file_reader import PublishedSplit

LISTS_URL = "https://github.com/pytorch/vision/issues/7545 (copies; the first links are dead)"


@DATASET_REGISTRY.register()
class StanfordCars(PublishedSplit):
    """`stanford_cars/cars_train/` and `cars_test/`, split_zhou_StanfordCars.json; 6,509 / 1,635 /
    8,041 images. With the split file no .mat file is needed.
    """

    dataset_dir = "stanford_cars"
    images = "."
    image_folders = ("cars_train", "cars_test")
    split_file = "split_zhou_StanfordCars.json"
    split_url = "https://drive.google.com/file/d/1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT/view?usp=sharing"
    images_url = LISTS_URL
    task_name = "car model recognition"

    @classmethod
    def official_lists(cls, folder: Path) -> Official:
        """devkit/cars_train_annos.mat, cars_test_annos_withlabels.mat and the class names in
        devkit/cars_meta.mat.
        """
        devkit = folder / "devkit"
        meta = devkit / "cars_meta.mat"
        names = [_year_first(str(name)) for name in read_mat(meta, "class_names", LISTS_URL)]
        return Official(
            _read_annotations(devkit / "cars_train_annos.mat", "cars_train", names),
            _read_annotations(folder / "cars_test_annos_withlabels.mat", "cars_test", names),
        )


def _year_first(name: str) -> str:
    *words, year = name.split(" ")
    return " ".join([year, *words])


def _read_annotations(path: Path, below: str, names: list[str]) -> list[Item]:
    """`annotations` is a struct array with the file name `fname` and the label `class`, from 1."""
    items = []
    for row in read_mat(path, "annotations", LISTS_URL):
        try:
            label = int(row["class"]) - 1
            items.append(Item(f"{below}/{row['fname']}", label, dict(enumerate(names))[label]))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise BadFileError(
                f"{path}: entry {len(items)} has no fname and class 1 ... {len(names)}; get it "
                f"from {LISTS_URL}"
            ) from error
    return items
