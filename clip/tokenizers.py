"""How texts become rows of ids: CLIP's own tokenizer, or one of Hugging Face as open_clip calls
it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import LongTensor

from clip.errors import WeightsError
from clip.extra import open_clip_package
from clip.simple_tokenizer import default_tokenizer, tokenize, too_long


class Tokenizer(Protocol):
    """What a text tower is fed by.

    Attributes:
        start: how many ids stand before a text's first word.
        added: how many ids a row has beside those of its words, without padding.
    """

    start: int
    added: int

    def __call__(self, texts: Sequence[str], context_length: int) -> LongTensor:
        """Rows of ids, padded: [R, context_length].

        Raises:
            TokenizeError: a text needs more than context_length places.
        """
        ...

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """How many ids the words of each text have."""
        ...

    def word(self, index: int) -> str:
        """The piece of text that an id stands for."""
        ...


class OwnTokenizer:
    """CLIP's: a start, the words, an end, then zeros."""

    start = 1
    added = 2

    def __call__(self, texts: Sequence[str], context_length: int) -> LongTensor:
        return tokenize(texts, context_length)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        encode = default_tokenizer().encode
        return [len(encode(text)) for text in texts]

    def word(self, index: int) -> str:
        return default_tokenizer().decoder[index]


@dataclass(frozen=True)
class TokenizerName:
    """A tokenizer of Hugging Face: its repository or folder, and what open_clip's HFTokenizer is
    told of it."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()


class HubTokenizer:
    """A tokenizer of Hugging Face, called as open_clip does.

    Args:
        named: which one; it must lie in Hugging Face's cache on this disk, or be a folder.
        beside: the folder of the weights; a tokenizer that lies there is taken.

    Raises:
        WeightsError: it does not, or cannot be read.
    """

    def __init__(self, named: TokenizerName, beside: Path | None = None):
        open_clip_package()
        from open_clip.tokenizer import HFTokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns in forked data workers
        own = beside is not None and (beside / "tokenizer_config.json").is_file()
        where = str(beside) if own else named.name
        try:
            self._rows = HFTokenizer(where, local_files_only=True, **dict(named.options))
        except ImportError as error:
            raise WeightsError(
                f"its tokenizer {named.name} needs a package that is not there "
                f"({' '.join(str(error).split())}); pip install transformers sentencepiece"
            ) from None
        except Exception as error:  # transformers raises of every kind
            raise WeightsError(
                f"its tokenizer {named.name} is not on this disk ({type(error).__name__}); put its "
                'files beside the weights, or download it: python -c "from transformers import '
                f"AutoTokenizer; AutoTokenizer.from_pretrained('{named.name}')\""
            ) from None
        self.start, self.added = self._places()

    def __call__(self, texts: Sequence[str], context_length: int) -> LongTensor:
        texts = list(texts)
        for text, length in zip(texts, self.lengths(texts), strict=True):
            if length + self.added > context_length:
                raise too_long(text, length + self.added, context_length)
        return self._rows(texts, context_length=context_length)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in self._ids(texts, special=False)]

    def word(self, index: int) -> str:
        return self._rows.tokenizer.convert_ids_to_tokens(index)

    def _ids(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        clean = [self._rows.clean_fn(text) for text in texts]
        return self._rows.tokenizer(clean, add_special_tokens=special).input_ids if clean else []

    def _places(self) -> tuple[int, int]:
        """How many ids stand before the words, and how many in all beside them."""
        (words,), (row,) = (self._ids(["photo"], special=special) for special in (False, True))
        starts = [i for i in range(len(row)) if row[i : i + len(words)] == words]
        if not words or not starts:
            raise WeightsError("its tokenizer changes words by what stands around them; take "
                               "another model")  # fmt: skip
        return starts[0], len(row) - len(words)
