"""The frozen CLIP: towers, tokenizer, weights. Knows nothing of training."""

from clip.changes import BlockChange, Tokens, TowerChange, deep_prompts, merged
from clip.dims import CLIPDims, dims_from_state_dict
from clip.errors import ClipError, TokenizeError, WeightsError
from clip.layouts import VOCAB_SIZE
from clip.model import CLIP, build_model
from clip.pairs import is_pair, pair_inputs
from clip.resnet import ModifiedResNet
from clip.simple_tokenizer import longest, tokenize
from clip.source import Inputs, Source
from clip.state import round_to_half
from clip.text import TextTower
from clip.tokenizers import OwnTokenizer
from clip.vit import ImageOutput, VisionTransformer
from clip.weights import available_models, keep_state_dict, load, load_model, load_state_dict

__all__ = [
    "CLIP",
    "VOCAB_SIZE",
    "BlockChange",
    "CLIPDims",
    "ClipError",
    "ImageOutput",
    "Inputs",
    "ModifiedResNet",
    "OwnTokenizer",
    "Source",
    "TextTower",
    "TokenizeError",
    "Tokens",
    "TowerChange",
    "VisionTransformer",
    "WeightsError",
    "available_models",
    "build_model",
    "deep_prompts",
    "dims_from_state_dict",
    "is_pair",
    "keep_state_dict",
    "load",
    "load_model",
    "load_state_dict",
    "longest",
    "merged",
    "pair_inputs",
    "round_to_half",
    "tokenize",
]
