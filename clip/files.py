"""Opens a weights file of any kind: TorchScript archive, torch.save, safetensors. Nothing that a
file contains is run."""

import contextlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clip.archive import archived_tensors, is_archive, program_activation
from clip.errors import WeightsError
from clip.stored import Stored

NOT_RUN = "nothing in the file was run; save the model's state_dict() with torch.save and load that"
AGAIN = "download or copy it again"


@dataclass(frozen=True)
class Content:
    """What an open file holds.

    Attributes:
        entries: tensors, to be read while the file is open, and whatever stands around them.
        is_archive: whether it is a TorchScript archive.
        activation: the one that an archive's program computes, where it can be told.
    """

    entries: Mapping
    is_archive: bool = False
    activation: str | None = None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Content]:
    """The content of a weights file, for as long as the context lasts.

    Raises:
        WeightsError: it is cut short, damaged or of another kind, now or when a tensor is read.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if is_archive(file):
                yield _archive(file)
                return
    else:
        with path.open("rb") as raw:
            start = raw.read(16)
        if start[:2] in (b"PK", b""):  # a zip file's index stands at its end
            raise WeightsError(f"the file is cut short; {AGAIN}")
        if start == b"version https://":
            raise WeightsError("a pointer of Git LFS, not the file; fetch it with git lfs pull")
        if path.suffix == ".safetensors" or start[8:10] in (b'{"', b"{}"):
            yield Content(_safetensors(path))
            return
    yield Content(_saved(path))


def _archive(file: zipfile.ZipFile) -> Content:
    with _named_damage():
        tensors = archived_tensors(file)
        activation = program_activation(file)
    return Content(
        {name: replace(value, read=_guarded(value)) for name, value in tensors.items()},
        is_archive=True,
        activation=activation,
    )


def _guarded(value: Stored) -> Callable[[], Tensor]:
    def read() -> Tensor:
        with _named_damage():
            return value.read()

    return read


@contextlib.contextmanager
def _named_damage() -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        raise WeightsError(f"not a model that can be read safely: {error}; {NOT_RUN}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(f"the archive is damaged ({_one_line(error)}); {AGAIN}") from None


def _safetensors(path: Path) -> dict[str, Stored]:
    """The file is mapped anew for each tensor: pages of a mapping that were read count as the
    process's memory until it ends."""
    from safetensors import SafetensorError, safe_open

    def read(name: str) -> Tensor:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name).clone()

    def entry(name: str, shape: list[int], dtype: torch.dtype) -> Stored:
        return Stored(tuple(shape), dtype, lambda: read(name))

    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {
                name: entry(name, part.get_shape(), _dtype(name, part.get_dtype()))
                for name, part in slices.items()
            }
    except SafetensorError as error:
        raise WeightsError(f"no whole safetensors file ({_one_line(error)}); {AGAIN}") from None


def _dtype(name: str, code: str) -> torch.dtype:
    """The dtype of a code of the format, as BF16, F32, I64."""
    codes = {"F": "float", "I": "int", "U": "uint", "BF": "bfloat"}
    letters, bits = re.fullmatch(r"([A-Z]+)(.*)", code).groups()
    dtype = torch.bool if code == "BOOL" else getattr(torch, f"{codes.get(letters)}{bits}", None)
    if dtype is None:
        raise WeightsError(f"{name} is {code}; save it as float16 or float32")
    return dtype


def _saved(path: Path) -> Mapping:
    """What torch.save wrote; its tensors are in memory already, for nobody but the caller."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f" (it names {named[1]})" if named else ""
        raise WeightsError(f"not a plain state dict{what}; {NOT_RUN}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(f"cannot be read ({_one_line(error)}); {AGAIN}") from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"holds a {type(content).__name__}, not a state dict; {NOT_RUN}")
    return content


def _one_line(error: Exception) -> str:
    """The first line of a message, whole words of it."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 120 else text[:120].rsplit(" ", 1)[0] + " ..."
