"""A trained model as one ONNX file that needs nothing of this project: image tower with its
prompts, heads and the normalisation of the pixels.

B images, C classes.
"""

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dassl.utils.errors import CheckFailedError, UserError
from dassl.utils.files import atomic_write
from trainers.parts.model import PromptModel
from use.class_features import transform_of
from use.classifier import PromptClassifier

CHECKED = (1, 2, 7)  # batch sizes at which the file has to give the model's logits
RTOL = 1e-4
NEEDED = ("onnx", "onnxscript", "onnxruntime")


class _Exported(nn.Module):
    """Pixels in, logits and probabilities out."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: PromptModel, transform: dict[str, Any], own: slice) -> None:
        super().__init__()
        self.model, self.clip, self.own = model, model.clip, own
        for name in ("mean", "std"):
            values = torch.tensor(transform[name], dtype=torch.float32)
            self.register_buffer(name, values.view(3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, H, W] in 0..1 -> logits and probabilities [B, C]."""
        logits = self.model((pixels - self.mean) / self.std)[:, self.own].float()
        return logits, logits.softmax(dim=-1)


def export_onnx(classifier: PromptClassifier, path: Path) -> float:
    """Writes the classifier as one ONNX file, whole or not at all, and checks it with onnxruntime.

    Input `pixels` [B, 3, H, W], float32 in 0..1, RGB, resized and cropped as the metadata
    `transform` says; outputs `logits` and `probabilities` [B, C]; B is free. Metadata, JSON texts:
    `classnames`, `transform`.

    Args:
        classifier: on the CPU, in float32.

    Returns:
        the largest difference of a logit from the model's, relative to the largest logit.

    Raises:
        UserError: a package is missing, class features depend on the image, the file cannot be
            written, or its logits differ by more than `RTOL`.
    """
    require_packages()
    model = classifier.trainer.model
    if not isinstance(model, PromptModel):
        raise UserError(f"{type(classifier.trainer).__name__} is no model of this project's kind")
    if model.image_conditioned:
        raise UserError(
            f"{classifier.run.cfg.TRAINER.NAME}: its class features depend on the image, so that "
            f"no fixed head can be exported; `python -m use export --image FILE` with an output "
            f"of .npz or .safetensors gives the class features of one image"
        )
    transform = transform_of(classifier)
    exported = _Exported(model, transform, classifier.columns).eval()
    program = _program(exported, classifier.input_size)
    program.model.metadata_props.update(
        classnames=json.dumps(classifier.classes, ensure_ascii=False),
        transform=json.dumps(transform),
    )
    content = program.model_proto.SerializeToString()
    difference = _largest_difference(exported, content, classifier.input_size)
    atomic_write(path, content)
    return difference


def require_packages() -> None:
    """Raises UserError where a package that the export needs is missing."""
    missing = []
    for name in NEEDED:
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise UserError(
            f"the export to ONNX needs {', '.join(missing)}: pip install {' '.join(missing)}"
        )


@torch.no_grad()
def _program(exported: _Exported, size: tuple[int, int]) -> Any:
    """The traced graph. The example holds two images: one would fix the batch at 1."""
    example = torch.rand(2, 3, *size)
    exported(example)  # text features and visual prompts are computed here, and then constants
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            exported,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["pixels"],
            output_names=["logits", "probabilities"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
        )


@torch.no_grad()
def _largest_difference(exported: _Exported, content: bytes, size: tuple[int, int]) -> float:
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for number in CHECKED:
        pixels = torch.rand(number, 3, *size, generator=generator)
        expected = exported(pixels)[0].numpy()
        found = session.run(["logits"], {"pixels": pixels.numpy()})[0]
        worst = max(worst, float(np.abs(found - expected).max() / np.abs(expected).max()))
    if not worst <= RTOL:
        raise CheckFailedError(
            f"onnxruntime's logits differ from the model's by {worst:.1e} of the largest, more "
            f"than {RTOL:.0e}; nothing is written"
        )
    return worst
