"""Unpacks archives as far as a dataset needs them; nothing that an archive holds leaves the folder.

torchvision's extract_archive is not used: it takes a zip file's links, devices and absolute paths
as they come, writes straight into the place that readers look at, and shows no progress. tarfile's
own filters, which Python has from 3.11.4 on, let links through, and zip files have none.
"""

import contextlib
import errno
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tqdm import tqdm

from dassl.utils.errors import UserError
from datasets.parts.items import is_relative

# name in the folder -> paths in the archive that may become it; "" stands for everything
Takes = Mapping[str, Sequence[str]]

_FORMAT_FAULTS = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)
_FAULTS = (*_FORMAT_FAULTS, OSError, RuntimeError, ValueError)  # RuntimeError: encrypted, unknown
_CLASHES = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR)  # nothing else lies where it is unpacked
_REMEDIES = {
    errno.EACCES: "make that writable or give another --root",
    errno.EPERM: "make that writable or give another --root",
    errno.EROFS: "make that writable or give another --root",
    errno.ENAMETOOLONG: "a name in it is too long for that disk; give another --root",
}
_SPACE = "free the space or give another --root"
_SHOWN = 3  # names of an archive's content in an error


class ArchiveError(UserError):
    """An archive that is damaged, dangerous, of other content, or too large for the disk."""


class _StrictHeader(tarfile.TarInfo):
    """Takes a damaged header, or an archive without an end mark, for an error and not for the end;
    tarfile does so in the first header only.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_StrictHeader":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("unexpected end of data") from error


@contextlib.contextmanager
def staging(folder: Path, *, resumes: bool = False) -> Iterator[Path]:
    """A hidden folder to unpack in: new, or with `resumes` as an earlier call left it when it was
    killed. It is gone at the end, unless an interrupted one can be resumed.
    """
    if not resumes:
        remove(folder)
    folder.mkdir(parents=True, exist_ok=resumes)
    try:
        yield folder
    except KeyboardInterrupt:
        if not resumes:
            remove(folder)
        raise
    except BaseException:
        remove(folder)
        raise
    remove(folder)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a link to one, if it is there."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def unpack(archive: Path, takes: Takes, folder: Path) -> None:
    """Unpack what a dataset needs of a tar file (plain, gz, bz2, xz) or zip file into a folder.

    Every member is checked, also those that are not taken: absolute paths, "..", links out of the
    archive and devices are refused. Links among its files become copies.

    Args:
        archive: the file; only read.
        takes: what is taken, and its name in `folder`.
        folder: a folder that is there, and that nobody else writes to.

    Raises:
        ArchiveError: one line with the archive and the reason. What was unpacked by then stays.
    """
    with in_one_line(archive, folder), archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        size = archive.stat().st_size
        with tqdm(
            total=size, unit="iB", unit_scale=True, desc=f"unpacking {archive.name}", delay=1
        ) as bar:
            if is_zip:
                seen = _unpack_zip(file, archive, takes, folder, bar.update)
            else:
                check_space(archive, size, folder)  # images hardly shrink: a lower bound
                seen = unpack_tar(
                    file, archive, takes, folder, lambda: bar.update(file.tell() - bar.n)
                )
    for target, places in takes.items():
        if target and not (folder / target).exists():
            holds = ", ".join(sorted(seen)[:_SHOWN]) or "nothing"
            raise ArchiveError(
                f"{archive} holds no {places[0]}, but {holds}; get the published one"
            )


def check_space(archive: Path, needed: int, folder: Path) -> None:
    """Check that what an archive holds has room.

    Raises:
        ArchiveError: it has not; says how much is needed and free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{archive}: unpacking takes {needed / 1e9:.1f} GB, {folder.parent} has "
            f"{free / 1e9:.1f} GB free; {_SPACE}"
        )


def unpack_tar(
    file: IO[bytes], archive: Path, takes: Takes, folder: Path, progress: Callable[[], object]
) -> set[str]:
    """`unpack` of an open tar file, without messages of damage; `archive` is named in others.

    Returns:
        the topmost names in it.
    """
    seen = set()
    with tarfile.open(fileobj=file, tarinfo=_StrictHeader) as tar:
        for member in tar:
            name = _checked(member.name, archive)
            place = place_of(name, takes)
            if member.issym() or member.islnk():
                _copy_link(member, name, place, archive, takes, folder)
            elif not (member.isreg() or member.isdir()):
                raise ArchiveError(f"{archive} is refused: {name} is a link or device")
            elif place is not None and member.isdir():
                (folder / place).mkdir(parents=True, exist_ok=True)
            elif place is not None:
                _write(tar.extractfile(member), folder / place)
            seen.add(name.partition("/")[0])
            progress()
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # a compressed file tells at its very end whether it was whole
    return seen


def _unpack_zip(
    file: IO[bytes], archive: Path, takes: Takes, folder: Path, progress: Callable[[int], object]
) -> set[str]:
    with zipfile.ZipFile(file) as content:
        members = [(info, _checked(info.filename, archive)) for info in content.infolist()]
        for info, name in members:
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"{archive} is refused: {name} is a link or device")
        chosen = [(info, place_of(name, takes)) for info, name in members]
        check_space(archive, sum(info.file_size for info, place in chosen if place), folder)
        for info, place in chosen:
            if place is not None and info.is_dir():
                (folder / place).mkdir(parents=True, exist_ok=True)
            elif place is not None:
                _write(content.open(info), folder / place)
            progress(info.compress_size)
    return {name.partition("/")[0] for _, name in members}


def _write(source: IO[bytes] | None, path: Path) -> None:
    """Write a member; it gets no owner, time or mode of the archive's."""
    assert source is not None  # as of every regular member
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def _checked(name: str, archive: Path) -> str:
    """The path of a member, without needless dots and slashes; "" for the top itself."""
    parts = PurePosixPath(name)
    inside = is_relative(name) and is_relative(name.replace("\\", "/"))
    if parts.parts and (not inside or PureWindowsPath(name).drive):
        raise ArchiveError(
            f"{archive} is refused: its member {name!r} lies outside of it; get the published one"
        )
    return parts.as_posix() if parts.parts else ""


def place_of(name: str, takes: Takes) -> str | None:
    """Where a member goes; None if it is not taken."""
    for target, places in takes.items():
        for place in places:
            if not name or name == place:
                return target if name else None
            if not place or name.startswith(f"{place}/"):
                return posixpath.join(target, name[len(place) :].lstrip("/"))
    return None


def _copy_link(
    member: tarfile.TarInfo,
    name: str,
    place: str | None,
    archive: Path,
    takes: Takes,
    folder: Path,
) -> None:
    """Put a copy where an archive has a link: no link on the disk, none that can mislead."""
    start = posixpath.dirname(name) if member.issym() else ""
    aim = posixpath.normpath(posixpath.join(start, member.linkname))
    if not is_relative(aim):
        raise ArchiveError(f"{archive} is refused: its link {name} leads outside of it")
    if place is None:
        return
    source = place_of(aim, takes)
    if source is None or not (folder / source).is_file():
        raise ArchiveError(f"{archive} is refused: its link {name} leads to no file before it")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / source, folder / place)


@contextlib.contextmanager
def in_one_line(archive: Path, folder: Path) -> Iterator[None]:
    """Turn what reading an archive and writing its content can raise into an `ArchiveError`."""
    try:
        yield
    except UserError:
        raise
    except _FAULTS as error:
        if isinstance(error, OSError) and error.errno in _CLASHES:
            tried = Path(error.filename or folder)
            there = next(path for path in (tried, *tried.parents) if os.path.lexists(path))
            name = os.path.relpath(there, folder)
            raise ArchiveError(
                f"{archive} holds {name} as a file and as a folder; get the published one"
            ) from None
        if isinstance(error, OSError) and error.errno is not None:
            raise ArchiveError(
                f"{archive} cannot be unpacked into {folder.parent}: {os.strerror(error.errno)}; "
                f"{_REMEDIES.get(error.errno, _SPACE)}"
            ) from None
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ArchiveError(f"{archive} is damaged or no archive ({reason}); get it again") from None
