"""Intervals: by hand where a sample is small enough, and the laws that hold for all of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from txray_lib.audit import intervals
from txray_lib.audit.intervals import SEEDS, Measured, around, beside, combined, mean, over_seeds, plain, sample

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=5, max_size=40)


@given(samples, st.floats(-100, 100))
def test_an_interval_lies_within_the_sample_and_chance_moves_what_lies_beyond_it_alone(values, chance):
    found, moved = beside(sample(mean, values), 0.0), beside(sample(mean, values), chance)
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
    assert found.value == pytest.approx(np.mean(values))
    assert (found.value, found.low, found.high) == (moved.value, moved.low, moved.high)
    ends = (moved.beyond_low - found.beyond_low, moved.beyond_high - found.beyond_high)
    assert ends == pytest.approx((-chance, -chance), abs=1e-6)


def test_ours_and_chance_of_the_same_neurons_are_drawn_together():
    values = np.random.default_rng(1).normal(size=50)
    found = beside(sample(mean, values), sample(mean, values) - 1)
    assert (found.beyond_low, found.beyond_high) == pytest.approx((1.0, 1.0)), "their difference never varies"
    apart = beside(sample(mean, values), sample(mean, np.random.default_rng(2).normal(size=60)))
    assert apart.beyond_high - apart.beyond_low > found.high - found.low, "other neurons add their own spread"


@pytest.mark.parametrize(
    ("values", "value", "why"),
    [
        ([], math.nan, "too few neurons to measure"),
        ([math.nan, math.nan], math.nan, "too few neurons to measure"),
        ([1.0, 2.0, 3.0, math.nan], 2.0, "for an interval"),
    ],
)
def test_too_few_neurons_give_no_interval_and_say_so(values, value, why):
    found = beside(sample(mean, values), 0.0)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert not found.has_interval
    assert why in found.why


def test_a_chance_that_was_not_measured_leaves_the_interval_and_tells_nothing_beyond():
    for found in (beside(sample(mean, [1.0, 2.0, 3.0, 4.0, 5.0]), math.nan), over_seeds([1.0, 2.0], [math.nan] * 2)):
        assert found.has_interval
        assert math.isnan(found.beyond)
        assert math.isnan(found.beyond_low)


def test_students_interval_over_seeds_by_hand():
    found = over_seeds([1.0, 2.0, 3.0], [0.5, 1.5, 2.5])
    half = stats.t.ppf(0.975, 2) * 1.0 / math.sqrt(3)
    assert (found.value, found.low, found.high, found.basis) == pytest.approx((2.0, 2 - half, 2 + half, SEEDS))
    assert (found.chance, found.beyond) == (1.5, 0.5)
    assert (found.beyond_low, found.beyond_high) == pytest.approx((0.5, 0.5)), "seeds and chance move together"


def test_a_sum_of_independent_numbers_by_hand():
    first, second = around(5.0, 3.0, 1.0, "reviews", 1.0), around(2.0, 4.0, 8.0, "reviews", 0.5)
    found = combined([(1, first), (-0.5, second)])
    assert (found.value, found.chance, found.beyond) == (4.0, 0.75, 3.25)
    assert found.low == pytest.approx(4.0 - math.hypot(3.0, 4.0)), "half of what lies above the second"
    assert found.high == pytest.approx(4.0 + math.hypot(1.0, 2.0)), "half of what lies below it"
    assert found.beyond_low == pytest.approx(3.25 - 5.0)
    assert combined([(1, first), (1, plain(2.0, 1.0, "few sets"))]) == plain(7.0, 2.0, "few sets")
    assert combined([(1, first), (1, Measured(why="no set"))]) == Measured(why="no set")


def test_rank_correlations_of_several_draws_by_hand():
    """Of two that change places, of ties on both sides, of a column without spread."""
    first, second = [[1, 2, 3, 4], [1, 1, 2, 3], [1, 2, 3, 4]], [[10, 20, 40, 30], [1, 2, 2, 3], [5, 5, 5, 5]]
    found = intervals.rank_correlation(np.array(first, float), np.array(second, float))
    assert found.tolist() == pytest.approx([1 - 6 * 2 / (4 * 15), 5 / 6, math.nan], nan_ok=True)
    assert np.isnan(intervals.rank_correlation(np.zeros((3, 2)), np.ones((3, 2)))).tolist() == [True] * 3


def test_the_heads_and_tails_of_masses_by_hand():
    masses = np.array([[0.0, 1.0, 4.0, 3.0, 2.0], [0.0, 0.0, 0.0, 1.0, 1.0]])
    assert intervals.head(masses, 2).tolist() == [0.7, 1.0]
    assert intervals.tail(masses, 2).tolist() == [0.3, 1.0]
