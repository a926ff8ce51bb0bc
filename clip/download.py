"""Fetches a weights file; how is said in the package downloads."""

from pathlib import Path

import downloads
from clip.errors import WeightsError


def fetch(url: str, target: Path, sha256: str) -> Path:
    """Returns ``target`` with the given hash, downloading it unless it is there already.

    Raises:
        WeightsError: no connection, what arrived has another hash, or no space.
    """
    try:
        return downloads.fetch(
            url,
            target,
            downloads.Checksum("sha256", sha256),
            remedy="free the space or name another folder with download_root",
        )
    except downloads.DownloadError as error:
        raise WeightsError(str(error)) from None
