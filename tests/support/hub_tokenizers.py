"""Small tokenizers in Hugging Face's form, put together from a dozen words."""

from pathlib import Path

WORDS = ("a", "photo", "of", "cat", "dog", "two", "x", "tabby", "birman", "##s", ".")


def bert(folder: Path) -> str:
    """Of BERT's kind: [CLS] words [SEP], padded with 0; as CLIPA's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {w: i for i, w in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    return _saved(made, folder, unk_token="[UNK]", **special)


def t5(folder: Path) -> str:
    """Of T5's kind: words </s>, padded with </s>, the id 1; as SigLIP's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(("<unk>", "</s>", *WORDS))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    special = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    return _saved(made, folder, **special)


def _saved(made: object, folder: Path, **special: str) -> str:
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    return str(folder)
