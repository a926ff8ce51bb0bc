"""Fixtures of the dataset tests."""

import os
from pathlib import Path

import pytest

from datasets.demo.suite import (
    DemoDigits,
    DemoShapes,
    DemoShapesSketch,
    DemoShapesStriped,
    DemoTextures,
)
from datasets.oxford_pets import OxfordPets
from tests.support import official_tree
from tests.support.checked_folders import publish, write_split
from tests.support.own_pictures import class_images, write_images


@pytest.fixture(scope="session")
def demo_root():
    """The folder of all demo datasets, which all tests of this call of pytest share."""
    root = Path(os.environ["PROMPTLAB_CACHE"])
    demo = (DemoShapes, DemoTextures, DemoDigits, DemoShapesSketch, DemoShapesStriped)
    for dataset in demo:
        dataset.make_folder(root)
    return root


@pytest.fixture
def tree(tmp_path):
    """Writes a dataset as its publishers give it out; returns the root."""

    def write(reader, folder="data"):
        official_tree.WRITERS[reader](tmp_path / folder)
        return tmp_path / folder

    return write


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """The folder of a small OxfordPets, which is the published one."""
    folder = write_split(tmp_path, OxfordPets)
    publish(monkeypatch, folder)
    return folder


@pytest.fixture
def plain(tmp_path):
    """Own pictures: four class folders of ten."""
    return write_images(tmp_path / "birds", *class_images(count=10))


@pytest.fixture
def parts(tmp_path):
    """Own pictures: train/ and test/ with four class folders each."""
    paths = class_images(count=3, part="train") + class_images(count=2, part="test")
    return write_images(tmp_path / "birds", *paths)
