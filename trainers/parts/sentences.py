"""Sentences that describe classes, from a JSON file of class name -> list of sentences.

C classes, S sentences of a class, D joint width.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

import clip
from dassl.utils.errors import BadFileError, MissingFileError
from trainers.parts.backbone import PROJECT_ROOT
from trainers.parts.prompts import encode_texts

# Published names of `<name>_prompt.json` (ShuvenduRoy/CoPrompt, gpt_file/) by DATASET.NAME.
PUBLISHED = {
    "Caltech101": "caltech",
    "DescribableTextures": "dtd",
    "EuroSAT": "eurosat",
    "FGVCAircraft": "fgvc",
    "Food101": "food101",
    "ImageNet": "imagenet",
    "ImageNetA": "imagenet_a",
    "ImageNetR": "imagenet_r",
    "ImageNetSketch": "imagenet_sketch",
    "ImageNetV2": "imagenetv2",
    "OxfordFlowers": "oxford_flowers",
    "OxfordPets": "oxford_pets",
    "StanfordCars": "stanford_cars",
    "SUN397": "sun397",
    "UCF101": "ucf101",
}


def sentence_features(clip_model: clip.CLIP, sentences: Sequence[Sequence[str]]) -> Tensor:
    """Unit features [S, C, D] of the sentences of C classes."""
    texts = [text for of_class in sentences for text in of_class]
    features = F.normalize(encode_texts(clip_model, texts), dim=-1)
    return features.unflatten(0, (len(sentences), -1)).transpose(0, 1)


def read_sentences(place: str, key: str, dataset: str, words: Sequence[str]) -> list[list[str]]:
    """The sentences of each class, equally many.

    Args:
        place: the file, or a folder with `<name>_prompt.json` for each dataset.
        key: the config key that gave it.
        dataset: DATASET.NAME.
        words: class names with blanks for underscores; in the file either may stand.

    Raises:
        MissingFileError: (a UserError) there is no such file.
        BadFileError: (a UserError) it is no such JSON, lacks classes, or has not equally many
            sentences for each.
    """
    file = sentence_file(place, key, dataset)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadFileError(f"{key}: {file} is not readable as JSON: {error}") from error
    if not isinstance(content, dict) or not all(map(_is_texts, content.values())):
        raise BadFileError(f"{key}: {file} is not a JSON of class name -> list of sentences")
    known = {name.replace("_", " "): texts for name, texts in content.items()}
    lacking = [word for word in words if not known.get(word)]
    if lacking:
        some = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise BadFileError(
            f"{key}: {file} lacks sentences for {len(lacking)} of {len(words)} classes ({some}); "
            f"add them under these names"
        )
    counts = {word: len(known[word]) for word in words}
    fewest, most = (choose(counts, key=counts.__getitem__) for choose in (min, max))
    if counts[fewest] != counts[most]:
        raise BadFileError(
            f"{key}: {file} has {counts[fewest]} sentences for {fewest} and {counts[most]} for "
            f"{most}; give every class equally many"
        )
    return [known[word] for word in words]


def sentence_file(place: str, key: str, dataset: str) -> Path:
    """The file itself, or a dataset's in a folder; beside the working directory or the project.

    Raises:
        MissingFileError: (a UserError) there is none.
    """
    name = f"{PUBLISHED.get(dataset, dataset)}_prompt.json"
    for given in (Path(place), PROJECT_ROOT / place):
        file = given / name if given.is_dir() else given
        if file.is_file():
            return file
    wanted = place if place.endswith(".json") else str(Path(place) / name)
    raise MissingFileError(
        f"{key} = {place}: there is no {wanted}; give a JSON of class name -> sentences, or the "
        f"folder gpt_file of github.com/ShuvenduRoy/CoPrompt"
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
