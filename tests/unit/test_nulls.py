"""Nulls: against a literal loop over arrangements, by hand, where the null is true and where it is false."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from txray_lib.errors import TxrayError
from txray_lib.nulls import adjust, draw_null, split, swap
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.transfer import AVOIDED, GAINED, MEASURES, NEVER, SHARED, compare, measured, vocabulary_shift

UNITS, KINDS = 4, ("swap", "split")


def records(block, feature, neuron, activation=1.0) -> pd.DataFrame:
    """Records of these columns; activation 1 unless given."""
    words = {"block": [f"b{b:04d}" for b in block], "feature": [f"w{f:05d}" for f in feature]}
    table = pd.DataFrame({**words, "neuron": neuron, "activation": activation}).astype({"activation": "float32"})
    table = table.assign(document=range(len(table)), layer=np.int8(0), tag="NN", prediction=np.float32(np.nan), y=-1)
    return table.astype({"block": "category", "feature": "category", "tag": "category", "y": "int8", "neuron": "int32"})


@st.composite
def two_stages(draw) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two stages that read one text of a few tokens, some of them nobody's."""
    size = draw(st.integers(1, 25))
    column = lambda low, high: draw(st.lists(st.integers(low, high), min_size=size, max_size=size))  # noqa: E731
    block, feature = column(0, 4), column(0, 5)
    sides = (records(block, feature, column(NOBODY, UNITS - 1), np.array(column(1, 16)) / 8) for _ in range(2))
    return tuple(sides)


def exchangeable(seed: int, neurons: int, tokens: int, blocks: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One text on which two stages differ by noise alone."""
    random = np.random.default_rng(seed)
    block, feature = random.integers(0, blocks, tokens), random.zipf(1.5, tokens) % 40
    sides = (records(block, feature, random.integers(0, neurons, tokens), random.random(tokens)) for _ in range(2))
    return tuple(sides)


def clustered(seed: int, neurons: int, blocks: int, size: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One stage whose neurons prefer other features in every block, its blocks dealt at random to two texts of about equal
    size: tokens of a block are far from independent."""
    random = np.random.default_rng(seed)
    block = np.repeat(np.arange(blocks), random.integers(size // 2, size * 3 // 2, blocks))
    neuron = random.integers(0, neurons, len(block))
    theme = random.integers(0, 40, (blocks, neurons))[block, neuron]
    stage = records(block, theme + random.integers(0, 5, len(block)), neuron, random.random(len(block)))
    order = random.permutation(blocks)
    filled = np.cumsum(np.bincount(block)[order])
    first = np.isin(block, order[: np.abs(filled - len(block) / 2).argmin() + 1])
    return stage[first], stage[~first]


def rows(stage: pd.DataFrame) -> list[tuple]:
    """A stage as (block, feature, neuron, activation), without what is nobody's."""
    somebodys = stage[stage["neuron"] != NOBODY].astype({"block": str, "feature": str, "activation": float})
    return list(somebodys[["block", "feature", "neuron", "activation"]].itertuples(index=False, name=None))


def literal(pairs: list[tuple[list[tuple], list[tuple]]]) -> tuple[np.ndarray, np.ndarray]:
    """Distances (UNITS, k) and counts of avoided and gained (2, k) of k arrangements, each two sides of rows."""
    distances, states = np.full((UNITS, len(pairs)), np.nan), np.zeros((2, len(pairs)))
    for k, sides in enumerate(pairs):
        for neuron in range(UNITS):
            p, q = ({}, {})
            for side, means in zip(sides, (p, q), strict=True):
                for feature in {row[1] for row in side if row[2] == neuron}:
                    seen = [row[3] for row in side if row[2] == neuron and row[1] == feature]
                    means[feature] = sum(seen) / len(seen)
            states[:, k] += bool(p and not q), bool(q and not p)
            if p and q:
                share = lambda side, f: side.get(f, 0) / sum(side.values())  # noqa: E731
                squares = ((share(p, f) ** 0.5 - share(q, f) ** 0.5) ** 2 for f in {*p, *q})
                distances[neuron, k] = min((sum(squares) / 2) ** 0.5, 1)
    return distances, states


def check_against(found: tuple, distances: np.ndarray, states: np.ndarray, transfer: pd.DataFrame) -> None:
    table, permutations = found[0], distances.shape[1]
    np.testing.assert_allclose(table["hellinger"], transfer["hellinger"], atol=1e-12)
    for neuron, (observed, state) in enumerate(zip(transfer["hellinger"], transfer["state"], strict=True)):
        null, row = distances[neuron], table.iloc[neuron]
        empty = np.isnan(null)
        if state == SHARED:
            assert row["p"] == (1 + (empty | (null >= observed - 1e-7)).sum()) / (1 + permutations)
            assert row["p_state"] == 1
            if not empty.all():
                mean, quantiles = null[~empty].mean(), np.quantile(null[~empty], [0.05, 0.95])
                expected = [mean, observed - mean, *quantiles]
                assert row[["expected", "excess", "null_05", "null_95"]].tolist() == pytest.approx(expected, abs=1e-9)
        elif state != NEVER:
            assert row[["p", "expected"]].isna().all()
            assert row["p_state"] == (1 + empty.sum()) / (1 + permutations)
    by_state = found[1].set_index("state")
    for state, null in zip((AVOIDED, GAINED), states, strict=True):
        observed = (transfer["state"] == state).sum()
        expected = [observed, null.mean(), np.quantile(null, 0.95), (1 + (null >= observed).sum()) / (1 + permutations)]
        assert by_state.loc[state, ["observed", "expected", "null_95", "p"]].tolist() == pytest.approx(expected)


@settings(max_examples=6)
@given(two_stages())
def test_swaps_agree_with_a_literal_loop(stages):
    blocks = np.array(sorted(stages[0]["block"].unique()))
    before, after = map(rows, stages)
    pairs = []
    for sign in swap(np.random.default_rng(3).random((25, len(blocks)))).T:
        stay = set(blocks[sign == 1])
        first = [r for r in before if r[0] in stay] + [r for r in after if r[0] not in stay]
        other = [r for r in after if r[0] in stay] + [r for r in before if r[0] not in stay]
        pairs.append((first, other))
    found = draw_null("swap", *stages, UNITS, permutations=25, seed=3, cap=25)
    check_against(found, *literal(pairs), compare(*map(aggregate, stages), UNITS))


def test_splits_agree_with_a_literal_loop():
    before, after = clustered(1, UNITS, 12, 4)
    after = after[after["neuron"] != 2]
    pooled = pd.concat([before, after])
    blocks = np.array([*sorted(before["block"].unique()), *sorted(after["block"].unique())])
    tokens = pooled["block"].value_counts()[blocks].to_numpy()
    is_before, pairs = np.isin(blocks, before["block"].unique()), []
    for sign in split(np.random.default_rng(3).random((70, len(blocks))), tokens, is_before).T:
        first = set(blocks[sign == 1])
        pairs.append(tuple([r for r in rows(pooled) if (r[0] in first) == side] for side in (True, False)))
    found = draw_null("split", before, after, UNITS, permutations=70, seed=3, cap=70)
    check_against(found, *literal(pairs), compare(aggregate(before), aggregate(after), UNITS))


def test_arrangements_keep_the_tokens_of_both_sides_and_the_observed_one_can_be_drawn():
    tokens, random = np.array([5, 9, 1, 7, 3, 3, 8, 2, 2, 6]), np.random.default_rng(0)
    is_before = np.arange(10) < 4
    signs = split(random.random((500, 10)), tokens, is_before)
    assert (np.abs(tokens @ signs - tokens[is_before].sum()) <= tokens.max() / 2).all()
    assert (split(np.where(is_before, 0.1, 0.9)[None], tokens, is_before)[:, 0] == is_before).all()
    assert (swap(np.full((1, 5), 0.1)) == 1).all()
    uneven = split(random.random((50, 2)), np.array([1000, 1]), np.array([False, True]))
    assert (uneven.sum(axis=0) == 1).all(), "no side is left without a block"


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_weights_are_at_distance_0_with_p_1_and_distances_are_those_of_measures(measure):
    before, after = exchangeable(2, 20, 1000, 10)
    after.loc[after["neuron"] == 3, "neuron"] = NOBODY
    expected = measured(aggregate(before), aggregate(after), 22)[measure]
    for kind in KINDS:
        table, _ = draw_null(kind, before, after, 22, 5, measure=measure, cap=5)
        np.testing.assert_allclose(table[measure], expected, atol=1e-7)
        assert table["p"].isna().tolist() == expected.isna().tolist()
    table, states = draw_null("swap", after, after.copy(), 22, permutations=9, measure=measure)
    preferred = np.isin(np.arange(22), after["neuron"])
    for column, value in ((measure, 0), ("expected", 0), ("p", 1)):
        np.testing.assert_array_equal(table[column], np.where(preferred, value, np.nan))
    assert states["p"].tolist() == [1, 1, 1, 1]


@settings(max_examples=10)
@given(two_stages(), st.sampled_from(list(MEASURES)))
def test_p_is_in_0_1_and_symmetric_in_the_sides(stages, measure):
    nulls = [draw_null("swap", *s, UNITS, 19, cap=60, measure=measure) for s in (stages, stages[::-1])]
    one, other = (table for table, _ in nulls)
    for name in (measure, "expected", "p", "q", "p_state", "q_state"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-7)
    for name in ("p", "q", "p_state", "q_state"):
        assert one[name].dropna().between(0, 1, inclusive="right").all()
    assert (one["q"].dropna() >= one["p"].dropna()).all()
    states = [states.set_index("state") for _, states in nulls]
    assert states[0].loc[AVOIDED].tolist() == states[1].loc[GAINED].tolist()


def test_a_seed_decides_the_result():
    stages = clustered(1, 30, 40, 50)
    one, again, other = (draw_null("split", *stages, 30, 64, seed=seed, cap=256) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(one[0], again[0])
    pd.testing.assert_frame_equal(one[1], again[1])
    assert not one[0]["p"].equals(other[0]["p"])


def share_bounds(share: float, trials: int) -> tuple[float, float]:
    """Between which the share of p ≤ `share` must lie, but for one time in a thousand on each side."""
    return tuple(binom.ppf([0.001, 0.999], trials, share) / trials)


@pytest.mark.parametrize(
    ("kind", "measure"), [("swap", "hellinger"), ("swap", "mass_hellinger"), ("split", "hellinger")]
)
def test_p_is_never_anti_conservative_where_the_null_is_true(kind, measure):
    p = []
    for seed in range(4):
        stages = exchangeable(seed, 400, 8000, 50) if kind == "swap" else clustered(seed, 400, 60, 150)
        p.append(draw_null(kind, *stages, 400, 99, seed, measure, cap=99)[0]["p"])
    p = pd.concat(p).dropna()
    low, high = share_bounds(0.05, len(p))
    assert low / 2 < (p <= 0.05).mean() <= high
    assert (p <= 0.5).mean() <= share_bounds(0.5, len(p))[1]


def test_refined_p_is_valid_in_the_tail():
    tables = [draw_null("swap", *exchangeable(s, 400, 6000, 50), 400, 49, s, cap=800)[0] for s in range(4)]
    p = pd.concat([t["p"] for t in tables]).dropna()
    assert (pd.concat([t["permutations"] for t in tables]) > 49).any()
    for level in (0.02, 0.01, 0.005):
        assert (p <= level).mean() <= share_bounds(level, len(p))[1], level


def test_counts_of_states_are_valid_where_the_null_is_true():
    found = [draw_null("swap", *exchangeable(s, 100, 300, 30), 100, 99, s, cap=99)[1] for s in range(25)]
    p = pd.DataFrame([states.set_index("state")["p"] for states in found])
    assert ((p <= 0.05).mean() <= share_bounds(0.05, len(p))[1]).all()
    assert (p[SHARED] == p["avoided or gained"]).all(), "the preferred neurons stay as many, so one is the other's rest"


def test_the_tail_is_refined_where_one_neuron_truly_changed():
    before, after = exchangeable(3, 300, 6000, 60)
    for side, word in ((before, "w00001"), (after, "w00002")):
        side["neuron"] = side["neuron"].replace(0, 1)
        side.loc[side.index[side["feature"] == word][:100], "neuron"] = 0
    table, _ = draw_null("swap", before, after, 300, permutations=1000)
    first = table.iloc[0]
    assert first["p"] == (1 + first["reached"]) / (1 + first["permutations"]) < 1 / 1001
    assert 1000 < first["permutations"] <= 50_000
    assert first["q"] < 0.05
    assert (table["permutations"] == 1000).any()
    coarse, _ = draw_null("swap", before, after, 300, permutations=1000, cap=1000)
    assert coarse["p"][0] == 1 / 1001
    assert coarse["q"][0] > 0.05, "1,000 arrangements cannot reject one of 300"
    pd.testing.assert_series_equal(table["expected"], coarse["expected"])


def test_empty_sides_are_further_than_any_distance():
    """Neuron 0 has one token a side, in two blocks: half the arrangements leave it with an empty side. 1: avoided."""
    before, after = records([1, 2], [1, 2], [0, 1]), records([1, 2], [1, 2], [NOBODY, 0])
    table, states = draw_null("swap", before, after, 3, permutations=1000, cap=1000)
    row = table.iloc[0]
    assert row[["hellinger", "expected", "p"]].tolist() == [1, 1, 1], "expected is of arrangements with a distance"
    assert table["p_state"].tolist() == pytest.approx([1, 1, np.nan], nan_ok=True)
    assert table["p"].isna().tolist() == [False, True, True]
    assert table["permutations"].tolist() == [1000, 1000, 0]
    assert states["observed"].tolist() == [1, 1, 0, 1]


def test_stages_in_which_every_token_is_nobodys_give_tables_without_numbers():
    nobody = records([1, 2], [1, 2], [NOBODY, NOBODY])
    for kind in KINDS:
        table, states = draw_null(kind, nobody, nobody, 3, permutations=5)
        assert table.filter(regex="hellinger|p$|q$|expected").isna().all(axis=None)
        assert states["observed"].tolist() == [0, 0, 0, 0]


def test_benjamini_hochberg_by_hand():
    """Sorted p × 4 / rank: 0.04, 0.04, 0.0533, 0.5; none may be above those after it."""
    found = adjust(np.array([0.5, np.nan, 0.01, 0.04, 0.02]))
    np.testing.assert_allclose(found, [0.5, np.nan, 0.04, 0.04 * 4 / 3, 0.04])
    assert np.isnan(adjust(np.array([np.nan]))).all()


def test_the_shift_of_vocabulary_by_hand():
    """Words 1, 2 before and 2, 3 after, one token each: half of both P is common, and there they agree."""
    table = vocabulary_shift(records([1, 1], [1, 2], [0, 0]), records([2, 2], [2, 3], [0, 0]), 2)
    assert table["hellinger_common"].tolist() == pytest.approx([0, np.nan], nan_ok=True)
    assert table["hellinger_vocabulary"].tolist() == pytest.approx([np.sqrt(1 - 0.5), np.nan], nan_ok=True)


@settings(max_examples=8)
@given(two_stages(), st.integers(0, 2))
def test_vocabulary_and_common_explain_the_whole(stages, dropped):
    before, after = stages
    before = before[before["feature"].astype(str) > f"w{dropped:05d}"]
    after = after[after["feature"].astype(str) < f"w{5 - dropped:05d}"]
    shift = vocabulary_shift(before, after, UNITS)
    whole = measured(aggregate(before), aggregate(after), UNITS)["hellinger"]
    common, alone = shift["hellinger_common"], shift["hellinger_vocabulary"]
    assert alone.isna().tolist() == whole.isna().tolist()
    assert (alone.dropna() <= whole.dropna() + 1e-7).all(), "the smallest distance the vocabularies leave possible"
    both = common.notna() & whole.notna()
    np.testing.assert_allclose(whole[whole.notna() & ~both], 1)
    np.testing.assert_allclose(1 - whole[both] ** 2, ((1 - alone**2) * (1 - common**2))[both], atol=1e-7)


ONE = records([1, 2], [1, 2], [0, 1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "swaps"}, "there is no kind of null 'swaps'. Did you mean 'swap'"),
        ({"measure": "helinger"}, "there is no measure 'helinger'. Did you mean 'hellinger'"),
        ({"permutations": 0}, "permutations is 0"),
        ({"units": None}, "units is None"),
        ({"units": 1}, "the records before name neuron 1, but the encoder has 1 neurons"),
        ({"before": aggregate(ONE)}, "the records before are a DataFrame without activation, block"),
        ({"after": ONE.assign(block=None)}, "2 rows of the records after have no block"),
        ({"measure": ["hellinger"]}, r"there is no measure \['hellinger'\]"),
        ({"after": records([1, 1], [1, 2], [0, 1])}, "'b0001' has other tokens after than before"),
    ],
)
def test_what_a_null_is_given_is_told(change, told):
    with pytest.raises(TxrayError, match=told):
        draw_null(**{"kind": "swap", "before": ONE, "after": ONE, "units": 2, "permutations": 3} | change)


def test_records_put_together_out_of_parts_have_the_null_of_the_whole():
    one, other = exchangeable(3, UNITS, 60, 6)
    joined = [pd.concat([side[:20].astype({"block": object, "feature": object}), side[20:]]) for side in (one, other)]
    found, whole = (draw_null("swap", *stages, UNITS, 20) for stages in (joined, (one, other)))
    pd.testing.assert_frame_equal(found[0], whole[0])
    pd.testing.assert_frame_equal(found[1], whole[1])


@pytest.mark.parametrize("kind", KINDS)
@given(stages=two_stages())
@settings(max_examples=4)
def test_layers_are_told_apart_and_q_is_over_all_of_them(kind, stages):
    def layer_three(side: pd.DataFrame) -> pd.DataFrame:
        return side.assign(layer=np.int8(3), neuron=side["neuron"].to_numpy()[::-1])

    layers = {0: stages, 3: tuple(map(layer_three, stages))}
    both = [pd.concat(sides, ignore_index=True) for sides in zip(*layers.values(), strict=True)]
    table, states = draw_null(kind, *both, UNITS, 9, seed=3, cap=18)
    alone = {layer: draw_null(kind, *sides, UNITS, 9, seed=3, cap=18) for layer, sides in layers.items()}
    expected = pd.concat([each for each, _ in alone.values()], ignore_index=True)
    q = {"q": adjust(expected["p"].to_numpy()), "q_state": adjust(expected["p_state"].to_numpy())}
    pd.testing.assert_frame_equal(table, expected.assign(**q))
    counts = [each.assign(layer=layer) for layer, (_, each) in alone.items()]
    pd.testing.assert_frame_equal(states, pd.concat(counts, ignore_index=True))
    for find in (measured, compare):
        own = [find(*map(aggregate, sides), UNITS) for sides in layers.values()]
        pd.testing.assert_frame_equal(find(*map(aggregate, both), UNITS), pd.concat(own, ignore_index=True))
