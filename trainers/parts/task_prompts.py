"""Prompts of tasks and of their classes: contexts shared by all names, of each name's own, or made
by a meta network.

R names of a step, n context tokens, I inputs of the meta network, W text width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from dassl.data.datasets import DATASET_REGISTRY, DatasetBaseMT
from dassl.utils.errors import UserError
from trainers.parts.classes import Task
from trainers.parts.options import Option
from trainers.parts.prompts import (
    POSITIONS,
    ContextLearner,
    TextPrompts,
    init_words,
    random_context,
    start_context,
)


def context_options(of: str, kind: str = "", minimum: int = 0) -> dict[str, Option]:
    """The keys that lay out one sort of prompts: `<kind>N_CTX`, `<kind>CTX_INIT` and
    `<kind>TOKEN_POSITION`."""
    return {
        f"{kind}N_CTX": Option(16, f"context tokens of the {of} prompts", minimum=minimum),
        f"{kind}CTX_INIT": Option("", f"words that stand for the context of the {of} prompts"),
        f"{kind}TOKEN_POSITION": Option("end", f"where the name stands, {of} prompts", POSITIONS),
    }


@dataclass(frozen=True)
class Layout:
    """How a context of `n_ctx` tokens, the config key `key`, stands in prompts; `words` start it
    where there are any."""

    n_ctx: int
    words: str
    position: str
    key: str

    @classmethod
    def of(cls, options: CfgNode, node: str, kind: str = "") -> "Layout":
        """From the keys of `context_options` below a node; the number of words overrides N_CTX."""
        words = init_words(options[f"{kind}CTX_INIT"])
        n_ctx = len(words.split(" ")) if words else options[f"{kind}N_CTX"]
        return cls(n_ctx, words, options[f"{kind}TOKEN_POSITION"], f"{node}.{kind}N_CTX")

    def start(self, text_tower: nn.Module, num_own: int | None) -> Tensor:
        """Where a context starts, see `start_context`."""
        return start_context(text_tower, self.words, self.n_ctx, self.key, num_own)


class NamePrompts(ContextLearner):
    """Prompts of names around contexts that are handed in."""

    def __init__(self, text_tower: nn.Module, layout: Layout):
        super().__init__(text_tower, layout.words, layout.n_ctx, layout.key)
        self.position = layout.position

    def prompts(
        self, ctx: Tensor, group: Tensor | None = None, names: Tensor | None = None
    ) -> TextPrompts:
        """Prompts of R names; contexts in front of their names are run once each.

        Args:
            ctx: one context [n, W] for all; with `group` [R] the contexts [G, n, W] that it chooses
                from; else one a row [R, n, W].
            names: [R] long, which names; default all in order.
        """
        if self.position == "end" and (ctx.dim() == 2 or group is not None):
            return self.shared_prompts(ctx, group=group, classes=names)
        if ctx.dim() == 2:
            ctx = ctx.expand(len(self.eot if names is None else names), -1, -1)
        elif group is not None:
            ctx = ctx[group]
        return self.whole_prompts(ctx, self.position, classes=names)


class NameContext(NamePrompts):
    """A trained context `ctx` in prompts of names: one for all [n, W], or one a name.

    A context of no tokens trains nothing.

    Args:
        num_own: as of `start_context`.
    """

    def __init__(
        self, text_tower: nn.Module, layout: Layout, num_own: int | None, dtype: torch.dtype
    ):
        super().__init__(text_tower, layout)
        self.ctx = None
        if layout.n_ctx:
            self.ctx = nn.Parameter(layout.start(text_tower, num_own).to(dtype))

    def forward(self, names: Tensor) -> TextPrompts:
        """Prompts of the given names [R]."""
        ctx = self.ctx
        if ctx is None:
            ctx = self.token_suffix.new_empty(len(names), 0, self.token_suffix.shape[-1])
        elif ctx.dim() == 3:
            ctx = ctx[names]  # contexts of other names get a gradient of 0, not none
        return self.prompts(ctx, names=names)


class PromptGenerator(nn.Module):
    """The meta network: one matrix `proj`, no bias, always float32; features [R, D] -> contexts
    [R, n, W].

    Args:
        kind: what enters beside the task's feature, where there is a class's: both (`lin`), their
            mean (`linmean`), or the class's alone (`lincls`).
        dim: D.  n_ctx: n.  width: W.
        conditional: whether there are class features.
    """

    def __init__(self, kind: str, dim: int, n_ctx: int, width: int, *, conditional: bool):
        super().__init__()
        inputs = 2 * dim if conditional and kind == "lin" else dim
        self.proj = nn.Parameter(random_context(inputs, n_ctx * width))
        self.kind, self.n_ctx = kind, n_ctx

    def forward(self, task: Tensor, own: Tensor | None = None) -> Tensor:
        """Contexts of task features [R, D], or of class features `own` [R, D] and their tasks'."""
        x = task if own is None else self._joined(torch.stack([own, task], dim=1))
        return (x @ self.proj.to(x.dtype)).reshape(len(x), self.n_ctx, -1)

    def _joined(self, pair: Tensor) -> Tensor:
        """Pairs [R, 2, D] -> [R, 2D] or [R, D]."""
        if self.kind == "lin":
            return pair.flatten(1)
        # lincls takes its half from the pair: unread task contexts get a gradient of 0, so that
        # weight decay acts on them as published.
        return pair.mean(dim=1) if self.kind == "linmean" else pair[:, 0]


def only_task(dataset: str, num_classes: int) -> Task:
    """A dataset of one task, by the task name of its class.

    Raises:
        UserError: it has none.
    """
    name = getattr(DATASET_REGISTRY.get(dataset), "task_name", "")
    if not name:
        known = [n for n in DATASET_REGISTRY.registered_names() if _is_joint(n)]
        raise UserError(
            f"DATASET.NAME = {dataset}: no task name is known, and SoftCPT's prompts need one; "
            f"use a dataset of several tasks ({', '.join(known)}) or give the dataset class an "
            f"attribute such as task_name = 'flower recognition'"
        )
    return Task(name, 0, num_classes)


def _is_joint(dataset: str) -> bool:
    reader = DATASET_REGISTRY.get(dataset)
    return isinstance(reader, type) and issubclass(reader, DatasetBaseMT)
