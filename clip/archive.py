"""Reads the tensors of a TorchScript archive without running anything that it contains.

The public weights are TorchScript archives: zip files with program code (``code/``), a pickled tree
of modules (``data.pkl``) and raw tensor data (``data/``). ``torch.jit.load`` would compile the
code. Here only the tree is unpickled, with every class replaced by an inert record and every
function outside a short list refused.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath

import torch
from torch import Tensor

from clip.stored import Stored

CHUNK = 1 << 20

STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Record:
    """Stands for an object of any TorchScript class: keeps its attributes, does nothing."""

    attributes: dict[str, object]

    def __new__(cls, *_arguments: object) -> "Record":
        record = super().__new__(cls)
        record.attributes = {}
        return record

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a module's state is not a dictionary")
        self.attributes = state


def is_archive(file: zipfile.ZipFile) -> bool:
    """Whether an opened zip file is a TorchScript archive (a plain torch.save has no constants)."""
    return any(PurePosixPath(name).name == "constants.pkl" for name in file.namelist())


def archived_tensors(file: zipfile.ZipFile) -> dict[str, Stored]:
    """All tensor attributes of the module tree under their dotted names, to be read while the file
    is open.

    Raises:
        pickle.UnpicklingError: the tree asks for anything but modules, tensors and plain values.
        Exception: of any other kind, where the archive is damaged or incomplete; reading a tensor
            raises likewise.
    """
    folder = _folder(file)
    if f"{folder}byteorder" in file.namelist() and file.read(f"{folder}byteorder") != b"little":
        raise pickle.UnpicklingError("big-endian tensor data")
    tree = _TreeUnpickler(file, folder).load()
    return dict(_tensors(tree, ""))


def program_activation(file: zipfile.ZipFile) -> str | None:
    """The activation that an archive's own program computes, "quick_gelu" or "gelu"; None where its
    text names neither or both."""
    code = f"{_folder(file)}code/"
    text = b"".join(
        file.read(name) for name in file.namelist() if name.startswith(code) and name[-3:] == ".py"
    )
    quick, plain = b"sigmoid(" in text, b"gelu(" in text
    if quick == plain:
        return None
    return "quick_gelu" if quick else "gelu"


def _folder(file: zipfile.ZipFile) -> str:
    root = next(n for n in file.namelist() if PurePosixPath(n).name == "constants.pkl")
    return root.removesuffix("constants.pkl")


def _tensors(node: object, prefix: str) -> Iterator[tuple[str, Stored]]:
    if isinstance(node, Stored):
        yield prefix, node
    elif isinstance(node, Record):
        for name, value in node.attributes.items():
            yield from _tensors(value, f"{prefix}.{name}" if prefix else str(name))


@dataclass(frozen=True)
class _Storage:
    """Flat tensor data of the archive."""

    file: zipfile.ZipFile
    entry: str
    dtype: torch.dtype
    count: int

    def read(self) -> Tensor:
        whole = torch.empty(self.count, dtype=self.dtype)
        if not self.count:
            return whole
        room = memoryview(whole.view(torch.uint8).numpy())
        done = 0
        with self.file.open(self.entry) as data:
            while got := data.readinto(room[done : done + CHUNK]):
                done += got
            if done < len(room) or data.read(1):
                raise pickle.UnpicklingError(f"{self.entry} is not {len(room)} bytes long")
        return whole


class _TreeUnpickler(pickle.Unpickler):
    def __init__(self, file: zipfile.ZipFile, folder: str):
        super().__init__(io.BytesIO(file.read(f"{folder}data.pkl")))
        self._file = file
        self._folder = folder

    def find_class(self, module: str, name: str) -> object:
        if module == "__torch__" or module.startswith("__torch__."):
            return Record
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None

    def persistent_load(self, pid: object) -> _Storage:
        """A storage; ``pid`` is ("storage", dtype, key, device, number of elements)."""
        match pid:
            case ("storage", torch.dtype() as dtype, str(key), str(), int(count)):
                entry = f"{self._folder}data/{key}"
                size = self._file.getinfo(entry).file_size
                if size != count * dtype.itemsize:
                    raise pickle.UnpicklingError(f"tensor data {key} has {size} bytes")
                return _Storage(self._file, entry, dtype, count)
        raise pickle.UnpicklingError("a persistent object is no tensor storage")


def _rebuild_tensor(
    storage: _Storage, offset: int, size: Sequence[int], stride: Sequence[int], *_unused: object
) -> Stored:
    """What torch._utils._rebuild_tensor_v2 does, refusing to leave the storage."""
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min((offset, *size, *stride)) < 0 or (prod(size) and last >= storage.count):
        raise pickle.UnpicklingError("a tensor reaches beyond its data")
    if prod(size) > storage.count:
        raise pickle.UnpicklingError("a tensor repeats its data")

    def read() -> Tensor:
        view = storage.read().as_strided(tuple(size), tuple(stride), offset)
        return view.contiguous() if prod(size) == storage.count else view.clone()

    return Stored(tuple(size), storage.dtype, read)


def _as_it_is(value: object, *_type: object) -> object:
    return value


ALLOWED: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.jit._pickle", "restore_type_tag"): _as_it_is,
    **{
        ("torch.jit._pickle", f"build_{kind}list"): _as_it_is
        for kind in ("int", "double", "bool", "tensor")
    },
}
