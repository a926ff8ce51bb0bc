"""Unpacks archives as far as a dataset needs them; nothing that an archive holds leaves the folder.

torchvision's extract_archive is not used: it takes a zip file's links, devices and absolute paths
as they come, writes straight into the place that readers look at, and shows no progress. tarfile's
own filters, which Python has from 3.11.4 on, let links through and repair what should be refused;
zip files have none.
"""

import contextlib
import errno
import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tqdm import tqdm

from dassl.utils.errors import UserError
from datasets.parts.items import is_relative

# name in the folder -> paths in the archive that may become it; "" stands for everything
Takes = Mapping[str, Sequence[str]]

_FORMAT_FAULTS = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)
_FAULTS = (*_FORMAT_FAULTS, OSError, RuntimeError, ValueError)  # RuntimeError: encrypted, unknown
_CLASHES = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR)  # a name in it is a file and a folder
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
    """A hidden folder to unpack in: new, or with `resumes` as an earlier call left it. It is gone
    at the end, unless a call that failed can be resumed.
    """
    if not resumes:
        remove(folder)
    folder.mkdir(parents=True, exist_ok=resumes)
    try:
        yield folder
    except BaseException:
        if not resumes:
            remove(folder)
        raise
    remove(folder)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a link to one, if it is there."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


@contextlib.contextmanager
def opened(archive: Path, folder: Path) -> Iterator[IO[bytes]]:
    """An archive to read, with a bar of how much is read. What goes wrong with it, and with what is
    written into `folder` meanwhile, becomes an `ArchiveError`.
    """
    title = f"unpacking {archive.name}"
    try:
        size = archive.stat().st_size
        with (
            archive.open("rb") as file,
            tqdm.wrapattr(file, "read", total=size, desc=title, delay=1) as watched,
        ):
            yield watched
    except UserError:
        raise
    except _FAULTS as error:
        if isinstance(error, OSError) and error.errno not in (None, *_CLASHES):
            raise ArchiveError(
                f"{archive} cannot be unpacked into {folder.parent}: {error.strerror}; make that "
                "writable, free the space or give another --root"
            ) from None
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ArchiveError(f"{archive} is damaged or no archive ({reason}); get it again") from None


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
    with opened(archive, folder) as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        if is_zip:
            seen = _unpack_zip(file, archive, takes, folder)
        else:
            # images hardly shrink: a lower bound
            check_space(archive, archive.stat().st_size, folder)
            seen = unpack_tar(file, archive, takes, folder)
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
            f"{free / 1e9:.1f} GB free; free the space or give another --root"
        )


def unpack_tar(file: IO[bytes], archive: Path, takes: Takes, folder: Path) -> set[str]:
    """`unpack` of an open tar file, without messages of damage; `archive` is named in others.

    Returns:
        the topmost names in it.
    """
    seen = set()
    with tarfile.open(fileobj=file, tarinfo=_StrictHeader) as tar:
        for member in tar:
            name = _checked(member.name, archive)
            seen.add(name.partition("/")[0])
            place = place_of(name, takes)
            if member.isdir():
                if place is not None:
                    (folder / place).mkdir(parents=True, exist_ok=True)
                continue
            content = _content(tar, member, archive)
            if place is not None:
                _write(content, folder / place)
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # a compressed file tells at its very end whether it was whole
    return seen


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> IO[bytes]:
    """The content of a file, or of the file in the archive that a link leads to."""
    with contextlib.suppress(KeyError, RecursionError):  # a link that leads out, or in a circle
        file = tar.extractfile(member)
        if file is not None:
            return file
    raise ArchiveError(
        f"{archive} is refused: {member.name} is a device, or a link that leads to no file in it"
    )


def _unpack_zip(file: IO[bytes], archive: Path, takes: Takes, folder: Path) -> set[str]:
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
    return {name.partition("/")[0] for _, name in members}


def _write(source: IO[bytes], path: Path) -> None:
    """Write a member; it gets no owner, time or mode of the archive's."""
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
