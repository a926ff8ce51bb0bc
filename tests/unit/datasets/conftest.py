"""Fixtures of the dataset tests."""

import pytest

from tests.support import official_tree


@pytest.fixture
def tree(tmp_path):
    """Writes a dataset as its publishers give it out; returns the root."""

    def write(reader, folder="data"):
        official_tree.WRITERS[reader](tmp_path / folder)
        return tmp_path / folder

    return write
