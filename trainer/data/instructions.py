"""Instructions: a sentence per kind of task, and ``stage: instructions``, which puts them into query groups.

A model that takes instructions reads them before queries, never before passages. The sentences follow the
idea of the E5-instruct models (arXiv:2401.00368; github.com/microsoft/unilm, folder e5, MIT): what is given,
then what is to be found. They are in our own words.

Synthetic data, as in that paper, has an instruction of its own per row. A row is a JSON object with these
names, of which each has other spellings::

    {"instruction": "…", "query": "…", "positive": "…", "hard_negative": "…", "language": "de"}

``positive`` and ``hard_negative`` hold a text, a list of texts, or objects with text and title. Files of
query groups (``trainer.data.groups``) are rows of that kind too.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.config import require
from trainer.data.groups import Passage, QueryGroup, write_groups
from trainer.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

INSTRUCTIONS: Mapping[str, str] = {
    "web-search": "Given a web search query, find passages that answer it",
    "document-search": "Given a web search query, find documents that answer it",
    "question-answering": "Given a question, find passages that answer it",
    "wikipedia-questions": "Given a question, find Wikipedia passages that answer it",
    "multi-hop-questions": "Given a question that needs several facts, find passages with these facts",
    "explanations": "Given a question of a layperson, find an explanation that answers it well",
    "fact-checking": "Given a claim, find passages that support or refute it",
    "duplicate-questions": "Given a question, find questions that ask the same",
    "entailment": "Given a premise, find a sentence that follows from it",
    "similar-sentences": "Given a sentence, find sentences with the same meaning",
    "translations": "Given a sentence, find its translation",
    "titles": "Given a title, find the text that it belongs to",
    "citations": "Given the abstract of a paper, find abstracts of papers that it cites",
    "replies": "Given a comment, find a reply to it",
}
"""A sentence per kind of task."""

TASK_OF: Mapping[str, str] = {
    "msmarco-passage": "web-search",
    "msmarco-document": "document-search",
    "nq": "wikipedia-questions",
    "triviaqa": "wikipedia-questions",
    "squad": "wikipedia-questions",
    "mrtydi": "wikipedia-questions",
    "miracl": "wikipedia-questions",
    "hotpotqa": "multi-hop-questions",
    "eli5": "explanations",
    "fever": "fact-checking",
    "quora": "duplicate-questions",
    "nli": "entailment",
    "nllb": "translations",
    "dureader": "web-search",
    "t2ranking": "web-search",
}
"""The kind of task of a data set."""

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "instruction": ("instruction", "task"),
    "query": ("query", "user_query"),
    "positives": ("positives", "positive", "positive_document", "pos"),
    "negatives": ("negatives", "hard_negatives", "hard_negative", "hard_negative_document", "neg"),
}


@dataclass(frozen=True)
class InstructionSource:
    """A file of rows. ``task`` is a key of ``INSTRUCTIONS`` or of ``TASK_OF``, or the sentence itself; it is
    for rows without an instruction of their own, and may be left out where all rows have one.
    """

    name: str
    path: str
    task: str = ""


@dataclass(frozen=True)
class InstructionsConfig:
    """The whole recipe: rows of several files become one file of query groups."""

    stage: Literal["instructions"]
    out: str
    sources: tuple[InstructionSource, ...]

    def __post_init__(self) -> None:
        require(self.stage == "instructions", "stage", self.stage, "instructions")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        require(self.out.endswith(".jsonl"), "out", self.out, "a file that ends in .jsonl")


def run_instructions(config: InstructionsConfig, *, resume: bool) -> Path:
    """Write the file of groups and return its path.

    Args:
        config: the recipe.
        resume: take the file that is there.

    Raises:
        ConfigError: the file exists, or a task is not known.
        DataError: a file is missing, is not JSON, or has no usable row.
    """
    out = Path(config.out).expanduser()
    if out.exists():
        if resume:
            return out
        raise ConfigError(f"out: {out} exists. Expected a new file. Choose another with out=FILE.")
    sentences = [instruction_of(source.task) for source in config.sources]
    groups = (
        group
        for source, sentence in zip(config.sources, sentences, strict=True)
        for group in read_instructed(source, sentence)
    )
    written = write_groups(out, groups)
    logger.info("%d query groups in %s", written, out)
    return out


def instruction_of(task: str) -> str:
    """The sentence for a kind of task or a data set; a sentence stays as it is.

    Raises:
        ConfigError: a single word that is no task.
    """
    name = TASK_OF.get(task, task)
    if name in INSTRUCTIONS:
        return INSTRUCTIONS[name]
    if task and " " not in task.strip():
        raise ConfigError(
            f"task is {task!r}; expected a sentence, or one of {', '.join([*INSTRUCTIONS, *TASK_OF])}. "
            "Correct the recipe."
        )
    return task.strip()


def read_instructed(source: InstructionSource, instruction: str = "") -> Iterator[QueryGroup]:
    """The usable rows of a file as query groups, each once.

    A row is left out, and counted by reason, where a text or the instruction is missing, where a positive is
    the query itself, or where the same query with the same instruction came before. A negative that is also a
    positive is left out of its row.

    Raises:
        DataError: the file is missing, a line is no JSON object, or no row is usable.
    """
    path = Path(source.path).expanduser()
    if not path.is_file():
        raise DataError(
            f"Source {source.name!r}: {path} does not exist. Expected a file of JSON objects, one per line. "
            "Check the path."
        )
    seen: set[tuple[str, str]] = set()
    left_out: Counter[str] = Counter()
    instructions: set[str] = set()
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            group = to_group(_parsed(line, f"{path}, line {number}"), source.name, instruction)
            reason = _flaw(group, seen)
            if reason:
                left_out[reason] += 1
                continue
            seen.add((group.instruction, group.query))
            instructions.add(group.instruction)
            yield group
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common()) or "none"
    logger.info(
        "%s: %d groups, %d instructions; left out: %s", source.name, len(seen), len(instructions), reasons
    )
    if not seen:
        raise DataError(
            f"Source {source.name!r}: {path} has no usable row (left out: {reasons}). Expected rows with "
            f"{', '.join(SPELLINGS)}. Correct the file, or name a task."
        )


def to_group(row: Mapping[str, Any], source: str, instruction: str = "") -> QueryGroup:
    """A row as a query group, flaws included; its own instruction comes before the one given."""
    values = {name: _first(row, spellings) for name, spellings in SPELLINGS.items()}
    positives = _passages(values["positives"])
    texts = {passage.text for passage in positives}
    negatives = _passages(values["negatives"])
    scores = row.get("scores")
    if scores is None:
        negatives = tuple(passage for passage in negatives if passage.text not in texts)
    return QueryGroup(
        query=str(values["query"] or "").strip(),
        positives=positives,
        negatives=negatives,
        scores=None if scores is None else tuple(map(float, scores)),
        instruction=str(values["instruction"] or "").strip() or instruction,
        language=str(row.get("language") or ""),
        source=str(row.get("source") or source),
    )


def _flaw(group: QueryGroup, seen: set[tuple[str, str]]) -> str:
    if not group.instruction:
        return "without instruction"
    if not group.query or not group.positives:
        return "without query or positive"
    if any(passage.text == group.query for passage in group.positives):
        return "with the query as positive"
    if group.scores is not None and len(group.scores) != len(group.passages):
        return "with scores that do not fit"
    return "repeated" if (group.instruction, group.query) in seen else ""


def _parsed(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is not JSON ({error}). Expected an object. Correct the line.") from error
    if not isinstance(row, Mapping):
        raise DataError(f"{where} is {str(row)[:40]!r}. Expected an object. Correct the line.")
    return row


def _first(row: Mapping[str, Any], spellings: tuple[str, ...]) -> Any:
    return next((row[name] for name in spellings if row.get(name)), None)


def _passages(value: Any) -> tuple[Passage, ...]:
    """A text, an object with text and title, or a list of them; empty ones are left out."""
    results = []
    for item in value if isinstance(value, list) else [value]:
        text, title = (item.get("text"), item.get("title")) if isinstance(item, Mapping) else (item, "")
        if text and str(text).strip():
            results.append(Passage(str(text).strip(), str(title or "").strip()))
    return tuple(results)
