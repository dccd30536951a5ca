import numpy as np
import pytest

from research.builtin.figures import figure, grouped_figure
from trainer.evaluation.statistics import Sample

RNG = np.random.default_rng(3)


def test_the_mean_of_samples_counts_each_once():
    found = figure({"a": Sample.of_values(np.ones(90)), "b": Sample.of_values(np.zeros(10))})
    assert (found["value"], found["low"], found["high"]) == (0.5, 0.5, 0.5)


def test_columns_are_averaged_before_their_mean_and_gaps_do_not_count():
    values = np.array([[1.0, np.nan], [1.0, 0.0], [0.0, np.nan], [0.0, np.nan]])
    found = grouped_figure(values, np.arange(4))
    assert found["value"] == pytest.approx((0.5 + 0.0) / 2)
    assert grouped_figure(values, np.arange(4), min_rows=2)["value"] == 0.5


def test_rows_of_a_group_say_one_thing():
    values = RNG.random(50)
    alone = grouped_figure(values[:, None], np.arange(50))
    repeated = grouped_figure(np.repeat(values, 8)[:, None], np.repeat(np.arange(50), 8))
    as_if_new = grouped_figure(np.repeat(values, 8)[:, None], np.arange(400))
    assert repeated == alone
    assert as_if_new["high"] - as_if_new["low"] < 0.6 * (alone["high"] - alone["low"])
    assert alone["low"] < alone["value"] < alone["high"]


def test_nothing_to_average_is_zero():
    assert grouped_figure(np.full((3, 2), np.nan), np.arange(3))["value"] == 0
