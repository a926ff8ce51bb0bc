"""The toy pictures."""

import pytest

from tests.unit.dassl.toy import write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The folder of the toy pictures; tests only read it."""
    root = tmp_path_factory.mktemp("images")
    write_images(root)
    return root
