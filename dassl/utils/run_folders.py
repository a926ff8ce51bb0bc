"""The folder of a run that was probably meant, where a neighbour of it was given."""

from collections.abc import Sequence
from pathlib import Path


def run_folders_near(directory: Path, names: Sequence[str]) -> list[Path]:
    """Folders above or below a directory that hold a model of every name: what was probably meant
    where the directory itself does not; those above first, those below by depth, at most three."""

    def whole(folder: Path) -> bool:
        return all(any((folder / name).glob("model*.pth.tar*")) for name in names)

    if not names:
        return []
    above = [folder for folder in list(directory.absolute().parents)[:2] if whole(folder)]
    below: list[Path] = []
    for depth in range(1, 5):
        if below or above:
            break
        found = directory.glob("/".join(["*"] * depth + [names[0]]))
        below = sorted({place.parent for place in found if whole(place.parent)})
    return [*above, *below][:3]


def near_folders_hint(directory: Path, names: Sequence[str]) -> str:
    """`; did you mean ...?` with what `run_folders_near` finds, else nothing."""
    near = run_folders_near(directory, names)
    return f"; did you mean {' or '.join(map(str, near))}?" if near else ""
