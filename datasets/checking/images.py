"""Decoding of all images, in a pool of processes."""

import sys
import warnings
from collections.abc import Sequence
from itertools import chain

from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dassl.utils.errors import BadFileError, UserError
from dassl.utils.files import MAX_PIXELS, open_image

_CHUNK = 32  # images that a process takes at a time
FEW = 256  # so many are decoded here: processes take longer to start
_SCALE = 8  # a JPEG's smallest scale: it reads all of the file, and skips most of the arithmetic


def why_unreadable(path: str, max_pixels: int = MAX_PIXELS) -> str | None:
    """Why an image cannot be decoded, as a run reads it; None if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which no run looks at
            with open_image(path, max_pixels) as image:
                if image.format == "JPEG":
                    small = [max(1, side // _SCALE) for side in image.size]
                    image.draft(image.mode, (small[0], small[1]))
                image.convert("RGB")
    except BadFileError as error:
        return str(error).removeprefix(f"{path} ")
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        return " ".join(str(error).split()) or type(error).__name__
    return None


class _Reasons(Dataset):
    """`why_unreadable` of each path."""

    def __init__(self, paths: Sequence[str], max_pixels: int) -> None:
        self._paths, self._max_pixels = paths, max_pixels

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> str | None:
        return why_unreadable(self._paths[place], self._max_pixels)


def unreadable(
    paths: Sequence[str], title: str, jobs: int = 1, max_pixels: int = MAX_PIXELS
) -> dict[str, str]:
    """Path -> reason of the images that cannot be decoded; shows progress on stderr.

    Args:
        jobs: number of processes.
        max_pixels: an image of more is not decoded.

    Raises:
        UserError: a process died.
    """
    workers = jobs if jobs > 1 and len(paths) > FEW else 0
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    reasons = DataLoader(
        _Reasons(paths, max_pixels), batch_size=_CHUNK, num_workers=workers, collate_fn=list
    )
    bad: dict[str, str] = {}
    done = 0
    try:
        with tqdm(
            total=len(paths), desc=title, unit=" images", file=sys.stderr, leave=False
        ) as bar:
            for path, why in zip(paths, chain.from_iterable(reasons), strict=True):
                if why is not None:
                    bad[path] = why
                done += 1
                bar.update()
    except RuntimeError as error:
        raise UserError(
            f"a process that decodes images died near {paths[done]} (memory, or an image that "
            "breaks the decoder); use --jobs 1"
        ) from error
    return bad
