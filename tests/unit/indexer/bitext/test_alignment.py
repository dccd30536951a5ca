"""The aligner beside exhaustive search, and on texts whose alignment is known."""

import itertools
import random
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.bitext.alignment import AlignmentSettings, Bead, align, beads_to_pairs
from indexer.bitext.distances import BlockDistances, BlockVectors
from indexer.bitext.dynamic_programming import Step, band_around, cheapest_path, full_band
from indexer.bitext.overlaps import Overlaps, encode_all, join_sentences
from indexer.bitext.values import Sentence
from indexer.errors import Cancelled, IndexerError

WIDTH = 64
Spans = list[tuple[tuple[int, int], tuple[int, int]]]


class WordEncoder:
    """Words are concepts: "c7" of the source and "C7" of the target are the same. Counts what it sees."""

    def __init__(self, width: int = WIDTH, noise: float = 0.3) -> None:
        self.texts: list[str] = []
        self._words: dict[str, NDArray[np.float64]] = {}
        self._width, self._noise = width, noise

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        rows = [np.sum([self._word(word) for word in text.split()], axis=0) for text in texts]
        vectors_ND = np.stack(rows).astype(np.float32)
        return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)

    def _word(self, word: str) -> NDArray[np.float64]:
        if word not in self._words:
            concept = np.random.default_rng([ord(letter) for letter in word.lower()])
            own = np.random.default_rng([ord(letter) for letter in word] + [1])
            self._words[word] = concept.normal(size=self._width) + self._noise * own.normal(size=self._width)
        return self._words[word]


def sentence(draw: random.Random, words: int | None = None) -> str:
    return " ".join(f"c{draw.randrange(400)}" for _ in range(words or draw.randrange(4, 12)))


def translation(text: str) -> str:
    return text.upper()


def disturbed(count: int, seed: int) -> tuple[list[str], list[str], Spans]:
    """Two texts with splits, merges and left-out sentences, and the beads that have both sides."""
    draw = random.Random(seed)
    source: list[str] = []
    target: list[str] = []
    gold: Spans = []
    for _ in range(count):
        kind = draw.choice(["one"] * 6 + ["split", "merge", "drop", "add"])
        ours = [sentence(draw) for _ in range(draw.choice((2, 3)) if kind == "merge" else 1)]
        theirs = [translation(" ".join(ours))]
        if kind == "split":
            words = theirs[0].split()
            theirs = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
        ours, theirs = ([] if kind == "add" else ours), ([] if kind == "drop" else theirs)
        start = len(source), len(target)
        source += ours
        target += theirs
        if ours and theirs:
            gold.append(((start[0], len(source)), (start[1], len(target))))
    return source, target, gold


def spans(beads: Sequence[Bead]) -> Spans:
    return [(bead.source, bead.target) for bead in beads if 0 not in bead.shape]


def f1(found: Spans, gold: Spans) -> float:
    return 2 * len(set(found) & set(gold)) / (len(found) + len(gold))


def assert_covers(beads: Sequence[Bead], rows: int, columns: int) -> None:
    """Spans follow each other without gaps on both sides."""
    for side, count in (("source", rows), ("target", columns)):
        ends = [0, *itertools.chain.from_iterable(getattr(bead, side) for bead in beads), count]
        assert ends[0::2] == ends[1::2]


# The search for a path


def random_costs(rows: int, columns: int, block: int, seed: int) -> NDArray[np.float32]:
    shape = block, rows + 1, block, columns + 1
    return np.random.default_rng(seed).random(shape, dtype=np.float32) * 4


def looked_up(costs_ARBC: NDArray[np.float32]) -> Callable[[int, int, int, int], NDArray[np.float32]]:
    return lambda first, last, left, right: costs_ARBC[:, first : last + 1, :, left : right + 1]


def least_total(costs_ARBC: NDArray[np.float32], skip: float) -> float:
    """The optimum by recursion over every move, one node at a time."""
    block, rows, _, columns = costs_ARBC.shape
    total = np.full((rows, columns), np.inf)
    total[0, 0] = 0
    for row, column in itertools.product(range(rows), range(columns)):
        ways = [total[row, column]]
        ways += [total[row - 1, column] + skip] if row else []
        ways += [total[row, column - 1] + skip] if column else []
        for a, b in itertools.product(range(1, block + 1), repeat=2):
            if a <= row and b <= column:
                ways.append(total[row - a, column - b] + costs_ARBC[a - 1, row, b - 1, column])
        total[row, column] = min(ways)
    return float(total[-1, -1])


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (9, 1), (3, 5), (12, 7), (20, 21)])
def test_the_path_is_as_cheap_as_the_best_of_all(rows: int, columns: int, block: int) -> None:
    for seed, skip in enumerate((0.1, 0.5, 1.0, 3.0)):
        costs_ARBC = random_costs(rows, columns, block, seed)
        steps = cheapest_path(looked_up(costs_ARBC), block, skip, full_band(rows, columns))
        assert sum(step.cost for step in steps) == pytest.approx(least_total(costs_ARBC, skip), abs=1e-5)
        assert [step.start for step in steps] == [(0, 0), *(step.end for step in steps[:-1])]
        assert steps[-1].end == (rows, columns)
        for step in steps:
            a, b = step.jump
            expected = costs_ARBC[a - 1, step.end[0], b - 1, step.end[1]] if a and b else skip
            assert step.cost == pytest.approx(expected)


def test_rows_are_asked_for_in_pieces_and_give_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    costs_ARBC = random_costs(30, 25, 4, 5)
    whole = cheapest_path(looked_up(costs_ARBC), 4, 0.7, full_band(30, 25))
    monkeypatch.setattr("indexer.bitext.dynamic_programming._CHUNK_NODES", 60)
    asked: list[int] = []

    def costs(first: int, last: int, left: int, right: int) -> NDArray[np.float32]:
        asked.append(last - first + 1)
        return looked_up(costs_ARBC)(first, last, left, right)

    assert cheapest_path(costs, 4, 0.7, full_band(30, 25)) == whole
    assert max(asked) <= 3 and sum(asked) == 31


def test_a_band_around_the_best_path_finds_it_again_and_a_wrong_band_does_not() -> None:
    costs_ARBC = random_costs(40, 44, 1, 3)
    best = cheapest_path(looked_up(costs_ARBC), 1, 0.4, full_band(40, 44))
    band = band_around(best, 40, 44, scale=1, window=2)
    assert cheapest_path(looked_up(costs_ARBC), 1, 0.4, band) == best
    assert band.nodes < full_band(40, 44).nodes / 2
    corner = [Step((row, 0), (row + 1, 0), 1.0) for row in range(40)]
    corner += [Step((40, column), (40, column + 1), 1.0) for column in range(44)]
    wrong = band_around(corner, 40, 44, scale=1, window=2)
    assert cheapest_path(looked_up(costs_ARBC), 1, 0.4, wrong) != best


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 10), (10, 7), (1, 40), (33, 2)])
def test_a_band_from_a_coarser_path_joins_both_corners(rows: int, columns: int) -> None:
    coarse = -(-rows // 2), -(-columns // 2)
    costs_ARBC = random_costs(*coarse, 1, 0)
    steps = cheapest_path(looked_up(costs_ARBC), 1, 0.5, full_band(*coarse))
    band = band_around(steps, rows, columns, scale=2, window=1)
    assert band.low_R[0] == 0 and band.high_R[-1] == columns and band.rows == rows + 1
    assert (np.diff(band.low_R) >= 0).all() and (np.diff(band.high_R) >= 0).all()
    assert (band.low_R[1:] <= band.high_R[:-1] + 1).all()


# Blocks and their vectors


def test_a_window_holds_the_vectors_of_the_joined_sentences_and_encodes_each_once() -> None:
    texts = [sentence(random.Random(seed)) for seed in range(12)]
    encode = WordEncoder()
    singles_ND = encode_all(texts, encode, between=lambda _: None)
    overlaps = Overlaps(texts, singles_ND, encode, 3, between=lambda _: None)
    for first, last in ((0, 4), (2, 7), (2, 7), (6, 12), (11, 12)):
        blocks_AED = overlaps.window(first, last)
        assert blocks_AED.shape == (3, last - first + 1, WIDTH)
        for size, end in itertools.product((1, 2, 3), range(first, last + 1)):
            row_D = blocks_AED[size - 1, end - first]
            if end < size:
                assert not row_D.any()
            else:
                np.testing.assert_allclose(
                    row_D, WordEncoder()([" ".join(texts[end - size : end])])[0], atol=1e-5
                )
    assert len(encode.texts) == len(set(encode.texts)) == 12 + 11 + 10


def test_sentences_join_with_a_space_except_after_chinese_and_japanese() -> None:
    assert join_sentences(["One. ", "", "Two."]) == "One. Two."
    assert join_sentences(["他来了。", "她走了。", "Yes."]) == "他来了。她走了。Yes."
    assert join_sentences(["جاء.", "ذهبت."]) == "جاء. ذهبت."


def test_costs_follow_the_definition_and_give_the_cosine_back() -> None:
    draw = random.Random(4)
    source, target = [sentence(draw) for _ in range(7)], [sentence(draw).upper() for _ in range(5)]
    encode = WordEncoder()
    x_ND, y_MD = encode(source), encode(target)
    vectors = BlockVectors.pair((source, target), (x_ND, y_MD), encode, 3, lambda _: None)
    lengths = [np.array([float(len(text)) for text in side]) for side in (source, target)]
    costs_ARBC = BlockDistances(*vectors, *lengths)
    all_ARBC = costs_ARBC(0, 7, 0, 5)
    weight = 4 / 14  # of 5 sentences
    ours_D, theirs_D = weight * x_ND.mean(0, dtype=np.float64), weight * y_MD.mean(0, dtype=np.float64)

    def away(rows: NDArray[np.float32], centre: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = rows - centre
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    for a, b, row, column in ((1, 1, 3, 2), (2, 1, 7, 5), (3, 3, 3, 4), (1, 3, 1, 5)):
        x_D = encode([join_sentences(source[row - a : row])])
        y_D = encode([join_sentences(target[column - b : column])])
        x, y = away(x_D, ours_D)[0], away(y_D, theirs_D)[0]
        unrelated = np.mean([1 - away(y_MD, theirs_D) @ x]) / 2 + np.mean([1 - away(x_ND, ours_D) @ y]) / 2
        long, other = sum(lengths[0][row - a : row]), sum(lengths[1][column - b : column])
        share = (1 - x @ y) / unrelated + 0.5 * (1 - min(long, other) / max(long, other))
        assert all_ARBC[a - 1, row, b - 1, column] == pytest.approx(a * b * share, rel=1e-4)
        cosine = costs_ARBC.cosine((row, column), (a, b), share)
        assert cosine == pytest.approx(float(x_D[0] @ y_D[0]), abs=1e-4)


# Whole texts


@pytest.mark.parametrize("seed", range(4))
def test_splits_merges_and_left_out_sentences_are_found(seed: int) -> None:
    source, target, gold = disturbed(120, seed)
    beads = align(source, target, WordEncoder())
    assert_covers(beads, len(source), len(target))
    single = align(source, target, WordEncoder(), AlignmentSettings(max_block=1))
    assert f1(spans(beads), gold) > 0.9
    assert f1(spans(single), gold) < 0.85
    for bead in beads:
        assert (0 in bead.shape) == np.isnan(bead.score) == np.isnan(bead.cosine)


def test_swapped_sides_give_the_swapped_alignment() -> None:
    source, target, _ = disturbed(60, 9)
    there = spans(align(source, target, WordEncoder()))
    back = spans(align(target, source, WordEncoder()))
    assert [(bead[1], bead[0]) for bead in back] == there


def test_the_band_finds_what_the_whole_grid_finds() -> None:
    source, target, _ = disturbed(250, 3)
    whole = align(source, target, WordEncoder(), AlignmentSettings(window=400))
    banded = align(source, target, WordEncoder())
    assert [(bead.source, bead.target) for bead in banded] == [(bead.source, bead.target) for bead in whole]
    np.testing.assert_allclose([bead.score for bead in banded], [bead.score for bead in whole], atol=1e-5)
    coarse = align(source, target, WordEncoder(), AlignmentSettings(full_nodes=1_000))
    assert spans(coarse) == spans(whole)


def test_every_text_is_encoded_once_and_blocks_far_from_the_path_not_at_all() -> None:
    source, target, _ = disturbed(200, 1)
    encode = WordEncoder()
    align(source, target, encode)
    assert len(encode.texts) <= 4 * (len(source) + len(target))
    repeated = len(encode.texts) - len(set(encode.texts))
    assert repeated == 0


@pytest.mark.parametrize(
    ("source", "target"), [([], []), (["c1 c2"], []), ([], ["C1", "C2"]), (["", " "], ["C1"])]
)
def test_an_empty_side_leaves_all_sentences_alone(source: list[str], target: list[str]) -> None:
    encode = WordEncoder()
    beads = align(source, target, encode)
    assert spans(beads) == [] and encode.texts == []
    assert len(beads) == sum(1 for text in [*source, *target] if text.strip())


def test_one_sentence_finds_its_place_among_many() -> None:
    draw = random.Random(2)
    many = [sentence(draw, 8) for _ in range(60)]
    assert spans(align([translation(many[41])], many, WordEncoder())) == [((0, 1), (41, 42))]
    assert spans(align(many, [translation(many[0])], WordEncoder())) == [((0, 1), (0, 1))]


def test_one_sentence_that_was_cut_in_four_is_one_block() -> None:
    whole = sentence(random.Random(5), 20)
    words = whole.split()
    quarters = [" ".join(words[start : start + 5]).upper() for start in range(0, 20, 5)]
    assert spans(align([whole], quarters, WordEncoder())) == [((0, 1), (0, 4))]
    assert spans(align([words[0]], [words[0].upper()], WordEncoder())) == [((0, 1), (0, 1))]


@pytest.mark.parametrize("full_nodes", [1 << 22, 2_000])
def test_a_chapter_is_found_in_a_book_ten_times_as_long(full_nodes: int) -> None:
    draw = random.Random(6)
    book = [sentence(draw) for _ in range(600)]
    chapter = [translation(text) for text in book[300:360]]
    beads = align(chapter, book, WordEncoder(), AlignmentSettings(full_nodes=full_nodes))
    gold = [((n, n + 1), (300 + n, 301 + n)) for n in range(60)]
    assert f1(spans(beads), gold) > 0.95
    assert_covers(beads, 60, 600)


def test_blank_sentences_go_with_the_one_before() -> None:
    draw = random.Random(8)
    texts = [sentence(draw) for _ in range(5)]
    source = ["", texts[0], "  ", "", *texts[1:]]
    beads = align(source, [*map(translation, texts), "\n"], WordEncoder())
    assert [bead.source for bead in beads] == [(0, 4), (4, 5), (5, 6), (6, 7), (7, 8)]
    assert [bead.target for bead in beads] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6)]


def test_texts_of_one_repeated_sentence_align() -> None:
    beads = align(["c1 c2"] * 6, ["C1 C2"] * 6, WordEncoder(noise=0.0))
    assert_covers(beads, 6, 6)
    assert all(np.isfinite(bead.score) for bead in beads if 0 not in bead.shape)


def test_a_line_of_a_megabyte_is_cut_before_it_is_joined() -> None:
    longest = 0

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        nonlocal longest
        longest = max(longest, *(len(text) for text in texts))
        return WordEncoder()([text[:400] for text in texts])

    line = "c1 c2 c3 " * 120_000
    draw = random.Random(1)
    source = [sentence(draw), line, sentence(draw)]
    beads = align(source, [text.upper() for text in source], encode)
    assert (1, 1) in [bead.shape for bead in beads]
    assert longest == len(line)  # alone it is the encoder's business; blocks of it are bounded


def test_memory_grows_with_the_length_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.bitext.dynamic_programming._CHUNK_NODES", 1 << 10)
    settings = AlignmentSettings(full_nodes=1 << 10, window=4)

    def peak(count: int) -> int:
        sums_ND = np.random.default_rng(0).normal(size=(count + 1, 16)).cumsum(axis=0)

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            ends = np.array([(int(text.split()[0]), int(text.split()[-1]) + 1) for text in texts])
            rows_ND = (sums_ND[ends[:, 1]] - sums_ND[ends[:, 0]]).astype(np.float32)
            return rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)

        numbers = [f"{number:05}" for number in range(count)]
        tracemalloc.start()
        try:
            beads = align(numbers, numbers, encode, settings)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert spans(beads) == [((n, n + 1), (n, n + 1)) for n in range(count)]
        return most

    small, large = peak(150), peak(600)
    assert large < 5 * small  # the square would be 16


def test_progress_rises_to_one_and_cancelling_stops() -> None:
    source, target, _ = disturbed(50, 2)
    shares: list[float] = []
    align(source, target, WordEncoder(), progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0 and shares[0] > 0
    encode = WordEncoder()
    with pytest.raises(Cancelled, match="cancelled"):
        align(source, target, encode, cancelled=lambda: len(encode.texts) > 0)
    assert len(encode.texts) == len(source)


def test_a_wrong_encoder_and_wrong_settings_are_told() -> None:
    with pytest.raises(IndexerError, match="one row of finite numbers"):
        align(["a"], ["b"], lambda texts: np.zeros((3, 4), dtype=np.float32))
    with pytest.raises(IndexerError, match="one row of finite numbers"):
        align(["a"], ["b"], lambda texts: np.full((len(texts), 4), np.nan, dtype=np.float32))
    with pytest.raises(IndexerError, match="blocks of 9"):
        AlignmentSettings(max_block=9)
    with pytest.raises(IndexerError, match="skip_share"):
        AlignmentSettings(skip_share=0)


def test_beads_become_pairs_of_joined_sentences() -> None:
    source = [Sentence(text, "de", "a.txt") for text in ("Eins.", "Zwei.", "Drei.")]
    target = [Sentence(text, "en", "b.txt") for text in ("One, two.", "Three.", "Four.")]
    nothing = float("nan")
    beads = [
        Bead((0, 2), (0, 1), 0.5, 0.8),
        Bead((2, 3), (1, 2), 0.2, 0.6),
        Bead((3, 3), (2, 3), nothing),
    ]
    pairs = beads_to_pairs(beads, source, target)
    assert [(pair.source, pair.target) for pair in pairs] == [
        ("Eins. Zwei.", "One, two."),
        ("Drei.", "Three."),
    ]
    assert pairs[0].meta == (("alignment", "2:1"),) and pairs[1].meta == ()
    assert (pairs[0].score, pairs[0].cosine, pairs[0].source_origin) == (0.5, 0.8, "a.txt")
    assert (pairs[0].source_language, pairs[0].target_language) == ("de", "en")
    assert beads_to_pairs(beads, source, target, min_score=0.3) == pairs[:1]
