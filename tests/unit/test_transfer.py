"""Transfer: Hellinger distances worked out by hand and by a dense implementation, states, and planted changes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.collection import collect
from txray_lib.errors import TxrayError
from txray_lib.preferences import aggregate
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED, STATES, compare, hellinger, preference_states

Means = dict[int, dict[str, float]]


def preferences(means: Means, count: int = 2) -> pd.DataFrame:
    """Preferences in which each neuron's features have these mean activations, each seen `count` times."""
    rows = [(neuron, feature, mean) for neuron, by in means.items() for feature, mean in by.items()]
    return pd.DataFrame(
        {
            "layer": np.zeros(len(rows), np.int8),
            "neuron": np.array([r[0] for r in rows], np.int32),
            "feature": pd.Categorical([r[1] for r in rows]),
            "tag": pd.Categorical(["NN" if r[1] < "c" else "VB" for r in rows]),
            "y": np.full(len(rows), -1, np.int8),
            "count": np.full(len(rows), count, np.int64),
            "activation_sum": np.array([r[2] * count for r in rows], np.float64),
            "prediction_sum": np.full(len(rows), np.nan),
        }
    )


def distance(before: dict[str, float], after: dict[str, float]) -> float:
    return hellinger(preferences({0: before}), preferences({0: after}), 1)[0]


def dense(before: Means, after: Means, units: int) -> np.ndarray:
    """Hellinger by the formula, over dictionaries: sqrt(1/2 Σ (√p − √q)²)."""
    result = []
    for neuron in range(units):
        p, q = before.get(neuron, {}), after.get(neuron, {})
        if not p or not q:
            result.append(math.nan)
            continue
        p, q = ({f: v / sum(side.values()) for f, v in side.items()} for side in (p, q))
        terms = ((math.sqrt(p.get(f, 0)) - math.sqrt(q.get(f, 0))) ** 2 for f in {*p, *q})
        result.append(math.sqrt(sum(terms) / 2))
    return np.array(result)


means_of_neurons = st.dictionaries(
    st.integers(0, 4),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(1e-3, 1e3), min_size=1, max_size=6),
    max_size=5,
)


def test_half_of_the_mass_lost():
    assert distance({"a": 1, "b": 1}, {"a": 1}) == pytest.approx(math.sqrt(1 - math.sqrt(1 / 2)), abs=1e-12)


def test_another_hand_computed_distance():
    affinity = math.sqrt(0.25 * 0.5) + math.sqrt(0.75 * 0.5)
    assert distance({"a": 1, "b": 3}, {"a": 2, "b": 2}) == pytest.approx(math.sqrt(1 - affinity), abs=1e-12)


def test_disjoint_is_exactly_1_and_identical_exactly_0():
    assert distance({"a": 1, "b": 3}, {"c": 1, "d": 7}) == pytest.approx(1, abs=1e-12)
    assert distance({"a": 1, "b": 3}, {"c": 1, "d": 7}) <= 1
    assert distance({"a": 0.1, "b": 0.3, "c": 1 / 3}, {"a": 0.1, "b": 0.3, "c": 1 / 3}) == 0


def test_a_distance_is_between_distributions_not_masses():
    assert distance({"a": 1, "b": 3}, {"a": 10, "b": 30}) == pytest.approx(0, abs=1e-9)


def test_it_is_missing_where_a_side_is_empty():
    result = hellinger(preferences({0: {"a": 1}, 1: {"a": 1}}), preferences({0: {"a": 1}, 2: {"a": 1}}), 4)
    assert np.isnan(result).tolist() == [False, True, True, True]
    assert np.isnan(hellinger(preferences({}), preferences({}), 3)).all()


def test_distances_by_tag_use_means_per_tag():
    before, after = preferences({0: {"a": 1, "b": 3, "c": 2}}), preferences({0: {"a": 5}})
    table = compare(before, after, 1)
    assert table["hellinger_tag"][0] == pytest.approx(math.sqrt(1 - math.sqrt(1 / 2)), abs=1e-12), "NN: 2, VB: 2"


def test_all_four_states_and_their_sizes():
    table = compare(
        preferences({0: {"a": 1, "c": 2}, 1: {"a": 1}}), preferences({0: {"b": 4}, 2: {"a": 1, "b": 1, "c": 1}}), 4
    )
    assert table["state"].tolist() == [SHARED, AVOIDED, GAINED, NEVER]
    assert table["neuron"].tolist() == [0, 1, 2, 3]
    assert table["length_before"].tolist() == [2, 1, 0, 0]
    assert table["length_after"].tolist() == [1, 0, 3, 0]
    assert table["tag_length_before"].tolist() == [2, 1, 0, 0]
    assert table["tag_length_after"].tolist() == [1, 0, 2, 0]
    assert table["count_before"].tolist() == [4, 2, 0, 0]
    assert table["mass_before"].tolist() == [6.0, 2.0, 0.0, 0.0]
    assert table["mass_after"].tolist() == [8.0, 0.0, 6.0, 0.0]


def test_states_from_lengths():
    assert preference_states(np.array([3, 3, 0, 0]), np.array([1, 0, 1, 0])).tolist() == list(STATES)


def test_a_neuron_that_the_encoder_does_not_have_is_an_error():
    with pytest.raises(TxrayError, match="before name neuron 5, but the encoder has 3"):
        compare(preferences({5: {"a": 1}}), preferences({}), 3)
    with pytest.raises(TxrayError, match="after name neuron 3"):
        compare(preferences({}), preferences({3: {"a": 1}}), 3)


@given(means_of_neurons, means_of_neurons)
def test_it_agrees_with_a_dense_implementation_is_symmetric_and_bounded(before: Means, after: Means):
    found = hellinger(preferences(before), preferences(after), 5)
    np.testing.assert_allclose(found, dense(before, after, 5), atol=1e-7)
    np.testing.assert_array_equal(found, hellinger(preferences(after), preferences(before), 5))
    inside = found[~np.isnan(found)]
    assert ((inside >= 0) & (inside <= 1)).all()


@given(means_of_neurons)
def test_a_stage_is_at_distance_exactly_0_from_itself(means: Means):
    table = compare(preferences(means), preferences(means), 5)
    assert set(table["state"]) <= {SHARED, NEVER}
    assert (table["hellinger"].dropna() == 0).all()
    assert (table["hellinger_tag"].dropna() == 0).all()
    assert table["hellinger"].notna().tolist() == [n in means for n in range(5)]


def test_planted_changes_are_recovered(corpus, vocabulary, planted):
    """Neuron 0: nothing changes. 1: all its words replaced. 2: half its words lost. 3: dead, revived. 4: dies. 5: dead."""
    before = {
        "the": {0: 1},
        "river": {1: 1},
        "film": {2: 1},
        "great": {2: 1},
        "runs": {4: 1},
        ".": {4: 1},
        "<unk>": {0: 2},
    }
    after = {
        "the": {0: 1},
        "river": {3: 1},
        "film": {2: 1},
        "great": {3: 1},
        "runs": {1: 1},
        ".": {1: 1},
        "<unk>": {0: 2},
    }
    sides = [aggregate(collect(planted(vocabulary, 6, side), corpus, vocabulary).records) for side in (before, after)]
    table = compare(*sides, 6)
    assert table["state"].tolist() == [SHARED, SHARED, SHARED, GAINED, AVOIDED, NEVER]
    assert table["length_before"].tolist() == [2, 1, 2, 0, 2, 0]
    assert table["length_after"].tolist() == [2, 2, 1, 2, 0, 0]
    expected = [0, 1, math.sqrt(1 - math.sqrt(1 / 2)), math.nan, math.nan, math.nan]
    assert table["hellinger"].tolist() == pytest.approx(expected, abs=1e-7, nan_ok=True)
    assert table["hellinger"][0] == 0
