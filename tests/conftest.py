"""Fixtures and settings that all tests share."""

import gc
import os
import re

import pytest
import torch

import image_store
from downloads import fetching
from tests.support import command, tiny_clip, warm_python

torch.set_num_threads(1)
gc.disable()  # until all is collected: libraries and tests are there to stay


def pytest_configure(config):
    """A Python with the libraries loaded, for all workers."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(warm_python.offer(command.environment()))


def pytest_collection_finish():
    """Let the collector look at what the tests themselves leave."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser):
    text = "only tests that name this method or its DePT variant (-k TCP takes SoftCPT as well)"
    parser.addoption("--method", metavar="NAME", action="append", default=[], help=text)


def pytest_collection_modifyitems(config, items):
    """Take the tests with the method's name as a word of their id: of a file, or of a case."""
    if methods := [method.lower() for method in config.getoption("--method")]:
        names = {name for method in methods for name in (method, f"{method}dept")}
        words = {item: set(re.split(r"[^a-z0-9]+", item.nodeid.lower())) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not words[item] & names])
        items[:] = [item for item in items if words[item] & names]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A place of this call of pytest for what runs keep, in place of the user's."""
    base = tmp_path_factory.getbasetemp()
    os.environ["PROMPTLAB_CACHE"] = str(
        (base.parent if base.name[:6] == "popen-" else base) / "kept"
    )


@pytest.fixture(autouse=True)
def no_store():
    """No store but that of the test: a run in this process leaves the one that it has used."""
    yield
    image_store.activate(None)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Downloads that fail are repeated at once."""
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0)


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory):
    """Path of the golden data's small ViT CLIP: 3 blocks a tower, ViT-B/16's widths, 32 pixels."""
    return tiny_clip.saved(tmp_path_factory.mktemp("weights") / "tiny_vit.pt")


@pytest.fixture(scope="session")
def deep_vit(tmp_path_factory):
    """Path of one as deep as ViT-B/16, for methods that act on upper blocks: 12 narrow blocks a
    tower."""
    path = tmp_path_factory.mktemp("weights") / "deep_vit.pt"
    sizes = {"layers": 12, "text_layers": 12, "vision_width": 64, "text_width": 64}
    return tiny_clip.saved(path, **sizes, embed_dim=32)


@pytest.fixture(scope="session")
def vit12(tmp_path_factory):
    """Path of a CLIP of twelve blocks a tower, with ViT-B/16's text widths."""
    return tiny_clip.saved(tmp_path_factory.mktemp("weights") / "vit12.pt", kind="vit12")


@pytest.fixture(scope="session")
def vit12_narrow(tmp_path_factory):
    """Path of a CLIP of twelve blocks a tower, all 64 wide."""
    path = tmp_path_factory.mktemp("weights") / "vit12_narrow.pt"
    return tiny_clip.saved(path, kind="vit12_narrow")


@pytest.fixture(scope="session")
def small_resnet(tmp_path_factory):
    """Path of a narrow ResNet CLIP of 64 pixels with twelve blocks of text."""
    path = tmp_path_factory.mktemp("weights") / "small_resnet.pt"
    sizes = {"width": 8, "text_width": 64, "text_layers": 12, "embed_dim": 64}
    return tiny_clip.saved(path, kind="resnet", **sizes)


@pytest.fixture(scope="session")
def small_vit(tmp_path_factory):
    """Path of a smaller one for tests that need no golden numbers: 2 narrow blocks a tower."""
    path = tmp_path_factory.mktemp("weights") / "small_vit.pt"
    return tiny_clip.saved(
        path, layers=2, text_layers=2, vision_width=64, text_width=64, embed_dim=32
    )
