"""Folders of the multi-task datasets in the true layouts, with empty image files."""

import json
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "softcpt" / "data_format.json"
PARTS = ("train", "test", "validation")  # of the members that come in three folders
IMAGES = 10  # in a class folder


def golden():
    """What the published code made of a small Plant-6 tree."""
    return json.loads(GOLDEN.read_text())


def write_classes(folder: Path, classes, count: int = IMAGES) -> None:
    """A folder for each class, with empty images."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f"{i:02d}.jpg").touch()


def write_plant6(root: Path) -> Path:
    """The golden tree: class folders, names and descriptions of the tasks, no split files."""
    for name, images, classes, in_parts in golden()["members"]:
        for part in PARTS if in_parts else ("",):
            write_classes(root / name / images / part, classes)
        (root / name / "task_name.txt").write_text(f"{name}_name\n")
        (root / name / "task_desc.txt").write_text(f"description of {name}\n")
    return root


def write_fashion20(root: Path) -> Path:
    """Twenty tasks of two and three classes, and task_info.csv."""
    lines = ["id\ttask name\tdescription\tlabel names"]
    for task in range(20):
        names = [f"kind {task} {k}" for k in range(2 + task % 2)]
        write_classes(root / "fashion20" / "images" / str(task), map(str, range(len(names))))
        lines.append(f"{task}\tquestion {task}\t-\t{', '.join(names)}")
    (root / "fashion20" / "task_info.csv").write_text("\n".join(lines) + "\n")
    return root
