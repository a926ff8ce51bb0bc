"""Class names as a command line gives them."""

from pathlib import Path

from dassl.utils.errors import BadFileError


def read_classnames(text: str) -> list[str]:
    """Names with commas between, or the lines of the file that the text names.

    Raises:
        UserError: the file is not text.
    """
    if not text or not Path(text).is_file():
        return [name.strip() for name in text.split(",")] if text else []
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadFileError(f"--classnames {text}: no text in UTF-8 ({error})") from error
    return [line.strip() for line in lines if line.strip()]
