"""Words that messages on datasets share."""

import shlex
from collections.abc import Sequence

_SHOWN = 3  # names in a message


def counted(number: int, noun: str) -> str:
    """ "1 image", "7,349 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_few(names: Sequence[str]) -> str:
    """The first three in words: "a, b, c, ..."."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def prepare_command(dataset: str, root: str) -> str:
    """The command that prepares a dataset below a root, as it is typed into a shell."""
    return f"python -m datasets prepare {dataset} --root {shlex.quote(root)}"
