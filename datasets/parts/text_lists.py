"""Text files that somebody else wrote: whole, or lists of one entry a line."""

import json
from typing import Any

from dassl.utils.errors import BadFileError, MissingFileError
from datasets.parts.folders import LEGIBLE, why_no_file


def read_text(path: str, remedy: str, what: str = "list") -> str:
    """The content of a text file.

    Args:
        path: the file.
        remedy: what an error tells the user to do, as "get it from <link>".
        what: what the file is, for the error where there is none.

    Raises:
        MissingFileError: there is no such file.
        BadFileError: it is no file, cannot be opened, or read as UTF-8 text.
    """
    wrong = why_no_file(path)
    if wrong:
        raise BadFileError(f"{path} {wrong}; {remedy}")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except FileNotFoundError as error:
        raise MissingFileError(f"no {what} {path}; {remedy}") from error
    except PermissionError as error:
        raise BadFileError(f"{path} cannot be opened (Permission denied); {LEGIBLE}") from error
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path} cannot be read as text ({error}); {remedy}") from error


def parse_json(text: str | bytes, path: str, remedy: str) -> Any:
    """What the text of a JSON file says.

    Raises:
        BadFileError: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of a deeply nested file
        reason = " ".join(str(error).split())
        raise BadFileError(f"{path} cannot be read as JSON ({reason}); {remedy}") from error


def read_lines(path: str, remedy: str) -> list[str]:
    """The lines of a list, without surrounding blanks; empty lines are skipped. See `read_text`."""
    lines = map(str.strip, read_text(path, remedy).split("\n"))
    return [line for line in lines if line]


def read_table(path: str, remedy: str) -> dict[str, str]:
    """A list of `<key> <name>` lines, the name being all after the first blank, as key -> name in
    the order of the file.

    Raises:
        MissingFileError, BadFileError: see `read_text`; or a line is malformed, or a key stands
            there twice (the first such line is named).
    """
    table: dict[str, str] = {}
    for line in read_lines(path, remedy):
        key, _, name = line.partition(" ")
        if not name:
            raise BadFileError(f"{path}: the line {line[:80]!r} is no '<key> <name>'; {remedy}")
        if key in table:
            raise BadFileError(f"{path}: {key} stands there twice; {remedy}")
        table[key] = name.strip()
    return table
