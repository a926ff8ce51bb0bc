"""The text tower.

Shape letters: R texts, L positions (<= 77), W width, D joint width, n prompt vectors; G prefix
streams of P positions, continued by suffixes of S positions.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from clip.blocks import (
    LayerNorm,
    SharedPrefixAttention,
    Transformer,
    one_of_each,
    self_attention,
    until,
)
from clip.changes import UNCHANGED, BlockChange, TowerChange
from clip.dims import PLAIN, Variant
from clip.errors import ClipError
from clip.tokenizers import OwnTokenizer, Tokenizer


class TextTower(nn.Module):
    """Causal transformer that reads a text's feature at its end-of-text position; what a variant
    has otherwise is as open_clip computes it.

    What changes the tower is an argument: tokens enter behind the first position, [n, W] for all
    texts or [R, n, W] with those of each; inserted ones move the end of text. A tokenizer without a
    start token has no such position: there they enter in front.

    Attributes:
        tokenizer: the one that the tower was trained with.
    """

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        output_dim: int,
        context_length: int = 77,
        vocab_size: int = 49408,
        hidden: int = 0,
        bias: bool = False,
        variant: Variant = PLAIN,
    ):
        super().__init__()
        self.variant = variant
        self.tokenizer: Tokenizer = OwnTokenizer()
        self.width = width
        self.layers = layers
        self.output_dim = output_dim
        self.context_length = context_length
        self.vocab_size = vocab_size
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, width))
        self.transformer = Transformer(width, layers, heads, hidden, variant.text_epsilon)
        self.ln_final = LayerNorm(width, eps=variant.text_epsilon)
        self.text_projection = nn.Parameter(torch.empty(width, output_dim))
        self.text_projection_bias = nn.Parameter(torch.zeros(output_dim)) if bias else None
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=width**-0.5)
        self.transformer.init_like_clip()

    @property
    def dtype(self) -> torch.dtype:
        """Working dtype: that of the projection weights."""
        return self.text_projection.dtype

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings without positions: [R, L] ids -> [R, L, W] in the working dtype."""
        return self.token_embedding(tokens).to(self.dtype)

    def read_at(self, tokens: Tensor) -> Tensor:
        """Where the features of whole rows of ids [R, L] are read: their end of text, or the last
        position -> [R]."""
        if self.variant.read == "last":
            return torch.full_like(tokens[:, 0], tokens.shape[1] - 1)
        if self.variant.end_id is not None:
            return (tokens == self.variant.end_id).int().argmax(dim=-1)
        return tokens.argmax(dim=-1)  # the end-of-text id is the largest

    def needed(self, eot: Tensor) -> int:
        """How many positions of rows that are read at ``eot`` [R] have a part in their features:
        none behind the longest where attention is causal, else all."""
        if not self.variant.causal:
            return self.context_length
        return int(eot.max()) + 1 if len(eot) else 1

    def forward(self, embedded: Tensor, eot: Tensor, change: TowerChange = UNCHANGED) -> Tensor:
        """Features of whole sequences, the reference form: [R, L, W], [R] -> [R, D].

        They are not normalised. L may be less than the context, as ``needed`` says.

        Raises:
            ClipError: L exceeds the context, a prompt does not fit behind position 0, or the change
                asks for what only an image tower has.
        """
        _check(change)
        x = self._with_positions(embedded, 0, change)
        return self._finish(x, eot, change.steps(self.transformer.resblocks))

    def forward_shared(
        self,
        prefix: Tensor,
        suffix: Tensor,
        group: Tensor,
        eot: Tensor,
        change: TowerChange = UNCHANGED,
    ) -> Tensor:
        """Features of texts that share their beginnings, each beginning encoded once: -> [R, D].

        Equal to ``forward(cat(prefix[group], suffix))``, which is what runs where attention is not
        causal: there a prefix sees what follows it. At the first tokens that are given per text, or
        that reach beyond the prefix, the prefixes are joined to the rows and the plain form goes
        on.

        Args:
            prefix: [G, P, W], the streams.  suffix: [R, S, W], what follows in each text.
            group: [R] long, the stream that each text continues.
            eot: [R], end-of-text positions counted from the start of the prefix; P or more.
            change: as in the class.

        Raises:
            ClipError: as of ``forward``.
        """
        _check(change)
        if not self.variant.causal:
            rows = torch.cat([prefix.index_select(0, group), suffix.to(prefix.dtype)], dim=1)
            return self(rows, eot, change)
        length = prefix.shape[1]
        prefix = self._with_positions(prefix, 0, change)
        suffix = self._with_positions(suffix, length, change)
        attend = SharedPrefixAttention(prefix.shape[0], length, suffix.shape[1], group)
        x = attend.join(prefix, suffix)  # [G*P + R*S, W]
        todo = change.steps(self.transformer.resblocks)
        for done, (block, entry) in enumerate(todo):
            tokens = entry.tokens
            if tokens is not None:
                prefix, suffix = attend.split(x)
                first = self.tokenizer.start
                beyond = not tokens.insert and tokens.count + first > length
                if tokens.vectors.dim() == 3 or beyond:
                    rows = torch.cat([attend.per_row(prefix), suffix], dim=1)  # [R, P+S, W]
                    return self._finish(rows, eot, todo[done:])
                prefix = tokens.into(prefix, first)
                if tokens.insert:
                    length, eot = length + tokens.count, eot + tokens.count
                    attend = SharedPrefixAttention(len(prefix), length, suffix.shape[1], group)
                x = attend.join(prefix, suffix)
            if done + 1 < len(todo):  # the last one computes only what is read
                x = block(x, attend, change=entry)
        return self._project(block(x, *attend.at(eot - length), change=entry))

    def _finish(
        self, x: Tensor, eot: Tensor, todo: Sequence[tuple[nn.Module, BlockChange]]
    ) -> Tensor:
        attend = partial(self_attention, causal=self.variant.causal)
        for done, (block, entry) in enumerate(todo):
            tokens = entry.tokens
            if tokens is not None:
                x = tokens.into(x, self.tokenizer.start)
                eot = eot + tokens.count if tokens.insert else eot
            if done + 1 < len(todo):  # as in forward_shared
                x = block(x, attend, change=entry)
        attend = until(eot, x.shape[1]) if self.variant.causal else self_attention
        return self._project(block(x, attend, one_of_each(eot), entry))

    def _with_positions(self, embedded: Tensor, start: int, change: TowerChange) -> Tensor:
        end = start + embedded.shape[1]
        if end > self.context_length:
            raise ClipError(
                f"text sequence of {end} positions: the context holds {self.context_length}; "
                "shorten prompts or texts"
            )
        x = embedded.to(self.dtype)
        placed = x + self.positional_embedding[start:end].to(x.dtype)
        return placed if change.at_input is None else placed + change.at_input(x).to(x.dtype)

    def _project(self, x: Tensor) -> Tensor:
        """What the last block gave where each text is read, [R, 1, W] -> [R, D]."""
        feature = self.ln_final(x.squeeze(1)) @ self.text_projection
        bias = self.text_projection_bias
        return feature if bias is None else feature + bias.to(feature.dtype)


def _check(change: TowerChange) -> None:
    entries = change.blocks.values()
    at_end = any(entry.tokens is not None and entry.tokens.at_end for entry in entries)
    if at_end or change.prompt is not None or change.states is not None:
        raise ClipError(
            "text tower: it takes no prompt at its end and gives no states; put tokens behind the "
            "first position, and the prompt into the text"
        )
