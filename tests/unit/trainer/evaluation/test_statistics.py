import numpy as np
import pytest

from trainer.evaluation.metrics import spearman
from trainer.evaluation.statistics import Sample, compare, interval


def of_columns(rows):
    return spearman(rows[:, 0], rows[:, 1])


def correlated(seed, noise, count=120):
    rng = np.random.default_rng(seed)
    gold = np.random.default_rng(99).normal(size=count)
    return Sample(np.stack([gold, gold + noise * rng.normal(size=count)], axis=1), of_columns)


def test_the_interval_is_that_of_scipy():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).random(200)
    ours = interval({"de": Sample.of_values(values)}, resamples=4000)
    theirs = bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    # two independent draws of 4,000: the ends differ by the noise of a quantile, some 2 % of the width
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.004)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        found = interval({"de": Sample.of_values(rng.random(80) < 0.7)}, resamples=300, seed=seed)
        covered += found.low <= 0.7 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_seed_repeats_and_another_differs():
    values = np.random.default_rng(0).random(50)

    def ends(seed):
        return interval({"de": Sample.of_values(values)}, resamples=200, seed=seed)

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)


def test_large_and_small_blocks_of_draws_give_the_same(monkeypatch):
    values = np.random.default_rng(0).random(50)
    whole = interval({"de": Sample.of_values(values)}, resamples=100)
    monkeypatch.setattr("trainer.evaluation.statistics._DRAWN_AT_A_TIME", 120)
    assert interval({"de": Sample.of_values(values)}, resamples=100) == whole


def test_a_mean_over_languages_is_surer_than_one_language():
    rng = np.random.default_rng(0)
    samples = {name: Sample.of_values(rng.random(100)) for name in ("de", "fr", "th", "zh")}
    one, mean = interval({"de": samples["de"]}), interval(samples)
    assert mean.value == pytest.approx(np.mean([sample.value for sample in samples.values()]))
    assert (mean.high - mean.low) < 0.7 * (one.high - one.low)  # half, were all languages alike
    # Draws must not be shared: the same values in every language would then be as unsure as one language.
    same = dict.fromkeys(samples, samples["de"])
    assert (interval(same).high - interval(same).low) < 0.7 * (one.high - one.low)


def test_a_statistic_of_rows_is_recomputed_for_every_draw():
    sample = correlated(1, 0.5)
    found = interval({"de": sample}, resamples=300)
    assert found.low < found.value == of_columns(sample.rows) < found.high


def test_no_items_are_zero():
    assert interval({"de": Sample.of_values(np.zeros(0))}, resamples=10).high == 0.0


def test_randomisation_is_that_of_scipy():
    from scipy.stats import permutation_test

    rng = np.random.default_rng(0)
    first, second = rng.random(12), rng.random(12) + 0.15
    ours = compare({"de": Sample.of_values(first)}, {"de": Sample.of_values(second)}, resamples=20_000)
    exact = permutation_test(
        (second, first), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert ours.test == "randomisation"
    assert ours.difference == pytest.approx((second - first).mean())
    assert ours.p_value == pytest.approx(exact.pvalue, abs=0.015)  # 4 standard errors of 20,000 rounds
    assert 0.01 < exact.pvalue < 0.9


def test_the_same_model_does_not_differ_from_itself():
    sample = {"de": Sample.of_values(np.random.default_rng(0).random(40))}
    found = compare(sample, sample, resamples=200)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    rows = {"de": correlated(1, 0.5)}
    assert compare(rows, rows, resamples=100).p_value == 1


def test_random_differences_are_rarely_significant_and_real_ones_are():
    rng = np.random.default_rng(7)
    base = rng.random(60)
    chance = []
    for _ in range(100):
        pair = [{"de": Sample.of_values(base + 0.1 * rng.normal(size=60))} for _ in range(2)]
        chance.append(compare(*pair, resamples=200).p_value)
    assert np.mean(np.array(chance) <= 0.05) <= 0.12
    better = {"de": Sample.of_values(base + 0.1 + 0.1 * rng.normal(size=60))}
    assert compare({"de": Sample.of_values(base)}, better, resamples=200).p_value < 0.01


def test_other_statistics_are_compared_by_the_bootstrap():
    found = compare({"de": correlated(1, 2.0)}, {"de": correlated(2, 0.3)}, resamples=300)
    assert found.test == "bootstrap"
    assert found.low > 0 and found.p_value < 0.02
    close = compare({"de": correlated(3, 1.0)}, {"de": correlated(4, 1.0)}, resamples=300)
    assert close.p_value > 0.05


def test_other_items_are_refused():
    with pytest.raises(ValueError, match="same languages"):
        compare({"de": Sample.of_values(np.ones(3))}, {"de": Sample.of_values(np.ones(4))})
    with pytest.raises(ValueError, match="same languages"):
        compare({"de": Sample.of_values(np.ones(3))}, {"fr": Sample.of_values(np.ones(3))})
