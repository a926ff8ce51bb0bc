"""A downloaded archive of published checkpoints, as a folder.

Below it lie `<dataset>/base/seed<N>` (trained on base classes), `<source dataset>/seed<N>` (trained
on all classes of ImageNet) and `<dataset>/<K>shot/seed<N>` (few-shot), each with the model's folder
that train.py loads, such as `VLPromptLearner/model.pth.tar-20`.
"""

from pathlib import Path

from runner.errors import UserError
from runner.plan.modes import Mode

_LAYOUT = {  # by the mode whose settings hold
    "b2n": "{dataset}/base/seed{seed}",
    "xd": "{dataset}/seed{seed}",
    "fs": "{dataset}/{shots}shot/seed{seed}",
}


def seed_folder(mode: Mode, dataset: str, shots: int | str, seed: int | str) -> str:
    """Return where in an archive the checkpoint of one training lies if it is there."""
    return _LAYOUT[mode.settings].format(dataset=dataset, shots=shots, seed=seed)


def open_archive(path: str, mode: Mode) -> Path:
    """Return the folder.

    Raises:
        UserError: no such folder, or published archives hold nothing for this mode.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"--weights {path}: no such folder; give that of the unpacked archive")
    if mode.name in ("fs-b2n", "mt"):
        raise UserError(
            f"--mode {mode.name}: has no effect with --weights, which takes b2n, gb2n, xd, dg "
            f"and fs"
        )
    return folder


def checkpoint_id(folder: Path) -> str:
    """Return what tells the checkpoint files below the folder of a seed from others: their names,
    sizes and times, which unpacking keeps; nothing if there is no file."""
    files = sorted(path for path in folder.glob("*/model*.pth.tar*") if path.is_file())
    facts = [(str(file.relative_to(folder)), file.stat()) for file in files]
    return ", ".join(f"{name} {stat.st_size} {int(stat.st_mtime)}" for name, stat in facts)
