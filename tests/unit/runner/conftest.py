import pytest

from tests.unit.runner.lab import Lab


@pytest.fixture
def lab(tmp_path):
    """A working directory of its own with configs, an empty data root and no GPU."""
    return Lab(tmp_path)
