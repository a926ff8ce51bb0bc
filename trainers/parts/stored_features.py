"""Test images that the frozen image tower has encoded before: their features, kept in the store.

On a CPU a feature's last bits depend on the batch that it is computed in, so features are kept by
batch, and what they are computed with (weights, precision, device, threads, code) is in the key:
they equal those that the run would compute, bit for bit.

B images, D joint width.
"""

import logging
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, default_collate
from tqdm import tqdm

import clip
from dassl.data.dataset_wrapper import DatasetWrapper
from dassl.data.image_digests import Contents, code_digest
from dassl.data.kept_crops import image_facts
from image_store import active, left_over, shared_order
from image_store.entry import Entry
from trainers.parts.backbone import tower_digest

logger = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds for another process to encode a batch
_SLOWER = 4  # times as long as this one's slowest batch, where that is longer
_CODE = code_digest(*sorted(Path(clip.__file__).parent.glob("*.py")))
# Lines of Linux that tell a processor's kind: of x86, of ARM.
_KIND = (
    *("model name", "cpu family", "model", "stepping", "flags"),
    *("CPU implementer", "CPU variant", "CPU part", "CPU revision", "Features"),
)

Encode = Callable[[Tensor], Tensor]  # images [B, 3, H, W] on the device -> raw features [B, D]


@dataclass(frozen=True)
class EncodedImages:
    """What stands for the images of a batch in a test: raw features [B, D] of the image tower."""

    feature: Tensor

    def to(self, *place: Any, **how: Any) -> "EncodedImages":
        """As of a tensor."""
        return EncodedImages(self.feature.to(*place, **how))

    def __len__(self) -> int:
        return len(self.feature)


class StoredBatches:
    """The batches of a test in the loader's order, with `EncodedImages` in place of images.

    Args:
        loader: of a `DatasetWrapper`, in order.
        entry: of the store; a row is a feature, a part is a batch.
        images: their contents.
        encode: see `Encode`.
        device: of the run.
        dtype: of the features.
    """

    def __init__(
        self,
        loader: DataLoader,
        entry: Entry,
        images: Contents,
        encode: Encode,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._loader, self._entry, self._contents = loader, entry, images
        self._encode, self._device, self._dtype = encode, device, dtype
        self._own: dict[int, Tensor] = {}  # batches that the store does not take

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # What a loader draws when it starts: later draws of the run are those of the plain path.
        torch.empty((), dtype=torch.int64).random_()
        missing = self._entry.missing()
        self._fill(missing)
        self._entry.use()
        kept = self._entry.parts - len(missing)
        logger.info(f"Image features of {kept} of {len(self)} batches come from the store")
        dataset = self._loader.dataset
        for part in range(self._entry.parts):
            feature = self._own.pop(part) if part in self._own else self._stored(part)
            if feature is None:
                feature = self._encode(self._images(part))
            facts = default_collate([dataset.facts(index) for index in self._entry.span(part)])
            yield {**facts, "img": EncodedImages(feature)}

    def _fill(self, missing: list[int]) -> None:
        """Encode the batches that are not there, together with other processes that do so at the
        same time."""
        others, slowest = [], 0.0
        order = shared_order(missing)
        batches = tqdm(self._read(order), total=len(order), disable=None)
        for part, images in zip(order, batches, strict=True):
            started = time.monotonic()
            if self._entry.has(part):
                continue
            if not self._claim(part):
                others.append(part)
                continue
            self._put(part, self._encode(images.to(self._device, non_blocking=True)))
            slowest = max(slowest, time.monotonic() - started)
        for part in left_over(self._entry, others, max(_PATIENCE, _SLOWER * slowest)):
            self._put(part, self._encode(self._images(part)))

    def _read(self, order: list[int]) -> Iterator[Tensor]:
        """The images of batches, read as the loader would read them."""
        if not order:
            return
        loader = DataLoader(
            self._loader.dataset,
            batch_sampler=[list(self._entry.span(part)) for part in order],
            num_workers=min(self._loader.num_workers, len(order)),
            pin_memory=self._loader.pin_memory,
            generator=torch.Generator(),
        )
        for batch in loader:
            yield batch["img"]

    def _images(self, part: int) -> Tensor:
        dataset = self._loader.dataset
        images = [dataset[index]["img"] for index in self._entry.span(part)]
        return default_collate(images).to(self._device)

    def _claim(self, part: int) -> bool:
        """Whether this process is to encode a batch."""
        store = self._entry.store
        if store.why_closed:
            return True
        try:
            return self._entry.claim(part)
        except OSError as error:
            store.close(error)
            return True

    def _put(self, part: int, feature: Tensor) -> None:
        """Keep the features of a batch, in the store if it takes them and the images are still
        those that the entry is of."""
        store = self._entry.store
        takes = not store.why_closed and feature.dtype == self._dtype
        if takes and self._contents.unchanged(self._entry.span(part)):
            try:
                self._entry.write(part, feature.contiguous().view(torch.uint8).cpu().numpy())
            except OSError as error:
                store.close(error)
        self._entry.release(part)
        if not self._entry.has(part):
            self._own[part] = feature

    def _stored(self, part: int) -> Tensor | None:
        rows = self._entry.part(part)
        if rows is None:
            return None
        # Memory of torch's own: the last bits of a product may depend on where a tensor begins.
        return torch.from_numpy(rows).clone().view(self._dtype).to(self._device)


def stored_batches(
    loader: Any, model: clip.CLIP, encode: Encode, precision: str, device: torch.device
) -> StoredBatches | None:
    """The batches of a test on a frozen image tower; None where no store is in use, or features
    cannot be told apart: weights of no file, images in another order than the list's, a transform
    with chance.

    Args:
        loader: of the test.
        model: the frozen CLIP.
        encode: see `Encode`.
        precision: name of the run's precision.
    """
    store, source = active(), model.source
    if store is None or source is None or not _in_order(loader):
        return None
    dataset = loader.dataset
    known = image_facts(dataset.paths, dataset.transform, dataset.max_pixels)
    if known is None:
        return None
    image_keys, images = known
    dtype = torch.float16 if precision == "amp" else model.dtype
    facts = {
        "images": image_keys,
        "weights": source.sha256,
        "activation": source.activation,
        "tower": [tower_digest(model.visual), *structure_facts(model.dims)],
        "precision": precision,
        "torch": torch.__version__,
        "code": _CODE,
        "device": device_facts(device),
    }
    entry = Entry(
        store,
        "features",
        facts,
        rows=len(dataset),
        width=model.visual.output_dim * dtype.itemsize,
        step=loader.batch_size,
        about={"what": f"features of {dataset.cfg.DATASET.NAME}: {source.name}, {precision}"},
    )
    return StoredBatches(loader, entry, images, encode, device, dtype)


def structure_facts(dims: clip.CLIPDims) -> list[str]:
    """What a tower does with its weights that their shapes do not tell: heads, pooling, norms; of
    one of timm the libraries that built it too."""
    versions = [metadata.version(name) for name in ("timm", "open_clip_torch") if dims.timm]
    return [repr(dims), *versions]


def device_facts(device: torch.device) -> list[Any]:
    """What the last bits of a product depend on, beside its factors."""
    if device.type != "cuda":
        capability, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
        kind = torch.get_float32_matmul_precision()
        return [device.type, _processor(), capability, threads, kind]
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return [
        torch.cuda.get_device_name(device),
        torch.version.cuda,
        cudnn.version(),
        matmul.allow_tf32,
        cudnn.allow_tf32,
        cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    ]


def _processor() -> str:
    """The kind of CPU, as far as the system tells it: names of rented ones are of many kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    first = lines[: lines.index("")] if "" in lines else lines
    kind = [line for line in first if line.partition(":")[0].strip() in _KIND]
    return "\n".join([platform.machine(), *kind])


def _in_order(loader: Any) -> bool:
    dataset = getattr(loader, "dataset", None)
    return (
        isinstance(dataset, DatasetWrapper)
        and type(dataset).__getitem__ is DatasetWrapper.__getitem__
        and dataset.is_storable
        and type(loader.sampler) is SequentialSampler
        and bool(loader.batch_size)
        and not loader.drop_last
        and loader.collate_fn is default_collate
    )
