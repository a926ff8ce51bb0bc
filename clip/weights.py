"""Public model names, weights files, and loading a model from either.

Sources of names, files and hashes: openai/CLIP, clip/clip.py.
"""

import contextlib
import difflib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from clip.configs import Config, config_beside
from clip.dims import CLIPDims
from clip.download import fetch
from clip.errors import ClipError, WeightsError
from clip.files import Content, opened
from clip.folders import weights_in
from clip.layouts import ARCHIVE, OPEN_CLIP, OPENAI, recognise
from clip.model import CLIP, checked_dims, filled_model, known_precision
from clip.pairs import PREFIX, Pair, is_pair, pair_of
from clip.preprocess import PIXEL_MEAN, PIXEL_STD, image_transform
from clip.source import AUTO, Facts, Stamp, file_sha256, stamp
from clip.state import check_finite
from clip.stored import Stored, stored
from clip.timm_vit import plain_vit, under_our_names
from clip.tokenizers import HubTokenizer, Tokenizer, TokenizerName

logger = logging.getLogger(__name__)

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

NAMES_BY_SHA256 = {sha256: name for name, (_, sha256) in PUBLIC_MODELS.items()}


def available_models() -> list[str]:
    """Names that ``load`` downloads."""
    return list(PUBLIC_MODELS)


def load(
    name_or_path: str,
    device: str | torch.device | None = None,
    jit: bool = False,
    download_root: str | None = None,
    *,
    activation: str = AUTO,
) -> tuple[CLIP, Callable[[Image.Image], Tensor]]:
    """A frozen CLIP on a device, and its image transform.

    Args:
        name_or_path: a public name (downloaded once), or the path of a weights file or of a folder
            of Hugging Face or open_clip.
        device: default the first CUDA device, else the CPU. Weights are the published half mix on
        CUDA, float32 else.
        jit: must be False; programs inside weights files are never run.
        download_root: folder of downloads, default ~/.cache/clip.
        activation: quick_gelu, gelu, or auto: what the file or the config beside it says, and
            quick_gelu with a warning where neither says. ``source`` of the model tells.

    Raises:
        WeightsError: unknown name, failed download, or a file that is no CLIP.
        ClipError: jit is set, or an unknown activation.
    """
    if jit:
        raise ClipError("clip.load(jit=True): programs in weights files are not run; use jit=False")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    precision = "fp16" if device.type == "cuda" else "fp32"
    model = load_model(name_or_path, precision, activation, download_root).to(device)
    source = model.source
    for line in source.notices if source else ():
        logger.warning(line)
    pixels = source.pixels if source and source.pixels else (PIXEL_MEAN, PIXEL_STD)
    resizing = source.resizing if source else None
    return model, image_transform(model.visual.input_resolution, *pixels, resizing)


def load_model(
    name_or_path: str,
    precision: str = "fp32",
    activation: str = AUTO,
    download_root: str | None = None,
) -> CLIP:
    """What ``build_model(load_state_dict(...))`` gives, with its ``source`` and in less memory:
    tensors are read and converted one by one.

    Raises:
        WeightsError: as ``load_state_dict`` does.
        ClipError: unknown precision or activation.
    """
    known_precision(precision)
    with _weights(name_or_path, download_root) as weights:
        source = weights.facts.source(activation)
        rounded = not source.open_clip  # open_clip computes with the weights as they are
        model = filled_model(weights.dims, weights.tensors, precision, source.activation, rounded)
    model.source = source
    if weights.tokenizer is not None:
        model.text.tokenizer = _hub_tokenizer(name_or_path, weights)
    return model


def _hub_tokenizer(name: str, weights: "_Weights") -> Tokenizer:
    try:
        return HubTokenizer(weights.tokenizer, Path(weights.facts.path).parent)
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None


def load_state_dict(name_or_path: str, download_root: str | None = None) -> dict[str, Tensor]:
    """The tensors of a public model or of a weights file in OpenAI's layout, on the CPU, as stored.

    Takes TorchScript archives, torch.save'd and safetensors files in the layouts of OpenAI,
    open_clip and Hugging Face, wrapped or not, also with a compact token embedding. Nothing that a
    file contains is run.

    Raises:
        WeightsError: unknown name, failed download, a file that is cut short, not finite or no
            CLIP.
    """
    with _weights(name_or_path, download_root) as weights:
        state = {name: weights.tensors[name].read() for name in weights.tensors}
        check_finite(state)
    return state


@dataclass(frozen=True)
class _Weights:
    """A CLIP that is to be read: `tensors` under OpenAI's names, checked against `dims`."""

    facts: Facts
    dims: CLIPDims
    tensors: dict[str, Stored]
    tokenizer: TokenizerName | None = None


@contextlib.contextmanager
def _weights(name_or_path: str, download_root: str | None) -> Iterator[_Weights]:
    """Kept weights, or those of the file while it is open; errors of either name the file."""
    kept = _kept.get(name_or_path)
    if kept and download_root is None and stamp(kept.path) == kept.stamp:
        tensors = {name: stored(tensor) for name, tensor in kept.state.items()}
        yield _Weights(kept.facts, kept.dims, tensors, kept.tokenizer)
        return
    pair = pair_of(name_or_path) if is_pair(name_or_path) else None
    config = pair.config() if pair else None  # before the file: what is not computed needs none
    path = pair.weights() if pair else find_weights(name_or_path, download_root)
    try:
        with opened(path) as content:
            if pair and config:
                weights = _read_pair(pair, config, path, content)
            else:
                weights = _read(name_or_path, path, content)
            del content  # it would hold every tensor until the last is read
            yield weights
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read: {error.strerror}; check its permissions"
        ) from None


def _read(name_or_path: str, path: Path, content: Content) -> _Weights:
    """Tells what an open file is, and checks names and shapes of its tensors."""
    found = recognise(content.entries, fresh=True)
    public = PUBLIC_MODELS.get(name_or_path)
    sha256 = public[1] if public else file_sha256(path)
    known = NAMES_BY_SHA256.get(sha256)
    config = None if known else config_beside(path, found.layout)
    layout, said = found.layout, None
    if content.is_archive and layout == OPENAI:
        layout = ARCHIVE
    elif config and layout == OPENAI:
        layout = OPEN_CLIP
    if known:
        said = ("quick_gelu", "archive")
    elif config:
        said = (config.activation, "config")
    elif content.activation:
        said = (content.activation, "archive")
    dims = checked_dims(found.tensors, found.names, config.fit if config else None)
    name = known or (
        path.name if Path(name_or_path).is_file() else f"{path.parent.name}/{path.name}"
    )
    pixels, resizing = (config.pixels, config.resizing) if config else (None, None)
    facts = Facts(name, sha256, layout, str(path), said, pixels, resizing)
    return _Weights(facts, dims, found.tensors, config.tokenizer if config else None)


def _read_pair(pair: Pair, config: Config, path: Path, content: Content) -> _Weights:
    """`_read` of weights whose settings open_clip says."""
    found = recognise(content.entries, fresh=True)
    tensors = {name: value for name, value in found.tensors.items() if name != "logit_bias"}
    sha256 = file_sha256(path)
    public = NAMES_BY_SHA256.get(sha256)
    if public and pair.tag not in ("openai", ""):
        raise WeightsError(f"is OpenAI's {public}, not {pair.name}; take its tag openai")
    plain = plain_vit(config.timm) if config.timm else None
    if plain:  # a ViT that takes prompts, by other names
        tensors, config = under_our_names(tensors), plain.settled(config)
    dims = checked_dims(tensors, (), config.fit, config.timm)
    layout = ARCHIVE if content.is_archive else OPEN_CLIP
    facts = Facts(
        pair.name,
        sha256,
        layout,
        str(path),
        (config.activation, "tag" if pair.tag else "name"),
        config.pixels,
        config.resizing,
        pair.label,
        pair.remarks(config),
    )
    return _Weights(facts, dims, tensors, config.tokenizer)


@dataclass(frozen=True)
class _Kept:
    path: Path
    stamp: Stamp | None
    facts: Facts
    dims: CLIPDims
    state: dict[str, Tensor]
    tokenizer: TokenizerName | None


_kept: dict[str, _Kept] = {}


def keep_state_dict(name_or_path: str) -> None:
    """Hold the tensors of weights that lie on this disk, for every later load in this process and
    its forks, until the file changes; weights still to be downloaded are left alone.

    Raises:
        WeightsError: the file is cut short or no CLIP.
    """
    if name_or_path in PUBLIC_MODELS:
        path = Path(DEFAULT_ROOT, PUBLIC_MODELS[name_or_path][0]).expanduser()
        if stamp(path) is None:
            return
    with _weights(name_or_path, None) as weights:
        path = Path(weights.facts.path)
        state = {name: weights.tensors[name].read() for name in weights.tensors}
        check_finite(state)
        own = (weights.facts, weights.dims, state, weights.tokenizer)
        _kept[name_or_path] = _Kept(path, stamp(path), *own)


def find_weights(name_or_path: str, download_root: str | None = None) -> Path:
    """The file of a public name (downloaded if need be), of a path, or in a folder.

    Raises:
        WeightsError: none of them, or the download failed.
    """
    if name_or_path in PUBLIC_MODELS:
        file, sha256 = PUBLIC_MODELS[name_or_path]
        root = Path(download_root or DEFAULT_ROOT).expanduser()
        return fetch(f"{BASE_URL}/{sha256}/{file}", root / file, sha256)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return weights_in(path)
    raise WeightsError(
        f"{name_or_path}: no such file or model name;{_nearest(name_or_path)} give a weights file "
        f"or one of {', '.join(PUBLIC_MODELS)}, or {PREFIX}<model>/<tag>"
    )


def _nearest(name: str) -> str:
    lower = {known.lower(): known for known in PUBLIC_MODELS}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" did you mean {lower[close[0]]}?" if close else ""
