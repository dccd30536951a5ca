"""Sparse vectors for the lexical leg of search: words, parts of words and characters, in every script.

A feature is the 32-bit hash of a folded string with a class tag:

========  =======================================  ================================================
class     what                                     for
========  =======================================  ================================================
word      a whole word                             all scripts that write spaces
code      a joined token as one word ("rfc2119")   codes, versions, addresses: RFC-2119 = RFC 2119
gram      n characters of a word                   inflection, compounds, Hebrew and Arabic prefixes
single    one cluster (base character and marks)   Chinese and Japanese, for one-character queries
pair      two neighbouring clusters                scripts without spaces: substrings of any length
triple    three neighbouring clusters              Thai, Lao, Khmer, Burmese, where pairs say little
========  =======================================  ================================================

So 東京, ภาษาไทย and ភាសាខ្មែរ are found inside longer text without any word segmentation. To bound the
size, long words keep only every second gram and triples are thinned likewise, chosen by their hash:
the same ones in queries and passages. Passages carry BM25's term-frequency part (k1, b; fixed average
length), queries the weight of the class; the store multiplies with the inverse document frequency.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np
import regex

from indexer.search.terms import NAME
from indexer.text.folding import contracted, first_fold, fold, serbian_in_latin, spellings
from indexer.types import SparseVector

_K1 = 1.2
_B = 0.75
_AVERAGE_LENGTH = 110.0  # words of a passage of about 160 tokens
_CLUSTERS_PER_WORD = 2.2  # clusters of Chinese or Thai that say as much as one word
_TITLE_COUNT = 2  # a word of the title counts as often as if the text repeated it
_MAX_PASSAGE_FEATURES = 2_000  # a bound for passages of any length; about 450 at 160 tokens
_MAX_QUERY_FEATURES = 64
_MAX_QUERY_CHARS = 2_000
_MAX_WORD = 40  # characters of a word that are looked at

_WORD, _CODE, _GRAM, _SINGLE, _PAIR, _TRIPLE = range(6)
_QUERY_WEIGHT = {_WORD: 1.0, _CODE: 1.2, _GRAM: 0.6, _SINGLE: 0.5, _PAIR: 0.6, _TRIPLE: 0.6}
_OTHER_SPELLING = 0.4  # of the weight of a spelling that was not typed
_PART_OF_NAME = 0.3  # of the weight of a word: net in .net
_THINNED_ABOVE = 6  # characters: longer words keep half of their inner grams

_CJK = r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}ー々〆〇"
_SOUTH_EAST = (
    r"\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tai_Tham}\p{Script=New_Tai_Lue}"
    r"\p{Script=Tai_Le}\p{Script=Javanese}\p{Script=Balinese}\p{Script=Cham}"
)
_TOKEN = regex.compile(
    rf"(?V1)(?P<cjk>[{_CJK}]+)|(?P<unspaced>[{_SOUTH_EAST}]+)"
    rf"|(?P<word>[[\p{{L}}\p{{M}}\p{{N}}]--[{_CJK}{_SOUTH_EAST}]]+)"
)
_CLUSTER = regex.compile(r"\P{M}\p{M}*|\p{M}+")
_CODE_TOKEN = re.compile(r"(?<!\w)(?:\w++(?:(?:[-._@/:+#'’]|(?<=\d),(?=\d))\w++)+|[a-z]++ \d[\w.]*+)")
_CODE_MARKS = re.compile(r"[\W_]+")
_NUMBER_FIRST = re.compile(r"\d{2,}(?=[^\W\d_]+$)")
_HAS_DIGIT = re.compile(r"\d")
_SHORT_ROOTS = regex.compile(
    r"\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Ethiopic}|\p{Script=Syriac}|\p{Script=Thaana}"
)
_HANGUL = regex.compile(r"\p{Script=Hangul}")


def sparse_passage(text: str, title: str = "") -> SparseVector:
    """Features of a passage with saturated, length-normalised term frequencies (without IDF)."""
    ids, length = _features(text)
    if title:
        title_ids, title_length = _features(title)
        ids.extend(title_ids * _TITLE_COUNT)
        length += title_length
    if not ids:
        return _empty()
    indices, counts = np.unique(np.array(ids, dtype=np.uint32), return_counts=True)
    saturation = _K1 * (1 - _B + _B * length / _AVERAGE_LENGTH)
    values = (counts * (_K1 + 1) / (counts + saturation)).astype(np.float32)
    if len(indices) > _MAX_PASSAGE_FEATURES:
        kept = np.sort(np.argsort(-values, kind="stable")[:_MAX_PASSAGE_FEATURES])
        indices, values = indices[kept], values[kept]
    return SparseVector(indices, values)


def sparse_query(text: str) -> SparseVector:
    """Features of a query; only the strongest where there are many, whole words before their parts."""
    weights: defaultdict[int, float] = defaultdict(float)
    asked = text[:_MAX_QUERY_CHARS]
    folded, earlier = fold(asked), first_fold(asked)
    _weigh(weights, folded, 1.0)
    for other in spellings(asked).values():
        _weigh(weights, other, _OTHER_SPELLING)
    spelt_out = [word for word in folded.split() if contracted(word) != word]
    _weigh(weights, contracted(" ".join(spelt_out)), _OTHER_SPELLING)
    if earlier != folded:
        unlike = set(earlier.split()) - set(folded.split())
        _weigh(weights, " ".join(word for word in earlier.split() if word in unlike), 1.0)
    if not weights:
        return _empty()
    best = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:_MAX_QUERY_FEATURES]
    best.sort()
    return SparseVector(
        np.array([feature for feature, _ in best], dtype=np.uint32),
        np.array([weight for _, weight in best], dtype=np.float32),
    )


def _weigh(weights: defaultdict[int, float], folded: str, share: float) -> None:
    """Add the features of a folded query, or of another spelling of it."""
    names = {match.group() for match in NAME.finditer(folded)}
    for name in names:
        weights[_hash(_WORD, name)] += share * _QUERY_WEIGHT[_CODE]
    in_names = {match.group() for name in names for match in _TOKEN.finditer(name)}
    for match in _TOKEN.finditer(folded):
        group, token = match.lastgroup, match.group()
        if group == "word":
            word, *grams = _word_features(token[:_MAX_WORD])
            part = _PART_OF_NAME if token in in_names else share
            weights[word] += part * _QUERY_WEIGHT[_WORD] * min(1.0, 0.4 + len(token) / 10)
            for gram in grams:
                weights[gram] += part * _QUERY_WEIGHT[_GRAM] / len(grams)
            continue
        for kind, feature in _query_clusters(token, triples=group == "unspaced"):
            weights[feature] += share * _QUERY_WEIGHT[kind]
    for feature in _codes(folded):
        weights[feature] += share * _QUERY_WEIGHT[_CODE]


def _empty() -> SparseVector:
    return SparseVector(np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.float32))


def _features(text: str) -> tuple[list[int], float]:
    """All features of a passage with repetitions, and its length in words."""
    folded = fold(text)
    ids: list[int] = []
    words, clusters = 0, 0
    for match in _TOKEN.finditer(folded):
        token = match.group()
        if match.lastgroup == "word":
            ids.extend(_word_features(token[:_MAX_WORD]))
            words += 1
            continue
        parts = _clusters(token)
        clusters += len(parts)
        if match.lastgroup == "cjk":
            ids.extend(map(_single, parts))
        else:
            ids.extend(_triples(parts))
        ids.extend(map(_pair, parts, parts[1:]))
    ids.extend(_codes(folded))
    ids.extend(_hash(_WORD, match.group()) for match in NAME.finditer(folded))
    for word in serbian_in_latin(text):
        ids.extend(_word_features(word[:_MAX_WORD]))
    return ids, words + clusters / _CLUSTERS_PER_WORD


def _query_clusters(token: str, *, triples: bool) -> Iterable[tuple[int, int]]:
    parts = _clusters(token)
    if len(parts) == 1:
        yield _SINGLE, _single(parts[0])
        return
    for first, second in pairwise(parts):
        yield _PAIR, _pair(first, second)
    if triples:
        for feature in _triples(parts):
            yield _TRIPLE, feature


def _clusters(token: str) -> list[str]:
    return _CLUSTER.findall(token)


@lru_cache(maxsize=1 << 16)
def _single(part: str) -> int:
    return _hash(_SINGLE, part)


@lru_cache(maxsize=1 << 18)
def _pair(first: str, second: str) -> int:
    return _hash(_PAIR, first + second)


def _triples(parts: list[str]) -> list[int]:
    hashes = (_triple(a, b, c) for a, b, c in zip(parts, parts[1:], parts[2:], strict=False))
    return [feature for feature in hashes if feature & 1]


@lru_cache(maxsize=1 << 18)
def _triple(first: str, second: str, third: str) -> int:
    return _hash(_TRIPLE, first + second + third)


@lru_cache(maxsize=1 << 17)
def _word_features(word: str) -> tuple[int, ...]:
    """The hash of ``word``, then those of its grams; a number has none, but what it is without its ending."""
    ids = [_hash(_WORD, word)]
    if _HAS_DIGIT.search(word):
        number = _NUMBER_FIRST.match(word)  # 1990 in 1990s, 2119 in 2119는
        return (*ids, _hash(_WORD, number.group())) if number else tuple(ids)
    if _HANGUL.match(word):
        ids.append(_hash(_GRAM, "^" + word[0]))  # 물 in 물은
        size = 2
    elif _SHORT_ROOTS.match(word):
        size = 3
    else:
        size = 4
        if len(word) >= size:
            ids.append(_hash(_GRAM, "^" + word[:size]))
        if size - 1 <= len(word) <= size + 1:  # дом in дома
            ids.append(_hash(_GRAM, "^" + word[: size - 1]))
    thinned = size == 4 and len(word) > _THINNED_ABOVE
    for start in range(len(word) - size + 1):
        feature = _hash(_GRAM, word[start : start + size])
        if not thinned or feature & 1:
            ids.append(feature)
    return tuple(ids)


def _codes(folded: str) -> list[int]:
    """Features of tokens that carry meaning as a whole: RFC-2119, rfc 2119, 3.14, a.b@example.org."""
    if not (_HAS_DIGIT.search(folded) or "@" in folded or "_" in folded or "-" in folded):
        return []
    return [
        _hash(_WORD, _CODE_MARKS.sub("", token))
        for token in _CODE_TOKEN.findall(folded)
        if _HAS_DIGIT.search(token) or "@" in token or "_" in token or "-" in token
    ]


def _hash(kind: int, text: str) -> int:
    """A stable 32-bit hash: CRC-32 of the tagged UTF-8 bytes, mixed so that its bits are independent."""
    value = crc32(text.encode("utf-8", errors="surrogatepass"), kind * 0x9E3779B1 & 0xFFFFFFFF)
    value = (value ^ (value >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ (value >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ (value >> 16)
