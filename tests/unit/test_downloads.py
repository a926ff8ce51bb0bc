"""Downloads against a server on this machine."""

import hashlib
import io
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

import downloads
from downloads import Checksum, DownloadError, fetching
from tests.support.file_server import serving

CONTENT = bytes(range(256)) * 8000  # about two megabytes: two pieces
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "images.tar"


def part_of(target):
    return target.with_name("images.tar.part")


def fetch(server, target, checksum=SHA256):
    return downloads.fetch(f"{server.url}/images.tar", target, checksum)


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_good_file_arrives_whole(target, capsys, checksum):
    with serving(CONTENT) as server:
        assert fetch(server, target, checksum) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()
    assert "images.tar" in capsys.readouterr().err  # the progress bar


def test_a_valid_file_is_not_asked_for_again(target):
    with serving(CONTENT) as server:
        fetch(server, target)
        fetch(server, target)
    assert server.requests == [("/images.tar", None)]


def test_a_valid_file_in_a_folder_without_write_permission_is_used(target, monkeypatch):
    target.parent.mkdir()
    target.write_bytes(CONTENT)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fetching, "locked", denied)
    assert downloads.fetch("http://127.0.0.1:9/images.tar", target, SHA256) == target


def test_a_wrong_cached_file_is_downloaded_again_with_a_warning(target, caplog):
    target.parent.mkdir()
    target.write_bytes(b"something else")
    with serving(CONTENT) as server, caplog.at_level(logging.WARNING):
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert f"{target}: its SHA-256 is not the published one; downloading again" in caplog.text


@pytest.mark.parametrize(("checksum", "name"), [(SHA256, "SHA-256"), (MD5, "MD5")])
def test_a_corrupt_download_is_an_error_and_leaves_nothing(target, checksum, name):
    with (
        serving(CONTENT[:-1] + b"!") as server,
        pytest.raises(DownloadError, match=f"{name} of the download is not {checksum.digest}"),
    ):
        fetch(server, target, checksum)
    assert not target.exists()
    assert not part_of(target).exists()


def test_a_cut_connection_is_resumed(target):
    with serving(CONTENT, cut_after=[1_500_000, 100_000]) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    asked = [header for _, header in server.requests]
    assert asked == [None, "bytes=1500000-", "bytes=1600000-"]


def test_a_stopped_download_is_resumed_by_the_next_call(target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:700_000])
    with serving(CONTENT) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [("/images.tar", "bytes=700000-")]


def test_a_download_that_was_complete_but_not_in_place(target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    with serving(CONTENT) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [1000, len(CONTENT) + 5])
def test_a_wrong_beginning_is_thrown_away(target, size):
    target.parent.mkdir()
    part_of(target).write_bytes(bytes(size))
    with serving(CONTENT) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_from_the_start(target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:700_000])
    with serving(CONTENT, ranges=False) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_connection_that_never_gets_on_is_given_up(target):
    with (
        serving(CONTENT, cut_after=[10] * 20) as server,
        pytest.raises(DownloadError, match="the connection ended early; try again") as caught,
    ):
        fetch(server, target)
    assert len(server.requests) == fetching.ATTEMPTS
    assert str(target) in str(caught.value)
    assert part_of(target).stat().st_size == 10 * fetching.ATTEMPTS


def test_a_busy_server_is_asked_again_after_pauses_that_grow(target, monkeypatch):
    pauses = []
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(fetching.time, "sleep", pauses.append)
    with serving(CONTENT, busy=fetching.ATTEMPTS - 1) as server:
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert pauses == [1, 2, 4, 8]


def test_a_server_that_stays_busy_is_named(target):
    with (
        serving(CONTENT, status=503) as server,
        pytest.raises(DownloadError, match="download failed: HTTP 503"),
    ):
        fetch(server, target)
    assert len(server.requests) == fetching.ATTEMPTS


def test_a_refused_request_is_named(target):
    with (
        serving(CONTENT, status=404) as server,
        pytest.raises(DownloadError, match="download failed: HTTP 404") as caught,
    ):
        fetch(server, target)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_no_connection_is_named_after_pauses(target, monkeypatch):
    pauses = []
    monkeypatch.setattr(fetching.time, "sleep", pauses.append)
    with serving(CONTENT) as server:
        pass  # the port is closed again
    with pytest.raises(DownloadError, match=r"download failed: .*refused.*by hand"):
        fetch(server, target)
    assert len(pauses) == fetching.ATTEMPTS - 1


def test_a_full_disk_is_named(target, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, _content):
            raise OSError(28, "No space left on device")

    def full(path, mode="r", *args, **kwargs):
        return FullDisk() if mode == "wb" else open(path, mode, *args, **kwargs)

    monkeypatch.setattr(type(target), "open", full)
    with (
        serving(CONTENT) as server,
        pytest.raises(DownloadError, match=r"No space left.*; free the space$"),
    ):
        fetch(server, target)


def test_a_file_larger_than_the_free_space_is_refused_before_it_is_written(target, monkeypatch):
    usage = shutil.disk_usage(target.parents[1])._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with (
        serving(CONTENT) as server,
        pytest.raises(DownloadError, match=r"images.tar: cannot be written: No space left"),
    ):
        fetch(server, target)
    assert not part_of(target).exists()


def test_a_fault_of_the_folder_comes_with_the_callers_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"cannot be written: .*; ask Ann"):
        downloads.fetch("http://127.0.0.1:9/x", tmp_path / "file" / "x", SHA256, remedy="ask Ann")


def test_several_at_once_download_once(target):
    with serving(CONTENT) as server, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: fetch(server, target), range(4))) == [target] * 4
    assert len(server.requests) == 1
    assert target.read_bytes() == CONTENT
