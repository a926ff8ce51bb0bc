"""The demo suite: small datasets that are made on first use and then read as any other.

Three have ten classes, so base and new have five; `DemoSuite` joins them. Two are the first one's
shapes in other styles, for tests alone. Without DATASET.ROOT they lie in $PROMPTLAB_CACHE or
~/.cache/promptlab.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from dassl.data.datasets import DATASET_REGISTRY
from datasets.demo import shapes, sketch, store, striped, textures
from datasets.parts.multitask import JointDataset
from datasets.parts.reader import Lists, TaskPlace
from datasets.parts.split_file_reader import SplitFileDataset
from image_store import default_folder


class DemoDataset(SplitFileDataset):
    """A dataset whose pictures the repository can make itself."""

    images = store.IMAGES
    images_remedy = "delete the dataset's folder, which is then made again"
    counts: ClassVar[dict[str, int]] = {"train": 40, "val": 10, "test": 60}  # of each class

    def __init__(self, cfg: Any, *, as_task: TaskPlace | None = None) -> None:
        self.make_folder(Path(self.find_root(cfg)))
        super().__init__(cfg, as_task=as_task)

    @staticmethod
    def find_root(cfg: Any) -> str:
        """DATASET.ROOT, or the cache when it is empty."""
        return str(Path(cfg.DATASET.ROOT or default_folder()).expanduser().absolute())

    @classmethod
    def make_folder(cls, root: Path) -> Path:
        """Make the dataset below `root` unless it is there; returns its folder."""
        folder = root / cls.dataset_dir
        store.ensure(folder, cls.split_file, cls.__name__, cls.pictures)
        return folder

    @classmethod
    def pictures(cls) -> Iterator[store.Picture]:
        """Every picture, train, val, test."""
        raise NotImplementedError


class DrawnDataset(DemoDataset):
    """One whose pictures a module of `datasets.demo` draws: its CLASSES, draw and SEED."""

    renderer: ClassVar[ModuleType]

    @classmethod
    def pictures(cls) -> Iterator[store.Picture]:
        drawn = cls.renderer
        return store.drawn_pictures(drawn.CLASSES, drawn.draw, drawn.SEED, cls.counts)


class ShapeDataset(DrawnDataset):
    """One of the shapes: `class_ids` are the names, so that a head which was trained on all of them
    serves a set with some.
    """

    @property
    def class_ids(self) -> list[str]:
        """Names in label order."""
        return self.classnames


@DATASET_REGISTRY.register()
class DemoShapes(ShapeDataset):
    """Rendered shapes, the source domain: 400 / 100 / 600 images."""

    dataset_dir = "demo_shapes"
    split_file = "split_zhou_DemoShapes.json"
    task_name = "shape recognition"
    renderer = shapes


class DemoShapesVariant(ShapeDataset):
    """A test set of DemoShapes' classes or of some of them, in another style. As with ImageNet's
    variants, train and test are the same list, nothing is drawn from it, and there is no val; base
    and new are the halves of its own classes.
    """

    counts: ClassVar[dict[str, int]] = {"train": 0, "val": 0, "test": 60}
    drawn_splits = ()

    def read_lists(self) -> Lists:
        """The test list, as train and as test."""
        test = super().read_lists()["test"]
        return {"train": test, "val": [], "test": test}


@DATASET_REGISTRY.register()
class DemoShapesSketch(DemoShapesVariant):
    """Coloured outlines of all ten shapes: 600 images."""

    dataset_dir = "demo_shapes_sketch"
    split_file = "split_zhou_DemoShapesSketch.json"
    renderer = sketch


@DATASET_REGISTRY.register()
class DemoShapesStriped(DemoShapesVariant):
    """Six of the shapes with stripes: 360 images. Scored among its own classes."""

    dataset_dir = "demo_shapes_striped"
    split_file = "split_zhou_DemoShapesStriped.json"
    renderer = striped


@DATASET_REGISTRY.register()
class DemoTextures(DrawnDataset):
    """Rendered textures: 400 / 100 / 600 images."""

    dataset_dir = "demo_textures"
    split_file = "split_zhou_DemoTextures.json"
    template = "{} texture."
    task_name = "texture recognition"
    renderer = textures


@DATASET_REGISTRY.register()
class DemoDigits(DemoDataset):
    """Handwritten digits of scikit-learn (UCI optical digits): 1,078 / 179 / 540 images."""

    dataset_dir = "demo_digits"
    split_file = "split_zhou_DemoDigits.json"
    template = "a photo of the digit {}."
    task_name = "digit recognition"

    @classmethod
    def pictures(cls) -> Iterator[store.Picture]:
        from datasets.demo import digits

        return store.listed_pictures(digits.CLASSES, digits.load())


@DATASET_REGISTRY.register()
class DemoSuite(JointDataset):
    """The three demo datasets as three tasks."""

    members: ClassVar = {
        "demo_shapes": DemoShapes,
        "demo_textures": DemoTextures,
        "demo_digits": DemoDigits,
    }
