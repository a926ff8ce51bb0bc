"""What the user of `prepare` asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of the command.

    Attributes:
        root: the folder of the datasets.
        given: a folder with files that the user has fetched; None without.
        make_split: whether to make a split file where none is there.
        seed: of that split.
        dry_run: say what would be done, and do nothing.
        folder: below the root, of a dataset whose reader fixes none; "" for that of its YAML.
    """

    root: Path
    given: Path | None = None
    make_split: bool = False
    seed: int = 1
    dry_run: bool = False
    folder: str = ""
