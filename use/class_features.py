"""The class features of a trained model as a plain matrix, with all that turns image features into
its logits.

B images, C classes, D joint width.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from dassl.utils.files import atomic_write
from trainers.parts.dept import DePTModel
from trainers.parts.model import Features, PromptModel, cosine_logits
from use.classifier import Picture, PromptClassifier
from use.dataset_features import prompt_model

ONE = torch.tensor(1.0)
Head = tuple[np.ndarray, np.ndarray, float]  # weight [C, D], bias [C], share


@dataclass(frozen=True)
class ClassFeatures:
    """What scores raw image features f [B, D]:

        logits = (1 - share) logit_scale (f / |f|) text^T + share (f head_weight^T + head_bias)

    Attributes:
        text: [C, D] float32, normalised.
        classnames: C names.
        logit_scale: the temperature's inverse, exp of CLIP's `logit_scale`.
        transform: see `transform_of`.
        image_tower: `backbone`, and `frozen`: whether f is CLIP's own feature. Else prompts or an
            adapter make it, which a matrix cannot hold: take the ONNX.
        head: DePT's second head as weight [C, D], bias [C] and share; None where it has no say.
    """

    text: np.ndarray
    classnames: tuple[str, ...]
    logit_scale: float
    transform: dict[str, Any]
    image_tower: dict[str, Any]
    head: Head | None = None

    def save(self, path: Path) -> None:
        """Writes `.npz` or `.safetensors`, whole or not at all. Arrays: `text`, `logit_scale` [1]
        and, with a head, `head_weight`, `head_bias`, `head_share` [1]. JSON texts: `classnames`,
        `transform`, `image_tower`, as strings in an npz and as metadata in safetensors.

        Raises:
            UserError: the file cannot be written.
        """
        arrays = {"text": self.text, "logit_scale": np.array([self.logit_scale], np.float32)}
        if self.head is not None:
            weight, bias, share = self.head
            arrays |= {"head_weight": weight, "head_bias": bias}
            arrays["head_share"] = np.array([share], np.float32)
        texts = {
            "classnames": json.dumps(self.classnames, ensure_ascii=False),
            "transform": json.dumps(self.transform),
            "image_tower": json.dumps(self.image_tower),
        }
        if path.suffix == ".safetensors":
            from safetensors.numpy import save

            whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            atomic_write(path, save(whole, metadata=texts))
            return
        buffer = io.BytesIO()
        named: dict[str, Any] = {name: np.array(text) for name, text in texts.items()}
        np.savez(buffer, **{**arrays, **named})
        atomic_write(path, buffer.getbuffer())


@torch.no_grad()
def class_features(classifier: PromptClassifier, image: Picture | None = None) -> ClassFeatures:
    """The class features of a classifier.

    Args:
        image: for a method whose class features depend on the image: that image.

    Raises:
        UserError: such a method without an image; one whose classes have no features (a linear
            probe), or a head that is no linear layer.
    """
    model = prompt_model(classifier.trainer)
    owners = {kind for kind in type(model).__mro__ if "logits" in vars(kind)}
    if not owners <= {PromptModel, DePTModel}:
        raise _no_matrix(model)
    if model.image_conditioned and image is None:
        raise UserError(
            f"{classifier.run.cfg.TRAINER.NAME}: its class features depend on the image; give one, "
            f"--image FILE, to get those of this image"
        )
    generator = torch.Generator().manual_seed(0)  # any picture will do where text ignores it
    pixels = torch.randn(3, *classifier.input_size, generator=generator)
    if image is not None:
        pixels = classifier.tensor(image)
    images = pixels[None].to(classifier.trainer.device)
    features = model.features(images)
    text = features.text[0] if features.text.dim() == 3 else features.text  # [C, D]
    own = classifier.columns
    plain = model.precision.feature(model.clip.encode_image(images))
    frozen = not model.image_change() and torch.equal(plain, features.image)
    return ClassFeatures(
        F.normalize(text.float(), dim=-1)[own].cpu().numpy(),
        tuple(classifier.classes),
        _scale(model, features),
        transform_of(classifier),
        {"backbone": classifier.run.cfg.MODEL.BACKBONE.NAME, "frozen": frozen},
        second_head(model, own),
    )


def transform_of(classifier: PromptClassifier) -> dict[str, Any]:
    """How a picture becomes the model's input, in words and numbers: RGB, the shorter side resized
    to `resize`, or both sides where it is [H, W], by `interpolation` (with antialiasing, as Pillow
    does), the middle `crop` [H, W] cut out, values divided by 255, minus `mean`, over `std`."""
    node = classifier.run.cfg.INPUT
    normal = "normalize" in node.TRANSFORMS
    return {
        "resize": list(node.SIZE) if node.RESIZE == "squash" else max(node.SIZE),
        "interpolation": node.INTERPOLATION,
        "crop": list(node.SIZE),
        "mean": list(node.PIXEL_MEAN) if normal else [0.0, 0.0, 0.0],
        "std": list(node.PIXEL_STD) if normal else [1.0, 1.0, 1.0],
    }


@torch.no_grad()
def second_head(model: PromptModel, own: slice) -> Head | None:
    """DePT's head on raw image features, for the classes `own`; None where it has no say in them.

    Raises:
        UserError: it is no linear layer, or has a say in some of the classes only.
    """
    rows = model.head_rows() if isinstance(model, DePTModel) else None
    if rows is None or not isinstance(model, DePTModel) or max(rows[own]) < 0:
        return None
    if model.linear_probe_proj is None:
        raise UserError(
            "TRAINER.LINEAR_PROBE.TYPE = similarity: this head is no matrix; export an ONNX file"
        )
    weight, bias = model.folded_head(rows)
    share = float(model.weight) if model.fuses else 1.0
    return weight.float()[own].cpu().numpy(), bias.float()[own].cpu().numpy(), share


def _scale(model: PromptModel, features: Features) -> float:
    """By what a model's similarity logits are its cosines multiplied.

    Raises:
        UserError: they are no multiples of cosines.
    """
    found, cosines = model.similarity(features), cosine_logits(features.image, features.text, ONE)
    scale = float((found * cosines).sum() / (cosines * cosines).sum())
    if not torch.allclose(found, scale * cosines, rtol=1e-4, atol=1e-5 * abs(scale)):
        raise _no_matrix(model)
    return scale


def _no_matrix(model: PromptModel) -> UserError:
    return UserError(
        f"{model.cfg.TRAINER.NAME} computes logits of its own, which class features alone do not "
        f"give; export an ONNX file"
    )
