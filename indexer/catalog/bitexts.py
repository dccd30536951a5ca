"""Parallel text under review: pairs, what was decided of them, and how to take a decision back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast, get_args

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Row,
    String,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Mapped, mapped_column

from indexer.bitext.reviews import Bitext, Kind, PairCounts, PairFilter, ReviewPair, Sort
from indexer.bitext.values import Pair, State
from indexer.catalog.database import Database
from indexer.catalog.tables import Base
from indexer.errors import CatalogError
from me5.storable import storable

_INSERT_ROWS = 2_000
_PAGE = 2_000
_SCRAMBLE, _PRIME = 48_271, 65_537


class BitextRow(Base):
    """A set of pairs. ``revision`` grows with every change."""

    __tablename__ = "bitexts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    source_language: Mapped[str] = mapped_column(String(35))
    target_language: Mapped[str] = mapped_column(String(35))
    threshold: Mapped[float | None] = mapped_column(Float)
    revision: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Float)


class BitextPairRow(Base):
    """A pair; ``number`` is its place, ``flags`` is ``|one|two|``, ``first_*`` are the sides before edits."""

    __tablename__ = "bitext_pairs"
    __table_args__ = (
        Index("ix_bitext_pairs_score", "bitext_id", "score"),
        Index("ix_bitext_pairs_state", "bitext_id", "state"),
    )

    bitext_id: Mapped[str] = mapped_column(ForeignKey("bitexts.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    score: Mapped[float | None] = mapped_column(Float)
    cosine: Mapped[float | None] = mapped_column(Float)
    source_language: Mapped[str] = mapped_column(String(35))
    target_language: Mapped[str] = mapped_column(String(35))
    flags: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    source_origin: Mapped[str] = mapped_column(Text)
    target_origin: Mapped[str] = mapped_column(Text)
    meta: Mapped[list[list[str]]] = mapped_column(JSON)
    first_source: Mapped[str | None] = mapped_column(Text)
    first_target: Mapped[str | None] = mapped_column(Text)


class BitextChangeRow(Base):
    """What a pair was before a change. Rows of one ``change`` are taken back together."""

    __tablename__ = "bitext_changes"

    bitext_id: Mapped[str] = mapped_column(ForeignKey("bitexts.id", ondelete="CASCADE"), primary_key=True)
    change: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16))
    source: Mapped[str | None] = mapped_column(Text)  # None where the texts were not touched
    target: Mapped[str | None] = mapped_column(Text)


_LANGUAGES = ("source_language", "target_language")
_CHANGE_COLUMNS = ["bitext_id", "change", "number", "state", "source", "target"]


@dataclass(eq=False)
class BitextQueries:
    """Queries on parallel text under review. Every change is durable when its method returns."""

    database: Database

    # -- bitexts ----------------------------------------------------------------------------------------

    def put(self, bitext: Bitext, pairs: Iterable[Pair]) -> int:
        """Store a bitext with its pairs, in their order, all or nothing; one of the same id is replaced.

        Returns:
            How many pairs it has.
        """
        texts = {name: storable(getattr(bitext, name)) for name in ("name", *_LANGUAGES)}
        values = vars(bitext) | texts | {"details": dict(bitext.details)}
        stream, number = iter(pairs), 0
        with self.database.write("bitexts") as connection:
            connection.execute(delete(BitextRow).where(BitextRow.id == bitext.id))
            connection.execute(insert(BitextRow).values(**values))
            while batch := list(islice(stream, _INSERT_ROWS)):
                rows = [_to_row(bitext.id, number + place, pair) for place, pair in enumerate(batch)]
                connection.execute(insert(BitextPairRow), rows)
                number += len(batch)
        return number

    def all(self) -> list[Bitext]:
        """All of them, the newest first."""
        order = (BitextRow.created_at.desc(), BitextRow.id.desc())
        with self.database.read() as connection:
            return [_to_bitext(row) for row in connection.execute(_BITEXTS.order_by(*order))]

    def find(self, bitext_id: str) -> Bitext | None:
        """One of them; None where there is none of that id."""
        with self.database.read() as connection:
            row = connection.execute(_BITEXTS.where(BitextRow.id == bitext_id)).first()
        return None if row is None else _to_bitext(row)

    def drop(self, bitext_id: str) -> None:
        """Forget a bitext with its pairs and decisions."""
        with self.database.write("bitexts") as connection:
            connection.execute(delete(BitextRow).where(BitextRow.id == bitext_id))

    def set_threshold(self, bitext_id: str, threshold: float) -> None:
        """Move the threshold."""
        with self.database.write("bitexts") as connection:
            connection.execute(update(BitextRow).where(BitextRow.id == bitext_id).values(threshold=threshold))
            _touch(connection, bitext_id)

    def describe(
        self,
        bitext_id: str,
        source_language: str,
        target_language: str,
        threshold: float | None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what became known when all pairs were read."""
        message = (storable(code)[:35] for code in (source_language, target_language))
        values: dict[str, Any] = dict(zip(_LANGUAGES, message, strict=True)) | {"threshold": threshold}
        if details is not None:
            values["details"] = dict(details)
        with self.database.write("bitexts") as connection:
            connection.execute(update(BitextRow).where(BitextRow.id == bitext_id).values(**values))

    def score(
        self, bitext_id: str, scored: Iterable[Pair], threshold: float, details: Mapping[str, Any]
    ) -> None:
        """Give all pairs the scores and flags of ``scored``, in their order, and set the threshold.

        Texts, decisions and what can be undone stay; ``details`` are added to those there are.
        """
        names = ("score", "cosine", "flags")
        rows = (
            {f"new_{name}": row[name] for name in ("number", *names)}
            for row in (_to_row(bitext_id, number, pair) for number, pair in enumerate(scored))
        )
        mine = [BitextPairRow.bitext_id == bitext_id, BitextPairRow.number == bindparam("new_number")]
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        item = update(BitextPairRow).where(*mine).values(**values)
        with self.database.write("bitexts") as connection:
            before = connection.execute(_BITEXTS.where(BitextRow.id == bitext_id)).first()
            if before is None:
                return
            while batch := list(islice(rows, _INSERT_ROWS)):
                connection.execute(item, batch)
            message = {"threshold": threshold, "details": {**before.details, **details}}
            connection.execute(update(BitextRow).where(BitextRow.id == bitext_id).values(**message))
            _touch(connection, bitext_id)

    # -- looking ----------------------------------------------------------------------------------------

    def pairs(
        self,
        bitext_id: str,
        where: PairFilter | None = None,
        sort: Sort = "best",
        *,
        offset: int = 0,
        limit: int = 50,
    ) -> list[ReviewPair]:
        """A page of pairs. Pairs without a score come last."""
        query = _PAIRS.where(*_conditions(bitext_id, where)).order_by(*_order(sort))
        with self.database.read() as connection:
            return [_to_pair(row) for row in connection.execute(query.offset(offset).limit(limit))]

    def find_pair(self, bitext_id: str, number: int) -> ReviewPair | None:
        """One pair; None where there is none of that number."""
        query = _PAIRS.where(BitextPairRow.bitext_id == bitext_id, BitextPairRow.number == number)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _to_pair(row)

    def count_pairs(self, bitext_id: str, where: PairFilter | None = None) -> int:
        """How many pairs fit."""
        query = select(func.count()).select_from(BitextPairRow).where(*_conditions(bitext_id, where))
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def counts(self, bitext_id: str) -> PairCounts:
        """How many pairs there are by state and by flag."""
        row = BitextPairRow
        mine = row.bitext_id == bitext_id
        states = select(row.state, func.count()).where(mine).group_by(row.state)
        flags = select(row.flags, func.count()).where(mine, row.flags != "").group_by(row.flags)
        edited = select(func.count()).select_from(row).where(mine, row.first_source.is_not(None))
        counted: dict[str, int] = {}
        with self.database.read() as connection:
            by_state = {str(state): int(count) for state, count in connection.execute(states)}
            for joined, count in connection.execute(flags):
                for flag in joined.strip("|").split("|"):
                    counted[flag] = counted.get(flag, 0) + int(count)
            was_edited = int(connection.execute(edited).scalar_one())
        return PairCounts(sum(by_state.values()), by_state, counted, was_edited)

    def scores(self, bitext_id: str) -> list[float]:
        """All scores, in no order; pairs without one are left out."""
        query = select(BitextPairRow.score).where(
            BitextPairRow.bitext_id == bitext_id, BitextPairRow.score.is_not(None)
        )
        with self.database.read() as connection:
            return [score for score in connection.execute(query).scalars() if score is not None]

    def reviewed_scores(self, bitext_id: str) -> list[tuple[float, bool]]:
        """Score of every pair that was decided, and whether it was accepted as it came.

        A pair that had to be edited was not right.
        """
        row = BitextPairRow
        query = select(row.score, row.state, row.first_source).where(
            row.bitext_id == bitext_id, row.score.is_not(None), row.state != "open"
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return [
            (score, state == "accepted" and first is None)
            for score, state, first in rows
            if score is not None
        ]

    def iter_pairs(self, bitext_id: str, where: PairFilter | None = None) -> Iterator[Pair]:
        """Pairs that fit, in their order, page by page, so that memory does not grow with them."""
        query = _PAIRS.where(*_conditions(bitext_id, where)).order_by(BitextPairRow.number).limit(_PAGE)
        last = -1
        while True:
            with self.database.read() as connection:
                rows = connection.execute(query.where(BitextPairRow.number > last)).all()
            for row in rows:
                yield _to_pair(row).pair
            if len(rows) < _PAGE:
                return
            last = rows[-1].number

    # -- deciding ---------------------------------------------------------------------------------------

    def decide(self, bitext_id: str, numbers: Sequence[int], state: State) -> int:
        """Accept, reject or reopen pairs; those that are so already do not count as a change."""
        return self._decide(bitext_id, [BitextPairRow.number.in_(list(numbers))], state)

    def decide_all(self, bitext_id: str, where: PairFilter, state: State) -> int:
        """The same for all pairs that fit, as one change."""
        return self._decide(bitext_id, _conditions(bitext_id, where)[1:], state)

    def _decide(self, bitext_id: str, conditions: Sequence[ColumnElement[bool]], state: State) -> int:
        row = BitextPairRow
        chosen = [row.bitext_id == bitext_id, row.state != state, *conditions]
        with self.database.write("bitexts") as connection:
            change = _next_change(connection, bitext_id)
            before = select(
                row.bitext_id,
                literal(change),
                row.number,
                row.state,
                literal(None, Text),
                literal(None, Text),
            ).where(*chosen)
            connection.execute(insert(BitextChangeRow).from_select(_CHANGE_COLUMNS, before))
            changed = connection.execute(update(row).where(*chosen).values(state=state)).rowcount
            if changed:
                _touch(connection, bitext_id)
        return int(changed)

    def edit_pair(self, bitext_id: str, number: int, source: str, target: str) -> None:
        """Put other texts in place of both sides and accept the pair.

        Raises:
            CatalogError: there is no such pair, or a side would be empty.
        """
        source, target = (storable(side).strip() for side in (source, target))
        if not source or not target:
            raise CatalogError(
                f"Pair {number + 1} would have an empty side. Expected text on both sides. Write both, or "
                "reject the pair."
            )
        mine = [BitextPairRow.bitext_id == bitext_id, BitextPairRow.number == number]
        with self.database.write("bitexts") as connection:
            row = connection.execute(_PAIRS.where(*mine)).first()
            if row is None:
                raise CatalogError(
                    f"There is no pair {number + 1} any more. Expected one of the page. Load the page again."
                )
            values: dict[str, Any] = {"source": source, "target": target, "state": "accepted"}
            if (source, target) == (row.source, row.target):
                if row.state == "accepted":
                    return
            elif row.first_source is None:
                values |= {"first_source": row.source, "first_target": row.target}
            elif (source, target) == (row.first_source, row.first_target):
                values |= {"first_source": None, "first_target": None}
            kept = (bitext_id, _next_change(connection, bitext_id), number, row.state, row.source, row.target)
            connection.execute(
                insert(BitextChangeRow).values(**dict(zip(_CHANGE_COLUMNS, kept, strict=True)))
            )
            connection.execute(update(BitextPairRow).where(*mine).values(**values))
            _touch(connection, bitext_id)

    def undo(self, bitext_id: str) -> list[int]:
        """Take the latest change back; the numbers of its pairs, none where nothing is left to undo."""
        change = BitextChangeRow
        with self.database.write("bitexts") as connection:
            latest = _next_change(connection, bitext_id) - 1
            mine = [change.bitext_id == bitext_id, change.change == latest]
            numbers = list(
                connection.execute(select(change.number).where(*mine).order_by(change.number)).scalars()
            )
            _restore(connection, bitext_id, mine)
            connection.execute(delete(change).where(*mine))
            if numbers:
                _touch(connection, bitext_id)
        return numbers


_BITEXTS = select(BitextRow.__table__)
_PAIRS = select(BitextPairRow.__table__)


def _to_bitext(row: Row[Any]) -> Bitext:
    return Bitext(
        id=row.id,
        name=row.name,
        kind=cast(Kind, row.kind),
        source_language=row.source_language,
        target_language=row.target_language,
        threshold=row.threshold,
        created_at=row.created_at,
        revision=row.revision,
        details=row.details,
    )


def _to_row(bitext_id: str, number: int, pair: Pair) -> dict[str, Any]:
    return {
        "bitext_id": bitext_id,
        "number": number,
        "source": storable(pair.source),
        "target": storable(pair.target),
        "score": _finite(pair.score),
        "cosine": _finite(pair.cosine),
        "source_language": storable(pair.source_language)[:35],
        "target_language": storable(pair.target_language)[:35],
        "flags": f"|{'|'.join(pair.flags)}|" if pair.flags else "",
        "state": pair.state,
        "source_origin": storable(pair.source_origin),
        "target_origin": storable(pair.target_origin),
        "meta": [[storable(key), storable(value)] for key, value in pair.meta],
        "first_source": None,
        "first_target": None,
    }


def _finite(value: float) -> float | None:
    return float(value) if abs(value) < float("inf") else None  # NaN is not smaller either


def _to_pair(row: Row[Any]) -> ReviewPair:
    nan = float("nan")
    pair = Pair(
        source=row.source,
        target=row.target,
        score=nan if row.score is None else row.score,
        source_language=row.source_language,
        target_language=row.target_language,
        cosine=nan if row.cosine is None else row.cosine,
        flags=tuple(row.flags.strip("|").split("|")) if row.flags else (),
        state=row.state,
        source_origin=row.source_origin,
        target_origin=row.target_origin,
        meta=tuple((key, value) for key, value in row.meta),
    )
    before = None if row.first_source is None else (row.first_source, row.first_target)
    return ReviewPair(row.number, pair, before)


def _conditions(bitext_id: str, where: PairFilter | None) -> list[ColumnElement[bool]]:
    row, where = BitextPairRow, where or PairFilter()
    results: list[ColumnElement[bool]] = [row.bitext_id == bitext_id]
    if where.state == "edited":
        results.append(row.first_source.is_not(None))
    elif where.state:
        results.append(row.state == where.state)
    if where.flag:
        results.append(row.flags.contains(f"|{where.flag}|", autoescape=True))
    if where.min_score is not None:
        results.append(row.score >= where.min_score)
    if where.max_score is not None:
        results.append(row.score < where.max_score)
    for word in storable(where.words).split():
        results.append(
            or_(row.source.icontains(word, autoescape=True), row.target.icontains(word, autoescape=True))
        )
    return results


def _order(sort: Sort) -> list[ColumnElement[Any]]:
    row = BitextPairRow
    number = cast("ColumnElement[Any]", row.number)
    if sort == "best":
        return [row.score.desc().nulls_last(), number]
    if sort == "worst":
        return [row.score.asc().nulls_last(), number]
    if sort == "random":  # the same for everybody, so that pages do not overlap
        return [sql_cast(row.number, BigInteger) * _SCRAMBLE % _PRIME, number]
    return [number]


def _next_change(connection: Connection, bitext_id: str) -> int:
    """The number of the change that this transaction makes; other writers of the bitext wait for its end."""
    connection.execute(select(BitextRow.id).where(BitextRow.id == bitext_id).with_for_update())
    query = select(func.max(BitextChangeRow.change)).where(BitextChangeRow.bitext_id == bitext_id)
    return int(connection.execute(query).scalar() or 0) + 1


def _touch(connection: Connection, bitext_id: str) -> None:
    connection.execute(
        update(BitextRow).where(BitextRow.id == bitext_id).values(revision=BitextRow.revision + 1)
    )


def _restore(connection: Connection, bitext_id: str, changed: Sequence[ColumnElement[bool]]) -> None:
    """Give pairs the states, and where they were edited the texts, that they had before a change."""
    pair, change = BitextPairRow, BitextChangeRow
    mine = pair.bitext_id == bitext_id
    for state in get_args(State):
        had = select(change.number).where(*changed, change.state == state)
        connection.execute(update(pair).where(mine, pair.number.in_(had)).values(state=state))
    edits = select(change.number, change.source, change.target).where(*changed, change.source.is_not(None))
    for row in connection.execute(edits).all():
        item = [mine, pair.number == row.number]
        texts = {"source": row.source, "target": row.target}
        connection.execute(update(pair).where(*item).values(**texts))
        as_it_came = [pair.first_source == pair.source, pair.first_target == pair.target]
        connection.execute(
            update(pair).where(*item, *as_it_came).values(first_source=None, first_target=None)
        )
