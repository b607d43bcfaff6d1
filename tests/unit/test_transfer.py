"""Transfer, definitions and measures: distances by hand and by dense formulas, bounded, symmetric, missing where a side is empty."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from by_hand import preferences_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from txray_lib import transfer as room
from txray_lib.collection import collect
from txray_lib.errors import TxrayError
from txray_lib.preferences import aggregate, distributions, strongest
from txray_lib.transfer import AVOIDED, GAINED, MEASURES, NEVER, SHARED, Definitions, compare, measured

Sums = dict[int, dict[str, tuple[int, float]]]
RELEASED_DISTANCE = Definitions(distance="released")
RELEASED_PROBABILITY = Definitions(probability="released")
NOTHING: Sums = {}


def preferences(sums: Sums) -> pd.DataFrame:
    """Preferences of neurons whose features have these (count, mean activation); a and b are nouns, the others verbs."""
    return preferences_of(
        (neuron, feature, "NN" if feature < "c" else "VB", count, count * mean)
        for neuron, by in sums.items()
        for feature, (count, mean) in by.items()
    )


def means(**by: float) -> dict[str, tuple[int, float]]:
    """Features with these mean activations, each seen twice."""
    return {feature: (2, float(mean)) for feature, mean in by.items()}


def distance(before: dict, after: dict, measure: str = "hellinger") -> float:
    return measured(preferences({0: before}), preferences({0: after}), 1)[measure][0]


sums_of_neurons = st.dictionaries(
    st.integers(0, 3),
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.integers(1, 9), st.integers(1, 64).map(lambda e: e / 8)), min_size=1
    ),
    max_size=4,
)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (means(a=1, b=1), means(a=1), math.sqrt(1 - math.sqrt(1 / 2))),
        (means(a=1, b=3), means(a=2, b=2), math.sqrt(1 - math.sqrt(0.25 * 0.5) - math.sqrt(0.75 * 0.5))),
        (means(a=1, b=3), means(c=1, d=7), 1),
        (means(a=1, b=3), means(a=10, b=30), 0),
    ],
)
def test_hellinger_by_hand(before, after, expected):
    assert distance(before, after) == pytest.approx(expected, abs=1e-9)


def test_distances_by_tag_use_means_per_tag():
    table = compare(preferences({0: means(a=1, b=3, c=2)}), preferences({0: means(a=5)}), 1)
    assert table["hellinger_tag"][0] == pytest.approx(math.sqrt(1 - math.sqrt(1 / 2)), abs=1e-12), "NN: 2, VB: 2"


def test_all_four_states_and_their_sizes():
    before, after = {0: means(a=1, c=2), 1: means(a=1)}, {0: means(b=4), 2: means(a=1, b=1, c=1)}
    table = compare(preferences(before), preferences(after), 4)
    expected = {
        "state": [SHARED, AVOIDED, GAINED, NEVER],
        "neuron": [0, 1, 2, 3],
        "length_before": [2, 1, 0, 0],
        "length_after": [1, 0, 3, 0],
        "tag_length_before": [2, 1, 0, 0],
        "tag_length_after": [1, 0, 2, 0],
        "count_before": [4, 2, 0, 0],
        "mass_before": [6.0, 2.0, 0.0, 0.0],
        "mass_after": [8.0, 0.0, 6.0, 0.0],
        "union": [3, 1, 3, 0],
    }
    assert table[list(expected)].to_dict("list") == expected
    assert room.preference_states(np.array([3, 3, 0, 0]), np.array([1, 0, 1, 0])).tolist() == list(room.STATES)


def test_planted_changes_are_recovered(corpus, vocabulary, planted):
    """Neuron 0: nothing changes. 1: all its words replaced. 2: half its words lost. 3: dead, revived. 4: dies. 5: dead."""
    both = {"the": {0: 1}, "film": {2: 1}, "<unk>": {0: 2}}
    before = {**both, "river": {1: 1}, "great": {2: 1}, "runs": {4: 1}, ".": {4: 1}}
    after = {**both, "river": {3: 1}, "great": {3: 1}, "runs": {1: 1}, ".": {1: 1}}
    sides = [aggregate(collect(planted(vocabulary, 6, side), corpus, vocabulary).records) for side in (before, after)]
    table = compare(*sides, 6)
    assert table["state"].tolist() == [SHARED, SHARED, SHARED, GAINED, AVOIDED, NEVER]
    assert table["length_before"].tolist() == [2, 1, 2, 0, 2, 0]
    assert table["length_after"].tolist() == [2, 2, 1, 2, 0, 0]
    expected = [0, 1, math.sqrt(1 - math.sqrt(1 / 2)), math.nan, math.nan, math.nan]
    assert table["hellinger"].tolist() == pytest.approx(expected, abs=1e-7, nan_ok=True)
    assert table["hellinger"][0] == 0


def test_every_measure_by_hand():
    """P = (1/2, 1/2) against (1): mass (1/4, 3/4) against (1). Of counts (2, 1) two draws: one pair of three is one feature."""
    before, after = {"a": (1, 2.0), "b": (3, 2.0)}, {"a": (5, 7.0)}
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    expected = {
        "hellinger": math.sqrt(1 - math.sqrt(1 / 2)),
        "mass_hellinger": math.sqrt(1 - math.sqrt(1 / 4)),
        "ochiai": 1 - 1 / math.sqrt(2),
        "jensen_shannon": math.sqrt(entropy - 1 / 2),
        "rarefied_before": 2,
        "rarefied_after": 1,
    }
    for name, value in expected.items():
        assert distance(before, after, name) == pytest.approx(value), name
    assert distance({"a": (2, 1.0), "b": (1, 1.0)}, means(c=1), "rarefied_before") == pytest.approx(5 / 3)
    rare = {"a": (1000, 1.0), "b": (1, 1.0)}, {"a": (1000, 1.0)}
    assert distance(*rare) > 0.5, "a feature counts once, however rare"
    assert distance(*rare, "mass_hellinger") < 0.03


@settings(max_examples=12)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_rarefied_lengths_are_the_mean_over_all_draws(counts: list[int], data: st.DataObject):
    tokens = [feature for feature, count in enumerate(counts) for _ in range(count)]
    draws = data.draw(st.integers(1, min(len(tokens), 5)))
    each = [len(set(drawn)) for drawn in combinations(tokens, draws)]
    its = {f"w{feature}": (count, 1.0) for feature, count in enumerate(counts)}
    assert distance(its, {"x": (draws, 1.0)}, "rarefied_before") == pytest.approx(sum(each) / len(each))


@settings(max_examples=12)
@given(sums_of_neurons, sums_of_neurons)
def test_they_are_bounded_symmetric_missing_where_a_side_is_empty_and_agree_with_literal_formulas(before, after):
    sides = preferences(before), preferences(after)
    table, mirrored = measured(*sides, 4), measured(*sides[::-1], 4)
    transfer = compare(*sides, 4)
    np.testing.assert_array_equal(table["hellinger"], transfer["hellinger"])
    assert transfer["hellinger"].equals(compare(*sides[::-1], 4)["hellinger"])
    np.testing.assert_allclose(table["rarefied_before"], mirrored["rarefied_after"])
    both = [n in before and n in after for n in range(4)]
    for measure in MEASURES:
        assert table[measure].notna().tolist() == both
        assert table[measure].dropna().between(0, 1).all()
        np.testing.assert_allclose(table[measure], mirrored[measure], atol=1e-7)
    for neuron in set(before) & set(after):
        p, q = before[neuron], after[neuron]
        features = sorted({*p, *q})
        found = table.loc[neuron]
        for measure, power in (("hellinger", 0), ("mass_hellinger", 1)):
            weights = [{f: mean * count**power for f, (count, mean) in side.items()} for side in (p, q)]
            shares = [{f: w / sum(side.values()) for f, w in side.items()} for side in weights]
            affinity = sum(math.sqrt(shares[0].get(f, 0) * shares[1].get(f, 0)) for f in features)
            assert found[measure] == pytest.approx(math.sqrt(max(1 - affinity, 0)), abs=1e-7)
        each = [[side.get(f, (0, 0.0))[1] for f in features] for side in (p, q)]
        assert found["jensen_shannon"] == pytest.approx(jensenshannon(*each, base=2), abs=1e-7)
        assert found["ochiai"] == pytest.approx(1 - len(set(p) & set(q)) / math.sqrt(len(p) * len(q)))


@settings(max_examples=8)
@given(sums_of_neurons)
def test_a_stage_is_at_distance_exactly_0_from_itself(sums: Sums):
    side = preferences(sums)
    table = measured(side, side, 4)
    lengths = [len(sums[n]) if n in sums else math.nan for n in range(4)]
    assert table["rarefied_before"].tolist() == pytest.approx(lengths, nan_ok=True)
    assert (table[list(MEASURES)].dropna() == 0).all(axis=None)
    for definitions in (Definitions(), RELEASED_DISTANCE, RELEASED_PROBABILITY):
        transfer = compare(side, side, 4, definitions=definitions)
        assert set(transfer["state"]) <= {SHARED, NEVER}
        assert (transfer[["hellinger", "hellinger_tag"]].dropna() == 0).all(axis=None)
        assert transfer["hellinger"].notna().tolist() == [n in sums for n in range(4)]


ONE = {0: {"a": (3, 1.0), "b": (1, 1.0)}}
OTHER = {0: {"b": (1, 1.0), "c": (1, 1.0)}}


def test_the_released_formulas_by_hand():
    """C1: divided by the union of three features. C2: a mean over the sum of all activations, which need not sum to 1."""
    one, other = preferences(ONE), preferences(OTHER)
    assert compare(one, other, 1)["hellinger"][0] == pytest.approx(math.sqrt(0.5))
    assert compare(one, other, 1, definitions=RELEASED_DISTANCE)["hellinger"][0] == pytest.approx(math.sqrt(0.5) / 3)
    assert distributions(one)["p"].tolist() == [0.5, 0.5]
    assert distributions(one, probability="released")["p"].tolist() == [0.25, 0.25]
    twice = preferences({0: {"a": (1, 1.0), "b": (1, 1.0)}})
    assert compare(one, twice, 1)["hellinger"][0] == pytest.approx(0)
    apart = compare(one, twice, 1, definitions=RELEASED_PROBABILITY)["hellinger"][0]
    assert apart == pytest.approx(math.sqrt(0.5 * 2 * (math.sqrt(0.25) - math.sqrt(0.5)) ** 2)), "frequency alone"


@settings(max_examples=6)
@given(sums_of_neurons, sums_of_neurons)
def test_a_definition_changes_distances_and_no_state_or_length(before: Sums, after: Sums):
    sides = preferences(before), preferences(after)
    paper = compare(*sides, 4)
    for definitions in (RELEASED_DISTANCE, RELEASED_PROBABILITY):
        table = compare(*sides, 4, definitions=definitions)
        assert table["hellinger"].isna().equals(paper["hellinger"].isna())
        columns = [column for column in table if not column.startswith("hellinger")]
        pd.testing.assert_frame_equal(table[columns], paper[columns])
    released = distributions(sides[0], probability="released")
    assert released.groupby("neuron")["p"].sum().between(0, 1 + 1e-9).all()


ONE_AND_TWO = preferences({1: means(a=1), 2: means(b=1)})


def at(layer: object) -> pd.DataFrame:
    return ONE_AND_TWO.assign(layer=layer)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: compare(preferences({5: means(a=1)}), preferences(NOTHING), 3), "before name neuron 5, but .* has 3"),
        (lambda: compare(preferences(NOTHING), preferences({3: means(a=1)}), 3), "after name neuron 3"),
        (lambda: compare(at(0).assign(neuron=0.5), at(0), 3), "before name neuron 0.5, but the encoder has 3 neurons"),
        (lambda: compare(ONE_AND_TWO, ONE_AND_TWO, "3"), "units is '3', and a whole number from 1 on is wanted"),
        (lambda: compare(at(0.5), at(0.5), 3), "there is no layer 0.5"),
        (
            lambda: compare(at(200), at(200), 3),
            "there is no layer 200: number the layers of an encoder from 0, up to 127",
        ),
        (lambda: compare(at(math.nan), at(0), 3), "there is no layer nan"),
        (lambda: strongest(at(0), at(5), 3), "give the same layers of both"),
        (lambda: strongest(None, at(5), 3), "the preferences before are a NoneType without"),
        (lambda: compare(at(0), at(5), 3), "give the same layers of both"),
        (lambda: compare(at(0), at(0).assign(feature=None), 3), "2 rows of the preferences after have no feature"),
        (lambda: distributions(at(0), "word"), "there is no feature 'word'. Known: feature, tag"),
        (lambda: distributions(at(0), probability="Paper"), "there is no probability 'Paper'. Did you mean 'paper'"),
        (lambda: Definitions(distance="relesed"), "definition distance = 'relesed'.*Did you mean 'released'"),
    ],
)
def test_bad_input_is_named(wrong, says):
    with pytest.raises(TxrayError, match=says):
        wrong()
