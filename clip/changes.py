"""What changes a tower: made by a method, taken by the forward pass, never state inside the tower.

Shape letters: R sequences (texts or images), L positions, W width of the tower, n vectors.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from clip.errors import ClipError

ATTENTION_INPUTS = ("q", "k", "v")  # one stacked weight in every block
PARTS = ("ln_1", *ATTENTION_INPUTS, "o", "ln_2", "c_fc", "c_proj")


class Part(Protocol):
    """What is made of a part's output: (input [..., in], output [..., out]) -> [..., out].

    It acts on every position by itself: the text tower may lay positions of many texts end to end.
    A part that is linear may have `fold(weight [out, in], bias [out])`, which returns the weight
    and bias that do the same in one product.
    """

    def __call__(self, x: Tensor, output: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Tokens:
    """Vectors that enter a sequence before a block, in the sequence's dtype.

    Args:
        vectors: [n, W], or [R, n, W] with those of each sequence.
        insert: the sequence grows by n; else the vectors replace n positions.
        share: b in b * vectors + (1 - b) * what they replace.
        at_end: they are the last positions (image tower); else they follow the first.
    """

    vectors: Tensor
    insert: bool = False
    share: float = 1.0
    at_end: bool = False

    @property
    def count(self) -> int:
        """n."""
        return self.vectors.shape[-2]

    def into(self, x: Tensor, first: int = 1) -> Tensor:
        """[R, L, W] -> [R, L, W], or [R, L + n, W] where they are inserted.

        Args:
            first: how many positions they leave in front, 0 where a text has no start token.

        Raises:
            ClipError: fewer than n positions follow the first.
        """
        length, count = x.shape[1], self.count
        if not self.insert and count + first > length:
            raise ClipError(
                f"deep prompt of {count} vectors: only {length - first} positions follow the "
                "first; use fewer"
            )
        vectors = self.vectors.to(x.dtype).expand(x.shape[0], -1, -1)
        replaced = 0 if self.insert else count
        start = length - replaced if self.at_end else first
        before, old, after = x.split([start, replaced, length - start - replaced], dim=1)
        if self.share != 1 and replaced:
            vectors = self.share * vectors + (1 - self.share) * old
        return torch.cat([before, vectors, after], dim=1)


@dataclass(frozen=True)
class BlockChange:
    """What changes one block.

    Args:
        tokens: what enters the sequence before the block.
        beside: y [..., W] of ln_1's output [..., W], added to the block's output; position-wise.
        parts: what is made of the outputs of `PARTS`: the layer norms, the projections of the
            attention and of the MLP.
        weights: weight and bias in place of a frozen projection's, as `merged` makes them:
            `in_proj` (q, k, v), `o`, `c_fc`, `c_proj`.
    """

    tokens: Tokens | None = None
    beside: Callable[[Tensor], Tensor] | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    weights: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [name for name in self.parts if name not in PARTS]
        if unknown:
            raise ClipError(f"block part {unknown[0]!r}: use one of {', '.join(PARTS)}")

    def at(self, name: str, x: Tensor, output: Tensor) -> Tensor:
        """The output of a part [..., out], changed if the description says so; keeps its dtype."""
        part = self.parts.get(name)
        return output if part is None else part(x, output).to(output.dtype)

    def linear(self, name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """A projection with the frozen weight and bias, or with those that replace them."""
        weight, bias = self.weights.get(name, (weight, bias))
        return nn.functional.linear(x, weight, bias)

    def plus(self, other: "BlockChange") -> "BlockChange":
        """Both changes; of a part that both change, the other sees this one's output.

        Raises:
            ClipError: both put tokens in.
        """
        if self.tokens is not None and other.tokens is not None:
            raise ClipError("two changes put tokens before the same block; make them one")
        besides = [change.beside for change in (self, other) if change.beside is not None]
        parts = {**self.parts, **other.parts}
        for name in self.parts.keys() & other.parts.keys():
            parts[name] = _one_after_the_other(self.parts[name], other.parts[name])
        return BlockChange(
            tokens=self.tokens or other.tokens,
            beside=_sum_of(besides) if len(besides) > 1 else (besides or [None])[0],
            parts=parts,
            weights={**self.weights, **other.weights},
        )


@dataclass(frozen=True)
class TowerChange:
    """What changes a tower; blocks are counted from 0, and entries beyond the last are ignored.

    Args:
        blocks: the change of each changed block.
        prompt: [n, V], appended behind an image's patches, after the positional embedding (they
            get none) and before ln_pre. A text's prompt stands in the text itself.
        at_input: what is added to the first block's input [..., W], of the token embeddings
            without positions (text) or of ln_pre's output (image); position-wise.
        states: positions whose final states an image tower returns beside the feature.
    """

    blocks: Mapping[int, BlockChange] = field(default_factory=dict)
    prompt: Tensor | None = None
    at_input: Callable[[Tensor], Tensor] | None = None
    states: slice | None = None

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.blocks) or any(
            part is not None for part in (self.prompt, self.at_input, self.states)
        )

    def steps(self, blocks: nn.ModuleList) -> list[tuple[nn.Module, BlockChange]]:
        """Pairs each block with its change."""
        return [(block, self.blocks.get(i, NO_CHANGE)) for i, block in enumerate(blocks)]

    def plus(self, other: "TowerChange") -> "TowerChange":
        """Both changes, block by block.

        Raises:
            ClipError: both put tokens at the same place, or ask for states.
        """
        for name in ("prompt", "states"):
            if getattr(self, name) is not None and getattr(other, name) is not None:
                raise ClipError(f"two changes of a tower have {name}; make them one")
        inputs = [change.at_input for change in (self, other) if change.at_input is not None]
        blocks = {
            i: self.blocks.get(i, NO_CHANGE).plus(other.blocks.get(i, NO_CHANGE))
            for i in sorted({*self.blocks, *other.blocks})
        }
        return TowerChange(
            blocks=blocks,
            prompt=self.prompt if other.prompt is None else other.prompt,
            at_input=_sum_of(inputs) if len(inputs) > 1 else (inputs or [None])[0],
            states=self.states if other.states is None else other.states,
        )


NO_CHANGE = BlockChange()
UNCHANGED = TowerChange()


def deep_prompts(
    deep: Iterable[Tensor | None], prompt: Tensor | None = None, at_end: bool = False
) -> TowerChange:
    """Prompts of several blocks: entry i - 1, [n, W], [R, n, W] or None, replaces positions before
    block i.

    Args:
        prompt: that of the image tower's input.
        at_end: as of `Tokens`.
    """
    blocks = {
        i: BlockChange(tokens=Tokens(vectors, at_end=at_end))
        for i, vectors in enumerate(deep, 1)
        if vectors is not None
    }
    return TowerChange(blocks=blocks, prompt=prompt)


@torch.no_grad()
def merged(change: TowerChange, blocks: nn.ModuleList) -> TowerChange:
    """The same change with its linear parts folded into copies of the frozen weights, for tests:
    they then cost nothing."""
    if not len(blocks) or not any(block.parts for block in change.blocks.values()):
        return change
    device = next(blocks.parameters()).device.type
    with torch.autocast(device, enabled=False):  # a product in half would round the update
        folded = {
            i: _fold(block, blocks[i]) if i < len(blocks) and block.parts else block
            for i, block in change.blocks.items()
        }
    return replace(change, blocks=folded)


def _fold(change: BlockChange, block: nn.Module) -> BlockChange:
    projections = {
        "in_proj": (ATTENTION_INPUTS, block.attn.in_proj_weight, block.attn.in_proj_bias),
        "o": (("o",), block.attn.out_proj.weight, block.attn.out_proj.bias),
        "c_fc": (("c_fc",), block.mlp.c_fc.weight, block.mlp.c_fc.bias),
        "c_proj": (("c_proj",), block.mlp.c_proj.weight, block.mlp.c_proj.bias),
    }
    parts, weights = dict(change.parts), dict(change.weights)
    for name, (names, weight, bias) in projections.items():
        found = {part: parts[part] for part in names if part in parts}
        if not found or name in weights or not all(hasattr(p, "fold") for p in found.values()):
            continue
        pairs = zip(weight.chunk(len(names)), bias.chunk(len(names)), strict=True)
        both = [
            found[part].fold(*pair) if part in found else pair
            for part, pair in zip(names, pairs, strict=True)
        ]
        weights[name] = (
            torch.cat([one.to(weight.dtype) for one, _ in both]),
            torch.cat([one.to(bias.dtype) for _, one in both]),
        )
        for part in found:
            del parts[part]
    return replace(change, parts=parts, weights=weights)


def _one_after_the_other(first: Part, second: Part) -> Part:
    return lambda x, output: second(x, first(x, output).to(output.dtype))


def _sum_of(functions: list[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    return lambda x: sum((function(x) for function in functions[1:]), functions[0](x))
