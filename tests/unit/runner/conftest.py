import pytest
from markupsafe import Markup

from runner.show.page import plots
from tests.support.fake_slurm import FakeCluster
from tests.unit.runner.lab import Lab


@pytest.fixture
def lab(tmp_path):
    """A working directory of its own with configs, an empty data root and no GPU."""
    return Lab(tmp_path)


@pytest.fixture
def cluster(lab, tmp_path):
    """A fake cluster that the lab's runner finds."""
    made = FakeCluster(tmp_path / "cluster")
    lab.env |= made.environment
    yield made
    made.stop()


@pytest.fixture
def no_pictures(monkeypatch):
    """A report without its drawings, which take most of its time."""
    monkeypatch.setattr(plots, "scatter", lambda *args: Markup())
    for name in ("curves", "differences"):
        monkeypatch.setattr(plots, name, lambda *args: [])
