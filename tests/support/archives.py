"""Small archives in the forms in which datasets are published, and hostile ones."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

MODES = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}


def member(name: str, **values) -> tarfile.TarInfo:
    """A member of a tar file, with any field set."""
    found = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(found, key, value)
    return found


def tar_bytes(
    files: Mapping[str, bytes], extra: Iterable[tarfile.TarInfo] = (), mode: str = "w"
) -> bytes:
    """A tar file of some files and then of members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            tar.addfile(member(name, size=len(content)), io.BytesIO(content))
        for one in extra:
            tar.addfile(one)
    return buffer.getvalue()


def zip_bytes(files: Mapping[str, bytes], kinds: Mapping[str, int] | None = None) -> bytes:
    """A zip file of some files; `kinds` gives the Unix mode of some."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (kinds or {}).get(name, 0o100644) << 16
            content.writestr(info, data)
    return buffer.getvalue()


def write(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar or zip file, by the end of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = MODES.get(path.suffix)
    path.write_bytes(tar_bytes(files, mode=mode) if mode else zip_bytes(files))
    return path
