"""What both command lines share: a mistake is one line, and the features' files."""

import os
import sys
import zipfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dassl.utils.errors import BadFileError, MissingFileError
from train import EXIT_INTERRUPTED, EXIT_USER_MISTAKE, Parser, mistake_lines

SPLITS = ("train", "val", "test")
# [N, D] float64, and [N], or [N, 1] for one of several tasks.
ARRAYS = ("feature_list", "label_list")


class Command(Parser):
    """A parser that tells a mistake in one line; its description and examples are a module's
    docstring."""

    LISTS = ()

    def __init__(self, doc: str | None):
        summary, _, examples = (doc or "").partition("\n\n")
        super().__init__(
            description=summary,
            epilog="examples:\n" + examples,
            formatter_class=RawDescriptionHelpFormatter,
        )


def run(
    main: Callable[[Namespace], None], parser: ArgumentParser, argv: Sequence[str] | None
) -> int:
    """Runs a command and returns its exit code: 0 done, 2 a mistake of the user."""
    args = parser.parse_args(argv)
    try:
        main(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # who reads the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        lines = mistake_lines(error)
        if lines is None:
            raise
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USER_MISTAKE
    return 0


def save_features(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes an npz file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(temporary, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_features(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one split, labels as [N].

    Raises:
        MissingFileError, BadFileError: (UserErrors) name the file and the remedy.
    """
    if not path.is_file():
        raise MissingFileError(
            f"no features {path}; make them: lpclip/feat_extractor.py --split {path.stem}"
        )
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadFileError(f"{path} is no whole npz file ({error}); extract it again") from error
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise BadFileError(f"{path} lacks {' and '.join(missing)}; extract it again")
    features, labels = (arrays[name] for name in ARRAYS)
    if features.ndim != 2 or labels.size != len(features):
        raise BadFileError(
            f"{path}: features {list(features.shape)} and labels {list(labels.shape)} do not "
            f"belong together; extract it again"
        )
    arrays["label_list"] = labels.reshape(-1)
    return arrays
