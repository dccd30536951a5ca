"""Which words are found inside others, and which near misses are: a table for benchmarks/words.md.

    python benchmarks/words.py

Reads ``words.jsonl``: sentences written for this, in which a word stands, mostly inside a longer one, or in
which only its letters stand. Compares what search does (``terms.coverage``, at the share from which a hit is
likely) with plain matching: whole words and their beginnings. No model, no store; it takes a second.
"""

import json
from collections import defaultdict
from pathlib import Path

import regex

from indexer.search.matching import coverage
from indexer.search.terms import query_terms
from indexer.text.folding import first_fold, searchable

LIKELY = 0.6
_ROWS = Path(__file__).parent / "words.jsonl"
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_MIN_STEM = 4


def main() -> None:
    """Print the table."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
    missed = []
    for line in _ROWS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        is_there, language = row["is_there"], row["language"]
        now = coverage(query_terms(row["query"]), searchable(row["text"]), language) >= LIKELY
        offset = 0 if is_there else 3
        for name in (language, "all"):
            counts[name][offset] += 1
            counts[name][offset + 1] += plainly(row["query"], row["text"])
            counts[name][offset + 2] += now
        if now != is_there:
            missed.append(f"{language} {row['query']}: {row['text']}")
    print("| language | words that are there | plain | now | near misses | plain | now |")
    print("|---|---|---|---|---|---|---|")
    for name, numbers in counts.items():
        print(f"| {name} | {' | '.join(map(str, numbers))} |")
    print("\nWrong now:\n\n" + "\n".join(f"- {one}" for one in missed))


def plainly(query: str, text: str) -> bool:
    """Whether each word of a query, or three quarters of it, begins a word of the text, as it was before."""
    words = _WORD.findall(first_fold(text))
    return all(
        any(word == one or (len(one) >= _MIN_STEM and word.startswith(_stem(one))) for word in words)
        for one in _WORD.findall(first_fold(query))
    )


def _stem(word: str) -> str:
    return word[: max(_MIN_STEM, (3 * len(word) + 3) // 4)]


if __name__ == "__main__":
    main()
