"""Writes ``indexer/readers/letters.py``: how often each letter occurs in each language.

    python make_letters.py CORPUS.tsv.xz... > letters.py

A corpus has rows ``source language, target language, source text, target text``. The committed table
was made from sentences of Tatoeba, translated news and Wikipedia, and the Declaration of Human Rights.
"""

import lzma
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

ALPHABETS = (
    "en de fr es pt it nl sv da nb fi is pl cs sk hu hr ro sl tr lt lv et vi ru uk be bg sr ar fa ur he el th"
)
IDEOGRAPHS = {"zh": 1600, "zh-Hant": 1600, "ja": 1300, "ko": 900}
SENTENCES = 20_000


def iter_texts(corpora: Sequence[str]) -> Iterator[tuple[str, str]]:
    for corpus in corpora:
        with lzma.open(corpus, "rt", encoding="utf8") as rows:
            for row in rows:
                source, target, source_text, target_text = row.rstrip("\n").split("\t")
                yield source, source_text
                yield target, target_text


def main(corpora: Sequence[str]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    wanted = {*ALPHABETS.split(), *IDEOGRAPHS}
    for language, text in iter_texts(corpora):
        if language in wanted and sentences[language] < SENTENCES:
            sentences[language] += 1
            is_thai = language == "th"
            counts[language].update(c for c in text.lower() if c.isalpha() or (is_thai and c > "\u0e00"))
    write(
        '"""How often each letter occurs in each language; made by tests/golden/readers/make_letters.py."""\n'
    )
    write("# letter, then half bits of surprise (-2 log2 p) as a character counted from '0'")
    write("ALPHABETS: dict[str, str] = {")
    for language in ALPHABETS.split():
        total = sum(counts[language].values())
        kept = [(c, n) for c, n in counts[language].most_common() if n / total > 2e-5]
        write_entry(language, "".join(c + chr(48 + round(-2 * math.log2(n / total))) for c, n in kept))
    write("}\n\n# characters, most frequent first\nIDEOGRAPHS: dict[str, str] = {")
    for language, size in IDEOGRAPHS.items():
        write_entry(language, "".join([c for c, _ in counts[language].most_common() if c > "\u2000"][:size]))
    write("}")


def write(line: str) -> None:
    sys.stdout.write(line + "\n")


def write_entry(language: str, value: str) -> None:
    write(f'    "{language}": (')
    for start in range(0, len(value), 96):
        part = value[start : start + 96].replace("\\", "\\\\").replace('"', '\\"')
        write(f'        "{part}"')
    write("    ),")


if __name__ == "__main__":
    main(sys.argv[1:])
