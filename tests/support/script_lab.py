"""A copy of the project whose configs are the demo's with one epoch, for scripts run for real."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support import command

JOINT = ("general10", "plant6", "fashion20")
# What stands in for a dataset; demo_digits for all others.
STAND_INS = {
    **dict.fromkeys(JOINT, "demo_suite"),
    "imagenet": "demo_shapes",
    "imagenet_r": "demo_shapes_sketch",
    "imagenetv2": "demo_shapes_striped",
}
DEMO_FOLDERS = {"LP": "LinearProbe"}  # whose demo.yaml serves a folder without one; else CoOp


class ScriptLab:
    """Scripts run under their own arguments, on the demo suite in place of each dataset.

    Args:
        folder: an empty one, for the copy.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = os.environ["PROMPTLAB_CACHE"]  # where the demo's pictures are, or will be
        self.repo = command.copy_project(folder / "repo")
        own = shutil.ignore_patterns("set_env.sh", "__pycache__", "clip_feat")
        for name in ("scripts", "lpclip"):
            shutil.copytree(command.PROJECT / name, self.repo / name, ignore=own)
        shutil.copy(command.PROJECT / "parse_test_res.py", self.repo)
        datasets = self.repo / "configs/datasets"
        for path in datasets.glob("*.yaml"):
            if not path.name.startswith("demo_"):
                demo = STAND_INS.get(path.stem, "demo_digits")
                shutil.copy(datasets / f"{demo}.yaml", path)
        for path in self.repo.glob("configs/trainers/*/*.yaml"):
            path.write_text(self.demo_config(path))

    def demo_config(self, path: Path) -> str:
        """The demo's YAML of a method, cut to one epoch."""
        trainers = command.PROJECT / "configs/trainers"
        own = trainers / path.parent.name / "demo.yaml"
        other = trainers / DEMO_FOLDERS.get(path.parent.name, "CoOp") / "demo.yaml"
        text = (own if own.is_file() else other).read_text(encoding="utf-8")
        return re.sub(r"MAX_EPOCH: *\d+", "MAX_EPOCH: 1", text)

    def run(self, line: str, shell: str = "sh") -> str:
        """Runs `scripts/x/y.sh arguments` and returns what it prints; /w/ is a folder of the lab's
        own weights.
        """
        words = line.replace(" /w/", f" {self.folder}/w/").split()
        done = subprocess.run(
            [shell, *words],
            cwd=self.repo,
            env=command.environment(DATA=self.data, PYTHON=command.forking_python()),
            capture_output=True,
            text=True,
            timeout=1800,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def mark_done(self, *folders: str) -> None:
        """Leaves a result where a script would: it is not made again."""
        for folder in folders:
            path = self.repo / folder / "result.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")

    def publish(self, trained: str, weights: str) -> None:
        """Puts a trained model where a script looks for published weights, below /w/."""
        shutil.copytree(self.repo / trained, self.folder / "w" / weights, dirs_exist_ok=True)
