"""The nine public models are fetched from a server, here one on this machine."""

import hashlib
import io

import pytest
import torch

import clip
from clip import weights
from clip.download import fetch
from tests.support.file_server import serving


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


def test_what_cannot_be_fetched_is_a_weights_error(tmp_path):
    with (
        serving(b"other bytes") as server,
        pytest.raises(clip.WeightsError, match=f"SHA-256 of the download is not {'0' * 64}"),
    ):
        fetch(f"{server.url}/RN50.pt", tmp_path / "RN50.pt", "0" * 64)


def test_a_folder_that_cannot_be_made_is_a_weights_error_that_names_the_argument(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(clip.WeightsError, match=r"cannot be written.*with download_root") as caught:
        fetch("http://127.0.0.1:9/RN50.pt", tmp_path / "file" / "RN50.pt", "0" * 64)
    assert "\n" not in str(caught.value)


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
