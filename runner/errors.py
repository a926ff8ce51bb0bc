"""One-line errors for mistakes of the user."""

import difflib
import os
import sys
import traceback
from collections.abc import Callable, Iterable


class UserError(Exception):
    """A mistake of the user: one line per problem, exit code 2, no traceback.

    Attributes:
        problems: the lines; `str()` joins them by newline.
    """

    def __init__(self, problems: str | list[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known name, else the list of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(names)}" if names else ""


def exit_code(run: Callable[[], int], *, debug: bool) -> int:
    """Run a command and return its exit code: 2 for a mistake of the user, whose lines are printed,
    behind the traceback with `debug`."""
    try:
        return run()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as in `--list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UserError as error:
        if debug:
            traceback.print_exc()
        for line in error.problems:
            print(f"error: {line}", file=sys.stderr)
        return 2
