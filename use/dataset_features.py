"""Features of a run's own pictures and classes.

N pictures, C classes, D joint width.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dassl.engine import build_trainer
from dassl.utils.errors import UserError
from dassl.utils.files import atomic_write
from trainers.parts.model import PromptModel
from use.runs import TrainedRun, quiet

SPLITS = ("test", "val")


@dataclass(frozen=True)
class SplitFeatures:
    """Raw features of a split, float32.

    Attributes:
        image: [N, D].
        text: [C, D]; None where the text features depend on the image.
        labels: [N], places in `classnames`.
        paths: N paths.
        classnames: C names.
    """

    image: np.ndarray
    text: np.ndarray | None
    labels: np.ndarray
    paths: tuple[str, ...]
    classnames: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Writes all as npz, whole or not at all."""
        arrays: dict[str, Any] = {
            "image": self.image,
            "labels": self.labels,
            "paths": np.array(self.paths, dtype=np.str_),
            "classnames": np.array(self.classnames, dtype=np.str_),
        }
        if self.text is not None:
            arrays["text"] = self.text
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        atomic_write(path, buffer.getbuffer())


@torch.no_grad()
def split_features(
    run: TrainedRun, *, split: str = "test", subset: str | None = None, root: str = ""
) -> SplitFeatures:
    """Encodes a split of the run's dataset with the run's prompts.

    Args:
        split: of `SPLITS`.
        subset: all, base or new: other classes of the dataset than the run's.
        root: folder of the datasets, if it is no more where the run found it.

    Raises:
        UserError: the dataset is not there, has no such split, or the method has no features.
    """
    cfg = run.cfg.clone()
    cfg.defrost()
    cfg.VERBOSE = False
    cfg.OUTPUT_DIR = str(run.model_dir)
    cfg.DATASET.ROOT = root or cfg.DATASET.ROOT
    cfg.DATASET.SUBSAMPLE_CLASSES = subset or cfg.DATASET.SUBSAMPLE_CLASSES
    cfg.freeze()
    with quiet():
        trainer = build_trainer(cfg)
        trainer.load_model(str(run.model_dir), epoch=run.epoch)
    trainer.set_model_mode("eval")
    loader = trainer.val_loader if split == "val" else trainer.test_loader
    if loader is None:
        raise UserError(f"{cfg.DATASET.NAME} has no validation images; use --split test")
    model = prompt_model(trainer)
    images, labels = [], []
    with model.fixed_weights(), trainer.precision.autocast():
        for batch in loader:
            pictures, truth = trainer.parse_batch_test(batch)
            features = model.features(pictures)
            images.append(features.image.float().cpu())
            labels.append((truth if truth.dim() == 1 else truth.argmax(dim=1)).cpu())
    return SplitFeatures(
        torch.cat(images).numpy(),
        None if model.image_conditioned else features.text.float().cpu().numpy(),
        torch.cat(labels).numpy(),
        tuple(loader.dataset.path(item) for item in loader.dataset.data_source),
        model.space.names,
    )


def prompt_model(trainer: object) -> PromptModel:
    """The model of a trainer that has image and text features.

    Raises:
        UserError: it has none: a linear probe, or a trainer written for the public engine.
    """
    model = getattr(trainer, "model", None)
    if not isinstance(model, PromptModel) or type(model).forward is not PromptModel.forward:
        raise UserError(
            f"{type(trainer).__name__} has no text features of its classes; use a method of prompts"
        )
    return model


def draw_tsne(features: SplitFeatures, path: Path, title: str, *, seed: int = 0) -> None:
    """A t-SNE picture of the normalised image features, coloured by class.

    Raises:
        UserError: there are fewer than 4 pictures.
    """
    from sklearn.manifold import TSNE

    from use.drawing import figure, save

    if len(features.image) < 4:
        raise UserError(f"t-SNE of {len(features.image)} pictures: there have to be 4 or more")
    unit = F.normalize(torch.from_numpy(features.image), dim=-1).numpy()
    perplexity = min(30.0, (len(unit) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(unit)
    drawn, (axes,) = figure(4.6, 4)
    shown = np.unique(features.labels)
    for label in shown:
        own = features.labels == label
        axes.scatter(*places[own].T, s=8, label=features.classnames[label])
    axes.set(xticks=[], yticks=[], title=title)
    if len(shown) <= 20:
        axes.legend(fontsize=7, markerscale=1.5, loc="center left", bbox_to_anchor=(1, 0.5))
    save(drawn, path)
