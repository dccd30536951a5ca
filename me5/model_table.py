"""The table of models: one source for ``app.py models`` and for the page docs/models.md.

Scores are ``RawScores``: means over all language subsets of the raw results of mteb.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from me5.known_models import SHIPPED
from me5.spec import ModelSpec

SCORES_SOURCE = "embeddings-benchmark/results, means over all language subsets, read 2026-08"
NON_COMMERCIAL = "non-commercial!"
NOT_OPENED = "no"


@dataclass(frozen=True)
class Column:
    """One column: its head, what stands in it, and whether it is a number."""

    head: str
    cell: Callable[[ModelSpec], str]
    is_number: bool = True
    width: int = 8


def _score(name: str) -> Callable[[ModelSpec], str]:
    def cell(spec: ModelSpec) -> str:
        value = None if spec.raw is None else getattr(spec.raw, name)
        return "-" if value is None else f"{value:.1f}"

    return cell


def query_words(spec: ModelSpec) -> str:
    """What stands before a question."""
    from me5.prefixes import Role, prefix_of

    return prefix_of(spec, Role.QUERY, spec.default_instruction)


def licence(spec: ModelSpec) -> str:
    """The licence, marked where it forbids commercial use."""
    name = spec.licence or "not stated"
    return f"{name} ({NON_COMMERCIAL})" if spec.is_non_commercial else name


def opened(spec: ModelSpec) -> str:
    """Whether the published weights were opened by this project."""
    return "yes" if spec.was_opened else NOT_OPENED


def _millions(parameters: int | None) -> str:
    return "-" if parameters is None else f"{parameters / 1e6:.0f}M"


def _tokens(tokens: int) -> str:
    return "no limit" if tokens >= 1_000_000 else str(tokens)


def _words(words: str) -> str:
    return "`" + words.replace("|", "\\|").replace("\n", "\\n") + "`" if words else "-"


def _shorter(spec: ModelSpec) -> str:
    if spec.min_dimension is not None:
        return f"from {spec.min_dimension}"
    return ", ".join(map(str, spec.dimensions)) or "-"


COLUMNS = (
    Column("name", lambda spec: spec.name, is_number=False, width=25),
    Column("params", lambda spec: _millions(spec.parameters)),
    Column("dim", lambda spec: str(spec.dimension), width=6),
    Column("tokens", lambda spec: _tokens(spec.max_tokens), width=10),
    Column("Ret18", _score("retrieval"), width=7),
    Column("MIRACL", _score("miracl")),
    Column("Bit12", _score("bitext"), width=7),
    Column("Tatoeba", _score("tatoeba"), width=9),
    Column("licence", licence, is_number=False, width=24),
)
"""What both the terminal and the page show."""

PAGE_COLUMNS = (
    *COLUMNS[:-1],
    Column("Belebele", _score("belebele")),
    Column("NTREX", _score("ntrex")),
    Column("before queries", lambda spec: _words(query_words(spec)), is_number=False),
    Column("before passages", lambda spec: _words(spec.passage_prefix), is_number=False),
    Column("pooling", lambda spec: "static" if spec.layers == 0 else spec.pooling, is_number=False),
    Column("shorter", _shorter, is_number=False),
    COLUMNS[-1],
    Column("opened here", opened, is_number=False),
)
"""What the page shows besides."""


def text_line(spec: ModelSpec | None = None) -> str:
    """One line for the terminal: the heads, or a model."""
    cells = [column.head if spec is None else column.cell(spec) for column in COLUMNS]
    padded = [
        f"{cell:>{column.width}}" if column.is_number else f"{cell:<{column.width}}"
        for cell, column in zip(cells, COLUMNS, strict=True)
    ]
    padded[-1] = f"  {cells[-1]}"
    return "".join(padded).rstrip()


def markdown(specs: Iterable[ModelSpec]) -> str:
    """The table of the page."""
    heads = " | ".join(column.head for column in PAGE_COLUMNS)
    rule = "|".join("--:" if column.is_number else ":--" for column in PAGE_COLUMNS)
    rows = [" | ".join(column.cell(spec) for column in PAGE_COLUMNS) for spec in specs]
    return "\n".join([f"| {heads} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def markdown_notes(specs: Iterable[ModelSpec]) -> str:
    """Where each model is, what is to be known of it, and where its facts are from."""
    lines = []
    for spec in specs:
        home = "in the package" if spec.name in SHIPPED else f"`{spec.model_id}`"
        if spec.revision is not None and spec.name not in SHIPPED:
            home += f" at `{spec.revision[:8]}`"
        note = f" {spec.note}" if spec.note else ""
        facts = f" Facts: {spec.source}." if spec.source else ""
        lines.append(f"- **{spec.name}**: {home}.{note}{facts}")
    return "\n".join(lines)
