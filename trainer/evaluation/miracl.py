"""MIRACL as its authors publish it: ``miracl/miracl`` (topics, qrels), ``miracl/miracl-corpus`` (passages).

In one folder or up to two levels below it: ``topics.miracl-v1.0-XX-dev.tsv`` (id, question),
``qrels.miracl-v1.0-XX-dev.tsv`` (TREC) and ``miracl-corpus-v1.0-XX/docs-N.jsonl.gz`` (docid, title, text).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from trainer.errors import DataError
from trainer.evaluation.files import iter_tab_rows, malformed
from trainer.evaluation.retrieval import PREFERRED_SPLITS, assemble, read_qrels
from trainer.evaluation.values import Part, Task

TOPICS = re.compile(r"topics\.miracl-v[\d.]+-(\w+)-([\w-]+)\.tsv")


def miracl_topics(folder: Path) -> dict[str, dict[str, Path]]:
    """Language -> split -> file of topics."""
    results: dict[str, dict[str, Path]] = {}
    for path in sorted(_within(folder, "topics.miracl-*.tsv")):
        if match := TOPICS.fullmatch(path.name):
            results.setdefault(match[1], {})[match[2]] = path
    return results


def miracl_task(folder: Path, split: str | None) -> Task:
    """One pool per language: all passages of its corpus. The split is dev, unless another is named."""

    def read() -> Iterator[Part]:
        for language, splits in miracl_topics(folder).items():
            own = (
                [split] if split else [name for name in (*PREFERRED_SPLITS[::-1], *splits) if name in splits]
            )
            if not own or own[0] not in splits:
                raise DataError(
                    f"{folder} has the splits {', '.join(splits)} for {language}. Expected {split}. "
                    "Name another."
                )
            yield _read(folder, language, own[0], splits[own[0]])

    return Task("miracl", "retrieval", read)


def _read(folder: Path, language: str, split: str, topics: Path) -> Part:
    name = topics.name.replace("topics.", "qrels.", 1)
    qrels = next(iter(_within(folder, name)), None)
    docs = sorted(_within(folder, f"miracl-corpus-v*-{language}/docs-*.jsonl.gz"))
    if qrels is None or not docs:
        raise DataError(
            f"{folder} has topics of {language} ({split}) but no {'passages' if qrels else name}. Expected "
            f"{name} and miracl-corpus-v1.0-{language}/docs-N.jsonl.gz. Download miracl/miracl-corpus too."
        )
    queries = {}
    for line, cells in iter_tab_rows(topics):
        if len(cells) != 2:
            raise malformed(topics, line, f"has {len(cells)} columns, expected an id and a question")
        queries[cells[0]] = (cells[1], language)
    rows = list(chain.from_iterable(_iter_docs(path) for path in docs))
    return assemble(queries, read_qrels(qrels), rows, docs[0].parent)


def _iter_docs(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield str(row["docid"]), str(row.get("title") or ""), str(row["text"])
    except (OSError, EOFError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}). Expected packed JSON lines of docid, "
            "title and text. Download it again."
        ) from error


def _within(folder: Path, pattern: str) -> list[Path]:
    return [path for depth in ("", "*/", "*/*/") for path in folder.glob(depth + pattern)]
