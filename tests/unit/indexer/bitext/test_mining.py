"""Mining with a model that knows two languages by heart."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.bitext.mining import mine, with_gold
from indexer.bitext.rescoring import rescore
from indexer.bitext.values import MiningSettings, Pair, Sentence
from indexer.errors import Cancelled, MiningError

WORDS = [
    ("hafen", "harbour"), ("schiff", "ship"), ("turm", "tower"), ("fluss", "river"), ("buch", "book"),
    ("haus", "house"), ("schnee", "snow"), ("brot", "bread"), ("wasser", "water"), ("vogel", "bird"),
    ("garten", "garden"), ("fenster", "window"), ("winter", "winter"), ("strasse", "street"), ("licht", "light"),
    ("stadt", "town"), ("berg", "mountain"), ("brief", "letter"), ("morgen", "morning"), ("abend", "evening"),
]  # fmt: skip
ENGLISH = dict(WORDS)
SETTINGS = MiningSettings(check_language=False)


@pytest.fixture
def encoder(fake_encoder_class: Any) -> Any:
    """The fake model, for which a German word is its English one."""

    class Translating(fake_encoder_class):  # type: ignore[misc,valid-type]
        def encode(self, texts: Sequence[str], *given: Any, **options: Any) -> Any:
            plain = [" ".join(ENGLISH.get(word, word) for word in text.lower().split()) for text in texts]
            return super().encode(plain, *given, **options)

    return Translating(dimension=256)


def text_of(rng: np.random.Generator, side: int, length: int = 7) -> str:
    return " ".join(WORDS[place][side] for place in rng.choice(len(WORDS), length, replace=False))


def piles(matched: int, extra: tuple[int, int], seed: int = 0) -> tuple[list[Sentence], list[Sentence]]:
    rng = np.random.default_rng(seed)
    german = [text_of(rng, 0) for _ in range(matched)]
    english = [" ".join(ENGLISH[word] for word in text.split()) for text in german]
    german += [text_of(rng, 0) for _ in range(extra[0])]
    english += [text_of(rng, 1) for _ in range(extra[1])]
    return (
        [Sentence(text, "de", "de.txt", 10 * row, 10 * row + 9) for row, text in enumerate(german)],
        [Sentence(text, "en") for text in english],
    )


def is_right(pair: Pair) -> bool:
    return sorted(ENGLISH[word] for word in pair.source.split()) == sorted(pair.target.split())


def test_translations_are_found_among_others(encoder: Any) -> None:
    source, target = piles(100, (200, 150))
    result = mine(source, target, encoder, SETTINGS)
    right = sum(map(is_right, result.pairs))
    assert right >= 95 and right >= 0.9 * len(result.pairs)
    assert [pair.score for pair in result.pairs] == sorted(
        (pair.score for pair in result.pairs), reverse=True
    )
    assert result.languages == ("de", "en") and result.sentences == (300, 250)
    assert result.pairs[0].source_origin.startswith("de.txt#") and result.pairs[0].target_origin == ""
    assert result.estimate is not None and result.estimated_precision > 0.8


def test_a_threshold_that_is_given_holds_and_candidates_below_can_stay(encoder: Any) -> None:
    source, target = piles(60, (100, 100))
    strict = mine(source, target, encoder, replace(SETTINGS, threshold=1.5))
    assert all(pair.score >= 1.5 for pair in strict.pairs) and strict.threshold == 1.5
    everything = mine(source, target, encoder, replace(SETTINGS, keep_below=True))
    assert min(pair.score for pair in everything.pairs) < everything.threshold
    assert len(everything.scores) >= len(everything.pairs)


@pytest.mark.parametrize("retrieval", ["forward", "backward", "intersect"])
@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
def test_every_retrieval_and_margin_finds_them(encoder: Any, retrieval: Any, margin: Any) -> None:
    source, target = piles(60, (60, 60))
    result = mine(source, target, encoder, replace(SETTINGS, retrieval=retrieval, margin=margin))
    assert sum(map(is_right, result.pairs)) >= 50
    assert len({pair.source for pair in result.pairs}) == len(result.pairs)
    assert result.estimate is not None and len(result.estimate.probabilities) == len(result.scores)


def test_ten_times_as_many_on_one_side(encoder: Any) -> None:
    source, target = piles(40, (0, 400))
    result = mine(source, target, encoder, SETTINGS)
    assert sum(map(is_right, result.pairs)) >= 35


@pytest.mark.parametrize(("source", "target", "named"), [([], ["b"], "source"), (["a"], [], "target")])
def test_an_empty_side_is_named(encoder: Any, source: list[str], target: list[str], named: str) -> None:
    with pytest.raises(MiningError, match=f"The {named} side is empty"):
        mine([Sentence(one) for one in source], [Sentence(one) for one in target], encoder)


def test_a_side_with_nothing_left_says_what_went(encoder: Any) -> None:
    with pytest.raises(MiningError, match=r"No sentence of the target side.*2 letters"):
        mine([Sentence("ein guter Satz", "de")], [Sentence("12345", "en"), Sentence("99 %", "en")], encoder)


def test_one_language_on_both_sides_is_refused(encoder: Any) -> None:
    german = [
        Sentence("Der Hafen wurde vor über hundert Jahren gebaut."),
        Sentence("Am Abend ist es still hier."),
    ]
    with pytest.raises(MiningError, match=r"same language \(de\)"):
        mine(german, german, encoder)


def test_a_handful_of_sentences_is_mined_without_a_promise(encoder: Any) -> None:
    result = mine([Sentence("hafen schiff", "de")], [Sentence("harbour ship", "en")], encoder, SETTINGS)
    assert len(result.pairs) == 1 and np.isnan(result.estimated_precision)


def test_right_to_left_text_comes_out_as_it_went_in(encoder: Any) -> None:
    arabic = "الميناء قديم وكبير 1894"
    result = mine([Sentence(arabic, "ar")], [Sentence("harbour 1894", "en")], encoder, SETTINGS)
    assert result.pairs[0].source == arabic


def test_cancelling_stops_and_progress_reaches_the_end(encoder: Any) -> None:
    source, target = piles(30, (10, 10))
    told: list[tuple[int, int, str, str]] = []
    mine(source, target, encoder, SETTINGS, progress=lambda *one: told.append(one))
    shares = [done / total for done, total, *_ in told]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert {"encoding", "comparing"} <= {message for *_, message in told}
    with pytest.raises(Cancelled, match="cancelled"):
        mine(source, target, encoder, SETTINGS, cancelled=lambda: True)


def test_the_folder_spares_finished_work(encoder: Any, tmp_path: Path) -> None:
    source, target = piles(30, (10, 10))
    first = mine(source, target, encoder, SETTINGS, folder=tmp_path / "work")
    seen: list[str] = []
    encoder.before_encode = seen.extend
    again = mine(source, target, encoder, SETTINGS, folder=tmp_path / "work")
    assert again.pairs == first.pairs and not seen


def test_pairs_are_scored_again_in_their_order(encoder: Any) -> None:
    source, target = piles(60, (0, 0))
    pairs = [
        Pair(
            one.text,
            other.text,
            source_language="de",
            target_language="en",
            state="accepted",
            meta=(("id", "7"),),
        )
        for one, other in zip(source, target, strict=True)
    ]
    pairs[3] = replace(pairs[3], target=pairs[4].target)
    result = rescore(pairs, encoder, SETTINGS)
    assert [pair.source for pair in result.pairs] == [pair.source for pair in pairs]
    assert all(pair.state == "accepted" and pair.meta == (("id", "7"),) for pair in result.pairs)
    assert min(result.pairs, key=lambda pair: pair.score) == result.pairs[3]
    assert result.pairs[0].cosine == pytest.approx(1.0, abs=1e-5)
    kept = rescore(pairs, encoder, replace(SETTINGS, threshold=result.pairs[3].score + 1e-4))
    assert len(kept.pairs) == 59


def test_a_gold_set_decides_the_threshold(encoder: Any) -> None:
    source, target = piles(60, (60, 60))
    result = mine(source, target, encoder, replace(SETTINGS, keep_below=True))
    gold = [Pair(one.text, other.text) for one, other in zip(source[:20], target[:20], strict=True)]
    chosen = with_gold(result, gold)
    assert chosen.estimate is not None and chosen.estimate.method == "gold"
    assert sum(map(is_right, chosen.pairs)) >= 50 and len(chosen.pairs) < len(result.pairs)
