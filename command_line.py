"""What the command lines share: a mistake of the user is one line and exit code 2.

Needs neither torch nor CLIP until something has gone wrong.
"""

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

EXIT_USER_MISTAKE = 2
EXIT_INTERRUPTED = 130

# What is wrong with a path or a disk is for the user to mend; other system errors are not.
PATH_ERRORS = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Command(argparse.ArgumentParser):
    """A parser that tells a mistake in one line; a module's docstring gives it description and
    examples.

    Attributes:
        LISTS: flags and words that take a list, behind which KEY VALUE options may follow.
    """

    LISTS: tuple[str, ...] = ()
    KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+")

    def __init__(self, doc: str | None = None, **words: Any):
        if doc:
            summary, _, examples = doc.partition("\n\n")
            words |= {
                "description": summary,
                "epilog": "examples:\n" + examples,
                "formatter_class": argparse.RawDescriptionHelpFormatter,
            }
        super().__init__(**words)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_MISTAKE, f"error: {message.removeprefix('argument ')}\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed = super().parse_args(args, namespace)
        for name in self.LISTS:
            words = getattr(parsed, name) or []
            keys = [place for place, word in enumerate(words) if self.KEY.fullmatch(word)]
            if keys:  # argparse gives a list all words up to the next flag
                setattr(parsed, name, words[: keys[0]])
                parsed.opts = [*words[keys[0] :], *parsed.opts]
        return parsed


def mistake_lines(error: Exception) -> list[str] | None:
    """What to tell the user of an error, or None where it is no mistake of theirs."""
    try:
        from clip import ClipError
        from dassl.utils.errors import UserError
    except Exception:  # what broke the first import breaks this one, and the first is to be shown
        return None
    if isinstance(error, UserError):
        return error.problems
    if isinstance(error, ClipError):
        return [str(error)]
    if isinstance(error, PATH_ERRORS) or (isinstance(error, OSError) and error.errno in FULL_DISK):
        where = f"{error.filename}: " if error.filename else ""
        return [f"{where}{error.strerror or error}"]
    return None


def run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Runs a command and returns its exit code: what `main` returns, else 0; 2 for a mistake of the
    user; 130 interrupted."""
    args = parser.parse_args(argv)
    try:
        return main(args) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # who reads the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        lines = mistake_lines(error)
        if lines is None:
            raise
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USER_MISTAKE
