"""Where pairs come from, as a recipe declares it: frozen values, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trainer.config import require


@dataclass(frozen=True)
class Replies:
    """Columns that say which row answers which: ``parent`` holds ``prefix`` and the ``id`` of another row."""

    id: str = "id"
    parent: str = "parent_id"
    prefix: str = ""


@dataclass(frozen=True)
class PairSource:
    """Where pairs come from and how a row becomes one, or several.

    ``path`` (a file, a folder or a pattern) or ``hub`` (owner/name) is given. ``files`` is a pattern of data
    files inside the hub dataset, for one that ``datasets`` opens by no name, such as those with a script.

    ``query``, ``passage`` and ``title`` name columns. Dots lead into nested ones (``translation.en``). A list
    gives its first text, ``answers.2`` its third and ``answers.*`` all of them, each on a line of its own.
    ``a + b`` joins two columns by a space; an empty one is left out. ``each: sections`` makes a row of every
    item of that list column: ``query: title + sections.name``. ``only: {lang: [de, fr]}`` keeps the rows
    whose column has one of these values. A side that is one of ``no_text`` counts as empty. ``replies`` keeps
    the rows that answer another row near by (in the same block), and the other is their column ``parent``:
    ``query: parent.body``, ``passage: body``.

    ``pairing: first_line`` makes query and passage of the first line and the rest of the column ``passage``,
    for web pages whose title is their first line. ``swap_half`` exchanges the sides of half of the pairs,
    drawn by chance, for translations in both directions. ``query_role: passage`` with ``passage_role:
    passage``, for example, makes a source symmetric. ``volume`` is the number of pairs that the mixture
    reckons with.
    """

    name: str
    query: str = "query"
    passage: str = "passage"
    title: str = ""  # column with the title of the passage
    path: str | None = None
    hub: str | None = None
    subset: str | None = None
    files: str = ""
    revision: str | None = None
    split: str = "train"
    columns: tuple[str, ...] = ()  # names of the columns of a tsv or csv file without a header
    query_role: Literal["query", "passage"] = "query"
    passage_role: Literal["query", "passage"] = "passage"
    pairing: Literal["columns", "first_line"] = "columns"
    each: str = ""  # list column whose items are rows of their own
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)  # column -> values that are kept
    no_text: tuple[str, ...] = ()  # such as [deleted]
    replies: Replies | None = None
    swap_half: bool = False
    volume: float = 1.0
    construction: str = ""  # what the two sides are, for people
    note: str = ""

    def __post_init__(self) -> None:
        where = f"source {self.name!r}: "
        require(
            (self.path is None) != (self.hub is None),
            f"{where}path, hub",
            (self.path, self.hub),
            "exactly one of the two",
        )
        require(
            not self.files or (self.hub is not None and self.subset is None),
            f"{where}files",
            self.files,
            "none, because they stand for a subset of hub data",
        )
        require(self.volume > 0, f"{where}volume", self.volume, "a positive number of pairs")
        for role in (self.query_role, self.passage_role):
            require(role in ("query", "passage"), f"{where}role", role, "query or passage")
        require(
            self.pairing in ("columns", "first_line"),
            f"{where}pairing",
            self.pairing,
            "columns or first_line",
        )
        require(
            not (self.swap_half and self.title), f"{where}swap_half", True, "false where there is a title"
        )
        require(
            isinstance(self.only, Mapping) and all(isinstance(v, list | tuple) for v in self.only.values()),
            f"{where}only",
            self.only,
            "a list of values per column",
        )


@dataclass(frozen=True)
class GroupSource:
    """A file of query groups (``trainer.data.groups``).

    ``volume`` is how many of its groups an epoch takes, drawn anew in each; none given, or more than there
    are, takes all. ``passage_role: query`` makes a source symmetric. ``instruction`` goes before the queries
    whose group has none of its own, for models that take one.
    """

    name: str
    path: str
    volume: float | None = None
    passage_role: Literal["query", "passage"] = "passage"
    instruction: str = ""
    construction: str = ""  # what query and passages are, for people
    note: str = ""

    def __post_init__(self) -> None:
        where = f"source {self.name!r}: "
        require(self.volume is None or self.volume >= 1, f"{where}volume", self.volume, "at least 1 group")
        require(
            self.passage_role in ("query", "passage"),
            f"{where}passage_role",
            self.passage_role,
            "query or passage",
        )
