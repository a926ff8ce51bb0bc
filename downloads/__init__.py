"""Published files, fetched whole: weights for `clip`, archives and split files for `datasets`.

A room of its own because those two use it and know nothing of each other; it knows nothing of what
a file holds, and imports nothing of the project.
"""

from downloads.checksum import ALGORITHMS, Checksum
from downloads.fetching import DownloadError, fetch, locked

__all__ = ["ALGORITHMS", "Checksum", "DownloadError", "fetch", "locked"]
