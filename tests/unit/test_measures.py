"""Better measures: each worked out by hand, bounded, symmetric, missing where a side is empty; lengths rarefied."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES, Side, between, measured, owners, rarefied_length
from txray_lib.transfer import compare

Sums = dict[int, dict[str, tuple[int, float]]]


def preferences(sums: Sums) -> pd.DataFrame:
    """Preferences of neurons whose features have these (count, mean activation)."""
    rows = [(neuron, feature, *each) for neuron, by in sums.items() for feature, each in by.items()]
    return pd.DataFrame(
        {
            "layer": np.zeros(len(rows), np.int8),
            "neuron": np.array([r[0] for r in rows], np.int32),
            "feature": pd.Categorical([r[1] for r in rows]),
            "tag": pd.Categorical(["NN"] * len(rows)),
            "y": np.full(len(rows), -1, np.int8),
            "count": np.array([r[2] for r in rows], np.int64),
            "activation_sum": np.array([r[2] * r[3] for r in rows], np.float64),
            "prediction_sum": np.full(len(rows), np.nan),
        }
    )


def row(before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]]) -> pd.Series:
    return measured(preferences({0: before}), preferences({0: after}), 1).iloc[0]


sums_of_neurons = st.dictionaries(
    st.integers(0, 3),
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.integers(1, 9), st.integers(1, 64).map(lambda e: e / 8)), min_size=1
    ),
    max_size=4,
)


def test_every_measure_by_hand():
    """P = (1/2, 1/2) against (1): mass (1/4, 3/4) against (1)."""
    found = row({"a": (1, 2.0), "b": (3, 2.0)}, {"a": (5, 7.0)})
    assert found["hellinger"] == pytest.approx(math.sqrt(1 - math.sqrt(1 / 2)))
    assert found["mass_hellinger"] == pytest.approx(math.sqrt(1 - math.sqrt(1 / 4)))
    assert found["ochiai"] == pytest.approx(1 - 1 / math.sqrt(2))
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert found["jensen_shannon"] == pytest.approx(math.sqrt(entropy - 1 / 2))
    assert found["rarefied_before"] == pytest.approx(2)
    assert found["rarefied_after"] == pytest.approx(1)


def test_a_frequent_feature_counts_once_in_the_papers_distance_and_by_its_mass_in_the_other():
    found = row({"a": (1000, 1.0), "b": (1, 1.0)}, {"a": (1000, 1.0)})
    assert found["hellinger"] > 0.5
    assert found["mass_hellinger"] < 0.03


def test_rarefied_lengths_by_hand():
    """Counts (2, 1), two draws: of three pairs one is the same feature twice."""
    assert rarefied_length(np.array([2, 1]), 2) == pytest.approx(5 / 3)
    found = row({"a": (2, 1.0), "b": (1, 1.0)}, {"c": (1, 1.0), "d": (1, 1.0)})
    assert (found["rarefied_before"], found["rarefied_after"]) == pytest.approx((5 / 3, 2))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_rarefied_lengths_are_the_mean_over_all_draws(counts: list[int], data: st.DataObject):
    tokens = [feature for feature, count in enumerate(counts) for _ in range(count)]
    draws = data.draw(st.integers(1, min(len(tokens), 5)))
    each = [len(set(drawn)) for drawn in combinations(tokens, draws)]
    assert rarefied_length(np.array(counts), draws) == pytest.approx(sum(each) / len(each))


def test_rarefied_lengths_hold_for_many_tokens():
    counts = np.bincount(np.random.default_rng(1).zipf(1.3, 200_000) % 5_000)
    counts = counts[counts > 0]
    assert rarefied_length(counts, int(counts.sum())) == pytest.approx(len(counts))
    assert rarefied_length(counts, 1) == pytest.approx(1, abs=1e-6)


def test_distances_are_missing_where_a_side_is_empty():
    table = measured(preferences({0: {"a": (1, 1.0)}, 1: {"a": (1, 1.0)}}), preferences({0: {"a": (1, 1.0)}}), 3)
    assert table["neuron"].tolist() == [0, 1, 2]
    for column in [*MEASURES, "rarefied_before", "rarefied_after"]:
        assert table[column].isna().tolist() == [False, True, True], column
    assert measured(preferences({}), preferences({}), 2).drop(columns=["layer", "neuron"]).isna().all(axis=None)


@settings(max_examples=12)
@given(sums_of_neurons, sums_of_neurons)
def test_distances_are_bounded_symmetric_and_the_papers_is_that_of_transfer(before: Sums, after: Sums):
    sides = preferences(before), preferences(after)
    table, mirrored = measured(*sides, 4), measured(*sides[::-1], 4)
    np.testing.assert_array_equal(table["hellinger"], compare(*sides, 4)["hellinger"])
    for measure in MEASURES:
        known = table[measure].dropna()
        assert ((known >= 0) & (known <= 1)).all()
        np.testing.assert_allclose(table[measure], mirrored[measure], atol=1e-7)
    np.testing.assert_allclose(table["rarefied_before"], mirrored["rarefied_after"])


@settings(max_examples=12)
@given(sums_of_neurons, sums_of_neurons)
def test_they_agree_with_literal_formulas(before: Sums, after: Sums):
    table = measured(preferences(before), preferences(after), 4).set_index("neuron")
    for neuron in set(before) & set(after):
        p, q = before[neuron], after[neuron]
        features = sorted({*p, *q})
        means = [[side.get(f, (0, 0.0))[1] for f in features] for side in (p, q)]
        assert table["jensen_shannon"][neuron] == pytest.approx(jensenshannon(*means, base=2), abs=1e-7)
        assert table["ochiai"][neuron] == pytest.approx(1 - len(set(p) & set(q)) / math.sqrt(len(p) * len(q)))
        masses = [Counter({f: count * mean for f, (count, mean) in side.items()}) for side in (p, q)]
        affinity = sum(math.sqrt(masses[0][f] / masses[0].total() * masses[1][f] / masses[1].total()) for f in features)
        assert table["mass_hellinger"][neuron] == pytest.approx(math.sqrt(max(1 - affinity, 0)), abs=1e-7)


@settings(max_examples=12)
@given(sums_of_neurons)
def test_a_stage_is_at_distance_exactly_0_from_itself(sums: Sums):
    table = measured(preferences(sums), preferences(sums), 4)
    for measure in MEASURES:
        assert (table[measure].dropna() == 0).all()
    lengths = [len(sums[n]) if n in sums else math.nan for n in range(4)]
    assert table["rarefied_before"].tolist() == pytest.approx(lengths, nan_ok=True)


def test_disjoint_sides_are_at_distance_1():
    found = row({"a": (3, 1.0), "b": (1, 2.0)}, {"c": (1, 1.0)})
    assert [found[m] for m in MEASURES] == pytest.approx([1.0] * len(MEASURES))


def test_the_paper_and_the_engine_agree_and_an_unknown_measure_is_an_error():
    side, other = Side(np.array([[2.0], [3.0]]), np.array([[1.0], [6.0]])), Side(np.ones((2, 1)), np.ones((2, 1)))
    assert between("hellinger", side, other, owners(np.zeros(2, int), 1))[0, 0] == pytest.approx(
        math.sqrt(1 - math.sqrt(0.2 / 2) - math.sqrt(0.8 / 2))
    )
    with pytest.raises(TxrayError, match="Did you mean 'hellinger'"):
        between("helinger", side, other, owners(np.zeros(2, int), 1))
