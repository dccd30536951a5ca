"""A sub-word tokenizer for texts in any script, trained on a sample of the training texts.

Byte-pair encoding (arXiv:1508.07909) over lower-cased NFKC text with three habits of its own:

* a word of a script that writes spaces starts with ``▁``, so that whole words and word endings are different
  pieces; scripts without spaces (Han, Kana, Thai, Khmer, Lao, Burmese, Tibetan) get no mark;
* pieces never cross a change of script, a digit or a punctuation mark;
* a character that is not in the vocabulary is spelled in bytes, so nothing is unknown.

One special token, ``[CLS]``, stands before a text, so that an empty text has a piece too.

The prefixes ``query: `` and ``passage: `` at the start of a text are dropped: a bag of pieces has no use for
two constant words, and short texts would drown in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))

PREFIX_PATTERN = r"\A(?:query|passage): "
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}\p{Lao}\p{Myanmar}\p{Tibetan}"
WORD_START = rf"(?<![\p{{L}}\p{{M}}])(?=[\p{{L}}&&[^{UNSPACED}]])"
# Vowel points and the stretching stroke, which Arabic and Hebrew text has or lacks at the writer's whim.
POINTS = r"[\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u064B-\u0652\u0670\u0640]"
SCRIPTS = (
    *("Latin", "Cyrillic", "Greek", "Armenian", "Georgian", "Hebrew", "Arabic", "Syriac", "Thaana"),
    *("Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam"),
    *("Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Ethiopic", "Khmer", "Mongolian", "Hangul", "Han"),
)


def build_tokenizer(texts: Iterator[str], *, vocab_size: int, alphabet_size: int) -> Tokenizer:
    """Train on ``texts``; at most ``vocab_size`` pieces, ``alphabet_size`` of them single characters."""
    tokenizer = _untrained(BPE(unk_token=UNK))
    tokenizer.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=vocab_size - len(BYTE_TOKENS),
            special_tokens=list(SPECIAL_TOKENS),
            limit_alphabet=alphabet_size,
            max_token_length=24,
            show_progress=False,
        ),
    )
    return _with_bytes(tokenizer)


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a ``tokenizer.json``."""
    return Tokenizer.from_file(str(path))


def _untrained(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(PREFIX_PATTERN), ""),
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(POINTS), ""),
            normalizers.Replace(Regex(WORD_START), "▁"),
        ]
    )
    pattern = "|".join([*script_runs(), r"\p{N}{1,4}", r"[^\s\p{L}\p{M}\p{N}]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(pattern), behavior="isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    return tokenizer


def script_runs() -> list[str]:
    """Patterns of letters that belong together: those of one script, with the mark before them."""
    runs = [r"▁?\p{Latin}[\p{Latin}\p{M}]*", r"▁?[\p{Hiragana}ー]+", r"▁?[\p{Katakana}ー]+"]
    runs += [rf"▁?[\p{{{script}}}\p{{M}}]+" for script in SCRIPTS if script != "Latin"]
    return [*runs, r"▁?[\p{L}\p{M}]+"]


def _with_bytes(trained: Tokenizer) -> Tokenizer:
    """The same pieces, then one per byte: the fallback for characters outside the alphabet."""
    model = json.loads(trained.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    for token in BYTE_TOKENS:
        vocabulary.setdefault(token, len(vocabulary))
    merges = [(left, right) for left, right in model["merges"]]
    tokenizer = _untrained(BPE(vocab=vocabulary, merges=merges, unk_token=UNK, byte_fallback=True))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A",
        pair=f"{CLS} $A $B:1",
        special_tokens=[(CLS, tokenizer.token_to_id(CLS))],
    )
    return tokenizer
