"""What a method hands to the towers, and the tokenised class prompts that most methods learn a
context for.

C classes, n context tokens, L tokens, W text width, R text rows, G prefix streams.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import clip
from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace

POSITIONS = ("end", "middle", "front")  # where a name can stand in its prompt
TEXTS_AT_ONCE = 512  # fixed texts encoded in one pass: bounds the memory of ensembles


class PromptTooLongError(UserError, RuntimeError):
    """Context and classname have more tokens than the text tower has positions."""


@dataclass(frozen=True)
class TextPrompts:
    """Input of the text tower.

    Without `prefix`, `rows` [R, L, W] are whole texts. With it, row r continues the stream
    `prefix[group[r]]` of [G, P, W], so what rows share is encoded once. `eot` [R] counts positions
    from the start of the text.
    """

    rows: Tensor
    eot: Tensor
    prefix: Tensor | None = None
    group: Tensor | None = None

    def some(self, rows: slice) -> "TextPrompts":
        """Those of some rows; the streams stay."""
        group = None if self.group is None else self.group[rows]
        return TextPrompts(self.rows[rows], self.eot[rows], self.prefix, group)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of rows and, where there are some, of streams."""
        return (*self.rows.shape, *(() if self.prefix is None else self.prefix.shape))

    def encode(self, clip_model: clip.CLIP, change: clip.TowerChange) -> Tensor:
        """Text features [R, D], not normalised, of the text tower so changed; a method's model
        encodes by its `encode_text`."""
        if self.prefix is None:
            return clip_model.text(self.rows, self.eot, change)
        return clip_model.text.forward_shared(self.prefix, self.rows, self.group, self.eot, change)


def fixed_prompts(text_tower: nn.Module, texts: Sequence[str], shared: bool = True) -> TextPrompts:
    """Whole texts without a learned context, for a text tower that a method changes.

    With `shared`, what all begin with is one prefix stream; without, every text is a row of its
    own, as a method needs it that draws at random inside the tower. Raises as `encode_texts`.
    """
    device = text_tower.token_embedding.weight.device
    tokens = _tokens(list(texts), text_tower)
    ends = text_tower.read_at(tokens)
    with torch.no_grad():
        rows = text_tower.embed(tokens[:, : text_tower.needed(ends)].to(device))
    eot = ends.to(device)
    if not shared:
        return TextPrompts(rows, eot)
    length = shared_positions(tokens, ends)
    group = torch.zeros(len(rows), dtype=torch.long, device=device)
    return TextPrompts(rows[:, length:], eot, rows[:1, :length], group)


def shared_positions(tokens: Tensor, eot: Tensor) -> int:
    """Leading positions in which all texts [R, L] agree; every row keeps its EOT."""
    agree = int((tokens == tokens[:1]).all(dim=0).int().cumprod(dim=0).sum())
    return min(agree, int(eot.min()))


def encode_texts(clip_model: clip.CLIP, texts: Sequence[str]) -> Tensor:
    """Features [R, D] of fixed texts, not normalised, without gradient.

    Raises:
        PromptTooLongError: (a UserError) a text has more tokens than the text tower takes.
    """
    features, tower = [], clip_model.text
    for first in range(0, len(texts), TEXTS_AT_ONCE):
        some = list(texts[first : first + TEXTS_AT_ONCE])
        tokens = _tokens(some, tower)[:, : _used(tower, some)]
        tokens = tokens.to(clip_model.logit_scale.device, non_blocking=True)
        with torch.no_grad():
            features.append(tower(tower.embed(tokens), tower.read_at(tokens)))
    return torch.cat(features)


def _used(text_tower: nn.Module, texts: Sequence[str]) -> int:
    """How many positions of fixed texts are encoded, known without reading a tensor: no more than
    the longest has where that is told by CLIP's own tokenizer and makes no difference, else all."""
    variant, own = text_tower.variant, isinstance(text_tower.tokenizer, clip.OwnTokenizer)
    plain = own and variant.causal and variant.read != "last"
    return clip.longest(texts) if plain else text_tower.context_length


def _tokens(texts: list[str], text_tower: nn.Module) -> Tensor:
    length = text_tower.context_length
    try:
        return text_tower.tokenizer(texts, length)
    except clip.TokenizeError as error:
        raise PromptTooLongError(
            f"the text {max(texts, key=len)[:60]!r}... has more than the {length} tokens "
            f"that the text tower takes; shorten its template or classname"
        ) from error


def in_float32(clip_model: clip.CLIP) -> clip.CLIP:
    """The model itself if it computes in float32, else a float32 copy."""
    if clip_model.dtype == torch.float32:
        return clip_model
    copied = copy.deepcopy(clip_model)
    for module in copied.modules():  # Module.float cannot do it in a rehearsal
        for name, tensor in [*module.named_parameters(recurse=False)]:
            setattr(module, name, nn.Parameter(tensor.float(), requires_grad=False))
        for name, tensor in [*module.named_buffers(recurse=False)]:
            setattr(module, name, tensor.float() if tensor.is_floating_point() else tensor)
    return copied


def init_words(text: str) -> str:
    """CTX_INIT as prompt words: underscores are blanks."""
    return text.replace("_", " ").strip()


def words_key(key: str) -> str:
    """The config key of the words that start a context, from that of its number of tokens."""
    return re.sub("N_CTX.*", "CTX_INIT", key)


def context_from_words(text_tower: nn.Module, words: str, n_ctx: int, key: str) -> Tensor:
    """Token embeddings [n, W] of the first n tokens of the words; `key` is the config key of n.

    Raises:
        UserError: the words have fewer than n tokens, so that the context would start from padding.
        PromptTooLongError: (a UserError) they have more than the text tower takes.
    """
    tokenizer = text_tower.tokenizer
    try:
        tokens = tokenizer([words], text_tower.context_length)
    except clip.TokenizeError as error:
        raise PromptTooLongError(
            f"{words_key(key)} = {words[:60]!r}: more than the "
            f"{text_tower.context_length} tokens that the text tower takes; use fewer words"
        ) from error
    (num_tokens,) = tokenizer.lengths([words])
    if num_tokens < n_ctx:
        raise UserError(
            f"{key} = {n_ctx}: CTX_INIT {words!r} has {num_tokens} tokens; "
            f"use {num_tokens} or less, or longer words"
        )
    device = text_tower.token_embedding.weight.device
    with torch.no_grad():
        start = tokenizer.start
        return text_tower.embed(tokens.to(device))[0, start : start + n_ctx].clone()


def random_context(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A context drawn from N(0, 0.02^2), the start of every published method."""
    return torch.empty(*shape, dtype=dtype).normal_(std=0.02)


def start_context(
    text_tower: nn.Module, words: str, n_ctx: int, key: str, num_own: int | None = None
) -> Tensor:
    """Where a context starts: the embeddings of words, or without any N(0, 0.02^2).

    Args:
        words: CTX_INIT's; they give one context for all.
        key: the config key of n.
        num_own: N, how many classes (or tasks) get one of their own; None: all share one.

    Returns:
        [n, W] or [N, n, W].

    Raises:
        UserError: there are words, and of fewer than n tokens.
    """
    if words:
        return context_from_words(text_tower, words, n_ctx, key)
    own = () if num_own is None else (num_own,)
    return random_context(*own, n_ctx, text_tower.width)


class ContextLearner(nn.Module):
    """A context in class prompts `[SOS][context][classname][.][EOT]`; subclasses own the context
    itself.

    The frozen embeddings are cut at the longest EOT, where causal attention lets nothing behind it
    matter. A tokenizer without a start token has no SOS: s, its number of start tokens, is then 0.

    Args:
        text_tower: gives the token embedding and the context length.
        words: n words that stand for the context when prompts are tokenised, and any fixed words
            behind them; "" = any n words.
        n_ctx: n, the learned positions, which follow the start.
        key: the config key of n, for messages.
    """

    def __init__(self, text_tower: nn.Module, words: str, n_ctx: int, key: str):
        super().__init__()
        # A tuple keeps the frozen tower out of this module's parameters and state dict.
        self._tower = (text_tower,)
        self.given_words = words
        self.words = words or " ".join(["X"] * n_ctx)
        self.n_ctx = n_ctx
        self.key = key
        self.start = text_tower.tokenizer.start
        if not words and text_tower.tokenizer.lengths([self.words]) != [n_ctx]:
            raise UserError(
                f"{key} = {n_ctx}: this CLIP's tokenizer reads a context of as many words as "
                f"another number of tokens; give its words as {words_key(key)}"
            )

    def texts(self, space: ClassSpace) -> list[str]:
        """The classes' prompts; the n tokens that begin them stand for the context."""
        return [f"{self.words} {name}." for name in space.words()]

    def set_classes(self, space: ClassSpace) -> None:
        """Tokenises the prompts of the given classes.

        Sets `tokenized_prompts` [C, 77], `eot` [C] (where the feature is read), `name_lengths`
        (tokens of each name) and the frozen embeddings `token_prefix` [1, s, W] and `token_suffix`
        [C, L-s-n, W].

        Raises:
            PromptTooLongError: (a UserError) a prompt does not fit in the context length.
        """
        (tower,) = self._tower
        device, prompts = tower.token_embedding.weight.device, self.texts(space)
        try:
            tokens = tower.tokenizer(prompts, tower.context_length)
        except clip.TokenizeError as error:
            raise self._too_long(prompts, space.names, tower.context_length) from error
        eot = tower.read_at(tokens)
        self.name_lengths = tower.tokenizer.lengths(space.words())
        self._moved: dict[str, Tensor] = {}  # places by position, as they are asked for
        behind = self.start + self.n_ctx
        self.num_shared = max(behind, shared_positions(tokens, eot))
        with torch.no_grad():
            embedded = tower.embed(tokens[:, : tower.needed(eot)].to(device))
        self.register_buffer("tokenized_prompts", tokens.to(device), persistent=False)
        self.register_buffer("eot", eot.to(device), persistent=False)
        self.register_buffer("token_prefix", embedded[:1, : self.start], persistent=False)
        self.register_buffer("token_suffix", embedded[:, behind:], persistent=False)

    def _too_long(
        self, prompts: list[str], names: Sequence[str], context_length: int
    ) -> PromptTooLongError:
        tokenizer = self._tower[0].tokenizer
        needed = [length + tokenizer.added for length in tokenizer.lengths(prompts)]
        most = max(needed)
        name, room = names[needed.index(most)], context_length - most + self.n_ctx
        given = f"{self.key} = {self.n_ctx}"
        allowed = f"use {room} or less, or shorten it" if room > 0 else "shorten it"
        if self.given_words:
            given = f"{words_key(self.key)} = {self.given_words[:60]!r}"
            allowed = "use fewer words, or shorten the name"
        return PromptTooLongError(
            f"{given}: with the name {name[:60]!r} a prompt has {most} tokens, and "
            f"the text tower takes {context_length}; {allowed}"
        )

    def shared_prompts(
        self,
        ctx: Tensor,
        group: Tensor | None = None,
        classes: Tensor | None = None,
    ) -> TextPrompts:
        """Prompts whose beginnings `[SOS][context]` are shared, each run once as a prefix stream.

        Args:
            ctx: one context [n, W] for all rows, or the streams' contexts [G, n, W].
            group: [R] long, the stream of each row; needed where there are several.
            classes: [R] long, the class of each row; default all classes in order.
        """
        fixed = (
            self.num_shared - self.start - self.n_ctx
        )  # words behind the context that no class changes
        suffix, eot = self._of(classes)
        ctx = ctx.to(suffix.dtype).reshape(-1, self.n_ctx, suffix.shape[-1])  # [G, n, W]
        start = self.token_prefix.expand(len(ctx), -1, -1)
        words = self.token_suffix[:1, :fixed].expand(len(ctx), -1, -1)
        if group is None:
            group = torch.zeros(len(suffix), dtype=torch.long, device=suffix.device)
        return TextPrompts(suffix[:, fixed:], eot, torch.cat([start, ctx, words], dim=1), group)

    def whole_prompts(
        self,
        ctx: Tensor,
        position: str = "end",
        classes: Tensor | None = None,
    ) -> TextPrompts:
        """Prompts with a context [R, n, W] of each row, as whole rows.

        Args:
            position: of `POSITIONS`, where the classname stands; in the middle is behind n // 2
                context tokens. The EOT position is the same in all three.
            classes: [R] long, the class of each row; default all classes in order.
        """
        suffix, eot = self._of(classes)
        prefix = self.token_prefix.expand(len(suffix), -1, -1)
        rows = torch.cat([prefix, ctx.to(prefix.dtype), suffix], dim=1)
        if position != "end":
            if position not in self._moved:
                self._moved[position] = self._places(position)
            places = self._moved[position]
            places = places if classes is None else places[classes]
            rows = rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))
        return TextPrompts(rows, eot)

    def _of(self, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Frozen embeddings [R, L-s-n, W] and EOT positions [R] of the given classes."""
        if classes is None:
            return self.token_suffix, self.eot
        return self.token_suffix[classes], self.eot[classes]

    def _places(self, position: str) -> Tensor:
        """Where each position of a class's row comes from, [C, L], when its name is moved."""
        before = {"middle": self.n_ctx // 2, "front": 0}[position]
        num_rest = self.token_suffix.shape[1]
        order = [self._order(before, length, num_rest) for length in self.name_lengths]
        return torch.tensor(order, device=self.token_suffix.device)

    def _order(self, before: int, length: int, num_rest: int) -> list[int]:
        """Where positions of `[SOS][context][name][rest]` go when the name is moved forward."""
        start, behind = self.start, self.start + self.n_ctx  # where context and name begin
        name = range(behind, behind + length)
        rest = range(behind + length, behind + num_rest)
        return [*range(start + before), *name, *range(start + before, behind), *rest]
