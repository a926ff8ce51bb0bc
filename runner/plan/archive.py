"""A downloaded archive of published checkpoints, as a folder.

Below it lie `<dataset>/base/seed<N>` (trained on base classes), `<source dataset>/seed<N>` (trained
on all classes of ImageNet) and `<dataset>/<K>shot/seed<N>` (few-shot), each with the model's folder
that train.py loads, such as `VLPromptLearner/model.pth.tar-20`.
"""

import hashlib
from pathlib import Path

from runner.errors import UserError
from runner.files.writing import shown
from runner.plan.modes import Mode

_END = 2**20
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
            f"--mode {mode.name}: has no effect with --weights, which takes b2n, xd, dg and fs"
        )
    return folder


def checkpoint_id(folder: Path) -> str:
    """Return what tells the checkpoint files below the folder of a seed from others: a digest over
    their names, sizes and ends (a zip file's end holds a checksum of every entry); nothing if there
    is no file.

    Raises:
        UserError: a file cannot be read.
    """
    digest = hashlib.sha256()
    files = sorted(path for path in folder.glob("*/model*.pth.tar*") if path.is_file())
    for path in files:
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(_ends(path))
    return digest.hexdigest() if files else ""


def _ends(path: Path) -> bytes:
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}\n".encode())
    try:
        with path.open("rb") as file:
            digest.update(file.read(_END))
            file.seek(max(0, size - _END))
            digest.update(file.read(_END))
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {error.strerror}") from error
    return digest.digest()
