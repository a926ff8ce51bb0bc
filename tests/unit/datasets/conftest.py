"""Fixtures of the dataset tests."""

import pytest

from datasets.oxford_pets import OxfordPets
from tests.support import official_tree
from tests.support.checked_folders import publish, write_split


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
