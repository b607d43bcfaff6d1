"""The two formulas of each definition, on distributions worked out by hand; the paper's is the default everywhere."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions
from txray_lib.transfer import Definitions, compare

RELEASED_DISTANCE = Definitions(distance="released")
RELEASED_PROBABILITY = Definitions(probability="released")


def preferences(rows: list[tuple[int, str, int, float]]) -> pd.DataFrame:
    """Preferences from (neuron, feature, count, activation sum), all of one tag."""
    neuron, feature, count, activation = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pd.DataFrame(
        {
            "layer": np.zeros(len(rows), np.int8),
            "neuron": np.array(neuron, np.int32),
            "feature": pd.Categorical(list(feature)),
            "tag": pd.Categorical(["NN"] * len(rows)),
            "y": np.full(len(rows), -1, np.int8),
            "count": np.array(count, np.int64),
            "activation_sum": np.array(activation, np.float64),
            "prediction_sum": np.full(len(rows), np.nan),
        }
    )


ONE = preferences([(0, "a", 3, 3.0), (0, "b", 1, 1.0)])
OTHER = preferences([(0, "b", 1, 1.0), (0, "c", 1, 1.0)])


def test_the_papers_probability_is_a_mean_over_the_sum_of_means():
    assert distributions(ONE)["p"].tolist() == [0.5, 0.5]


def test_the_released_probability_is_a_mean_over_the_sum_of_all_and_does_not_sum_to_one():
    assert distributions(ONE, probability="released")["p"].tolist() == [0.25, 0.25]


def test_the_released_distance_is_divided_by_the_union_of_features():
    paper = compare(ONE, OTHER, 1)
    assert paper["union"].tolist() == [3]
    assert paper["hellinger"][0] == pytest.approx(math.sqrt(0.5))
    assert compare(ONE, OTHER, 1, definitions=RELEASED_DISTANCE)["hellinger"][0] == pytest.approx(math.sqrt(0.5) / 3)


def test_equal_distributions_are_apart_under_the_released_probability():
    """The same two features, one seen more often: p is equal in the paper's formula and not in the released one (C2)."""
    twice = preferences([(0, "a", 1, 1.0), (0, "b", 1, 1.0)])
    assert compare(ONE, twice, 1)["hellinger"][0] == pytest.approx(0)
    expected = math.sqrt(0.5 * 2 * (math.sqrt(0.25) - math.sqrt(0.5)) ** 2)
    assert compare(ONE, twice, 1, definitions=RELEASED_PROBABILITY)["hellinger"][0] == pytest.approx(expected)


@pytest.mark.parametrize("definitions", [Definitions(), RELEASED_DISTANCE, RELEASED_PROBABILITY])
def test_an_empty_side_has_no_distance_and_nothing_changed_is_zero(definitions):
    table = compare(ONE, preferences([(1, "a", 1, 1.0)]), 3, definitions=definitions)
    assert table["hellinger"].isna().all()
    assert table["union"].tolist() == [2, 1, 0]
    assert compare(ONE, ONE, 1, definitions=definitions)["hellinger"].tolist() == [0.0]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 9), st.floats(0.01, 1)),
        min_size=1,
        unique_by=lambda r: r[0],
    )
)
def test_the_released_probability_sums_to_at_most_one(rows):
    own = preferences([(0, feature, count, mean * count) for feature, count, mean in sorted(rows)])
    total = distributions(own, probability="released")["p"].sum()
    assert 0 < total <= 1 + 1e-9


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef"), min_size=1))
def test_states_and_lengths_do_not_depend_on_a_definition(before, after):
    sides = [preferences([(0, f, 1, 1.0) for f in sorted(features)]) for features in (before, after)]
    tables = [compare(*sides, 2, definitions=d) for d in (Definitions(), RELEASED_DISTANCE, RELEASED_PROBABILITY)]
    for table in tables[1:]:
        columns = [c for c in table if not c.startswith("hellinger")]
        pd.testing.assert_frame_equal(table[columns], tables[0][columns])
    assert tables[0]["union"][0] == len(before | after)


@given(st.integers(1, 50), st.integers(1, 50))
def test_under_the_released_probability_frequency_alone_moves_a_neuron_but_never_far(before, after):
    """Two features met as often as each other have released probabilities that sum to one over their count."""
    sides = [preferences([(0, word, n, 0.5 * n) for word in ("film", "river")]) for n in (before, after)]
    h = compare(*sides, 1, definitions=RELEASED_PROBABILITY)["hellinger"][0]
    assert h == pytest.approx(abs(before**-0.5 - after**-0.5) / math.sqrt(2), abs=1e-7)
    assert h < math.sqrt(0.5)


def test_a_misspelt_definition_is_told():
    with pytest.raises(TxrayError, match=r"definition distance is 'relesed'.*Did you mean 'released'"):
        Definitions(distance="relesed")


def test_definitions_say_what_they_change():
    assert str(Definitions()) == "the paper's definitions"
    assert str(Definitions("released", "paper", "released")) == "the released code's distance and length"
    assert Definitions().is_papers
    assert not RELEASED_DISTANCE.is_papers
