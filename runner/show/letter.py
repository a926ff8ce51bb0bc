"""What the mail at the end of a run says."""

import contextlib
import io
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from runner.errors import UserError
from runner.show.mail import Mailbox, notify
from runner.show.progress import duration

_LONGEST = 200_000  # characters
FINISHED, FAILED, STOPPED = "finished", "failed", "stopped"


class Letter:
    """Collects what is printed at the end; `code` is the exit code of the run."""

    def __init__(self) -> None:
        self.code = 0
        self._said = io.StringIO()

    @contextlib.contextmanager
    def copying(self) -> Iterator[None]:
        """Take a copy of what is printed inside the block."""
        with contextlib.redirect_stdout(_Both(sys.stdout, self._said)):  # type: ignore[type-var]
            yield

    @property
    def text(self) -> str:
        """What was printed; of very much its two ends."""
        said = self._said.getvalue().strip()
        if len(said) <= _LONGEST:
            return said
        return f"{said[: _LONGEST // 2]}\n\n[...]\n\n{said[-_LONGEST // 2 :]}"


class _Both:
    """A stream, and beside it a copy of what is written to it."""

    def __init__(self, stream: TextIO, copy: TextIO) -> None:
        self._stream, self._copy = stream, copy

    def write(self, text: str) -> int:
        self._copy.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextlib.contextmanager
def mail_at_end(mailbox: Mailbox | None, title: str) -> Iterator[Letter]:
    """Send a mail when the block ends, however it does, if there is a mailbox: its subject says
    that the runs have finished, failed or were stopped. Changes neither exit code nor exception."""
    letter, begin = Letter(), time.monotonic()
    if mailbox and mailbox.problem:
        print(f"no mail at the end: {mailbox.problem}", file=sys.stderr)
        mailbox = None
    state, error = FAILED, ""
    try:
        yield letter
        state = FINISHED if not letter.code else STOPPED if letter.code >= 128 else FAILED
    except UserError as mistake:
        error = "\n".join(f"error: {line}" for line in mistake.problems)
        raise
    except KeyboardInterrupt:
        state = STOPPED
        raise
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        if mailbox:
            head = f"{title}: {state} after {duration(time.monotonic() - begin)}"
            where = f"on {socket.gethostname()}, in {os.getcwd()}"
            body = "\n\n".join(filter(None, [f"{head}, {where}", error, letter.text]))
            notify(mailbox, f"PromptLab: {title} {state}", f"{body}\n")
