"""Memory that a process on this machine can still have."""

from collections.abc import Iterator
from pathlib import Path

import psutil

# By the controllers that a line of /proc/self/cgroup names, for versions 2 and 1 (cgroups(7) of
# Linux): the folder of the groups, the files of limit and use, and what of that is a cache that the
# kernel gives back.
_GROUPS = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_memory(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that new work can take: what the machine has available, or less where a container or a
    batch system sets a limit.

    Args:
        own: names the control groups of this process.
        root: where all of them lie.
    """
    return min([psutil.virtual_memory().available, *_left(own, root)])


def _left(own: Path, root: Path) -> Iterator[int]:
    """What each control group around this process leaves; of one without a limit nothing, or
    more than any machine has."""
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in _GROUPS:
            continue
        top, *names = _GROUPS[controllers]
        group = root / top / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root / top) and (folder / names[0]).exists():
                limit, used = ((folder / name).read_text().strip() for name in names[:2])
                if limit != "max":
                    yield max(0, int(limit) - int(used) + _cached(folder, names[2]))


def _cached(group: Path, name: str) -> int:
    """A line of the group's memory.stat, in bytes."""
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return int(stat.get(name, 0))
