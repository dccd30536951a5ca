"""Rows out of the training files: parallel text (tsv), questions and titled passages (jsonl), plain or xz.

Also the two rules that decide what is never trained on: ``is_held_out`` and the licence filters of a source.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainer.errors import DataError

PARALLEL_COLUMNS = 4


@dataclass(frozen=True)
class Parallel:
    """Two texts that translate each other."""

    left_language: str
    right_language: str
    left: str
    right: str


@dataclass(frozen=True)
class Titled:
    """A passage with its title, and the question that it answers where there is one."""

    language: str
    passage_language: str
    question: str
    title: str
    passage: str
    source: str


def is_held_out(text: str, one_in: int) -> bool:
    """True for about one text in ``one_in``, decided by the SHA-1 of the text, so always the same ones."""
    digest = hashlib.sha1(text.strip().lower().encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") % one_in == 0


def iter_parallel(path: Path) -> Iterator[Parallel]:
    """Rows of ``src_lang, tgt_lang, src, tgt`` files, in file order."""
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            cells = line.rstrip("\n").split("\t")
            if len(cells) != PARALLEL_COLUMNS:
                raise DataError(
                    f"{path}:{number} has {len(cells)} columns; expected {PARALLEL_COLUMNS} between tabs "
                    "(source language, target language, source text, target text). Correct the row."
                )
            yield Parallel(*cells)


def iter_titled(path: Path) -> Iterator[Titled]:
    """Rows of question or passage files (``passage`` or ``text`` holds the passage), in file order."""
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                passage = row["passage"] if "passage" in row else row["text"]
                yield Titled(
                    language=row["lang"],
                    passage_language=row.get("passage_lang") or row["lang"],
                    question=row.get("question") or "",
                    title=row.get("title") or "",
                    passage=passage,
                    source=row.get("source") or "",
                )
            except (json.JSONDecodeError, KeyError) as error:
                raise DataError(
                    f"{path}:{number} is not a titled passage ({error!r}); expected an object with 'lang' "
                    "and 'passage' or 'text'. Correct the row."
                ) from error


def keep_widely_translated(rows: Sequence[Parallel], min_languages: int) -> list[Parallel]:
    """Rows whose left text has translations into at least ``min_languages`` languages.

    Tells the n-way set NTREX (1,997 sentences in 128 languages) from the other sets of a mixed file, whose
    sentences exist in at most a handful of languages, where rows do not name their origin.
    """
    languages: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        languages[row.left].add(row.right_language)
    return [row for row in rows if len(languages[row.left]) >= min_languages]


def _open_text(path: Path) -> IO[str]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a training file. Check data=FOLDER.")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf8", newline="\n")
    return path.open(encoding="utf8", newline="\n")
