"""log.txt and event files that cannot be written end a run with one line that names them."""

import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dassl.utils import setup_logger
from dassl.utils.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]
RUN = """
import logging, sys
from dassl.utils import setup_logger
from dassl.utils.errors import UserError
log = setup_logger(sys.argv[1])
try:
    try:
        for _ in range(200):
            {statement}
    finally:
        log.close()
except UserError as error:
    sys.exit(f"error: {{error}}")
"""
STATEMENTS = {
    "print": "print('x' * 60)",
    "log": "logging.getLogger('dassl.engine').info('x' * 60)",
    "no newline": "print('x' * 60, end='')",
}


def on_a_full_disk(*words):
    """Runs Python where files end at 4096 bytes, which stands for a full disk."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=REPOSITORY,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_room_for_the_log_is_one_line(statement, tmp_path):
    done = on_a_full_disk("-c", RUN.format(statement=STATEMENTS[statement]), tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {tmp_path / 'log.txt'}: File too large; ")
    assert done.returncode == 1
    assert (tmp_path / "log.txt").stat().st_size <= 4096


SCALARS = """
import sys
from dassl.engine.base import TrainerBase
from dassl.utils.errors import UserError
trainer = TrainerBase()
try:
    trainer.init_writer(sys.argv[1])
    for step in range(3000):
        trainer.write_scalar("train/loss", 1.0, step)
    trainer.close_writer()
except UserError as error:
    sys.exit(f"error: {error}")
"""


def test_no_room_for_the_event_file_is_one_line(tmp_path):
    done = on_a_full_disk("-W", "ignore", "-c", SCALARS, tmp_path / "tensorboard")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write to {tmp_path / 'tensorboard'}: File too large; ")
    assert done.returncode == 1


class _Full:
    """A file on a full disk."""

    closed = False

    def write(self, text):
        raise OSError(28, os.strerror(28))

    def flush(self):
        self.write("")

    def close(self):
        self.write("")

    def fileno(self):
        raise OSError(28, os.strerror(28))


@pytest.mark.parametrize("call", [lambda log: log.write("a"), lambda log: log.flush()])
def test_after_the_first_failure_only_the_console_is_written(call, tmp_path, capsys):
    console = sys.stdout
    log = setup_logger(tmp_path)
    try:
        log.file.close()
        log.file = _Full()
        with pytest.raises(UserError, match=r"cannot write .*log\.txt: No space left on device; "):
            call(log)
        print("goes on")
        logging.getLogger("dassl.any").warning("quietly")
        log.flush()
    finally:
        log.close()
    assert sys.stdout is console
    assert capsys.readouterr().out.endswith("goes on\nquietly\n")


def test_a_log_that_cannot_be_closed_puts_the_console_back(tmp_path):
    console = sys.stdout
    log = setup_logger(tmp_path)
    log.file.close()
    log.file = _Full()
    with pytest.raises(UserError, match=r"log\.txt: No space left on device"):
        log.close()
    assert sys.stdout is console
    log.close()


def test_a_file_closed_by_hand_is_no_error(tmp_path, capsys):
    log = setup_logger(tmp_path)
    try:
        log.file.close()
        print("on the console")
        log.flush()
    finally:
        log.close()
    assert capsys.readouterr().out == "on the console\n"


def test_another_error_of_a_handler_stops_nothing(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger("dassl"), "propagate", False)  # pytest's own handlers
    logging.getLogger("dassl.any").warning("%d", "no number")
    assert "Logging error" in capsys.readouterr().err
