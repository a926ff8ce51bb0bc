"""Saved predictions: path, label and logits of every picture, in one npz file without pickles.

N pictures, C classes.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dassl.utils.errors import BadFileError, MissingFileError
from dassl.utils.files import atomic_write

TEST_FILE = "predictions.npz"
VAL_FILE = "predictions_val.npz"
ARRAYS = ("paths", "labels", "logits", "classnames", "about")


@dataclass(frozen=True)
class Predictions:
    """Logits of N pictures over C classes.

    Attributes:
        paths: N paths.
        labels: [N] int64, places in `classnames`; -1 where the class is not known.
        logits: [N, C], float32 or float64.
        classnames: C names.
        about: where they come from: trainer, dataset, split, ..., `tasks` ([name, start, end] of
            each, [] for one task) and `logit_scale`, by which logits that are cosines were
            multiplied (null for others).
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    classnames: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def tasks(self) -> list[tuple[str, int, int]]:
        """Name and places start .. end - 1 of each task; [] where there is one."""
        return [(name, start, end) for name, start, end in self.about.get("tasks", [])]

    def by_task(self) -> Iterator[tuple[str, "Predictions"]]:
        """Each task's pictures and classes by themselves; all of them, named "", where there are no
        tasks."""
        if not self.tasks:
            yield "", self
        for name, start, end in self.tasks:
            own = np.flatnonzero((self.labels >= start) & (self.labels < end))
            yield (
                name,
                Predictions(
                    tuple(self.paths[place] for place in own),
                    self.labels[own] - start,
                    self.logits[own, start:end],
                    self.classnames[start:end],
                    {**self.about, "tasks": []},
                ),
            )

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all; its folder is made.

        Raises:
            UserError: it cannot be written.
        """
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            paths=np.array(self.paths, dtype=np.str_),
            labels=self.labels,
            logits=self.logits,
            classnames=np.array(self.classnames, dtype=np.str_),
            about=np.array(json.dumps(self.about)),
        )
        atomic_write(path, buffer.getbuffer())

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Reads a file, or `predictions.npz` of a folder.

        Raises:
            MissingFileError, BadFileError: (UserErrors) name the file and the remedy.
        """
        if path.is_dir():
            path = path / TEST_FILE
        if not path.is_file():
            raise MissingFileError(
                f"no predictions {path}; make them: train.py --save-predictions, or of other "
                f"pictures predict.py --save-predictions FILE"
            )
        try:
            with np.load(path, allow_pickle=False) as file:
                paths, labels, logits, classnames, about = (file[name] for name in ARRAYS)
            found = cls(
                tuple(map(str, paths)),
                labels,
                logits,
                tuple(map(str, classnames)),
                json.loads(str(about)),
            )
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise BadFileError(
                f"{path} is no whole file of predictions ({error}); make it again"
            ) from error
        shape = (len(found.paths), len(found.classnames))
        if logits.shape != shape or labels.shape != shape[:1]:
            raise BadFileError(
                f"{path}: {shape[0]} paths and {shape[1]} classes, but logits "
                f"{list(logits.shape)} and labels {list(labels.shape)}; make it again"
            )
        return found
