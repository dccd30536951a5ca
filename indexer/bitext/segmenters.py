"""What cuts running text into sentences for mining and alignment: our rules, or ICU where it is installed.

Every segmenter gives spans in characters that follow each other without gaps and together are the text.
benchmarks/segmentation.md compares them; the rules are the default, because nothing there was better.
"""

import re
from collections.abc import Callable
from typing import Literal, get_args

from indexer.errors import MiningError
from indexer.text.segmentation import sentence_spans
from me5.storable import replace_surrogates

SegmenterName = Literal["rules", "icu"]
Segmenter = Callable[[str, str | None], list[tuple[int, int]]]
"""A text and its language, if known, to spans (start, end)."""

SEGMENTERS: tuple[SegmenterName, ...] = get_args(SegmenterName)

_LINE_END = re.compile(r"\s*[\n\r\x0b\x0c\x85\u2028\u2029]\s*")


def segmenter(name: SegmenterName) -> Segmenter:
    """The segmenter of that name.

    Raises:
        MiningError: it is not installed, or there is none of that name.
    """
    if name == "rules":
        return sentence_spans
    if name == "icu":
        try:
            import icu4py.breakers  # noqa: F401 - whether it is there
        except ImportError as error:
            raise MiningError(
                f"The segmenter 'icu' is not installed ({error}); expected the package icu4py. Run "
                "`pip install 'me5-search[segmenter]'`, or take 'rules'."
            ) from error
        return icu_spans
    raise MiningError(f"There is no segmenter {name!r}; expected one of {', '.join(SEGMENTERS)}.")


def icu_spans(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """Sentences as ICU splits them (UAX 29).

    ICU ends a sentence with every line. Which lines do is left to our rules, so that wrapped text stays
    together; the other line ends are spaces to ICU.
    """
    from icu4py.breakers import SentenceBreaker

    ends = {end for _, end in sentence_spans(text, language)}
    joined = _LINE_END.sub(
        lambda result: result[0] if result.end() in ends else " " * len(result[0]),
        replace_surrogates(text),
    )
    spans, start = [], 0
    for sentence in SentenceBreaker(joined, language or "en"):
        spans.append((start, start + len(sentence)))
        start += len(sentence)
    return spans
