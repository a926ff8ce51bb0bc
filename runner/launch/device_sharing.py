"""Which free slot takes the next job: by the number of jobs on its device, or by their memory."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.launch.gpus import Slot

Need = Callable[[], float]
"""The MiB that a job takes of its device; infinite as long as that is not known."""


@dataclass(eq=False)
class Taken:
    """A slot in use; `most`: how many jobs at once its device has had meanwhile, with this one."""

    slot: Slot
    need: Need
    most: int = 1


class Devices:
    """Slots by device. A device that has a room takes as many jobs at once as fit in it, up to the
    number of its slots, and always one."""

    def __init__(self, slots: Sequence[Slot], rooms: Mapping[str, float] | None = None) -> None:
        """`rooms`: free MiB by device."""
        self._free = list(slots)
        self._limits = Counter(slot.device for slot in slots)
        self._taken: dict[str, list[Taken]] = {slot.device: [] for slot in slots}
        self._rooms = rooms or {}

    def take(self, need: Need) -> Taken | None:
        """Take a slot of the device that has the fewest jobs; None if there is none now."""
        for slot in sorted(self._free, key=self._rank):
            beside = self._taken[slot.device]
            if len(beside) < self._limits[slot.device] and self._fits(slot.device, need):
                self._free.remove(slot)
                taken = Taken(slot, need)
                beside.append(taken)
                for each in beside:
                    each.most = max(each.most, len(beside))
                return taken
        return None

    def give_back(self, taken: Taken) -> None:
        """The job has ended."""
        self._taken[taken.slot.device].remove(taken)
        self._free.append(taken.slot)

    def narrow(self, taken: Taken) -> str:
        """Let the device take fewer jobs at once than when this one was there, and say so."""
        device = taken.slot.device
        self._limits[device] = max(1, min(self._limits[device], taken.most - 1))
        return f"{device} takes {self._limits[device]} at a time from now on"

    def _rank(self, slot: Slot) -> tuple[int, float]:
        return len(self._taken[slot.device]), -self._rooms.get(slot.device, 0.0)

    def _fits(self, device: str, need: Need) -> bool:
        beside = self._taken[device]
        if not beside or device not in self._rooms:
            return True
        return need() + sum(other.need() for other in beside) <= self._rooms[device]
