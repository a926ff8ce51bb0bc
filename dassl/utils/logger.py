"""Lines to the console and to log.txt."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from dassl.utils.errors import BadFileError
from dassl.utils.files import WriteError


class _CurrentStdout(logging.Handler):
    """Writes to whatever `sys.stdout` is at the time, so that lines follow a redirected stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + "\n")
            if record.levelno >= logging.WARNING:
                sys.stdout.flush()
        except WriteError:  # log.txt has no room: nothing would tell what the run does
            raise
        except Exception:  # as every logging handler: a broken stream never stops a run
            self.handleError(record)


def log_to_stdout(name: str) -> None:
    """Show the messages (INFO and above) of the logger `name` on stdout without a prefix; once."""
    target = logging.getLogger(name)
    if not any(isinstance(handler, _CurrentStdout) for handler in target.handlers):
        handler = _CurrentStdout(logging.INFO)
        handler.setFormatter(logging.Formatter("%(message)s"))
        target.addHandler(handler)
        target.setLevel(logging.INFO)


class Logger:
    """A stdout that also writes to a file. Closing it closes the file, never the console.

    When the file cannot be written, `write`, `flush` or `close` raises WriteError (a UserError)
    with its path, once: from then on only the console is written.

    Args:
        fpath: log file, or None for the console alone. Its folder is made; the file is overwritten.
    """

    def __init__(self, fpath: str | os.PathLike[str] | None = None) -> None:
        stream: Any = sys.stdout
        self.console: TextIO = stream.console if isinstance(stream, Logger) else stream
        self.file: TextIO | None = None
        self._path = fpath
        if fpath is not None:
            Path(fpath).parent.mkdir(parents=True, exist_ok=True)
            # line-buffered: a killed run loses no finished line
            self.file = open(fpath, "w", buffering=1, encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> "Logger":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "file", None) is not None:
            with contextlib.suppress(WriteError):
                self.close()

    def write(self, text: str) -> int:
        self.console.write(text)
        with self._named_errors():
            if self.file is not None and not self.file.closed:
                self.file.write(text)
        return len(text)

    def flush(self) -> None:
        self.console.flush()
        with self._named_errors():
            if self.file is not None and not self.file.closed:
                self.file.flush()
                os.fsync(self.file.fileno())

    def close(self) -> None:
        """Close the file; if this is the current `sys.stdout`, put the console back."""
        if sys.stdout is self:
            sys.stdout = self.console
        with self._named_errors():
            if self.file is not None:
                self.file.close()
                self.file = None

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Give an error of the file its path, and leave the file alone from then on."""
        try:
            yield
        except OSError as error:
            broken, self.file = self.file, None
            if broken is not None:
                with contextlib.suppress(OSError):  # what is still in its buffer is lost
                    broken.close()
            raise WriteError(
                f"cannot write {self._path}: {error.strerror or error}; "
                "free some space or choose another OUTPUT_DIR"
            ) from error

    def isatty(self) -> bool:
        return self.console.isatty()

    def fileno(self) -> int:
        return self.console.fileno()

    def __getattr__(self, name: str) -> Any:
        if name in ("console", "file"):
            raise AttributeError(name)
        return getattr(self.console, name)  # encoding, errors, buffer, ...


def _claim_log_file(path: Path) -> Path:
    """Create and return `path`, or `path-<time>` if it exists; no two claims get the same file."""
    candidates = [path, path.with_name(f"{path.name}-{time.strftime('%Y-%m-%d-%H-%M-%S')}")]
    number = 2
    while True:
        candidate = candidates.pop(0)
        try:
            candidate.touch(exist_ok=False)
            return candidate
        except FileExistsError:
            if not candidates:
                name = path.name + time.strftime("-%Y-%m-%d-%H-%M-%S") + f"-{number}"
                candidates.append(path.with_name(name))
                number += 1


def setup_logger(output: str | os.PathLike[str] | None = None) -> Logger | None:
    """Send stdout to a file too; returns the new `sys.stdout`, or None when `output` is None.

    Args:
        output: a path ending in .txt or .log, else a folder that gets `log.txt`. If the file
            exists, the new one is `<file>-YYYY-mm-dd-HH-MM-SS`.
    """
    if output is None:
        return None
    path = Path(output)
    if path.suffix not in (".txt", ".log"):
        path = path / "log.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logger = Logger(_claim_log_file(path))
    except OSError as error:
        raise BadFileError(f"cannot write the log file {path}: {error.strerror}") from error
    sys.stdout = logger  # type: ignore[assignment]
    return logger
