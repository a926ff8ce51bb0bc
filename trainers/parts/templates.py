"""Hand-written prompts, {} for the classname: whose template a class has, and published sets, in
their published order.

Source of the sets: PromptSRC, trainers/imagenet_templates.py; both stem from the public CLIP
repository's notebook on prompts. The one prompt of a dataset is DATASET.TEMPLATE, else its class's
`template` (datasets/).

C classes, D joint width.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor
from yacs.config import CfgNode

import clip
from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.prompts import encode_texts, in_float32

# PromptSRC's teacher averages over these.
IMAGENET_TEMPLATES = (
    "a photo of a {}.",
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
)

# Zero-shot ensembles (ZeroshotCLIP2) take these, beside the prompt of the dataset.
IMAGENET_TEMPLATES_SELECT = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def class_templates(
    space: ClassSpace,
    dataset: CfgNode,
    default: str = "",
    published: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """The hand-written template of each class: DATASET.TEMPLATE if that is set, else its task's
    where there are tasks, else the dataset's.

    Args:
        dataset: the config's node DATASET.
        default: stands in where there is none.
        published: those that a method has in place of the datasets' own, by DATASET.NAME.

    Raises:
        UserError: there is none and no default, or one has no {} for the classname.
    """
    if dataset.TEMPLATE:
        return [check_template(dataset.TEMPLATE, "DATASET.TEMPLATE")] * len(space)
    if space.tasks:
        own = [check_template(t.template or default, f"task {t.name!r}") for t in space.tasks]
        return [own[task] for task in space.task_of_class()]
    if dataset.NAME in published:
        return [published[dataset.NAME]] * len(space)
    if default and not getattr(DATASET_REGISTRY.get(dataset.NAME), "template", ""):
        return [default] * len(space)
    return [dataset_template(dataset.NAME)] * len(space)


def filled(templates: Sequence[str], space: ClassSpace) -> list[str]:
    """Each class's name in its template."""
    words = zip(templates, space.words(), strict=True)
    return [template.replace("{}", name) for template, name in words]


def dataset_template(name: str) -> str:
    """The hand-written prompt of a dataset, with {} for the classname: its class's `template`.

    Raises:
        UserError: the class has none, or it has no place for the classname.
    """
    template = getattr(DATASET_REGISTRY.get(name), "template", "")
    if not template:
        raise UserError(
            f"DATASET.NAME = {name}: no hand-written prompt is known; "
            f"give the dataset class an attribute such as template = 'a photo of a {{}}.'"
        )
    return check_template(template, f"DATASET.NAME = {name}")


def check_template(template: str, owner: str) -> str:
    """The template itself.

    Raises:
        UserError: it has no {}, so that all classes would have the same prompt; names its owner.
    """
    if "{}" not in template:
        raise UserError(
            f"{owner}: the template {template!r} has no {{}} where the classname goes; "
            f"write one such as 'a photo of a {{}}.'"
        )
    return template


def ensemble_features(clip_model: clip.CLIP, words: list[str]) -> Tensor:
    """The mean over the 60 templates of the text features of C classes, [C, D], in float32."""
    clip_model = in_float32(clip_model)
    total = sum(
        encode_texts(clip_model, [template.format(name) for name in words])
        for template in IMAGENET_TEMPLATES
    )
    return total / len(IMAGENET_TEMPLATES)
