"""The frozen CLIP: towers, tokenizer, weights. Knows nothing of training."""

from clip.dims import CLIPDims, dims_from_state_dict
from clip.errors import ClipError, TokenizeError, WeightsError
from clip.layouts import VOCAB_SIZE
from clip.model import CLIP, build_model
from clip.resnet import ModifiedResNet
from clip.simple_tokenizer import tokenize
from clip.source import Source
from clip.state import round_to_half
from clip.text import TextTower
from clip.vit import VisionTransformer
from clip.weights import available_models, keep_state_dict, load, load_model, load_state_dict

__all__ = [
    "CLIP",
    "VOCAB_SIZE",
    "CLIPDims",
    "ClipError",
    "ModifiedResNet",
    "Source",
    "TextTower",
    "TokenizeError",
    "VisionTransformer",
    "WeightsError",
    "available_models",
    "build_model",
    "dims_from_state_dict",
    "keep_state_dict",
    "load",
    "load_model",
    "load_state_dict",
    "round_to_half",
    "tokenize",
]
