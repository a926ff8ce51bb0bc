"""What a dataset is: lists of images with labels."""

import logging
import os
import random
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from dassl.utils.errors import BadFileError, BadValueError, CheckFailedError, UserError
from dassl.utils.files import download_url

logger = logging.getLogger(__name__)


class Datum:
    """One image. Published few-shot caches are pickles of this class: keep its path and attributes.

    Args:
        impath: path of an existing image file.
        label: class, from 0.
        domain: domain, from 0.
        classname: name of the class.

    Raises:
        CheckFailedError: (an AssertionError) `impath` is no path of an existing file.
    """

    def __init__(
        self, impath: str = "", label: int = 0, domain: int = 0, classname: str = ""
    ) -> None:
        if not isinstance(impath, str) or not os.path.isfile(impath):
            raise CheckFailedError(
                f"no image file {impath!r}; check DATASET.ROOT and the split file"
            )
        self._impath = impath
        self._label = label
        self._domain = domain
        self._classname = classname

    @property
    def impath(self) -> str:
        return self._impath

    @property
    def label(self) -> int:
        return self._label

    @property
    def domain(self) -> int:
        return self._domain

    @property
    def classname(self) -> str:
        return self._classname


class DatumMT:
    """One image of one or more tasks. Published few-shot caches are pickles of this class: keep its
    path and attributes.

    Args:
        impath: path of the image; not looked up here.
        label: the class inside each task, from 0.
        domain: domain, from 0.
        task: task ids, as many as labels.
        box: unused.

    Raises:
        CheckFailedError: (an AssertionError) `impath` is no text, or there are not as many labels
            as tasks.
    """

    def __init__(
        self,
        impath: str = "",
        label: Sequence[int] = (),
        domain: int = 0,
        task: Sequence[int] = (),
        box: Any = None,
    ) -> None:
        if not isinstance(impath, str):
            raise CheckFailedError(f"image path {impath!r}: give the path as text")
        if len(label) != len(task):
            raise CheckFailedError(f"{impath}: {len(label)} labels for {len(task)} tasks")
        self._impath = impath
        self._label = label
        self._domain = domain
        self._task = task
        self._box = box

    @property
    def impath(self) -> str:
        return self._impath

    @property
    def label(self) -> Sequence[int]:
        return self._label

    @label.setter  # SoftCPT's dataset files renumber classes and tasks in place
    def label(self, value: Sequence[int]) -> None:
        self._label = value

    @property
    def domain(self) -> int:
        return self._domain

    @property
    def task(self) -> Sequence[int]:
        return self._task

    @task.setter
    def task(self, value: Sequence[int]) -> None:
        self._task = value

    @property
    def box(self) -> Any:
        return self._box

    @property
    def key(self) -> tuple[tuple[int, int], ...]:
        """What few shots are counted by: (task, label), once for each task."""
        return tuple(zip(self._task, self._label, strict=True))


class DatasetBase:
    """Lists of `Datum` for training, validation and test.

    Args:
        train_x: labelled training images.
        train_u: unlabelled training images (optional).
        val: validation images (optional).
        test: test images.

    Raises:
        BadValueError: (a ValueError) `train_x` is empty.
    """

    dataset_dir = ""  # folder below DATASET.ROOT
    domains: ClassVar[list[str]] = []

    def __init__(
        self,
        train_x: list[Datum] | None = None,
        train_u: list[Datum] | None = None,
        val: list[Datum] | None = None,
        test: list[Datum] | None = None,
    ) -> None:
        if not train_x:
            raise BadValueError(
                f"dataset {type(self).__name__} has no training images; "
                "check DATASET.ROOT, DATASET.NUM_SHOTS and the split file"
            )
        self._train_x = train_x
        self._train_u = train_u
        self._val = val
        self._test = test
        self._num_classes = self.get_num_classes(train_x)
        self._lab2cname, self._classnames = self.get_lab2cname(train_x)

    @property
    def train_x(self) -> list[Datum]:
        return self._train_x

    @property
    def train_u(self) -> list[Datum] | None:
        return self._train_u

    @property
    def val(self) -> list[Datum] | None:
        return self._val

    @property
    def test(self) -> list[Datum] | None:
        return self._test

    @property
    def lab2cname(self) -> dict[int, str]:
        return self._lab2cname

    @property
    def classnames(self) -> list[str]:
        return self._classnames

    @property
    def num_classes(self) -> int:
        return self._num_classes

    @staticmethod
    def get_num_classes(data_source: Iterable[Datum]) -> int:
        """The largest label + 1."""
        return max(item.label for item in data_source) + 1

    @staticmethod
    def get_lab2cname(data_source: Iterable[Datum]) -> tuple[dict[int, str], list[str]]:
        """Label -> class name, and the names in order of the labels.

        quirk: a label that no item has is left out, so later names move up by one.
        """
        names = {item.label: item.classname for item in data_source}
        lab2cname = {label: names[label] for label in sorted(names)}
        return lab2cname, list(lab2cname.values())

    def check_input_domains(
        self, source_domains: Sequence[str], target_domains: Sequence[str]
    ) -> None:
        """Check that the domains of a configuration are among the dataset's.

        Raises:
            BadValueError: (a ValueError) names the unknown ones.
        """
        self.is_input_domain_valid(source_domains)
        self.is_input_domain_valid(target_domains)

    def is_input_domain_valid(self, input_domains: Sequence[str]) -> None:
        """See `check_input_domains`."""
        unknown = [domain for domain in input_domains if domain not in self.domains]
        if unknown:
            raise BadValueError(
                f"{type(self).__name__} has no domain {', '.join(unknown)}; "
                f"it has {', '.join(self.domains) or 'none'}"
            )

    def download_data(self, url: str, dst: str, from_gdrive: bool = True) -> None:
        """Download an archive to `dst` and unpack it beside itself.

        Raises:
            UserError: the package gdown is needed and missing, or the archive is of no known kind.
        """
        os.makedirs(os.path.dirname(dst) or ".", exist_ok=True)
        if from_gdrive:
            try:
                import gdown
            except ImportError as error:
                raise UserError(
                    f"downloading {url} needs the package gdown: pip install gdown"
                ) from error
            gdown.download(url, dst, quiet=False)
        else:
            download_url(url, dst)
        folder = os.path.dirname(dst) or "."
        if zipfile.is_zipfile(dst):
            with zipfile.ZipFile(dst) as archive:
                archive.extractall(folder)
        elif tarfile.is_tarfile(dst):
            with tarfile.open(dst) as archive:
                archive.extractall(folder, filter="data")
        else:
            raise BadFileError(f"{dst} is neither a zip nor a tar archive; download it again")

    def generate_fewshot_dataset(
        self, *data_sources: list[Datum], num_shots: int = -1, repeat: bool = False
    ) -> Any:
        """Draw `num_shots` images per class with Python's global random generator.

        Labels are visited in order of first appearance, so that a seed gives the published images.
        A class with fewer images is taken whole, without a draw (`repeat`: drawn with
        replacement).

        Returns:
            `num_shots` < 1: the source (or the tuple of sources) unchanged. Else a list, or a list
            of lists for several sources.
        """
        if num_shots < 1:
            return data_sources[0] if len(data_sources) == 1 else data_sources
        logger.info("Creating a %s-shot dataset", num_shots)
        chosen = []
        for source in data_sources:
            few: list[Datum] = []
            for items in self.split_dataset_by_label(source).values():
                if len(items) >= num_shots:
                    few.extend(random.sample(items, num_shots))
                elif repeat:
                    few.extend(random.choices(items, k=num_shots))
                else:
                    few.extend(items)
            chosen.append(few)
        return chosen[0] if len(chosen) == 1 else chosen

    def split_dataset_by_label(self, data_source: Iterable[Datum]) -> dict[int, list[Datum]]:
        """Label -> items, labels in order of first appearance."""
        groups: dict[int, list[Datum]] = defaultdict(list)
        for item in data_source:
            groups[item.label].append(item)
        return groups

    def split_dataset_by_domain(self, data_source: Iterable[Datum]) -> dict[int, list[Datum]]:
        """Domain -> items, domains in order of first appearance."""
        groups: dict[int, list[Datum]] = defaultdict(list)
        for item in data_source:
            groups[item.domain].append(item)
        return groups
