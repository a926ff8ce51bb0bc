"""Public model names, weights files, and loading a model from either.

Sources of names, files and hashes: openai/CLIP, clip/clip.py.
"""

import difflib
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from clip.archive import is_archive, read_archive
from clip.download import fetch
from clip.errors import ClipError, WeightsError
from clip.model import CLIP, build_model, empty_model
from clip.preprocess import image_transform
from clip.state import openai_layout

BASE_URL = "https://openaipublic.azureedge.net/clip/models"
DEFAULT_ROOT = "~/.cache/clip"

# name: (file, SHA-256); the hash is also the folder in the URL
PUBLIC_MODELS = {
    "RN50": ("RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    "RN101": ("RN101.pt", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
    "RN50x4": ("RN50x4.pt", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
    "RN50x16": ("RN50x16.pt", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
    "RN50x64": ("RN50x64.pt", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
    "ViT-B/32": ("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    "ViT-B/16": ("ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    "ViT-L/14": ("ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    "ViT-L/14@336px": (
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
    ),
}

NOT_RUN = "nothing in the file was run; save the model's state_dict() with torch.save and load that"


def available_models() -> list[str]:
    """Names that ``load`` downloads."""
    return list(PUBLIC_MODELS)


def load(
    name_or_path: str,
    device: str | torch.device | None = None,
    jit: bool = False,
    download_root: str | None = None,
) -> tuple[CLIP, Callable[[Image.Image], Tensor]]:
    """A frozen CLIP on a device, and its image transform.

    Args:
        name_or_path: a public name (downloaded once), or the path of a weights file.
        device: default the first CUDA device, else the CPU. Weights are the published half mix on
        CUDA, float32 else.
        jit: must be False; programs inside weights files are never run.
        download_root: folder of downloads, default ~/.cache/clip.

    Raises:
        WeightsError: unknown name, failed download, or a file that is no CLIP.
        ClipError: jit is set.
    """
    if jit:
        raise ClipError("clip.load(jit=True): programs in weights files are not run; use jit=False")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    state = load_state_dict(name_or_path, download_root)
    model = build_model(state, "fp16" if device.type == "cuda" else "fp32").to(device)
    return model, image_transform(model.visual.input_resolution)


def load_state_dict(name_or_path: str, download_root: str | None = None) -> dict[str, Tensor]:
    """The tensors of a public model or of a weights file in OpenAI's layout, on the CPU, as stored.

    Takes TorchScript archives and torch.save'd state dicts (also wrapped in {"state_dict": ...},
    with ``module.`` prefixes, or with a compact token embedding). Nothing that a file contains is
    run.

    Raises:
        WeightsError: unknown name, failed download, a file that is cut short or no CLIP.
    """
    kept = _kept.get(name_or_path)
    if kept and download_root is None and _stamp(kept.path) == kept.stamp:
        return dict(kept.state)
    path = find_weights(name_or_path, download_root)
    try:
        state = _read(path)
        empty_model(state)  # names every missing, unknown or misshapen tensor
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read: {error.strerror}; check its permissions"
        ) from None
    return state


@dataclass(frozen=True)
class _Kept:
    path: Path
    stamp: tuple[int, int] | None
    state: dict[str, Tensor]


_kept: dict[str, _Kept] = {}


def keep_state_dict(name_or_path: str) -> None:
    """Hold the tensors of weights that lie on this disk, for every later `load_state_dict` in this
    process and its forks, until the file changes; weights still to be downloaded are left alone.

    Raises:
        WeightsError: the file is cut short or no CLIP.
    """
    if name_or_path in PUBLIC_MODELS:
        path = Path(DEFAULT_ROOT, PUBLIC_MODELS[name_or_path][0]).expanduser()
    else:
        path = Path(name_or_path).expanduser()
    stamp = _stamp(path)
    if stamp is not None:
        _kept[name_or_path] = _Kept(path, stamp, load_state_dict(name_or_path))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, by which a change shows; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def find_weights(name_or_path: str, download_root: str | None = None) -> Path:
    """The file of a public name (downloaded if need be) or of a path.

    Raises:
        WeightsError: neither, or the download failed.
    """
    if name_or_path in PUBLIC_MODELS:
        file, sha256 = PUBLIC_MODELS[name_or_path]
        root = Path(download_root or DEFAULT_ROOT).expanduser()
        return fetch(f"{BASE_URL}/{sha256}/{file}", root / file, sha256)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    fault = "is a folder" if path.is_dir() else "no such file or model name"
    raise WeightsError(
        f"{name_or_path}: {fault};{_nearest(name_or_path)} give a weights file or one of "
        + ", ".join(PUBLIC_MODELS)
    )


def _nearest(name: str) -> str:
    lower = {known.lower(): known for known in PUBLIC_MODELS}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" did you mean {lower[close[0]]}?" if close else ""


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of an archive or a plain state dict under OpenAI's names, not yet checked."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if is_archive(file):
                return openai_layout(_load_archive(file))
    else:
        with path.open("rb") as file:
            start = file.read(2)
        if start in (b"PK", b""):  # a zip file's index stands at its end
            raise WeightsError("the file is cut short; download or copy it again")
    return openai_layout(_load_plain(path))


def _load_archive(file: zipfile.ZipFile) -> dict[str, Tensor]:
    try:
        tensors = read_archive(file)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"not a model that can be read safely: {error}; {NOT_RUN}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(
            f"the archive is damaged ({_one_line(error)}); download or copy it again"
        ) from None
    # the pickled tree does not tell parameters from other tensors, such as the causal masks
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("attn_mask")}


def _load_plain(path: Path) -> Mapping:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(f"not a plain state dict; {NOT_RUN}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(
            f"cannot be read ({_one_line(error)}); download or copy it again"
        ) from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"holds a {type(content).__name__}, not a state dict; {NOT_RUN}")
    return content


def _one_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
