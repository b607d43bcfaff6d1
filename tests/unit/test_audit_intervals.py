"""Intervals: by hand where a sample is small enough, and the laws that hold for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from txray_lib.audit import intervals
from txray_lib.audit.intervals import (
    NEURONS,
    SEEDS,
    Measured,
    bootstrap,
    change,
    difference,
    effect,
    fall,
    mean,
    median,
    missing,
    over_seeds,
    plain,
    rank_correlation,
    share,
    spread,
)

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=5, max_size=40)


def test_a_value_that_all_neurons_share_has_an_interval_of_no_width():
    found = bootstrap(mean, [3.0] * 8)
    assert (found.value, found.low, found.high, found.basis, found.neurons) == (3.0, 3.0, 3.0, NEURONS, 8)


@settings(max_examples=30, deadline=None)
@given(samples)
def test_an_interval_lies_within_the_sample_and_is_drawn_alike_each_time(values):
    found, again = bootstrap(mean, values), bootstrap(mean, values)
    assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
    assert (found.value, found.low, found.high) == (again.value, again.low, again.high)
    assert found.value == pytest.approx(np.mean(values))


@settings(max_examples=30, deadline=None)
@given(samples, st.floats(-100, 100))
def test_an_interval_of_means_moves_with_the_sample(values, by):
    found, moved = bootstrap(mean, values), bootstrap(mean, np.array(values) + by)
    assert [moved.low - found.low, moved.high - found.high] == pytest.approx([by, by], abs=1e-6)


def test_the_bootstrap_of_a_share_is_as_wide_as_the_binomial():
    flags = np.repeat([0.0, 1.0], [300, 100])
    found, error = bootstrap(share, flags), math.sqrt(0.25 * 0.75 / 400)
    assert found.value == 0.25
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_nan_neurons_do_not_count():
    found = bootstrap(mean, [1.0, math.nan, 1.0, 1.0, 1.0, 1.0, math.nan])
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "value", "why"),
    [
        ([], math.nan, "no neuron"),
        ([math.nan, math.nan], math.nan, "too few neurons to measure"),
        ([1.0, 2.0, 3.0, math.nan], 2.0, "fewer than five"),
    ],
)
def test_too_few_neurons_give_no_interval_and_say_so(values, value, why):
    found = bootstrap(mean, values)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert not found.has_interval
    assert why in found.why


def test_draws_that_are_mostly_not_numbers_give_no_interval():
    draws = np.full(intervals.DRAWS, math.nan)
    draws[: intervals.DRAWS // 2 - 1] = 1.0
    assert not spread(1.0, draws, 9).has_interval
    draws[intervals.DRAWS // 2 - 1] = 1.0
    assert spread(1.0, draws, 9).has_interval


def test_a_difference_is_wide_enough_for_both_intervals():
    found = difference(Measured(5, 4, 7), Measured(2, 1, 3))
    assert (found.value, found.low, found.high) == (3, 1, 6)


@given(*[st.tuples(numbers, numbers) for _ in range(2)], st.floats(0, 1), st.floats(0, 1))
def test_a_difference_holds_every_difference_of_what_its_sides_hold(first, second, at, other):
    (a, b), (c, d) = sorted(first), sorted(second)
    found = difference(Measured(a, a, b), Measured(c, c, d))
    inside = (a + at * (b - a)) - (c + other * (d - c))
    assert found.low - 1e-6 <= inside <= found.high + 1e-6


def test_two_values_of_the_same_neurons_are_drawn_together_and_so_their_difference_is_narrow():
    base = np.linspace(0, 100, 50)
    first, second = bootstrap(mean, base + 1), bootstrap(mean, base)
    together, apart = effect(first, second, 50), difference(first, second)
    assert (together.low, together.high) == pytest.approx((1, 1))
    assert apart.high - apart.low > 20
    assert effect(first, second, units=60) == apart, "not over all neurons of the run"


def test_a_missing_side_gives_no_difference_and_its_reason():
    found = difference(Measured(1, 0, 2), missing("it was not kept"))
    assert math.isnan(found.value)
    assert not found.has_interval
    assert found.why == "it was not kept"


def test_an_interval_over_seeds_is_students():
    found = over_seeds([1.0, 2.0, 3.0, math.nan])
    assert found.value == 2.0
    half = 4.302652729911275 * 1 / math.sqrt(3)  # t of 2 degrees at 0.975; deviation 1; three seeds
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.basis == SEEDS


@given(st.lists(numbers, min_size=3, max_size=9))
def test_an_interval_over_seeds_agrees_with_scipy(values):
    found = over_seeds(values)
    if np.std(values) > 0:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("values", "value"), [([], math.nan), ([4.0], 4.0), ([math.nan, 4.0], 4.0)])
def test_fewer_than_two_seeds_have_no_interval(values, value):
    found = over_seeds(values)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert not found.has_interval


def test_plain_numbers_have_no_interval_and_nothing_is_nothing():
    assert (plain(2.0).value, plain(2.0).has_interval) == (2.0, False)
    assert math.isnan(plain(math.nan).value)
    assert "nothing to average" in plain(math.nan).why


def test_falls_and_changes_by_hand():
    assert float(fall(np.array([4.0, 6.0]), np.array([1.0, 1.0]))) == pytest.approx(0.8)
    assert float(change(np.array([4.0, 6.0]), np.array([8.0, 4.0]))) == pytest.approx(0.2)
    assert float(median(np.array([1.0, math.nan, 9.0, 3.0]))) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_the_rank_correlation_is_spearmans(pairs):
    first, second = np.array(pairs, dtype=float).T
    found = float(rank_correlation(first, second))
    if len(set(first)) < 2 or len(set(second)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-9)


def test_two_neurons_have_no_rank_correlation():
    assert np.isnan(rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
