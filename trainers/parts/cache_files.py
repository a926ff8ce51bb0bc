"""The caches that gaopengcuhk/Tip-Adapter leaves in `caches/<dataset>/`.

N entries, C classes, D joint width.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dassl.utils.checkpoints import load_checkpoint
from dassl.utils.errors import BadFileError


@dataclass(frozen=True)
class PublishedCache:
    """Keys [N, D] and the class [N] of each, of `num_classes` classes in the dataset's order."""

    keys: Tensor
    labels: Tensor
    num_classes: int


def published_cache(directory: Path, shots: int, *, trained: bool) -> PublishedCache | None:
    """`keys_<K>shots.pt` [D, N] and `values_<K>shots.pt` [N, C]; None where they are not there.

    Args:
        trained: the keys of `best_F_<K>shots.pt` [N, D] in place of the others.

    Raises:
        MissingFileError: (a UserError) there are values, and no keys of that kind.
        BadFileError: (a UserError) the files do not fit together.
    """
    values_file = directory / f"values_{shots}shots.pt"
    if not values_file.is_file():
        return None
    keys_file = directory / f"{'best_F' if trained else 'keys'}_{shots}shots.pt"
    values, keys = load_checkpoint(values_file), load_checkpoint(keys_file)
    if not (isinstance(values, Tensor) and isinstance(keys, Tensor)):
        raise BadFileError(f"{keys_file} and {values_file} hold no tensors; are they of a cache?")
    keys = keys.detach().float() if trained else keys.float().t()
    if len(keys) != len(values):
        raise BadFileError(
            f"{keys_file} has {len(keys)} entries and {values_file} {len(values)}; "
            f"take both from one run"
        )
    return PublishedCache(keys, values.float().argmax(dim=1), values.shape[1])
