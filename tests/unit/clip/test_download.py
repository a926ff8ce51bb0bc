"""Downloads against a server on this machine."""

import hashlib
import io
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import clip
from clip import download, weights
from tests.support.file_server import serving

CONTENT = bytes(range(256)) * 8000  # about two megabytes: two pieces
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "model.pt"


def part_of(target):
    return target.with_name("model.pt.part")


def fetch(server, target):
    return download.fetch(f"{server.url}/model.pt", target, SHA256)


def test_a_good_file_arrives_whole(target, capsys):
    with serving(CONTENT) as server:
        assert fetch(server, target) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()
    assert "model.pt" in capsys.readouterr().err  # the progress bar


def test_a_valid_file_is_not_asked_for_again(target):
    with serving(CONTENT) as server:
        fetch(server, target)
        fetch(server, target)
    assert server.requests == [("/model.pt", None)]


def test_a_valid_file_in_a_folder_without_write_permission_is_used(target, monkeypatch):
    target.parent.mkdir()
    target.write_bytes(CONTENT)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(download, "_lock", denied)
    assert download.fetch("http://127.0.0.1:9/model.pt", target, SHA256) == target


def test_a_wrong_cached_file_is_downloaded_again_with_a_warning(target, caplog):
    target.parent.mkdir()
    target.write_bytes(b"something else")
    with serving(CONTENT) as server, caplog.at_level(logging.WARNING):
        fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert f"{target}: its SHA-256 is not the published one; downloading again" in caplog.text


def test_a_corrupt_download_is_an_error_and_leaves_nothing(target):
    with (
        serving(CONTENT[:-1] + b"!") as server,
        pytest.raises(clip.WeightsError, match=f"SHA-256 of the download is not {SHA256}"),
    ):
        fetch(server, target)
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
    assert server.requests == [("/model.pt", "bytes=700000-")]


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
        pytest.raises(clip.WeightsError, match="the connection ended early; try again") as caught,
    ):
        fetch(server, target)
    assert len(server.requests) == download.ATTEMPTS
    assert str(target) in str(caught.value)
    assert part_of(target).stat().st_size == 10 * download.ATTEMPTS


def test_a_refused_request_is_named(target):
    with (
        serving(CONTENT, status=404) as server,
        pytest.raises(clip.WeightsError, match="download failed: HTTP 404") as caught,
    ):
        fetch(server, target)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_no_connection_is_named(target):
    with serving(CONTENT) as server:
        pass  # the port is closed again
    with pytest.raises(clip.WeightsError, match=r"download failed: .*refused.*by hand"):
        fetch(server, target)


def test_a_full_disk_is_named(target, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, _content):
            raise OSError(28, "No space left on device")

    def full(path, mode="r", *args, **kwargs):
        return FullDisk() if mode == "wb" else open(path, mode, *args, **kwargs)

    monkeypatch.setattr(type(target), "open", full)
    with (
        serving(CONTENT) as server,
        pytest.raises(clip.WeightsError, match=r"No space left.*free the space.*download_root"),
    ):
        fetch(server, target)


def test_several_at_once_download_once(target):
    with serving(CONTENT) as server, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: fetch(server, target), range(4))) == [target] * 4
    assert len(server.requests) == 1
    assert target.read_bytes() == CONTENT


def test_public_names_load_by_download(small_state, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    torch.save(small_state, buffer)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    with serving(buffer.getvalue()) as server:
        monkeypatch.setattr(weights, "BASE_URL", f"{server.url}/models")
        monkeypatch.setitem(weights.PUBLIC_MODELS, "ViT-B/16", ("ViT-B-16.pt", sha256))
        for _ in range(2):
            model, _ = clip.load("ViT-B/16", device="cpu", download_root=str(tmp_path))
    assert server.requests == [(f"/models/{sha256}/ViT-B-16.pt", None)]
    assert (tmp_path / "ViT-B-16.pt").exists()
    assert model.visual.input_resolution == 16


def test_the_default_folder_is_the_users_cache(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(weights, "fetch", lambda *args: seen.append(args))
    weights.find_weights("RN50")
    url, path, sha256 = seen[0]
    assert path == tmp_path / ".cache" / "clip" / "RN50.pt"
    assert url == f"https://openaipublic.azureedge.net/clip/models/{sha256}/RN50.pt"


def test_nine_models_are_public():
    assert clip.available_models() == [
        *("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"),
        *("ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px"),
    ]
    for file, sha256 in weights.PUBLIC_MODELS.values():
        assert file.endswith(".pt")
        assert len(bytes.fromhex(sha256)) == 32
