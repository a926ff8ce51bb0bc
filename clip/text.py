"""The text tower.

Shape letters: R texts, L positions (<= 77), W width, D joint width, n prompt vectors; G prefix
streams of P positions, continued by suffixes of S positions.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from clip.blocks import LayerNorm, SharedPrefixAttention, Transformer, self_attention, steps
from clip.errors import ClipError

DeepPrompts = Sequence[Tensor | None]


class TextTower(nn.Module):
    """Causal transformer that reads a text's feature at its end-of-text position.

    Prompts are arguments: ``deep[i-1]`` belongs to block i (counted from 0; the first block takes
    none) and replaces positions 1..n of the sequence before that block. It is None (nothing
    replaced), [n, W], or [R, n, W] (one per text). Entries beyond the last block are ignored;
    prompts are cast to the dtype of the sequence.
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
    ):
        super().__init__()
        self.width = width
        self.layers = layers
        self.output_dim = output_dim
        self.context_length = context_length
        self.vocab_size = vocab_size
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, width))
        self.transformer = Transformer(width, layers, heads)
        self.ln_final = LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, output_dim))
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

    def forward(self, embedded: Tensor, eot: Tensor, deep: DeepPrompts = ()) -> Tensor:
        """Features of whole sequences, the reference form: [R, L, W], [R] -> [R, D].

        They are not normalised. L may be less than the context: causal attention makes positions
        after the longest end of text irrelevant.

        Raises:
            ClipError: L exceeds the context, or a prompt does not fit behind position 0.
        """
        x = self._with_positions(embedded, start=0)
        return self._finish(x, eot, steps(self.transformer.resblocks, deep))

    def forward_shared(
        self,
        prefix: Tensor,
        suffix: Tensor,
        group: Tensor,
        eot: Tensor,
        deep: DeepPrompts = (),
    ) -> Tensor:
        """Features of texts that share their beginnings, each beginning encoded once: -> [R, D].

        Equal to ``forward(cat(prefix[group], suffix))``. At the first prompt that is given per
        text, or that reaches beyond the prefix, the prefixes are joined to the rows and the plain
        form goes on.

        Args:
            prefix: [G, P, W], the streams.  suffix: [R, S, W], what follows in each text.
            group: [R] long, the stream that each text continues.
            eot: [R], end-of-text positions counted from the start of the prefix; P or more.
            deep: as in the class.

        Raises:
            ClipError: P + S exceeds the context, or a prompt does not fit behind position 0.
        """
        length = prefix.shape[1]
        prefix = self._with_positions(prefix, start=0)
        suffix = self._with_positions(suffix, start=length)
        attend = SharedPrefixAttention(prefix.shape[0], length, suffix.shape[1], group)
        x = attend.join(prefix, suffix)  # [G*P + R*S, W]
        todo = steps(self.transformer.resblocks, deep)
        for done, (block, prompt) in enumerate(todo):
            if prompt is not None:
                prefix, suffix = attend.split(x)
                if prompt.dim() == 3 or prompt.shape[0] >= length:
                    rows = torch.cat([attend.per_row(prefix), suffix], dim=1)  # [R, P+S, W]
                    return self._finish(rows, eot, todo[done:])
                x = attend.join(replace_behind_first(prefix, prompt), suffix)
            x = block(x, attend)
        return self._project(attend.split(x)[1], eot - length)

    def _finish(
        self, x: Tensor, eot: Tensor, todo: Sequence[tuple[nn.Module, Tensor | None]]
    ) -> Tensor:
        attend = partial(self_attention, causal=True)
        for block, prompt in todo:
            if prompt is not None:
                x = replace_behind_first(x, prompt)
            x = block(x, attend)
        return self._project(x, eot)

    def _with_positions(self, embedded: Tensor, start: int) -> Tensor:
        end = start + embedded.shape[1]
        if end > self.context_length:
            raise ClipError(
                f"text sequence of {end} positions: the context holds {self.context_length}; "
                "shorten prompts or texts"
            )
        x = embedded.to(self.dtype)
        return x + self.positional_embedding[start:end].to(x.dtype)

    def _project(self, x: Tensor, position: Tensor) -> Tensor:
        """[R, L, W] and the position to read in each row [R] -> [R, D]."""
        index = position.view(-1, 1, 1).expand(-1, 1, x.shape[-1])
        # gather refuses positions outside the row, where plain indexing would wrap around
        return self.ln_final(x.gather(1, index).squeeze(1)) @ self.text_projection


def replace_behind_first(x: Tensor, prompt: Tensor) -> Tensor:
    """Puts ``prompt`` ([n, W] or [R, n, W]) in place of positions 1..n of ``x`` [R, L, W].

    Raises:
        ClipError: there are fewer than n positions behind the first.
    """
    count = prompt.shape[-2]
    if count >= x.shape[1]:
        raise ClipError(
            f"deep text prompt of {count} vectors: only {x.shape[1] - 1} positions follow the "
            "first; use fewer"
        )
    prompt = prompt.to(x.dtype).expand(x.shape[0], -1, -1)
    return torch.cat([x[:, :1], prompt, x[:, 1 + count :]], dim=1)
