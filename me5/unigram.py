"""Tokenizers of the XLM-RoBERTa family read by ``sentencepiece``, the library that made them.

A tokenizer.json with a Unigram model, the character map of sentencepiece and ``Metaspace`` says the same as
a sentencepiece model. Read as one it takes a fraction of the memory, opens sooner and is several times as
fast. Ids are those of the ``tokenizers`` library but for two things: pieces of equal score in a row
(``....``) may come in another order, and a mark after a compatibility character (``ﬁ`` + accent) is kept,
not dropped.
"""

import base64
import hashlib
import json
import logging
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.cache import cache_folder

logger = logging.getLogger(__name__)

SPACE = "▁"
_VERSION = 1
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
"""Types of pieces in a sentencepiece model; control pieces are never found in text."""
_Spans = NDArray[np.int32]


@dataclass(frozen=True)
class UnigramFacts:
    """What a tokenizer.json says beside pieces and character map.

    Attributes:
        prefix, suffix: ids of the special tokens around a text.
        added: id of each token that is looked for in the text before anything else.
        strips_left: those that take the white space before them along.
        keeps_final_space: white space at the end of a text gives a piece.
    """

    prefix: list[int]
    suffix: list[int]
    added: dict[str, int]
    strips_left: list[str]
    keeps_final_space: bool


class UnigramTokenizer:
    """Safe to use from several threads."""

    def __init__(self, facts: UnigramFacts, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        self._processor = SentencePieceProcessor(model_proto=model)
        self._facts = facts
        self._space_id = int(self._processor.piece_to_id(SPACE))
        self._added = _pattern(facts)
        self._first_of_added = {token[0] for token in facts.added}
        self._mapped: dict[str, str] = {}

    def ids(self, texts: Sequence[str], *, special_tokens: bool = True) -> list[list[int]]:
        """Ids of each text, with the special tokens around it."""
        rows: list[list[int]] = self._processor.encode(list(texts), num_threads=1)
        before, after = (self._facts.prefix, self._facts.suffix) if special_tokens else ([], [])
        return [before + self._complete(text, row) + after for text, row in zip(texts, rows, strict=True)]

    def spans(self, texts: Sequence[str]) -> list[_Spans]:
        """Character offsets [T, 2] of each token in its text, without special tokens."""
        return [self._spans_of(text) for text in texts]

    def last_tokens(self) -> list[str]:
        """The special tokens after a text."""
        names = {number: token for token, number in self._facts.added.items()}
        return [names.get(item) or str(self._processor.id_to_piece(item)) for item in self._facts.suffix]

    def token_id(self, token: str) -> int | None:
        """The id of a token; None for one that is not in the vocabulary."""
        if token in self._facts.added:
            return self._facts.added[token]
        result = int(self._processor.piece_to_id(token))
        return result if self._processor.id_to_piece(result) == token else None

    def unknown_id(self) -> int | None:
        """The id that stands for what is not in the vocabulary."""
        return int(self._processor.unk_id())

    def _complete(self, text: str, ids: list[int]) -> list[int]:
        may_hold_added = any(first in text for first in self._first_of_added)
        if not (may_hold_added and self._added.search(text)):
            return ids + [self._space_id] * self._ends_in_space(text)
        complete: list[int] = []
        for start, end, special in self._parts(text):
            if special is not None:
                complete.append(special)
            else:
                part = text[start:end]
                complete += self._processor.encode(part)
                complete += [self._space_id] * self._ends_in_space(part)
        return complete

    def _spans_of(self, text: str) -> _Spans:
        spans: list[tuple[int, int]] = []
        for start, end, special in self._parts(text):
            if special is not None:
                spans.append((start, end))
                continue
            part = text[start:end]
            result = self._processor.encode(part, return_type="offset_mapping")["offsets"]
            spans += [(start + first, start + last) for first, last in result]
            if self._ends_in_space(part):
                spans.append((start + len(part.rstrip()), end))
        return np.array(spans, dtype=np.int32).reshape(-1, 2)

    def _parts(self, text: str) -> Iterator[tuple[int, int, int | None]]:
        """Start and end of each added token, with its id, and of what lies between them."""
        start = 0
        for match in self._added.finditer(text):
            if start < match.start():
                yield start, match.start(), None
            yield match.start(), match.end(), self._facts.added[match[0].lstrip()]
            start = match.end()
        if start < len(text):
            yield start, len(text), None

    def _ends_in_space(self, text: str) -> bool:
        """Whether the text ends in white space after the character map; sentencepiece drops it."""
        if not self._facts.keeps_final_space:
            return False
        for character in reversed(text):
            if between := self._between(character):
                return between == SPACE
        return False

    def _between(self, character: str) -> str:
        """What the character map makes of a character, white space as ``▁``; empty where it is dropped."""
        mapped = self._mapped.get(character)
        if mapped is None:  # between dots: no mark makes one letter of them
            mapped = str(self._processor.normalize(f".{character}.")).lstrip(SPACE)[1:-1]
            self._mapped[character] = mapped
        return mapped


def open_unigram(path: Path) -> UnigramTokenizer | None:
    """The tokenizer of a tokenizer.json, or None where sentencepiece cannot stand for it.

    The sentencepiece model is made once, about a second, and kept in the cache folder where that can be
    written.
    """
    content = path.read_bytes()
    if b'"Unigram"' not in content:  # seen at once; others are not to be parsed for nothing
        return None
    kept = cache_folder() / "tokenizers" / f"{hashlib.sha256(content).hexdigest()[:16]}.unigram-{_VERSION}"
    try:
        header, _, model = kept.read_bytes().partition(b"\n")
        return UnigramTokenizer(UnigramFacts(**json.loads(header)), model)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        logger.info("the kept tokenizer %s is made again: %s", kept, error)
    description = json.loads(content)
    facts = _facts(description)
    if facts is None:
        return None
    model = _sentencepiece_model(description, set(facts.added.values()))
    try:
        opened = UnigramTokenizer(facts, model)
    except RuntimeError as error:
        logger.info("%s is read by the tokenizers library: %s", path, error)
        return None
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(kept, json.dumps(vars(facts)).encode() + b"\n" + model)
    except OSError as error:
        logger.info("the tokenizer is not kept: %s", error)
    return opened


def _facts(description: Mapping[str, Any]) -> UnigramFacts | None:
    """None where anything is said that a sentencepiece model does not do."""
    model = description["model"]
    spaces = _spaces(description.get("pre_tokenizer") or {})
    around = _around(description.get("post_processor") or {})
    if (
        model.get("type") != "Unigram"
        or model.get("byte_fallback")
        or _character_map(description) is None
        or spaces is None
        or around is None
    ):
        return None
    added = description.get("added_tokens") or []
    if any(token["single_word"] or token["rstrip"] or token["normalized"] for token in added):
        return None
    return UnigramFacts(
        prefix=around[0],
        suffix=around[1],
        added={token["content"]: token["id"] for token in added},
        strips_left=[token["content"] for token in added if token["lstrip"]],
        keeps_final_space=spaces,
    )


def _character_map(description: Mapping[str, Any]) -> bytes | None:
    normalizer = description.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    if not steps or steps[0].get("type") != "Precompiled" or len(steps) > 2:
        return None
    if len(steps) == 2:
        joined = steps[1]
        if joined.get("pattern") != {"Regex": " {2,}"} or joined.get("content") not in (" ", SPACE):
            return None
    return base64.b64decode(steps[0]["precompiled_charsmap"])


def _spaces(step: Mapping[str, Any]) -> bool | None:
    """Whether white space at the end of a text gives a piece; None for any other way to part words."""
    steps = step.get("pretokenizers", [step])
    last = steps[-1]
    marks = last.get("type") == "Metaspace" and last.get("replacement") == SPACE
    begins = last.get("prepend_scheme", "always") == "always" and last.get("add_prefix_space", True)
    if not (marks and begins and last.get("split", True)):
        return None
    if len(steps) == 1:
        return True
    return False if [item.get("type") for item in steps[:-1]] == ["WhitespaceSplit"] else None


def _around(step: Mapping[str, Any]) -> tuple[list[int], list[int]] | None:
    """Ids before and after a text; None for anything but one template around it."""
    if step.get("type") != "TemplateProcessing":
        return None
    sides: tuple[list[int], list[int]] = ([], [])
    seen = 0
    for item in step["single"]:
        if "Sequence" in item:
            seen += 1
        else:
            sides[seen > 0].extend(step["special_tokens"][item["SpecialToken"]["id"]]["ids"])
    return sides if seen == 1 else None


def _pattern(facts: UnigramFacts) -> "re.Pattern[str]":
    ordered = sorted(facts.added, key=len, reverse=True)
    choices = [r"\s*" * (token in facts.strips_left) + re.escape(token) for token in ordered]
    return re.compile("|".join(choices) or r"(?!)")


def _sentencepiece_model(description: Mapping[str, Any], added: set[int]) -> bytes:
    """A serialised ``ModelProto``, see sentencepiece_model.proto."""
    model = description["model"]
    parts = bytearray()
    for number, (piece, score) in enumerate(model["vocab"]):
        kind = _UNKNOWN if number == model["unk_id"] else _CONTROL if number in added else _NORMAL
        parts += _bytes(
            1, _bytes(1, piece.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", score) + _int(3, kind)
        )
    unigram = _int(3, 1)
    special = _int(40, model["unk_id"]) + b"".join(_int(field, -1) for field in (41, 42, 43))
    parts += _bytes(2, unigram + special)
    joins_spaces = _int(3, 1) + _int(4, 1) + _int(5, 1)
    character_map = _character_map(description) or b""
    parts += _bytes(3, _bytes(2, character_map) + joins_spaces)
    return bytes(parts)


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
