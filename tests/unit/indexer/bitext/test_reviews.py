"""Review of pairs: decisions are kept, taken back, counted, and speak for what was not reviewed."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer.bitext.reviews import (
    ENOUGH_REVIEWED,
    Bitext,
    PairFilter,
    reviewed_precision,
    wilson,
)
from indexer.bitext.values import Pair
from indexer.catalog import Catalog
from indexer.errors import CatalogError

URLS = ["sqlite", *(["postgresql"] if "DATABASE_URL" in os.environ else [])]
PAIRS = (
    Pair("Guten Morgen.", "صباح الخير.", 1.31, "de", "ar", 0.93, ("numbers",), meta=(("domain", "greeting"),)),
    Pair("Drei Schiffe.", "ثلاث سفن.", 1.12, "de", "ar", 0.9, ("length", "suspicious"), source_origin="a.txt"),
    Pair("Der Hund.", "قطة.", 0.98, "de", "ar", 0.8),
    Pair("100 % <b>Brot</b>", "خبز", source_language="de", target_language="ar"),
)  # fmt: skip


@pytest.fixture(params=URLS)
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(
        tmp_path / "catalog.sqlite3" if request.param == "sqlite" else os.environ["DATABASE_URL"]
    )
    for one in opened.bitexts.all():
        opened.bitexts.drop(one.id)
    opened.bitexts.put(Bitext("b1", "port", "mined", "de", "ar", 1.0, 5.0, details={"cap": 1.3}), PAIRS)
    yield opened
    opened.close()


def numbers(catalog: Catalog, where: PairFilter | None = None, sort: str = "best") -> list[int]:
    return [one.number for one in catalog.bitexts.pairs("b1", where, sort)]  # type: ignore[arg-type]


def states(catalog: Catalog) -> list[str]:
    return [one.pair.state for one in catalog.bitexts.pairs("b1", sort="text")]


def test_what_goes_in_comes_out(catalog: Catalog) -> None:
    found = [one.pair for one in catalog.bitexts.pairs("b1", sort="text")]
    assert found[:3] == list(PAIRS[:3])
    assert math.isnan(found[3].score) and found[3].source == PAIRS[3].source
    assert [pair.source for pair in catalog.bitexts.iter_pairs("b1")] == [pair.source for pair in PAIRS]
    known = catalog.bitexts.find("b1")
    assert known is not None and (known.threshold, dict(known.details)) == (1.0, {"cap": 1.3})
    assert catalog.bitexts.find("b2") is None


def test_hostile_text_is_stored(catalog: Catalog) -> None:
    odd = Pair("a\0b\ud800", "%_\\ '; DROP TABLE bitexts; --", 1.0)
    catalog.bitexts.put(Bitext("b2", "\0name", "imported"), [odd])
    [found] = catalog.bitexts.pairs("b2")
    assert (found.pair.source, found.pair.target) == ("a\ufffdb\ufffd", odd.target)


def test_sorting_filtering_and_paging(catalog: Catalog) -> None:
    assert numbers(catalog) == [0, 1, 2, 3]  # without a score: last
    assert numbers(catalog, sort="worst") == [2, 1, 0, 3]
    assert sorted(numbers(catalog, sort="random")) == [0, 1, 2, 3]
    assert numbers(catalog, PairFilter(flag="suspicious")) == [1]
    assert numbers(catalog, PairFilter(flag="spic")) == []
    assert numbers(catalog, PairFilter(min_score=1.0)) == [0, 1]
    assert numbers(catalog, PairFilter(max_score=1.0)) == [2]
    assert numbers(catalog, PairFilter(words="HUND")) == [2]
    assert numbers(catalog, PairFilter(words="100 %")) == [3]
    assert [one.number for one in catalog.bitexts.pairs("b1", offset=1, limit=2)] == [1, 2]
    assert catalog.bitexts.count_pairs("b1", PairFilter(flag="numbers")) == 1


def test_decisions_are_kept_and_taken_back_one_by_one(catalog: Catalog) -> None:
    assert catalog.bitexts.decide("b1", [0], "accepted") == 1
    assert catalog.bitexts.decide("b1", [0], "accepted") == 0  # no change, so nothing to take back
    catalog.bitexts.decide("b1", [2], "rejected")
    assert states(catalog) == ["accepted", "open", "rejected", "open"]
    assert catalog.bitexts.undo("b1") == [2]
    assert catalog.bitexts.undo("b1") == [0]
    assert catalog.bitexts.undo("b1") == []
    assert states(catalog) == ["open"] * 4


def test_many_are_decided_and_taken_back_at_once(catalog: Catalog) -> None:
    catalog.bitexts.decide("b1", [1], "rejected")
    assert catalog.bitexts.decide_all("b1", PairFilter(state="open", min_score=1.0), "accepted") == 1
    assert states(catalog) == ["accepted", "rejected", "open", "open"]
    assert catalog.bitexts.undo("b1") == [0]
    assert states(catalog)[1] == "rejected"


def test_edits_are_marked_and_taken_back(catalog: Catalog) -> None:
    catalog.bitexts.edit_pair("b1", 2, "Der Hund.", " كلب. ")
    catalog.bitexts.edit_pair("b1", 2, "Ein Hund.", "كلب.")
    [edited] = catalog.bitexts.pairs("b1", PairFilter(state="edited"))
    assert (edited.pair.target, edited.pair.state, edited.before) == (
        "كلب.",
        "accepted",
        ("Der Hund.", "قطة."),
    )
    assert catalog.bitexts.counts("b1").edited == 1
    catalog.bitexts.undo("b1")
    catalog.bitexts.undo("b1")
    found = catalog.bitexts.find_pair("b1", 2)
    assert found is not None and (found.pair, found.before) == (PAIRS[2], None)


@pytest.mark.parametrize(("number", "target", "words"), [(1, "  ", "empty side"), (99, "x", "no pair 100")])
def test_an_edit_that_cannot_be_is_refused(catalog: Catalog, number: int, target: str, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        catalog.bitexts.edit_pair("b1", number, "x", target)
    assert states(catalog) == ["open"] * 4


def test_two_windows_see_each_others_changes(catalog: Catalog) -> None:
    seen = catalog.bitexts.find("b1")
    catalog.bitexts.decide("b1", [0], "accepted")
    now = catalog.bitexts.find("b1")
    assert seen is not None and now is not None and now.revision > seen.revision
    catalog.bitexts.set_threshold("b1", 1.2)
    after = catalog.bitexts.find("b1")
    assert after is not None and (after.threshold, after.revision) == (1.2, now.revision + 1)


def test_counts(catalog: Catalog) -> None:
    catalog.bitexts.decide("b1", [0, 1], "accepted")
    counts = catalog.bitexts.counts("b1")
    assert (counts.total, counts.of("accepted"), counts.of("rejected")) == (4, 2, 0)
    assert counts.flags == {"numbers": 1, "length": 1, "suspicious": 1}


def test_an_edited_pair_was_not_right(catalog: Catalog) -> None:
    catalog.bitexts.decide("b1", [0], "accepted")
    catalog.bitexts.edit_pair("b1", 1, "Vier Schiffe.", "ثلاث سفن.")
    assert sorted(catalog.bitexts.reviewed_scores("b1")) == [(1.12, False), (1.31, True)]


def test_pairs_go_with_their_bitext(catalog: Catalog) -> None:
    catalog.bitexts.decide("b1", [0], "accepted")
    catalog.bitexts.drop("b1")
    assert catalog.bitexts.all() == [] and catalog.bitexts.count_pairs("b1") == 0


def test_putting_again_starts_over(catalog: Catalog) -> None:
    catalog.bitexts.decide("b1", [0], "accepted")
    catalog.bitexts.put(Bitext("b1", "port", "mined"), PAIRS[:2])
    assert states(catalog) == ["open", "open"]
    assert catalog.bitexts.undo("b1") == []


def test_reviewing_the_best_first_does_not_flatter() -> None:
    generator = np.random.default_rng(0)
    scores = generator.uniform(1.0, 2.0, 4_000).astype(np.float32)
    right = scores > 1.5  # half of the pairs
    best = np.argsort(-scores)[:90]
    low = generator.permutation(4_000)[:30]
    reviewed = [(float(scores[i]), bool(right[i])) for i in (*best, *low)]
    naive = sum(is_right for _, is_right in reviewed) / len(reviewed)
    found = reviewed_precision(scores, reviewed, 1.0)
    assert found is not None and found.reviewed == 120
    assert abs(found.value - 0.5) < 0.12 < naive - 0.5
    assert found.low < 0.5 < found.high


def test_few_decisions_give_no_estimate() -> None:
    scores = np.linspace(1, 2, 100, dtype=np.float32)
    reviewed = [(1.5, True)] * ENOUGH_REVIEWED
    assert reviewed_precision(scores, reviewed[1:], 1.0) is None
    assert reviewed_precision(scores, reviewed, 1.6) is None  # none of them is above
    found = reviewed_precision(scores, reviewed, 1.0)
    assert found is not None and found.value == 1.0 and found.low < 0.9


def test_wilson_agrees_with_its_textbook_value() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_signs_that_no_database_takes_lose_nothing_else(catalog: Catalog) -> None:
    odd = Pair(
        "a\0b\ud800", "c\0d", 1.0, "d\0e", "en\0", flags=("numbers",), source_origin="x\0", target_origin="y\udfff",
        meta=(("k\0", "v\0"),),
    )  # fmt: skip
    catalog.bitexts.put(Bitext("odd", "n\0", "mined", "d\0e", "en\0", None, 6.0, details={"a": "b\0"}), [odd])
    (found,) = catalog.bitexts.iter_pairs("odd")
    assert (found.source, found.target, found.source_language) == (
        "a\ufffdb\ufffd", "c\ufffdd", "d\ufffde",
    )  # fmt: skip
    catalog.bitexts.edit_pair("odd", 0, "neu\0", "new\ud800")
    assert next(catalog.bitexts.iter_pairs("odd")).target == "new\ufffd"
    assert catalog.bitexts.count_pairs("odd", PairFilter(words="neu\0")) == 1
    catalog.bitexts.describe("odd", "de\0", "en", None)
    known = catalog.bitexts.find("odd")
    assert known is not None and known.source_language == "de\ufffd"
    catalog.bitexts.drop("odd")


def test_two_writers_at_once_lose_no_change(catalog: Catalog) -> None:
    pairs = [Pair(f"s{number}", f"t{number}", 1.0, "de", "ar") for number in range(40)]
    catalog.bitexts.put(Bitext("busy", "busy", "mined", "de", "ar", None, 7.0), pairs)
    other = Catalog.open(catalog.database._engine.url.render_as_string(hide_password=False))

    def decide(writer: Catalog, numbers: range) -> None:
        for number in numbers:
            writer.bitexts.decide("busy", [number], "accepted")

    try:
        with ThreadPoolExecutor() as pool:
            both = [
                pool.submit(decide, catalog, range(0, 40, 2)),
                pool.submit(decide, other, range(1, 40, 2)),
            ]
            for one in both:
                one.result()
        assert catalog.bitexts.counts("busy").states == {"accepted": 40}
        undone = [catalog.bitexts.undo("busy") for _ in range(40)]
        assert sorted(number for numbers in undone for number in numbers) == list(range(40))
        known = catalog.bitexts.find("busy")
        assert known is not None and known.revision == 80
    finally:
        other.close()
        catalog.bitexts.drop("busy")
