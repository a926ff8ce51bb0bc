"""The transformer that both towers are made of (CLIP, arXiv:2103.00020), batch-first.

Shape letters: B sequences, L positions, W width, H heads, K = W / H; T = any number of positions
laid end to end.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clip.changes import NO_CHANGE, BlockChange
from clip.errors import ClipError
from clip.sparing import quick_gelu, recomputed

# (q [..., Lq, H, K], k [..., L, H, K], v [..., L, H, K]) -> [..., Lq, H, K]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
# x [..., L, W] -> the positions that go on
Pick = Callable[[Tensor], Tensor]


class LayerNorm(nn.LayerNorm):
    """Layer norm computed in float32 and cast back to the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), the activation that the public weights were trained with."""

    def forward(self, x: Tensor) -> Tensor:
        return quick_gelu(x)


# By the names of configs; the second is that of most weights of open_clip.
ACTIVATIONS = {"quick_gelu": QuickGELU, "gelu": nn.GELU}
EPSILON = 1e-5  # of layer norms


def self_attention(
    q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Scaled dot-product attention of [B, Lq, H, K] queries over [B, L, H, K] keys and values.

    ``mask`` is boolean, [Lq, L] or [B, 1, Lq, L], True where a query may look. Returns
    [B, Lq, H, K].
    """
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))  # [B, H, L, K], as PyTorch wants
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    return out.transpose(1, 2)


class SharedPrefixAttention:
    """Causal attention of rows that continue a few shared prefix streams.

    Works on the positions of G prefixes of length P, then of R suffixes of length S, laid end to
    end (T = G*P + R*S). A prefix attends to itself; a suffix to the keys and values of its own
    prefix and to itself.

    Args:
        streams: G.  prefix_length: P.  suffix_length: S.
        group: [R], the stream that each row continues.
    """

    def __init__(self, streams: int, prefix_length: int, suffix_length: int, group: Tensor):
        self.streams = streams
        self.group = group
        self.boundary = streams * prefix_length
        self.prefix_shape = (streams, prefix_length)
        self.suffix_shape = (group.shape[0], suffix_length)
        whole = prefix_length + suffix_length
        everything = torch.ones(suffix_length, whole, dtype=torch.bool, device=group.device)
        self.mask = everything.tril(prefix_length)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[T, ...] -> prefixes [G, P, ...], suffixes [R, S, ...]."""
        prefix, suffix = x.split([self.boundary, len(x) - self.boundary])
        return prefix.unflatten(0, self.prefix_shape), suffix.unflatten(0, self.suffix_shape)

    @staticmethod
    def join(prefix: Tensor, suffix: Tensor) -> Tensor:
        """Inverse of split."""
        return torch.cat([prefix.flatten(0, 1), suffix.flatten(0, 1)])

    def per_row(self, prefix: Tensor) -> Tensor:
        """[G, P, ...] -> [R, P, ...]: to each row its prefix; a view where there is only one."""
        if self.streams == 1:
            return prefix.expand(self.group.shape[0], *prefix.shape[1:])
        return prefix.index_select(0, self.group)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        (q_prefix, q_suffix), (k_prefix, k_suffix), (v_prefix, v_suffix) = map(
            self.split, (q, k, v)
        )
        prefix = self_attention(q_prefix, k_prefix, v_prefix, causal=True)
        rows = (q_suffix, k_prefix, k_suffix, v_prefix, v_suffix)
        return self.join(prefix, self._of_rows(self.mask, *rows))

    def at(self, position: Tensor) -> tuple[Attend, Pick]:
        """For the block behind which each text is read at one position of its suffix [R]: what
        picks it, [T, W] -> [R, 1, W], and the attention of such queries [R, 1, H, K] over keys and
        values [T, H, K]."""
        mask, pick = self.mask[position][:, None, None], one_of_each(position)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return self._of_rows(mask, q, *self.split(k), *self.split(v))

        return attend, lambda x: pick(self.split(x)[1])

    def _of_rows(self, mask: Tensor, *inputs: Tensor) -> Tensor:
        def compute(q: Tensor, k_prefix: Tensor, k: Tensor, v_prefix: Tensor, v: Tensor) -> Tensor:
            k_row = torch.cat([self.per_row(k_prefix), k], dim=1)  # [R, P+S, H, K]
            v_row = torch.cat([self.per_row(v_prefix), v], dim=1)
            return self_attention(q, k_row, v_row, mask=mask)

        # keys and values of a prefix, once a row, are the most that a step would keep
        return recomputed(compute, *inputs)


def one_of_each(position: Tensor) -> Pick:
    """Picks one position [R] of each row: [R, L, W] -> [R, 1, W]."""

    def pick(x: Tensor) -> Tensor:
        index = position.view(-1, 1, 1).expand(-1, 1, x.shape[-1])
        return x.gather(1, index)  # it refuses positions outside the row, where x[...] wraps around

    return pick


def until(position: Tensor, length: int) -> Attend:
    """Causal attention of one query a row, that of ``position`` [R], over ``length`` keys."""
    places = torch.arange(length, device=position.device)
    mask = (places <= position[:, None])[:, None, None]
    return partial(self_attention, mask=mask)


class Attention(nn.Module):
    """Multi-head attention with nn.MultiheadAttention's names; who sees whom is an argument."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))  # q, k, v
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Tensor,
        attend: Attend,
        pick: Pick | None = None,
        change: BlockChange = NO_CHANGE,
    ) -> Tensor:
        """[..., L, W] -> [..., L', W]: output of the positions picked; of all, by default."""
        weight, bias = change.weights.get("in_proj", (self.in_proj_weight, self.in_proj_bias))
        if pick is None:
            asking, projected = x, F.linear(x, weight, bias).chunk(3, dim=-1)
        else:
            asking, width = pick(x), x.shape[-1]
            keys = F.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
            projected = (F.linear(asking, weight[:width], bias[:width]), *keys)
        q, k, v = (
            change.at(name, of, part).unflatten(-1, (self.heads, -1))  # [..., L, H, K]
            for name, of, part in zip("qkv", (asking, x, x), projected, strict=True)
        )
        mixed = attend(q, k, v).flatten(-2)
        out = change.linear("o", mixed, self.out_proj.weight, self.out_proj.bias)
        return change.at("o", mixed, out)


class MLP(nn.Module):
    """Two linear layers, W -> hidden (4W) -> W."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.gelu = QuickGELU()
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor, change: BlockChange = NO_CHANGE) -> Tensor:
        wide = change.linear("c_fc", x, self.c_fc.weight, self.c_fc.bias)
        hidden = self.gelu(change.at("c_fc", x, wide))
        out = change.linear("c_proj", hidden, self.c_proj.weight, self.c_proj.bias)
        return change.at("c_proj", hidden, out)


class Block(nn.Module):
    """x + attention(ln_1 x), then x + mlp(ln_2 x)."""

    def __init__(self, width: int, heads: int, hidden: int, epsilon: float):
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = LayerNorm(width, eps=epsilon)
        self.mlp = MLP(width, hidden)
        self.ln_2 = LayerNorm(width, eps=epsilon)

    def forward(
        self,
        x: Tensor,
        attend: Attend,
        pick: Pick | None = None,
        change: BlockChange = NO_CHANGE,
    ) -> Tensor:
        """[..., L, W] -> [..., L', W]; all positions serve as keys, those picked go on: all, by
        default. Tokens of the change are the tower's to put in."""
        normed = change.at("ln_1", x, self.ln_1(x))
        x = (x if pick is None else pick(x)) + self.attn(normed, attend, pick, change)
        out = x + self.mlp(change.at("ln_2", x, self.ln_2(x)), change)
        if change.beside is not None:
            beside = change.beside(normed if pick is None else pick(normed))
            out = out + beside.to(out.dtype)
        return out


class Transformer(nn.Module):
    """A list of blocks under the public name ``resblocks``; the towers step through it themselves.

    Args:
        hidden: columns of the MLPs' hidden layer, default four times the width.
        epsilon: of the layer norms.
    """

    def __init__(
        self, width: int, layers: int, heads: int, hidden: int = 0, epsilon: float = EPSILON
    ):
        super().__init__()
        hidden = hidden or 4 * width
        self.resblocks = nn.ModuleList(Block(width, heads, hidden, epsilon) for _ in range(layers))

    def init_like_clip(self) -> None:
        """CLIP's initialisation of the text blocks: residual outputs are shrunk with the depth."""
        for block in self.resblocks:
            width = block.ln_1.normalized_shape[0]
            out_std = 1 / math.sqrt(width * 2 * len(self.resblocks))
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=out_std)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=out_std)


def pixels(images: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Images [B, 3, size, size] in the working dtype of a visual tower.

    Raises:
        ClipError: images of another size.
    """
    if tuple(images.shape[-2:]) != (size, size):
        height, width = images.shape[-2:]
        raise ClipError(
            f"images of {height} x {width} pixels: this CLIP takes {size} x {size}; "
            f"set INPUT.SIZE to ({size}, {size})"
        )
    return images.to(dtype)
