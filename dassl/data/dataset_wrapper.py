"""From `Datum` to tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision import transforms as T

from dassl.data.datasets import Datum, DatumMT
from dassl.data.datasets.multitask import class_ranges
from dassl.data.kept_crops import KeptCrops, kept_crops
from dassl.data.transforms import INTERPOLATION_MODES
from dassl.utils.errors import BadValueError
from dassl.utils.files import MAX_PIXELS, read_image


class DatasetWrapper(Dataset):
    """Items are dictionaries: label, domain, impath, index, img (`[3, H, W]`).

    Args:
        cfg: the whole tree; K_TRANSFORMS, RETURN_IMG0, OLD_DATA_PATH and NEW_DATA_PATH (text of an
            image's path and what stands there instead) of DATALOADER, and INPUT are read (a larger
            image than INPUT.MAX_PIXELS is refused).
        data_source: the images.
        transform: one transform; or a list, whose results are img, img2, img3 ...; or None, and
            img is the PIL image.
        is_train: only then does K_TRANSFORMS > 1 make img a list of that many views.
    """

    def __init__(
        self,
        cfg: Any,
        data_source: Sequence[Datum],
        transform: Any = None,
        is_train: bool = False,
    ) -> None:
        self.cfg = cfg
        self.data_source = data_source
        self.transform = transform
        self.is_train = is_train
        self.k_tfm = cfg.DATALOADER.K_TRANSFORMS if is_train else 1
        self.max_pixels = cfg.INPUT.get("MAX_PIXELS", MAX_PIXELS)  # a key that trainers add
        self.return_img0 = cfg.DATALOADER.RETURN_IMG0
        self.old_path, self.new_path = _replaced_path(cfg)
        if self.k_tfm < 1:
            raise BadValueError(f"DATALOADER.K_TRANSFORMS = {self.k_tfm}: must be 1 or more")
        if self.k_tfm > 1 and transform is None:
            raise BadValueError(
                f"DATALOADER.K_TRANSFORMS = {self.k_tfm} needs a transform; "
                "set INPUT.NO_TRANSFORM to False"
            )
        plain = [
            T.Resize(cfg.INPUT.SIZE, interpolation=INTERPOLATION_MODES[cfg.INPUT.INTERPOLATION]),
            T.ToTensor(),
        ]
        if "normalize" in cfg.INPUT.TRANSFORMS:
            mean, std = cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD
            plain.append(T.Normalize(mean=mean, std=std, inplace=True))
        self.to_tensor = T.Compose(plain)
        self.crops: KeptCrops | None = None

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        output = self.facts(idx)
        if self.crops is not None:
            return {**output, "img": self.crops.view(idx)}
        img0 = read_image(output["impath"], self.max_pixels)
        if isinstance(self.transform, list | tuple):
            for number, transform in enumerate(self.transform, 1):
                output["img" if number == 1 else f"img{number}"] = self._views(transform, img0)
        else:
            output["img"] = img0 if self.transform is None else self._views(self.transform, img0)
        if self.return_img0:
            output["img0"] = self.to_tensor(img0)
        return output

    def facts(self, idx: int) -> dict[str, Any]:
        """An item without its image: label, domain, impath, index."""
        item = self.data_source[idx]
        return {
            "label": self.label(item),
            "domain": item.domain,
            "impath": self.path(item),
            "index": idx,
        }

    @property
    def paths(self) -> list[str]:
        """Where all images are read from, in their order."""
        return list(map(self.path, self.data_source))

    @property
    def is_storable(self) -> bool:
        """Whether an item is one view of its image and nothing else of it."""
        return not self.is_train and not self.return_img0

    def keep_crops(self, num_workers: int) -> None:
        """Read images from the store's crops, and make those that it does not have; nothing where
        no store is in use or the transform is none of `kept_crops`."""
        self.crops = None
        if self.is_storable:
            name = self.cfg.DATASET.NAME
            self.crops = kept_crops(self.paths, self.transform, self.max_pixels, name)
        if self.crops is not None:
            self.crops.fill(num_workers)

    def path(self, item: Any) -> str:
        """Where an item's image is read from."""
        return item.impath.replace(self.old_path, self.new_path) if self.old_path else item.impath

    def label(self, item: Any) -> Any:
        """What the batch gets as an item's label: its class."""
        return item.label

    def _views(self, transform: Any, img0: Any) -> torch.Tensor | list[torch.Tensor]:
        views = [transform(img0) for _ in range(self.k_tfm)]
        return views if self.k_tfm > 1 else views[0]


class MultiTaskWrapper(DatasetWrapper):
    """`DatasetWrapper` of `DatumMT` items: labels are rows `[C]` (int64) of the joint classes: 1 at
    the class, 0 at other classes of its task, -1 at those of other tasks.

    Args:
        cfg, data_source, transform, is_train: see `DatasetWrapper`.
        class_counts: number of classes of each task.
    """

    def __init__(
        self,
        cfg: Any,
        data_source: Sequence[DatumMT],
        transform: Any = None,
        is_train: bool = False,
        *,
        class_counts: Sequence[int],
    ) -> None:
        super().__init__(cfg, data_source, transform, is_train)  # type: ignore[arg-type]
        self.ranges = class_ranges(class_counts)

    def label(self, item: DatumMT) -> torch.Tensor:
        """The row of an item.

        Raises:
            BadValueError: a task or label that the dataset does not have.
        """
        row = torch.full((self.ranges[-1][1],), -1, dtype=torch.int64)
        for task, label in item.key:
            if not 0 <= task < len(self.ranges):
                raise BadValueError(
                    f"{item.impath}: task {task}, but the dataset has {len(self.ranges)} tasks"
                )
            start, end = self.ranges[task]
            if not 0 <= label < end - start:
                raise BadValueError(
                    f"{item.impath}: label {label}, but task {task} has {end - start} classes"
                )
            row[start:end] = 0
            row[start + label] = 1
        return row


def _replaced_path(cfg: Any) -> tuple[str, str]:
    """DATALOADER.OLD_DATA_PATH and NEW_DATA_PATH, keys that trainers add; both or none."""
    old, new = (cfg.DATALOADER.get(key, "") for key in ("OLD_DATA_PATH", "NEW_DATA_PATH"))
    if bool(old) != bool(new):
        raise BadValueError(
            f"DATALOADER.OLD_DATA_PATH = {old!r} and NEW_DATA_PATH = {new!r}: "
            "give both (--old-data-path, --new-data-path) or none"
        )
    return old, new
