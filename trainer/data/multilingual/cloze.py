"""A sentence of a passage as a query for it (inverse cloze, arXiv:1906.00300).

Retrieval in every language that has passages and no questions. With the sentence left in, the pair teaches
which words tell a passage from others, as BM25 does; taken out, it teaches what goes with what. Each passage
gives one pair of both kinds, chosen by its SHA-1, so always the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

SENTENCE_CHARACTERS = (12, 200)  # a sentence of Chinese is short
MIN_REST_CHARACTERS = 60
_SENTENCE = re.compile(r"[^.!?。！？।؟۔።\n]+[.!?。！？।؟۔።]*")


def cloze_pairs(passage: str) -> Iterator[tuple[str, str]]:
    """A sentence and the whole passage; another and the passage without it. None of a short passage."""
    lowest, highest = SENTENCE_CHARACTERS
    spans = [
        match.span()
        for match in _SENTENCE.finditer(passage)
        if lowest <= len(match.group().strip()) <= highest
        and len(passage) - len(match.group()) >= MIN_REST_CHARACTERS
    ]
    if not spans:
        return
    draw = int.from_bytes(hashlib.sha1(passage.encode(), usedforsecurity=False).digest()[:8], "big")
    start, end = spans[draw % len(spans)]
    yield passage[start:end].strip(), passage
    if len(spans) > 1:
        start, end = spans[(draw + 1) % len(spans)]
        yield passage[start:end].strip(), f"{passage[:start].rstrip()} {passage[end:].lstrip()}".strip()
