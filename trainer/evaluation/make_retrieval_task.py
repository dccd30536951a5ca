"""Makes a retrieval task in the BEIR layout from questions and the passages that answer them.

    python -m trainer.evaluation.make_retrieval_task qa.jsonl.xz --out task --train train.jsonl

Rows of the input are ``{"question", "passage", "lang", "title"}`` (title and language may be missing; "query"
and "language" are accepted too). One passage in ``every`` is held out, chosen by its hash: the same passages
on every machine and in every order, and neither a passage nor a question is on both sides. The pool holds
every passage, held out or not, so that the task is as hard as the data allows; its questions are of held-out
passages only.
Equal passages are one passage, equal questions of a language one question with several answers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainer.errors import DataError, TrainerError
from trainer.evaluation.files import malformed
from trainer.evaluation.values import UNKNOWN_LANGUAGE

Pool = Literal["all", "language"]
EVERY = 10
SPLIT = "dev"


@dataclass(frozen=True)
class Answered:
    """A question and a passage that answers it."""

    question: str
    passage: str
    title: str = ""
    language: str = UNKNOWN_LANGUAGE  # of the question

    @property
    def passage_id(self) -> str:
        """The same for equal passages everywhere, whatever their title."""
        return _digest(self.passage)


@dataclass(frozen=True)
class Made:
    """What was written: ``folder`` holds the task, ``train`` counts the pairs that are left for training."""

    folder: Path
    queries: int
    passages: int
    train: int
    languages: dict[str, int] = field(default_factory=dict)  # held-out questions


def make_task(
    rows: Iterable[Answered],
    folder: Path,
    *,
    every: int = EVERY,
    pool: Pool = "all",
    max_queries: int | None = None,
    train_file: Path | None = None,
) -> Made:
    """Write ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/dev.tsv``, and the other pairs for training.

    Args:
        rows: in any order; read once and held in memory.
        folder: is made; with ``pool="language"`` it gets a folder per language of the questions.
        every: one passage in so many is held out.
        pool: whether every question is asked of all passages, or of those with questions in its language.
        max_queries: per language, the first by their hash.
        train_file: where the pairs of the other passages go: JSON lines of query, passage, title, language.

    Raises:
        DataError: nothing is held out.
    """
    rows = list(dict.fromkeys(rows))
    held_out = [row for row in rows if is_held_out(row.passage_id, every)]
    if not held_out:
        raise DataError(
            f"Of {len(rows)} questions none is held out with one passage in {every}. Expected at least one. "
            "Bring more rows, or lower --every."
        )
    if pool == "all":
        languages = _write_pool(folder, rows, _first(held_out, max_queries))
    else:
        languages = {}
        for language in sorted({row.language for row in held_out}):
            own = [row for row in rows if row.language == language]
            chosen = _first([row for row in held_out if row.language == language], max_queries)
            languages |= _write_pool(folder / language, own, chosen)
    asked = {_query_id(row) for row in held_out}
    left = [row for row in rows if not is_held_out(row.passage_id, every) and _query_id(row) not in asked]
    if train_file is not None:
        _write_lines(
            train_file,
            (
                {"query": row.question, "passage": row.passage, "title": row.title, "language": row.language}
                for row in left
            ),
        )
    passages = len({row.passage_id for row in rows})
    return Made(folder, sum(languages.values()), passages, len(left), languages)


def is_held_out(passage_id: str, every: int = EVERY) -> bool:
    """Whether the questions of this passage are for measuring, and not for training."""
    return int(passage_id, 16) % every == 0


def read_answered(paths: Sequence[Path], languages: Sequence[str] = ()) -> Iterator[Answered]:
    """The rows of JSON lines files, plain or ``.xz``, in the wanted languages (all without any).

    Raises:
        DataError: a file cannot be read, or a row has no question or passage.
    """
    for path in paths:
        for number, row in _iter_rows(path):
            question, passage = (row.get("question") or row.get("query")), row.get("passage")
            if not question or not passage:
                raise malformed(path, number, "has no question or no passage")
            language = str(row.get("lang") or row.get("language") or UNKNOWN_LANGUAGE)
            if not languages or language in languages:
                yield Answered(
                    str(question).strip(), str(passage).strip(), str(row.get("title") or ""), language
                )


def _iter_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with (
            lzma.open(path, "rt", encoding="utf-8")
            if path.suffix == ".xz"
            else path.open(encoding="utf-8-sig") as file
        ):
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, dict(json.loads(line))
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as error:
        raise DataError(
            f"{path} cannot be read ({error}). Expected JSON lines in UTF-8, plain or .xz. Check the path."
        ) from error
    except (ValueError, TypeError) as error:
        raise malformed(path, number, f"not a JSON object: {error}") from error


def _first(rows: list[Answered], limit: int | None) -> list[Answered]:
    """At most so many questions per language, in an order that says nothing about them."""
    if limit is None:
        return rows
    chosen: list[Answered] = []
    counts: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: _digest(f"{row.language}\n{row.question}\n{row.passage_id}")):
        counts[row.language] = counts.get(row.language, 0) + 1
        if counts[row.language] <= limit:
            chosen.append(row)
    return chosen


def _write_pool(folder: Path, rows: Sequence[Answered], asked: Sequence[Answered]) -> dict[str, int]:
    """One BEIR folder; returns the number of its queries by language."""
    passages: dict[str, Answered] = {}
    for row in rows:
        passages.setdefault(row.passage_id, row)
    queries = {_query_id(row): row for row in asked}
    _write_lines(
        folder / "corpus.jsonl",
        ({"_id": key, "title": row.title, "text": row.passage} for key, row in passages.items()),
    )
    _write_lines(
        folder / "queries.jsonl",
        ({"_id": key, "text": row.question, "language": row.language} for key, row in queries.items()),
    )
    judged = dict.fromkeys((_query_id(row), row.passage_id) for row in asked)
    # Other held-out passages that answer the same question are right too.
    judged |= dict.fromkeys((_query_id(row), row.passage_id) for row in rows if _query_id(row) in queries)
    qrels = folder / "qrels" / f"{SPLIT}.tsv"
    qrels.parent.mkdir(parents=True, exist_ok=True)
    lines = ["query-id\tcorpus-id\tscore", *(f"{query}\t{passage}\t1" for query, passage in judged)]
    qrels.write_text("\n".join(lines) + "\n", encoding="utf-8")
    counts: dict[str, int] = {}
    for row in queries.values():
        counts[row.language] = counts.get(row.language, 0) + 1
    return counts


def _query_id(row: Answered) -> str:
    return _digest(f"{row.language}\n{row.question}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Make a task from files; 1 with a message when that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.evaluation.make_retrieval_task",
        description="Make a retrieval task (BEIR layout) from questions and the passages that answer them.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON lines, plain or .xz")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the task")
    parser.add_argument(
        "--every", type=int, default=EVERY, metavar="N", help="hold out one passage in N (%(default)s)"
    )
    parser.add_argument(
        "--pool", choices=("all", "language"), default="all", help="what questions are asked of (%(default)s)"
    )
    parser.add_argument("--language", action="append", default=[], metavar="CODE", help="repeatable")
    parser.add_argument("--max-queries", type=int, metavar="N", help="per language (default: all)")
    parser.add_argument("--train", type=Path, metavar="FILE", help="write the other pairs there (.jsonl)")
    args = parser.parse_args(argv)
    try:
        made = make_task(
            read_answered(args.files, args.language), args.out, every=max(1, args.every), pool=args.pool,
            max_queries=args.max_queries, train_file=args.train,
        )  # fmt: skip
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    languages = ", ".join(f"{language} {count}" for language, count in sorted(made.languages.items()))
    print(  # noqa: T201 - a command prints its result
        f"{made.folder}: {made.queries} questions ({languages}), {made.passages} passages; "
        f"{made.train} pairs for training"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
