"""A run that a cluster has given to another job writes nothing more."""

from types import SimpleNamespace

import pytest
import torch

from dassl.engine.result import remove_result
from dassl.utils.checkpoints import save_torch
from dassl.utils.files import atomic_write
from dassl.utils.holder import FILE, TOKEN, LostRunError


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """A holder file that names this process, as the starter of the run has written it."""
    path = tmp_path / "run.holder"
    path.write_text('{"job": "7_0"}')
    monkeypatch.setenv(FILE, str(path))
    monkeypatch.setenv(TOKEN, '{"job": "7_0"}')
    return path


def test_the_holder_writes_and_others_are_not_asked(tmp_path, holder, monkeypatch):
    atomic_write(tmp_path / "file", "held")
    assert (tmp_path / "file").read_text() == "held"
    monkeypatch.delenv(FILE)
    holder.unlink()
    atomic_write(tmp_path / "file", "by hand")
    assert (tmp_path / "file").read_text() == "by hand"


@pytest.mark.parametrize("content, named", [('{"job": "9_0"}', '{"job": "9_0"}'), (None, "nobody")])
def test_one_that_has_lost_its_run_leaves_every_file_as_it_is(tmp_path, holder, content, named):
    for name in ("result.json", "resume.pth.tar"):
        (tmp_path / name).write_text("of the other job")
    holder.unlink() if content is None else holder.write_text(content)
    before = sorted(tmp_path.iterdir())
    cfg = SimpleNamespace(OUTPUT_DIR=str(tmp_path))
    with pytest.raises(LostRunError, match=f"another job .{named}.; nothing is written"):
        atomic_write(tmp_path / "result.json", "{}")
    with pytest.raises(LostRunError):
        save_torch({"epoch": torch.tensor(1)}, tmp_path / "resume.pth.tar")
    with pytest.raises(LostRunError):
        remove_result(cfg)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "result.json").read_text() == "of the other job"
    assert (tmp_path / "resume.pth.tar").read_text() == "of the other job"
