"""Texts in chunks, some of which are encoded anew in the backward pass, so that a run keeps within
a limit of memory (MODEL.MEMORY_LIMIT).

R text rows, W text width.
"""

import ctypes
import dataclasses
import logging
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import clip
from clip.sparing import nothing_small
from dassl.utils.errors import UserError
from machine import free_memory
from trainers.parts.options import Option, Options
from trainers.parts.prompts import TextPrompts

logger = logging.getLogger(__name__)

KEY = "MODEL.MEMORY_LIMIT"
UNITS = {"M": 2**20, "G": 2**30}
MEMORY_OPTIONS = (
    Options(
        "MODEL",
        MEMORY_LIMIT=Option(
            "",
            "most memory of a run, such as 8G or 800M: of the process on a CPU, of the card on a "
            "GPU; auto is what is free when the run starts; empty is no limit",
            convert=str,
            remedy=lambda text: None if is_size(text) else "use a size such as 8G or 800M, or auto",
        ),
    ),
)
TRIAL_ROWS = 4  # whose saved activations are counted, and of twice as many
SMALLEST_CHUNK = 16
SHARE_OF_A_CHUNK = 0.15  # of what is left
# What a CPU's peaks fit (benchmarks/class_memory.py), beside what texts save:
HOLES = 105 * 2**20  # in the heap, and what images and the loss pass through
SPARE = 0.02  # of the limit
KEPT = 1.2  # of what texts save, as it lies in the heap
PASSING = 0.9  # of what a pass saves, beside that; as far as the holes do not hold it
GRAPH = 0.7 * 2**20  # of each chunk, for its nodes and hooks without its tensors


def is_size(text: str) -> bool:
    """Whether a limit is one: empty, auto, or a number of MiB or GiB."""
    return text in ("", "auto") or re.fullmatch(r"\d+(\.\d+)?[MG]", text) is not None


def limit_in_bytes(text: str, device: torch.device) -> int | None:
    """The bytes that MODEL.MEMORY_LIMIT allows; None where it is empty."""
    if not text:
        return None
    if text == "auto":
        return in_use(device) + free(device)
    return int(float(text[:-1]) * UNITS[text[-1]])


def in_use(device: torch.device) -> int:
    """Bytes of tensors on a GPU, or of the process's resident memory; what the C library keeps for
    later is given back first."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    give_back(device)
    return psutil.Process().memory_info().rss


def give_back(device: torch.device) -> None:
    """Lets the C library return memory that no tensor has any more, in the midst of its heap too;
    a GPU's allocator finds use for it."""
    if device.type == "cpu":
        with suppress(OSError, AttributeError):  # glibc's; others keep less
            ctypes.CDLL(None).malloc_trim(0)


def free(device: torch.device) -> int:
    """Bytes that others do not use: of a GPU, or of what a CPU's process may have."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    return free_memory()


@dataclasses.dataclass(frozen=True)
class Plan:
    """How texts of one shape are encoded: `at_once` rows together; the first `kept` rows keep their
    activations, the others are encoded anew in the backward pass."""

    kept: int
    at_once: int

    def parts(self, rows: int) -> list[tuple[int, int]]:
        """Where the chunks begin and end; `kept` is one of their ends."""
        starts = [*range(0, self.kept, self.at_once), *range(self.kept, rows, self.at_once)]
        return list(zip(starts, [*starts[1:], rows], strict=True))


@dataclasses.dataclass(frozen=True)
class Cost:
    """What texts save for the backward pass, in bytes: each row, and each chunk whatever its
    rows."""

    row: float
    chunk: float

    def saved(self, rows: int) -> float:
        """What a chunk of so many rows takes as long as it is kept."""
        return KEPT * (self.chunk + rows * self.row)

    def of(self, rows: int) -> float:
        """What it takes while it is encoded and goes backward."""
        return self.saved(rows) + max(0.0, PASSING * (self.chunk + rows * self.row) - HOLES)

    def again(self, rows: int, at_once: int) -> float:
        """What all rows take where every chunk is encoded again."""
        return self.of(min(rows, at_once)) + GRAPH * math.ceil(rows / at_once)

    def smallest_chunk(self, rows: int) -> int:
        """The rows of a chunk with which `again` is least: fewer at once are more graphs."""
        balance = math.sqrt(rows * GRAPH / (KEPT * self.row))
        return min(rows, max(SMALLEST_CHUNK, round(balance)))


def plan_of(rows: int, cost: Cost, left: int) -> Plan:
    """The plan that holds within `left` bytes; the one that takes least where none does."""
    if cost.of(rows) + GRAPH <= left:
        return Plan(rows, rows)
    most = (SHARE_OF_A_CHUNK * left / KEPT - cost.chunk) / cost.row
    at_once = min(rows, max(cost.smallest_chunk(rows), int(most)))
    kept = int((left - cost.again(rows, at_once)) / cost.saved(at_once)) * at_once
    return Plan(min(rows, max(0, kept)), at_once)


class TextMemory:
    """Encodes prompts within a limit.

    Plans are made when texts of a shape are first encoded with a gradient, and hold from then on.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._plans: dict[tuple[int, ...], Plan] = {}

    def make_room(self, device: torch.device) -> None:
        """To be called before images are encoded: what chunks of an earlier step left in the heap
        is in pieces too small for them."""
        chunked = any(plan.at_once < rows for (rows, *_), plan in self._plans.items())
        if chunked and torch.is_grad_enabled():
            give_back(device)

    def encode(
        self, clip_model: clip.CLIP, prompts: TextPrompts, change: clip.TowerChange
    ) -> Tensor:
        """As `TextPrompts.encode`: features [R, D].

        Raises:
            UserError: the limit leaves nothing for the texts.
        """

        def some(start: int, end: int) -> Tensor:
            if end - start < len(prompts.rows):
                give_back(prompts.rows.device)  # between chunks, in the backward pass too
            part = prompts.some(slice(start, end))
            with nothing_small():
                return part.encode(clip_model, change_of_rows(change, slice(start, end)))

        if prompts.shape not in self._plans:
            self._plans[prompts.shape] = self._plan(clip_model, prompts, some)
        plan = self._plans[prompts.shape]
        if not torch.is_grad_enabled():  # nothing is kept
            plan = dataclasses.replace(plan, kept=0)
        parts = [
            checkpoint(some, start, end, use_reentrant=False)
            if torch.is_grad_enabled() and end > plan.kept
            else some(start, end)
            for start, end in plan.parts(len(prompts.rows))
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _plan(
        self, clip_model: clip.CLIP, prompts: TextPrompts, some: Callable[[int, int], Tensor]
    ) -> Plan:
        device, rows = prompts.rows.device, len(prompts.rows)
        used = in_use(device)
        cost = cost_of(some, rows, [*clip_model.parameters(), prompts.rows])
        left = int(self.limit * (1 - SPARE) - HOLES) - used
        least = cost.again(rows, cost.smallest_chunk(rows))
        if left < least and torch.is_grad_enabled():
            given, taken = (size / UNITS["M"] for size in (self.limit, used))
            needed = math.ceil((used + HOLES + least) / (1 - SPARE) / UNITS["M"])
            raise UserError(
                f"{KEY} = {given:.0f}M: {taken:.0f}M are in use before the first texts are "
                f"encoded; give {needed}M or more"
            )
        plan = plan_of(rows, cost, left)
        if plan.kept < rows:
            logger.info(
                f"Memory limit: {rows} texts in chunks of {plan.at_once}, {plan.kept} kept and the "
                f"others encoded again in the backward pass"
            )
        return plan


def cost_of(some: Callable[[int, int], Tensor], rows: int, given: list[Tensor]) -> Cost:
    """What rows cost, by what autograd saves of a few of them beside the given tensors."""
    counts = sorted({min(rows, TRIAL_ROWS), min(rows, 2 * TRIAL_ROWS)})
    totals = []
    for count in counts:
        with torch.enable_grad(), saved_bytes(given) as saved:
            some(0, count)
        totals.append(saved.total)
    row = (totals[-1] - (totals[0] if len(counts) > 1 else 0)) / (counts[-1] - counts[0] or rows)
    return Cost(max(row, 1.0), max(0.0, totals[0] - counts[0] * row))


class SavedBytes:
    """Counts tensors that autograd saves, each storage once."""

    def __init__(self, given: set[int]):
        self.total, self._seen = 0, given

    def pack(self, tensor: Tensor) -> Tensor:
        """Hears of a saved tensor."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            self.total += storage.nbytes()
        return tensor.detach()  # an output that held itself would never be freed


@contextmanager
def saved_bytes(given: list[Tensor]) -> Iterator[SavedBytes]:
    """Inside, what is saved for a backward pass is counted, but for storages of the given
    tensors."""
    saved = SavedBytes({tensor.untyped_storage()._cdata for tensor in given})
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        yield saved


def change_of_rows(change: clip.TowerChange, rows: slice) -> clip.TowerChange:
    """What a change is for some of the texts: tokens of each text are cut."""
    blocks = {}
    for number, block in change.blocks.items():
        tokens = block.tokens
        if tokens is not None and tokens.vectors.dim() == 3:
            tokens = dataclasses.replace(tokens, vectors=tokens.vectors[rows])
            block = dataclasses.replace(block, tokens=tokens)
        blocks[number] = block
    return dataclasses.replace(change, blocks=blocks)
