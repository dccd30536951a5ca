"""Smaller tasks stay tasks: what is judged stays, and numbers point at the same texts."""

from collections import Counter

import numpy as np
import pytest

from trainer.evaluation.subsample import PASSAGES_PER_ITEM, limited, limited_task, spaced
from trainer.evaluation.values import Bitext, Classification, Mining, Part, Retrieval, Similarity, Task


def test_spaced_numbers_cover_the_range() -> None:
    assert spaced(10, 3) == [0, 4, 9]
    assert spaced(3, 10) == [0, 1, 2]
    assert spaced(0, 5) == []
    assert spaced(5, 1) == [0]


def retrieval() -> Retrieval:
    count = 200
    return Retrieval(
        queries=[f"q{number}" for number in range(20)],
        languages=["de"] * 12 + ["fr"] * 8,
        judged=[{number * 7: 1, number * 7 + 1: 0} for number in range(20)],
        passages=[f"p{number}" for number in range(count)],
        titles=[f"t{number}" for number in range(count)],
        itself=[-1] * 19 + [150],
    )


def test_retrieval_keeps_the_judged_passages_of_some_queries_per_language() -> None:
    whole, part = retrieval(), limited(retrieval(), 3)
    assert isinstance(part, Retrieval) and Counter(part.languages) == {"de": 3, "fr": 3}
    for query, judged, itself in zip(part.queries, part.judged, part.itself, strict=True):
        row = whole.queries.index(query)
        assert {part.passages[number]: grade for number, grade in judged.items()} == {
            whole.passages[number]: grade for number, grade in whole.judged[row].items()
        }
        assert itself == -1 or part.passages[itself] == whole.passages[whole.itself[row]]
    assert [text.replace("p", "t") for text in part.passages] == part.titles
    assert 3 * PASSAGES_PER_ITEM <= len(part.passages) < len(whole.passages)


def test_bitext_keeps_translations_together() -> None:
    gold = np.array([3, 1, 0, 2, 4])
    part = limited(Bitext("de-en", list("abcde"), list("CBDAE"), gold), 3)
    assert isinstance(part, Bitext) and part.sources == ["a", "c", "e"]
    assert [part.targets[row] for row in part.gold] == ["A", "C", "E"]


def test_mining_keeps_the_gold_of_what_stays() -> None:
    names = [str(number) for number in range(10)]
    whole = Mining("de-en", names, names, frozenset((number, 9 - number) for number in range(5)))
    part = limited(Mining("de-en", names, names, whole.gold, tuning=whole), 4)
    assert isinstance(part, Mining) and part.tuning is not None
    for one in (part, part.tuning):
        pairs = {(int(one.sources[source]), int(one.targets[target])) for source, target in one.gold}
        assert pairs == {(0, 9), (3, 6)}


@pytest.mark.parametrize(
    "part",
    [
        Similarity("de", list("abcdef"), list("ABCDEF"), np.arange(6.0)),
        Classification("de", list("abcdef"), list("ABCDEF"), list("uvwxyz"), list("UVWXYZ")),
    ],
)
def test_rows_stay_whole(part: Part) -> None:
    some = limited(part, 2)
    if isinstance(some, Similarity):
        assert (some.left, some.right, list(some.scores)) == (["a", "f"], ["A", "F"], [0.0, 5.0])
    else:
        assert isinstance(some, Classification)
        assert (some.train_texts, some.train_labels) == (["a", "f"], ["A", "F"])
        assert (some.test_texts, some.test_labels) == (["u", "z"], ["U", "Z"])


def test_no_limit_leaves_the_task_alone() -> None:
    task = Task("task", "retrieval", lambda: iter([retrieval()]))
    assert limited_task(task, 0) is task
    (part,) = limited_task(task, 2).read()
    assert isinstance(part, Retrieval) and len(part.queries) == 4
