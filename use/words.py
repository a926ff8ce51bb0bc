"""The vocabulary's words nearest to learned context vectors, as CoOp's interpret_prompt.py finds
them.

n context tokens, W text width, K words a vector, V words of the vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from clip.simple_tokenizer import WORD_END
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import PromptModel
from trainers.parts.prompts import ContextLearner

Calls = list[tuple[str, Tensor]]  # module and context
AT_ONCE = 256  # vectors compared with the whole vocabulary in one pass


@dataclass(frozen=True)
class Context:
    """One context as it enters the text tower.

    Attributes:
        part: the module that makes it, by its name in the model; or "deep prompts".
        owner: whose it is: a class, a task, or "all".
        block: the text block it enters, from 0.
        vectors: [n, W].
    """

    part: str
    owner: str
    block: int
    vectors: Tensor


@dataclass(frozen=True)
class NearWords:
    """The words nearest to one context vector.

    Attributes:
        part, owner, block: of its `Context`.
        position: in the context, from 1.
        words: K words, as the vocabulary holds them without the mark of a word's end.
        distances: K Euclidean distances.
    """

    part: str
    owner: str
    block: int
    position: int
    words: tuple[str, ...]
    distances: tuple[float, ...]


def nearest(vectors: Tensor, embedding: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Places [N, K] of the K rows of `embedding` [V, W] that are nearest to vectors [N, W], and
    their Euclidean distances [N, K]; of equal ones the first. Rows of zeros, the words that a CLIP
    with a vocabulary of its own has never seen (the demo's), are left out.

    Raises:
        UserError: the widths differ, or K is below 1.
    """
    if vectors.shape[-1] != embedding.shape[-1]:
        raise UserError(
            f"context vectors of {vectors.shape[-1]} numbers: this CLIP's words have "
            f"{embedding.shape[-1]}; give the backbone that they were trained with (--backbone)"
        )
    if top_k < 1:
        raise UserError(f"{top_k} words: use 1 or more")
    known = embedding.any(dim=1).nonzero().squeeze(1)
    embedding = embedding[known].float()
    places, distances = [], []
    for some in vectors.float().split(AT_ONCE):
        # without the matrix product, whose rounding hides that a vector is a word's own
        distance = torch.cdist(some, embedding, compute_mode="donot_use_mm_for_euclid_dist")
        order = distance.argsort(dim=1, stable=True)[:, :top_k]
        places.append(known[order])
        distances.append(distance.gather(1, order))
    return torch.cat(places), torch.cat(distances)


@torch.no_grad()
def near_words(model: PromptModel, contexts: Sequence[Context], top_k: int) -> Iterator[NearWords]:
    """The words nearest to every vector of the contexts.

    Raises:
        UserError: there is no context, as in a method whose text is fixed.
    """
    if not contexts:
        raise UserError(
            f"{model.cfg.TRAINER.NAME} learns no context of the text tower, so there are no words "
            f"to look for"
        )
    word = model.clip.text.tokenizer.word
    embedding = model.clip.text.token_embedding.weight
    for context in contexts:
        places, distances = nearest(context.vectors, embedding, top_k)
        for position, (row, values) in enumerate(zip(places, distances, strict=True), 1):
            words = tuple(word(int(place)).removesuffix(WORD_END) for place in row)
            yield NearWords(
                context.part, context.owner, context.block, position, words, tuple(values.tolist())
            )


@torch.no_grad()
def contexts_of(model: PromptModel, image: Tensor | None = None) -> list[Context]:
    """Every context that the model's prompts hold, of each block, class or task.

    Args:
        image: [3, H, H], for a method whose contexts depend on the image: those of this one;
            without it what all images' share.
    """
    calls: Calls
    deep = {i: change.tokens for i, change in model.text_change().blocks.items()}
    if model.image_conditioned and image is None:
        learners = _learners(model)
        calls = [(name, learner.ctx) for name, learner in learners if hasattr(learner, "ctx")]
    else:
        with _recorded(model) as recorded:
            features = None if image is None else model.encode_image(image[None])
            model.text_features(features, None)  # type: ignore[arg-type]
        calls = recorded
    found = []
    for part, ctx in calls:
        found += _owned(part, 0, ctx, model.space)
    for block, tokens in deep.items():
        if tokens is not None and block < model.clip.text.layers:
            found += _owned("deep prompts", block, tokens.vectors, model.space)
    return [context for context in found if len(context.vectors)]


def _owned(part: str, block: int, vectors: Tensor, space: ClassSpace) -> list[Context]:
    """Contexts [n, W] or stacked [N, n, W] with the names of whose they are."""
    stack = vectors if vectors.dim() == 3 else vectors[None]
    tasks = [task.name for task in space.tasks]
    owners = {len(space): list(space.names), len(tasks): tasks, 1: ["all"]}
    if len(stack) == len(space):
        starts = [task.start for task in space.tasks] or [0]
        if torch.equal(stack, stack[_first_of_task(space)]):  # one a task, or one for all
            stack = stack[starts]
            owners = {len(stack): tasks or ["all"]}
    names = owners.get(len(stack), [str(number) for number in range(len(stack))])
    return [Context(part, owner, block, own) for owner, own in zip(names, stack, strict=True)]


def _first_of_task(space: ClassSpace) -> list[int]:
    """For each class the first class of its task."""
    return [task.start for task in space.tasks for _ in task.classes] or [0] * len(space)


def _learners(model: PromptModel) -> list[tuple[str, Any]]:
    return [(n, part) for n, part in model.named_modules() if isinstance(part, ContextLearner)]


@contextmanager
def _recorded(model: PromptModel) -> Iterator[Calls]:
    """Inside, keeps every context that prompts are made of."""
    calls: Calls = []

    def keeping(name: str, make: Any) -> Any:
        def call(ctx: Tensor, *args: Any, **how: Any) -> Any:
            prompts = make(ctx, *args, **how)
            calls.append((name, ctx))
            return prompts

        return call

    with ExitStack() as stack:
        for name, learner in _learners(model):
            for method in ("shared_prompts", "whole_prompts"):
                make = getattr(learner, method)
                stack.enter_context(patch.object(learner, method, keeping(name, make)))
        yield calls
