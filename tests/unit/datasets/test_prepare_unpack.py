"""What archives may hold, and what happens to one that holds something else."""

import errno
import shutil
import stat
import tarfile

import pytest

from datasets.preparing.unpack import ArchiveError, staging, unpack
from tests.support.archives import MODES, member, tar_bytes, write, zip_bytes

FILES = {"set/images/a/1.jpg": b"one" * 999, "set/images/b c/ü.jpg": b"two", "set/list.txt": b"x"}
TAKES = {"list.txt": ["set/list.txt"], "images": ["set/images", "images"]}
NAMES = [f"set{end}" for end in (*(end for end in MODES), ".zip")]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "data" / ".unpacking"
    path.mkdir(parents=True)
    return path


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_unpacked_under_its_new_name(tmp_path, folder, name):
    archive = write(tmp_path / name, {**FILES, "set/more/3.jpg": b"three", "other": b"four"})
    before = archive.read_bytes()
    unpack(archive, TAKES, folder)
    assert content_of(folder) == {
        "images/a/1.jpg": b"one" * 999,
        "images/b c/ü.jpg": b"two",
        "list.txt": b"x",
    }
    assert archive.read_bytes() == before


def test_a_python_whose_tarfile_has_no_filters_unpacks_as_well(tmp_path, folder, monkeypatch):
    for name in ("FilterError", "data_filter", "tar_filter", "fully_trusted_filter"):
        monkeypatch.delattr(tarfile, name)  # as before Python 3.11.4
    unpack(write(tmp_path / "set.tar.gz", FILES), TAKES, folder)
    assert (folder / "list.txt").read_bytes() == b"x"
    (tmp_path / "cut.tar").write_bytes(tar_bytes(FILES)[:1000])
    with pytest.raises(ArchiveError, match="is damaged or no archive"):
        unpack(tmp_path / "cut.tar", TAKES, folder)


def test_what_is_unpacked_gets_neither_mode_nor_owner_nor_time(tmp_path, folder):
    one = member("set/list.txt", mode=0o4777, uid=12345, mtime=1)
    (tmp_path / "set.tar").write_bytes(tar_bytes({}, [one]))
    unpack(tmp_path / "set.tar", {"list.txt": ["set/list.txt"]}, folder)
    found, usual = (folder / "list.txt").stat(), folder / "usual"
    usual.touch()
    assert (found.st_mode, found.st_uid) == (usual.stat().st_mode, usual.stat().st_uid)
    assert found.st_mtime > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_start_with_the_folder_itself(tmp_path, folder, name):
    unpack(write(tmp_path / name, {f"./{path}": b for path, b in FILES.items()}), TAKES, folder)
    assert (folder / "images" / "a" / "1.jpg").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_everything_can_be_asked_for(tmp_path, folder, name):
    unpack(write(tmp_path / name, FILES), {"val": [""]}, folder)
    assert content_of(folder / "val") == FILES


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_of_something_else_says_what_it_holds(tmp_path, folder, name):
    archive = write(tmp_path / name, {"cats/1.jpg": b"", "dogs/1.jpg": b""})
    with pytest.raises(ArchiveError, match=r"holds no set/list.txt, but cats, dogs; get the"):
        unpack(archive, TAKES, folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_an_archive_that_is_cut_short_is_one_line(tmp_path, folder, name, share):
    archive = write(tmp_path / name, {f"set/images/{i}": bytes(2000) for i in range(9)} | FILES)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    with pytest.raises(ArchiveError, match="is damaged or no archive") as caught:
        unpack(archive, TAKES, folder)
    assert "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)


def test_a_tar_that_ends_between_two_files_is_cut_short(tmp_path, folder):
    archive = write(tmp_path / "set.tar", {"set/list.txt": b"", "set/images/1": bytes(1024)})
    archive.write_bytes(archive.read_bytes()[: 3 * 512 + 512])
    with pytest.raises(ArchiveError, match="unexpected end of data"):
        unpack(archive, TAKES, folder)


def test_a_damaged_header_is_not_the_end(tmp_path, folder):
    archive = write(tmp_path / "set.tar", {"set/list.txt": b"", "set/images/1": b"1", "x": b""})
    data = bytearray(archive.read_bytes())
    data[3 * 512 + 10] ^= 255
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="is damaged or no archive"):
        unpack(archive, TAKES, folder)


def test_a_wrong_bit_in_a_zip_is_found(tmp_path, folder):
    archive = tmp_path / "set.zip"
    data = bytearray(zip_bytes({"set/list.txt": b"x", "set/images/1": bytes(range(256)) * 9}))
    data[data.index(b"set/images/1") + 40] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="is damaged or no archive"):
        unpack(archive, TAKES, folder)


OUTSIDE = [
    "../escaped",
    "set/images/../../../escaped",
    "/tmp/escaped",
    "set\\..\\..\\escaped",
    "C:/escaped",
]


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, folder, kind, name):
    archive = tmp_path / f"set.{kind}"
    make = tar_bytes if kind == "tar" else zip_bytes
    archive.write_bytes(make({**FILES, name: b"!"}))
    with pytest.raises(ArchiveError, match=r"is refused: its member .*escaped' lies outside"):
        unpack(archive, TAKES, folder)
    assert not list(tmp_path.rglob("*escaped*"))


LINKS = {
    "a link to an absolute path": member("set/images/l", type=tarfile.SYMTYPE, linkname="/etc"),
    "a link upwards": member("set/images/l", type=tarfile.SYMTYPE, linkname="../../../.."),
    "a hard link upwards": member("set/images/l", type=tarfile.LNKTYPE, linkname="../etc/passwd"),
    "a hard link to an absolute path": member(
        "set/images/l", type=tarfile.LNKTYPE, linkname="/etc/passwd"
    ),
    "a link to a folder": member("set/images/l", type=tarfile.SYMTYPE, linkname="a"),
    "a link to nothing": member("set/images/l", type=tarfile.SYMTYPE, linkname="a/2.jpg"),
    "a link to itself": member("set/images/l", type=tarfile.SYMTYPE, linkname="l"),
    "a device": member("set/images/d", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a disk": member("set/images/d", type=tarfile.BLKTYPE, devmajor=8),
    "a pipe": member("set/images/d", type=tarfile.FIFOTYPE),
    "a link that is not taken": member("x", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a device that is not taken": member("x", type=tarfile.CHRTYPE),
}


@pytest.mark.parametrize("what", LINKS)
def test_links_that_mislead_and_devices_are_refused(tmp_path, folder, what):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(tar_bytes(FILES, [LINKS[what]], "w:gz"))
    with pytest.raises(ArchiveError, match="is refused: ") as caught:
        unpack(archive, TAKES, folder)
    assert "\n" not in str(caught.value)
    assert all(path.is_file() or path.is_dir() for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_of_a_zip_are_refused(tmp_path, folder, kind):
    archive = tmp_path / "set.zip"
    archive.write_bytes(zip_bytes({**FILES, "set/l": b"/etc"}, {"set/l": kind | 0o777}))
    with pytest.raises(ArchiveError, match="is refused: set/l is a link or device"):
        unpack(archive, TAKES, folder)
    assert not content_of(folder)


@pytest.mark.parametrize(
    ("kind", "aim"), [(tarfile.SYMTYPE, "../a/1.jpg"), (tarfile.LNKTYPE, "set/images/a/1.jpg")]
)
def test_a_link_to_a_file_of_the_archive_becomes_a_copy(tmp_path, folder, kind, aim):
    archive = tmp_path / "set.tar"
    link = member("set/images/b c/copy.jpg", type=kind, linkname=aim)
    archive.write_bytes(tar_bytes(FILES, [link]))
    unpack(archive, TAKES, folder)
    copy = folder / "images" / "b c" / "copy.jpg"
    assert not copy.is_symlink() and copy.read_bytes() == b"one" * 999
    assert copy.stat().st_nlink == 1


def test_a_member_that_goes_through_a_link_cannot_be_there(tmp_path, folder):
    through = tar_bytes(
        {}, [member("set/images/l", type=tarfile.SYMTYPE, linkname="a"), member("set/images/l/x")]
    )
    (tmp_path / "set.tar").write_bytes(through)
    with pytest.raises(ArchiveError, match="leads to no file in it"):
        unpack(tmp_path / "set.tar", TAKES, folder)


@pytest.mark.parametrize("name", ["set.tar", "set.zip"])
def test_a_disk_without_room_is_named_before_anything_is_written(
    tmp_path, folder, name, monkeypatch
):
    archive = write(tmp_path / name, FILES)
    usage = shutil.disk_usage(folder)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(ArchiveError, match=r"unpacking takes 0.0 GB, .*data has 0.0 GB free"):
        unpack(archive, TAKES, folder)
    assert not content_of(folder)


@pytest.mark.parametrize("name", ["set.tar", "set.zip"])
def test_a_disk_that_fills_up_meanwhile_is_named(tmp_path, folder, name, monkeypatch):
    archive = write(tmp_path / name, FILES)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(ArchiveError, match=r"set\.\w+ cannot be unpacked into .*data: No space"):
        unpack(archive, TAKES, folder)


def test_a_disk_that_may_not_be_written_is_not_called_full(tmp_path, folder, monkeypatch):
    def closed(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "copyfileobj", closed)
    with pytest.raises(ArchiveError, match="Permission denied; make that writable, free"):
        unpack(write(tmp_path / "set.tar", FILES), TAKES, folder)


CLASHES = [("a", "a/1.jpg"), ("a/1.jpg", "a"), ("a/b/1.jpg", "a/b"), ("a/b", "a/b/c/1.jpg")]


@pytest.mark.parametrize("name", ["set.tar", "set.zip"])
@pytest.mark.parametrize("paths", CLASHES)
def test_a_file_and_a_folder_of_one_name_are_a_damaged_archive(tmp_path, folder, name, paths):
    files = {"set/list.txt": b"", **{f"images/{path}": b"x" for path in paths}}
    archive = write(tmp_path / name, files)
    with pytest.raises(
        ArchiveError, match=r"is damaged or no archive \(\[Errno \d+\] .*get it again"
    ):
        unpack(archive, TAKES, folder)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, None])
def test_the_hidden_folder_is_gone_at_the_end(tmp_path, error):
    place = tmp_path / "a" / ".unpacking"
    place.mkdir(parents=True)
    (place / "left").touch()  # by a killed call

    def work():
        with staging(place) as staged:
            assert not list(staged.iterdir())
            (staged / "half").touch()
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    assert not place.exists()


def test_a_hidden_folder_that_can_be_resumed_stays_when_interrupted(tmp_path):
    place = tmp_path / ".unpacking"
    with pytest.raises(KeyboardInterrupt), staging(place, resumes=True) as staged:
        (staged / "whole").touch()
        raise KeyboardInterrupt
    with staging(place, resumes=True) as staged:
        assert (staged / "whole").exists()
    assert not place.exists()
