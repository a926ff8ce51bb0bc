"""The memory that is left: of the machine, or of the control group that a process is in."""

import psutil
import pytest

from machine import free_memory

GIB = 2**30


def group(folder, limit, used, cached=None, version=2):
    """A control group's files, as Linux has them."""
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    cached = "" if cached is None else f"{names[2]} {cached}\n"
    (folder / "memory.stat").write_text(f"anon 5\n{cached}")


@pytest.fixture
def left(tmp_path, monkeypatch):
    """GiB that are left of a machine with 64 GiB free to a process whose groups are named so."""
    memory = psutil.virtual_memory()._replace(available=64 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    own = tmp_path / "cgroup"

    def ask(names):
        own.write_text(names)
        return free_memory(own, tmp_path / "fs") / GIB

    return ask


def test_without_a_limit_it_is_the_machines(left, tmp_path):
    group(tmp_path / "fs" / "job", "max", GIB)
    assert left("0::/job\n") == left("") == 64
    assert 0 < free_memory(tmp_path / "none") <= 64 * GIB  # another system than Linux


def test_a_groups_limit_less_its_use_without_the_cache_of_files(left, tmp_path):
    group(tmp_path / "fs" / "job", 8 * GIB, 3 * GIB, cached=2 * GIB)
    assert left("0::/job\n") == 7
    group(tmp_path / "fs" / "job", 8 * GIB, 9 * GIB)
    assert left("0::/job\n") == 0


def test_the_narrowest_group_around_counts(left, tmp_path):
    group(tmp_path / "fs" / "slurm", 4 * GIB, GIB)
    group(tmp_path / "fs" / "slurm" / "step", 6 * GIB, GIB)
    assert left("0::/slurm/step\n") == 3
    assert left("0::/slurm/another\n") == 3  # a container sees its parents alone


def test_version_one(left, tmp_path):
    group(tmp_path / "fs" / "memory", 2**63 - 4096, GIB, version=1)
    names = "5:cpu,cpuacct:/box\n4:memory:/box\n0::/\n"
    assert left(names) == 64
    group(tmp_path / "fs" / "memory" / "box", 2 * GIB, GIB, cached=GIB // 2, version=1)
    assert left(names) == 1.5
