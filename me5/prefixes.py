"""The roles of a text and the exact string that the model reads for each.

The words ``query: `` and ``passage: `` are English for every language: the models were trained so.
"""

from enum import StrEnum
from typing import Protocol

BITEXT_INSTRUCTION = "Retrieve parallel sentences."
"""What instruct models are told of both sides of a pair (arXiv:2402.05672, table of instructions)."""
STS_INSTRUCTION = "Retrieve semantically similar text."
"""What they are told of both sides of a comparison (unilm ``e5/utils.py``)."""


class Role(StrEnum):
    """What a text is for: it asks, it answers, its translation is looked for, or its likeness is measured."""

    QUERY = "query"
    PASSAGE = "passage"
    BITEXT = "bitext"
    STS = "sts"


class PrefixRules(Protocol):
    """The part of a model's description that decides its input strings."""

    @property
    def query_prefix(self) -> str: ...
    @property
    def passage_prefix(self) -> str: ...
    @property
    def bitext_prefix(self) -> str | None: ...
    @property
    def sts_prefix(self) -> str | None: ...
    @property
    def instruct_template(self) -> str | None: ...
    @property
    def default_instruction(self) -> str | None: ...


def prefix_of(rules: PrefixRules, role: Role, instruction: str | None = None) -> str:
    """Everything that stands before the text: a fixed prefix, or the instruction of queries.

    Sentences of a bitext, and those that are compared, have the model's own words for them; a model without
    reads the instruction of that task where it takes one, else the prefix of queries. The default instruction
    of a model is for search: only another one replaces these words.
    """
    if role is Role.PASSAGE:
        return rules.passage_prefix
    takes_own = rules.instruct_template is not None and instruction not in (None, rules.default_instruction)
    if role in (Role.BITEXT, Role.STS) and not takes_own:
        words = rules.bitext_prefix if role is Role.BITEXT else rules.sts_prefix
        if words is not None:
            return words
        instruction = BITEXT_INSTRUCTION if role is Role.BITEXT else STS_INSTRUCTION
    if rules.instruct_template is not None and instruction is not None:
        return rules.instruct_template.replace("{task}", instruction).replace("{text}", "")
    return rules.query_prefix


def join_title(title: str, text: str) -> str:
    """Title, space, text, stripped: how E5 reads a titled passage (unilm ``e5/mteb_beir_eval.py``)."""
    return f"{title} {text}".strip()
