"""A sub-word vocabulary for a transformer in any script: learn one, or add pieces to one there is.

Byte-pair encoding (arXiv:1508.07909) over NFKC text. As in the tokenizer of XLM-R a piece that starts a word
begins with ``▁`` and case stays, so that tokens which both vocabularies have keep their embeddings when a
body gets a new one. Pieces do not cross a change of script, a digit group or a run of punctuation; a
character outside the alphabet is spelled in bytes, so nothing is unknown.

Not Unigram, the algorithm of XLM-R: learned from the same sentences of Tatoeba in 176 languages (at most 300
each) it needs 0.504 tokens per character where BPE needs 0.481 (vocabulary 16,000; mean of 95 languages, 30
held-out sentences each), 0.461 against 0.438 with 32,000, took five times as long to learn, and its scores
differ from run to run. The alphabet is chosen here, because the library drops rare characters in an order
that differs from run to run too.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from trainer.errors import ConfigError
from trainer.models.script_tokenizer import BYTE_TOKENS, script_runs

Specials = Literal["bert", "xlm-roberta"]

# In the order of their numbers: padding, unknown, start, end and mask have these names there.
SPECIAL_TOKENS: Mapping[Specials, Sequence[str]] = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "xlm-roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}
ROLES: Mapping[Specials, Mapping[str, str]] = {
    "bert": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "xlm-roberta": {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"},
}
EXTENDABLE = ("BPE", "Unigram")
MARK = "▁"
MAX_PIECE_CHARACTERS = 24


def learn_tokenizer(
    texts: Sequence[str], *, vocab_size: int, coverage: float, specials: Specials
) -> Tokenizer:
    """A tokenizer learned from texts.

    Args:
        texts: are read twice.
        vocab_size: of all tokens; fewer where the texts do not have as many.
        coverage: share of the characters of the texts that are pieces of their own; the rarest others are
            spelled in bytes (XLM-R: 0.9995).
        specials: names and order of the special tokens; those of the body that will use the tokenizer.

    Raises:
        ConfigError: the alphabet alone is larger than the vocabulary.
    """
    names = SPECIAL_TOKENS[specials]
    alphabet = _alphabet(texts, coverage)
    if len(alphabet) + len(names) + len(BYTE_TOKENS) >= vocab_size:
        raise ConfigError(
            f"vocab_size is {vocab_size:,}; expected more than {len(alphabet):,} characters, "
            f"{len(BYTE_TOKENS)} bytes and {len(names)} special tokens. Raise it, or lower coverage."
        )
    unknown = ROLES[specials]["unk"]
    tokenizer = _untrained(BPE(unk_token=unknown))
    _train(tokenizer, texts, alphabet, size=vocab_size - len(BYTE_TOKENS), special_tokens=list(names))
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    for token in BYTE_TOKENS:
        vocabulary.setdefault(token, len(vocabulary))
    merges = [(left, right) for left, right in model["merges"]]
    whole = _untrained(BPE(vocab=vocabulary, merges=merges, unk_token=unknown, byte_fallback=True))
    whole.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    start, end = ROLES[specials]["cls"], ROLES[specials]["sep"]
    whole.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B {end}",
        special_tokens=[(name, whole.token_to_id(name)) for name in (start, end)],
    )
    return whole


def extend_tokenizer(base: Tokenizer, texts: Sequence[str], *, new_pieces: int, coverage: float) -> Tokenizer:
    """The tokenizer with pieces of new texts behind its own, whose numbers stay.

    Args:
        base: BPE or Unigram, as the tokenizer of XLM-R.
        texts: in the language that is added.
        new_pieces: how many at most.
        coverage: of the characters, as in :func:`learn_tokenizer`.

    Raises:
        ConfigError: the tokenizer is of another kind.
    """
    state = json.loads(base.to_str())
    kind = state["model"]["type"]
    if kind not in EXTENDABLE:
        raise ConfigError(
            f"base: the tokenizer is of the kind {kind}; expected BPE or Unigram. Leave base out to "
            "learn a new one."
        )
    learner = _like(base)
    alphabet = _alphabet(texts, coverage, base)
    known = base.get_vocab()
    learned: list[tuple[str, str]] = []
    wanted: list[str] = []
    size = len(alphabet) + new_pieces
    while True:  # many pieces are in the old vocabulary: learn on until enough are new
        _train(learner, texts, alphabet, size=size, special_tokens=[])
        model = json.loads(learner.to_str())["model"]
        learned = [(left, right) for left, right in model["merges"]]
        new = [piece for piece in sorted(model["vocab"], key=model["vocab"].get) if piece not in known]
        wanted = new[:new_pieces]
        if len(new) >= new_pieces or len(model["vocab"]) < size:
            break
        size *= 2
    if kind == "BPE":
        _extend_bpe(state["model"], wanted, learned, max(known.values()) + 1)
    else:
        counts = Counter(piece for text in texts for piece in learner.encode(text).tokens)
        _extend_unigram(state, wanted, counts)
    return Tokenizer.from_str(json.dumps(state))


def _extend_bpe(
    model: dict[str, Any], wanted: Sequence[str], learned: Sequence[tuple[str, str]], first: int
) -> None:
    vocabulary = model["vocab"]
    old = {tuple(merge) for merge in model["merges"]}
    for number, piece in enumerate(wanted, start=first):
        vocabulary[piece] = number
    parts = [merge for merge in learned if merge not in old]
    model["merges"] += [
        list(merge)
        for merge in parts
        if merge[0] + merge[1] in vocabulary and merge[0] in vocabulary and merge[1] in vocabulary
    ]


def _extend_unigram(state: dict[str, Any], wanted: Sequence[str], counts: Mapping[str, int]) -> None:
    """A piece scores the logarithm of its share in the new texts, as it would in a model of that language."""
    total = sum(counts.values())
    vocabulary = state["model"]["vocab"]
    # Tokens such as <mask> may have numbers behind the vocabulary; the list must reach them first.
    for token in sorted(state["added_tokens"], key=lambda token: token["id"]):
        if token["id"] == len(vocabulary):
            vocabulary.append([token["content"], 0.0])
    vocabulary += [[piece, math.log(max(1, counts.get(piece, 0)) / total)] for piece in wanted]


def _train(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    alphabet: Sequence[str],
    *,
    size: int,
    special_tokens: list[str],
) -> None:
    tokenizer.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=size,
            special_tokens=special_tokens,
            initial_alphabet=list(alphabet),
            limit_alphabet=len(alphabet),  # so the library itself drops none by chance
            max_token_length=MAX_PIECE_CHARACTERS,
            show_progress=False,
        ),
    )


def _alphabet(texts: Sequence[str], coverage: float, like: Tokenizer | None = None) -> list[str]:
    """The most frequent characters that make up a share of the texts; ties by number."""
    normalizer = (like or _untrained(BPE())).normalizer
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text if normalizer is None else normalizer.normalize_str(text))
    for blank in [character for character in counts if character.isspace()]:
        del counts[blank]
    needed = coverage * sum(counts.values())
    alphabet, covered = {MARK}, 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= needed:
            break
        alphabet.add(character)
        covered += count
    return sorted(alphabet)


def _like(base: Tokenizer) -> Tokenizer:
    """An untrained BPE that prepares texts as another tokenizer does."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer, tokenizer.pre_tokenizer = base.normalizer, base.pre_tokenizer
    return tokenizer


def _untrained(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    rest = [r"▁?\p{N}{1,3}", r"▁?[^\s\p{L}\p{M}\p{N}▁]+", "▁"]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always"),
            pre_tokenizers.Split(Regex("|".join([*script_runs(), *rest])), behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Metaspace(replacement=MARK, prepend_scheme="always"),
        ]
    )
    return tokenizer
