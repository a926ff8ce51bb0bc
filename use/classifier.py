"""The classifier that a finished run is: pictures in, classes and probabilities out.

B pictures, C classes, D joint width.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from dassl.data.transforms import build_transform
from dassl.utils.errors import UserError
from trainers.parts.model import PromptModel
from use.pictures import read_picture
from use.runs import Changes, TrainedRun, find_task, quiet

Picture = str | os.PathLike[str] | Image.Image


@dataclass(frozen=True)
class Prediction:
    """What a picture shows.

    Attributes:
        image: its path; "" for one that was given as an object.
        classes: the likeliest classes, first the likeliest.
        probabilities: of these.
    """

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Scored:
    """Pictures of a batch that could be read, and their logits [B, C]."""

    images: tuple[str, ...]
    logits: Tensor


class PromptClassifier:
    """A trained model on the classes of its run, or on others.

    Args:
        run: what the model is built from.
        task: of a run of several tasks, the one whose classes are told apart: name or number.
        device: "cpu" or "cuda"; default a GPU if the run's config and the machine have one.

    Attributes:
        trainer: the run's trainer, whose `model` is the method's.
        classes: the C classnames.
        columns: where they stand among the classes of the run.
        columns: where they stand among the classes of the run.

    Raises:
        UserError: the checkpoint does not fit the run's method, backbone or classes.
    """

    def __init__(self, run: TrainedRun, *, task: str | None = None, device: str | None = None):
        self.run = run
        self.columns = slice(0, len(run.space))
        if run.space.tasks or task is not None:
            chosen = find_task(run.space, task)
            self.columns = slice(chosen.start, chosen.end)
        self.classes = list(run.space.names[self.columns])
        self.trainer = run.build(device)
        with quiet():
            self.transform: Any = build_transform(run.cfg, is_train=False)
        self._lifetime = ExitStack()  # the weights never change: what is computed once stays
        model = getattr(self.trainer, "model", None)
        if isinstance(model, PromptModel):
            self._lifetime.enter_context(model.fixed_weights())

    @classmethod
    def from_run(
        cls,
        folder: str | Path,
        *,
        classnames: Sequence[str] | None = None,
        task: str | None = None,
        epoch: int | None = None,
        device: str | None = None,
    ) -> "PromptClassifier":
        """The classifier of the run that left `folder`.

        Args:
            classnames: other classes than the run's. A method bound to its classes refuses them;
                DePT's second head joins in on its own classes only.
            task: see the class.
            epoch: of the checkpoint; -1 is the newest; default the run's own choice.
            device: see the class.

        Raises:
            UserError: one line that names what is wrong and the remedy.
        """
        run = TrainedRun.read(folder, Changes(epoch=epoch))
        return cls.of(run, classnames=classnames, task=task, device=device)

    @classmethod
    def of(
        cls,
        run: TrainedRun,
        *,
        classnames: Sequence[str] | None = None,
        task: str | None = None,
        device: str | None = None,
    ) -> "PromptClassifier":
        """`run` on its own classes or on others; arguments and errors as of `from_run`."""
        if classnames and tuple(classnames) != run.space.names:
            run = run.with_classes(classnames, task)
            task = None
        return cls(run, task=task, device=device)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the images that the model takes."""
        height, width = self.run.cfg.INPUT.SIZE
        return height, width

    def tensor(self, picture: Picture) -> Tensor:
        """A picture as the model takes it, [3, H, W].

        Raises:
            UserError: the file cannot be read (`read_picture`).
        """
        if isinstance(picture, Image.Image):
            return self.transform(picture.convert("RGB"))
        node = self.run.cfg.INPUT
        return self.transform(read_picture(os.fspath(picture), self.input_size, node.MAX_PIXELS))

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] as `tensor` makes them -> logits [B, C] on the CPU, float32 or, of a
        linear probe, float64."""
        found = self.trainer.model_inference(images.to(self.trainer.device))[:, self.columns]
        return found.cpu() if found.dtype == torch.float64 else found.float().cpu()

    def probabilities(self, pictures: Iterable[Picture]) -> Tensor:
        """Probabilities [N, C], float64, of N pictures in their order.

        Raises:
            UserError: a picture cannot be read.
        """
        rows = [to_probabilities(scored.logits) for scored in self.score(pictures)]
        return torch.cat(rows) if rows else torch.empty(0, len(self.classes), dtype=torch.float64)

    def predict(
        self,
        pictures: Iterable[Picture],
        *,
        top_k: int = 5,
        batch_size: int | None = None,
        on_error: Callable[[UserError], None] | None = None,
        on_scored: Callable[[Scored], None] | None = None,
    ) -> Iterator[Prediction]:
        """The likeliest classes of each picture, as they are found.

        Args:
            top_k: how many; all where there are fewer.
            batch_size: pictures at once; default that of the run's tests.
            on_error: takes the error of a picture that cannot be read, which is then left out;
                without it the error is raised.
            on_scored: takes the logits of each batch, too.

        Raises:
            UserError: a picture cannot be read, or a number is below 1.
        """
        if top_k < 1:
            raise UserError(f"--top-k {top_k}: use 1 or more")
        for scored in self.score(pictures, batch_size=batch_size, on_error=on_error):
            if on_scored is not None:
                on_scored(scored)
            best = to_probabilities(scored.logits).topk(min(top_k, len(self.classes)))
            rows = zip(scored.images, best.indices.tolist(), best.values.tolist(), strict=True)
            for image, places, values in rows:
                yield Prediction(image, tuple(self.classes[p] for p in places), tuple(values))

    def score(
        self,
        pictures: Iterable[Picture],
        *,
        batch_size: int | None = None,
        on_error: Callable[[UserError], None] | None = None,
    ) -> Iterator[Scored]:
        """Logits of pictures, batch by batch; arguments and errors as of `predict`. The next batch
        is read while the model is at work."""
        size = self.run.cfg.DATALOADER.TEST.BATCH_SIZE if batch_size is None else batch_size
        if size < 1:
            raise UserError(f"--batch-size {size}: use 1 or more")
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for batch in _read_ahead(pool, self.tensor, pictures, size):
                images, tensors = [], []
                for picture, reading in batch:
                    try:
                        tensors.append(reading.result())
                    except UserError as error:
                        if on_error is None:
                            raise
                        on_error(error)
                        continue
                    images.append("" if isinstance(picture, Image.Image) else os.fspath(picture))
                if images:
                    yield Scored(tuple(images), self.logits(torch.stack(tensors)))


def to_probabilities(logits: Tensor) -> Tensor:
    """Softmax of logits [B, C] in float64."""
    return logits.double().softmax(dim=-1)


Batch = list[tuple[Picture, "Future[Any]"]]


def _read_ahead(
    pool: ThreadPoolExecutor,
    read: Callable[[Picture], Tensor],
    pictures: Iterable[Picture],
    size: int,
) -> Iterator[Batch]:
    """Batches of pictures and their tensors in the making, always one batch ahead."""
    waiting: Batch = []
    ready: Batch = []
    for picture in pictures:
        waiting.append((picture, pool.submit(read, picture)))
        if len(waiting) == size:
            if ready:
                yield ready
            ready, waiting = waiting, []
    yield from (batch for batch in (ready, waiting) if batch)
