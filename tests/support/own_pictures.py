"""Folders and tables of a person's own pictures; the image files are empty."""

from pathlib import Path

from tests.support.dataset_tree import dataset_cfg

CLASSES = ("bee", "cat", "dog", "emu")


def write_images(folder: Path, *paths: str) -> Path:
    """Make empty files and their folders; returns the folder."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def class_images(classes=CLASSES, count=5, part="") -> list[str]:
    """Paths <part>/<class>/<number>.jpg."""
    start = f"{part}/" if part else ""
    return [f"{start}{name}/{i}.jpg" for name in classes for i in range(count)]


def write_table(folder: Path, lines: str, name: str = "images.csv", **how) -> Path:
    """Write a table; returns the folder."""
    (folder / name).write_text(lines, encoding=how.get("encoding", "utf-8"))
    return folder


def own_cfg(folder: Path, below: str = "", **options):
    """A configuration that reads a folder, or one below it."""
    cfg = dataset_cfg(folder, **options)
    cfg.DATASET.FOLDER = below
    return cfg


def rows(data, folder: Path) -> list[tuple[str, int, str]]:
    """Datum list -> (path below the folder, label, class name)."""
    return [(str(Path(d.impath).relative_to(folder)), d.label, d.classname) for d in data]


def by_part(found, folder: Path) -> list[list[tuple[str, int, str]]]:
    """`rows` of train, val and test of a dataset."""
    return [rows(part, folder) for part in (found.train_x, found.val, found.test)]
