"""From `Datum` to tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision import transforms as T

from dassl.data.datasets import Datum
from dassl.data.transforms import INTERPOLATION_MODES
from dassl.utils.errors import BadValueError
from dassl.utils.files import read_image


class DatasetWrapper(Dataset):
    """Items are dictionaries: label, domain, impath, index, img (`[3, H, W]`).

    Args:
        cfg: the whole tree; K_TRANSFORMS and RETURN_IMG0 of DATALOADER, and INPUT are read.
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
        self.return_img0 = cfg.DATALOADER.RETURN_IMG0
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
            plain.append(T.Normalize(mean=cfg.INPUT.PIXEL_MEAN, std=cfg.INPUT.PIXEL_STD))
        self.to_tensor = T.Compose(plain)

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        item = self.data_source[idx]
        output: dict[str, Any] = {
            "label": item.label,
            "domain": item.domain,
            "impath": item.impath,
            "index": idx,
        }
        img0 = read_image(item.impath)
        if isinstance(self.transform, list | tuple):
            for number, transform in enumerate(self.transform, 1):
                output["img" if number == 1 else f"img{number}"] = self._views(transform, img0)
        else:
            output["img"] = img0 if self.transform is None else self._views(self.transform, img0)
        if self.return_img0:
            output["img0"] = self.to_tensor(img0)
        return output

    def _views(self, transform: Any, img0: Any) -> torch.Tensor | list[torch.Tensor]:
        views = [transform(img0) for _ in range(self.k_tfm)]
        return views if self.k_tfm > 1 else views[0]
