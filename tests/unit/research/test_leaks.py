import random

import numpy as np
import pytest

from research.builtin.leaks import BANDS, Leak, band_keys, find_leaks, fold_all, overlap


def texts(count, seed, length=60):
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz  ", k=length)) for _ in range(count)]


def test_folding_keeps_letters_marks_and_digits_of_every_script():
    assert fold_all(["Où est-ce ?", "ＡＢＣ １２\n３", "नमस्ते दुनिया!", "", "?!"]) == [
        "oùestce",
        "abc123",
        "नमस्तेदुनिया",
        "",
        "",
    ]


def test_equal_near_and_other_texts_are_told_apart():
    trained = texts(300, seed=1)
    equal = [text.upper() + "!" for text in trained[:100]]
    near = [text[:-3] + "xyz" for text in trained[100:200]]
    other = texts(100, seed=2)
    found = find_leaks([*equal, *near, *other], iter(trained))
    assert found[:100] == [Leak.EXACT] * 100
    assert sum(one is Leak.NEAR for one in found[100:200]) >= 95  # MinHash may miss a pair
    assert found[200:] == [Leak.NONE] * 100


def test_a_text_with_half_of_another_is_not_near():
    (trained,) = texts(1, seed=3)
    half = trained[:30] + texts(1, seed=4)[0][30:]
    assert find_leaks([half], [trained]) == [Leak.NONE]


def test_short_texts_are_compared_exactly_only():
    assert find_leaks(["Hello there", "Hello then", "?!"], ["hello there!", "?"]) == [
        Leak.EXACT,
        Leak.NONE,
        Leak.NONE,
    ]


def test_equal_evaluated_texts_get_the_same_verdict():
    (text,) = texts(1, seed=5)
    assert find_leaks([text, text, text + "q"], [text]) == [Leak.EXACT, Leak.EXACT, Leak.NEAR]


def test_keys_depend_on_a_text_alone():
    some = fold_all(texts(20, seed=6, length=90))
    together, apart = band_keys(some), [band_keys([text]) for text in some]
    assert len(together) == BANDS
    for band, keys in enumerate(together):
        assert keys.tolist() == [own[band][0] for own in apart]
    assert len(np.unique(together[0])) == 20


def test_overlap_is_that_of_five_grams():
    assert overlap("abcdef", "abcdef") == 1
    assert overlap("abcdef", "abcdeg") == pytest.approx(1 / 3)
    assert overlap("abc", "abd") == 0
