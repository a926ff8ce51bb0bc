"""Published checksums."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ALGORITHMS = {"md5": "MD5", "sha256": "SHA-256"}
SLOW_SECONDS = 2  # reading a file for its checksum shows a bar from then on
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """A published checksum.

    Attributes:
        algorithm: md5 or sha256.
        digest: hexadecimal, lower case.
    """

    algorithm: str
    digest: str

    @property
    def name(self) -> str:
        """The algorithm in words."""
        return ALGORITHMS[self.algorithm]

    def of(self, path: Path) -> str:
        """The digest of a file by this algorithm, read in pieces."""
        found = hashlib.new(self.algorithm, usedforsecurity=False)
        with (
            path.open("rb") as file,
            tqdm(
                total=path.stat().st_size,
                unit="iB",
                unit_scale=True,
                desc=f"checking {path.name}",
                delay=SLOW_SECONDS,
                leave=False,
            ) as bar,
        ):
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                bar.update(len(chunk))
        return found.hexdigest()

    def fits(self, path: Path) -> bool:
        """Whether there is a file with this checksum."""
        return path.is_file() and self.of(path) == self.digest
