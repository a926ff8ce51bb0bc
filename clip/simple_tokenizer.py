"""CLIP's byte-pair tokenizer.

A text is cleaned, cut into pieces, and each piece's bytes are merged pair by pair in the order of
the vocabulary file (attribution in VOCABULARY_NOTICE.txt).
"""

import gzip
import html
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import chain, pairwise
from pathlib import Path

import ftfy
import regex
import torch
from torch import LongTensor

from clip.errors import TokenizeError

VOCABULARY_FILE = Path(__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
NUM_MERGES = 48894
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"

# Special tokens, English contractions, runs of letters, single digits, runs of other signs.
PIECES = regex.compile(
    "|".join(
        [
            regex.escape(START),
            regex.escape(END),
            "'s|'t|'re|'ve|'m|'ll|'d",
            r"\p{L}+",
            r"\p{N}",
            r"[^\s\p{L}\p{N}]+",
        ]
    ),
    regex.IGNORECASE,
)


def clean(text: str) -> str:
    """Mends wrong decodings, unescapes HTML twice, joins white space to single blanks, lower
    case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return regex.sub(r"\s+", " ", text.strip()).strip().lower()


def byte_symbols() -> dict[int, str]:
    """The printable character that stands for each byte, in the order of the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + i) for i, byte in enumerate(others)
    }


class SimpleTokenizer:
    """Text to ids and back; reads its vocabulary of 49408 symbols once when made.

    ``encoder`` maps symbols to ids, ``decoder`` ids to symbols.
    """

    def __init__(self, path: str | Path = VOCABULARY_FILE):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")[1 : 1 + NUM_MERGES]  # the first line is a header
        merges = [tuple(line.split()) for line in lines]
        self._byte_symbol = byte_symbols()
        self._symbol_byte = {symbol: byte for byte, symbol in self._byte_symbol.items()}
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        single = list(self._byte_symbol.values())
        ends = [symbol + WORD_END for symbol in single]
        symbols = chain(single, ends, map("".join, merges), (START, END))
        self.encoder = {symbol: i for i, symbol in enumerate(symbols)}
        self.decoder = {i: symbol for symbol, i in self.encoder.items()}
        self.start, self.end = self.encoder[START], self.encoder[END]
        self._piece_ids = lru_cache(maxsize=65536)(self._encode_piece)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without start and end."""
        return [i for piece in PIECES.findall(clean(text)) for i in self._piece_ids(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; each word is followed by a blank, bytes that are no UTF-8 become U+FFFD."""
        symbols = "".join(self.decoder[int(i)] for i in ids)
        raw = bytes(self._symbol_byte[symbol] for symbol in symbols)
        return raw.decode("utf-8", errors="replace").replace(WORD_END, " ")

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        if piece in (START, END):
            return (self.encoder[piece],)
        symbols = [self._byte_symbol[byte] for byte in piece.encode("utf-8")]
        symbols[-1] += WORD_END
        return tuple(self.encoder[symbol] for symbol in self._merge(symbols))

    def _merge(self, symbols: list[str]) -> list[str]:
        """Joins the adjacent pair of lowest rank, wherever it stands, until none is in the
        vocabulary."""
        unknown = len(self._rank)
        while len(symbols) > 1:
            best = min(pairwise(symbols), key=lambda pair: self._rank.get(pair, unknown))
            if best not in self._rank:
                break
            joined = []
            for symbol in symbols:
                if joined and (joined[-1], symbol) == best:
                    joined[-1] += symbol
                else:
                    joined.append(symbol)
            symbols = joined
        return symbols


@cache
def default_tokenizer() -> SimpleTokenizer:
    """The tokenizer of the public models, made at the first call."""
    return SimpleTokenizer()


def tokenize(
    texts: str | Sequence[str], context_length: int = 77, truncate: bool = False
) -> LongTensor:
    """Ids of texts between start and end, padded with zeros: [R, context_length]; one text gives R
    = 1.

    ``truncate`` cuts texts that are too long and puts the end in the last place.

    Raises:
        TokenizeError: a text needs more than context_length places.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    tokenizer = default_tokenizer()
    result = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(result, texts, strict=True):
        ids = [tokenizer.start, *tokenizer.encode(text), tokenizer.end]
        if len(ids) > context_length:
            if not truncate:
                raise too_long(text, len(ids), context_length)
            ids = [*ids[: context_length - 1], tokenizer.end]
        row[: len(ids)] = torch.tensor(ids)
    return result


def too_long(text: str, length: int, context_length: int) -> TokenizeError:
    """The error for a text of more ids than the context holds."""
    return TokenizeError(
        f"text of {length} tokens: {text[:60]!r}; the context holds "
        f"{context_length}; shorten it or call tokenize(..., truncate=True)"
    )


def longest(texts: Sequence[str]) -> int:
    """Tokens of the longest text, start and end among them; known without reading a tensor."""
    return 2 + max((len(default_tokenizer().encode(text)) for text in texts), default=0)
