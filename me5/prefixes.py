"""The two roles of a text and the exact string that the model reads for each.

The words ``query: `` and ``passage: `` are English for every language: the models were trained so.
"""

from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a text is for: it asks, or it answers."""

    QUERY = "query"
    PASSAGE = "passage"


class PrefixRules(Protocol):
    """The part of a model's description that decides its input strings."""

    @property
    def query_prefix(self) -> str: ...
    @property
    def passage_prefix(self) -> str: ...
    @property
    def instruct_template(self) -> str | None: ...


def prefix_of(rules: PrefixRules, role: Role, instruction: str | None = None) -> str:
    """Everything that stands before the text: a fixed prefix, or the instruction on the query side."""
    if role is Role.PASSAGE:
        return rules.passage_prefix
    if rules.instruct_template is not None and instruction is not None:
        return rules.instruct_template.replace("{task}", instruction).replace("{text}", "")
    return rules.query_prefix


def join_title(title: str, text: str) -> str:
    """Title, space, text, stripped: how E5 reads a titled passage (unilm ``e5/mteb_beir_eval.py``)."""
    return f"{title} {text}".strip()
