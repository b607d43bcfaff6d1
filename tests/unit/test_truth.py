"""The study of what is recovered: each number by hand, studies reproducible, chance for gained words by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from txray_lib import truth as room
from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES
from txray_lib.planted import LOST, REPLACED, REVIVED, UNCHANGED, UNUSED, Noise, Plan
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED
from txray_lib.truth import Study, gained_words, precision_recall, study_tables, text_needed

NAN = math.nan


def tiny(**changes) -> Study:
    small = {
        "tokens": (1_500, 6_000),
        "seeds": (1,),
        "noises": {"none": Noise()},
        "ways": ("argmax",),
        "texts": ("one",),
        "plan": Plan(units=40),
        "permutations": 60,
        "cap": 600,
        "population": 12_000,
        "words": 1_000,
    }
    return Study(**small | changes)


def preferences(means: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Preferences in which each neuron's words have these activation sums."""
    rows = [(n, word, mass) for n, by in means.items() for word, mass in by.items()]
    neuron, word, mass = zip(*rows, strict=True)
    return pd.DataFrame({"neuron": neuron, "feature": pd.Categorical(word), "activation_sum": mass})


def test_precision_and_recall_by_hand():
    true, found = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool)
    assert precision_recall(true, found) == {"true": 3, "found": 2, "precision": 1 / 2, "recall": 1 / 3}
    nothing = np.zeros(5, bool)
    assert math.isnan(precision_recall(true, nothing)["precision"])
    assert precision_recall(true, nothing)["recall"] == 0
    assert math.isnan(precision_recall(nothing, found)["recall"])


def test_area_under_the_curve_by_hand():
    assert room.area_under_curve(np.array([0.5, 0.9]), np.array([0.1, 0.5, 0.7])) == pytest.approx((1.5 + 3) / 6)
    assert math.isnan(room.area_under_curve(np.array([]), np.array([1.0])))


def test_rank_correlation_by_hand_and_where_there_is_none():
    assert room.rank_correlation(np.array([0, 1, 2]), np.array([5, 9, 7])) == pytest.approx(1 / 2)
    assert math.isnan(room.rank_correlation(np.array([0, 1, 2]), np.array([1, 1, 1])))


def test_states_by_three_rules_by_hand():
    """Of 1,000 records of 10 neurons an even share is 100, a tenth of it 10: neuron 1 has 5 of them after, which is less."""
    truth = pd.DataFrame({"state": [SHARED, AVOIDED, GAINED, GAINED] + [NEVER] * 6})
    before, after = [600, 400, 0, 0] + [0] * 6, [600, 5, 200, 195] + [0] * 6
    state = [SHARED, SHARED, GAINED, GAINED] + [NEVER] * 6
    transfer = pd.DataFrame({"count_before": before, "count_after": after, "state": state})
    null = SimpleNamespace(table=pd.DataFrame({"q_state": [1, 1, 0.01, 0.2] + [NAN] * 6}))
    found = room._states_table(truth, transfer, null).set_index(["rule", "state"])
    assert found.loc[("one token", SHARED), ["found", "precision", "recall"]].tolist() == [2, 1 / 2, 1]
    assert found.loc[("one token", AVOIDED), "recall"] == 0
    assert found.loc[("one token", GAINED), ["precision", "recall"]].tolist() == [1, 1]
    assert found.loc[("a tenth", SHARED), "precision"] == 1
    assert found.loc[("a tenth", AVOIDED), ["precision", "recall"]].tolist() == [1, 1]
    assert found.loc[("tested", GAINED), ["found", "precision", "recall"]].tolist() == [1, 1, 1 / 2]


def test_measures_by_hand():
    """Shared are neurons 0 to 3; the distance of neuron 3 is missing, so three count."""
    truth = pd.DataFrame(
        {
            "kind": [UNCHANGED, REPLACED, LOST, LOST, REVIVED],
            "state": [SHARED] * 4 + [GAINED],
            "size": [0, 1, 0.5, 0.5, 1],
            **{measure: [0, 0.8, 0.5, 0.5, NAN] for measure in MEASURES},
        }
    )
    distances = pd.DataFrame({measure: [0.3, 0.9, 0.2, NAN, NAN] for measure in MEASURES})
    distances = distances.assign(rarefied_before=[4.0, 4, 4, NAN, NAN], rarefied_after=[4.0, 2, 8, NAN, NAN])
    found = room._measures_table(truth, distances).set_index("measure")
    hellinger = found.loc["hellinger"]
    assert hellinger["neurons"] == 3
    assert hellinger["rho"] == pytest.approx(1 / 2)
    assert hellinger["auc"] == 1 / 2
    assert hellinger[["unchanged", "changed"]].tolist() == pytest.approx([0.3, 0.55])
    assert hellinger["error"] == pytest.approx((0.3 + 0.1 + 0.3) / 3)
    assert found.loc["rarefied", ["unchanged", "changed"]].tolist() == pytest.approx([0, math.log(2)])
    assert math.isnan(found.loc["rarefied", "error"])


def test_detection_by_hand():
    """Found: the small change, one of two large ones (of the other the distance is missing), the revived, one unchanged."""
    truth = pd.DataFrame(
        {
            "kind": [REPLACED, LOST, REPLACED, REVIVED, UNCHANGED, UNCHANGED, UNUSED],
            "size": [0.2, 0.9, 1.0, 1, 0, 0, 0],
        }
    )
    null = SimpleNamespace(table=pd.DataFrame({"q": [0.05, 0.01, NAN, 0.01, 0.04, 0.3, NAN]}))
    found = room._detection_table(truth, {"hellinger": null}).set_index("size")
    assert found["neurons"].to_dict() == {
        "0–0.2": 1,
        "0.2–0.4": 0,
        "0.4–0.6": 0,
        "0.6–0.8": 0,
        "0.8–1": 2,
        "all": 3,
    }
    assert found["power"][["0–0.2", "0.8–1", "all"]].tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert math.isnan(found["power"]["0.2–0.4"])
    assert set(found["false_discoveries"]) == {1 / 4}
    assert set(found["false_positives"]) == {1 / 3}


def test_without_noise_on_one_text_nothing_unchanged_is_found():
    tables = study_tables(tiny(ways=("argmax", "top-2", "positive")))
    detection, measures, states = (tables[f"truth_{name}"] for name in ("detection", "measures", "states"))
    assert set(detection["way"]) == {"argmax", "top-2", "positive"}
    assert (detection["false_positives"] == 0).all()
    assert (measures["unchanged"] == 0).all()
    shared = states.query("rule == 'one token' and state == 'shared'")
    assert (shared["precision"] == 1).all(), "a neuron that is seen on both sides is on both"
    assert shared.groupby("tokens")["recall"].mean().is_monotonic_increasing, "what is shared but not seen is not found"
    assert (measures["auc"] == 1).loc[measures["tokens"] == 6_000].any()
    power = detection[detection["size"] == "all"].groupby("tokens")["power"].mean()
    assert power[6_000] > power[1_500], "more text finds more"


def test_the_same_study_gives_the_same_tables_and_another_seed_others():
    noisy = {"noises": {"some": Noise(jitter=0.1, flips=0.1, strays=0.02)}, "tokens": (3_000,), "texts": ("one", "two")}
    one, again, other = (study_tables(tiny(seeds=(s,), **noisy)) for s in (1, 1, 2))
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, again[name])
        assert not table.drop(columns="seed").equals(other[name].drop(columns="seed"))
        assert set(table["texts"]) == {"one", "two"}
        assert (table["tokens_a_neuron"] == 75).all()
    unchanged = one["truth_measures"].query("measure == 'hellinger'").set_index("texts")["unchanged"]
    assert unchanged["two"] > unchanged["one"] > 0, "another text moves what no one changed, more than noise does"


def test_other_texts_are_read_in_the_first_way_only():
    study = tiny(ways=("positive", "argmax"), texts=("two", "one"), tokens=(1_500,))
    assert study.settings == [
        (1_500, "none", "positive", "two"),
        (1_500, "none", "positive", "one"),
        (1_500, "none", "argmax", "two"),
    ]


def test_text_needed_by_hand():
    rows = [(100, 1, 0.5), (100, 2, 0.7), (300, 1, 0.9), (300, 2, 0.8), (900, 1, 1.0), (900, 2, 1.0)]
    table = pd.DataFrame(rows, columns=["tokens", "seed", "power"]).assign(
        texts="one", noise="none", way="argmax", measure="ochiai", size="all", false_discoveries=0.1
    )
    table = table.assign(tokens_a_neuron=table["tokens"] / 10)
    (needed,) = text_needed(table).to_dict("records")
    assert (needed["tokens"], needed["tokens_a_neuron"], needed["false_discoveries"]) == (300, 30, 0.1)
    (never,) = text_needed(table.assign(power=0.1)).to_dict("records")
    assert math.isnan(never["tokens"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ways": ("all",)}, "'all'"),
        ({"texts": ("three",)}, "three"),
        ({"tokens": (300_000,)}, "raise population"),
        ({"noises": {"much": {"strays": 2}}}, "strays = 2"),
    ],
)
def test_a_study_that_cannot_be_is_told(values, says):
    with pytest.raises(TxrayError, match=says):
        Study.of(values)


def test_a_study_from_plain_values():
    values = {"tokens": [10, 20], "noises": {"n": {"flips": 0.5}}, "plan": {"units": 50, "sizes": [0.5]}}
    made = Study.of(values)
    assert (made.tokens, made.noises, made.plan) == ((10, 20), {"n": Noise(flips=0.5)}, Plan(units=50, sizes=(0.5,)))
    assert made.permutations == Study().permutations


WORDS = pd.DataFrame({"word": ["good", "bad", "the", "of"], "sentiment": [1, -1, 0, 0]})


def test_gained_words_and_their_chance_by_hand():
    """After: neuron 0 (shared) has 1 evaluative of 4 words, neuron 1 (gained) 2 of 2. Any one of the two is chance."""
    before = preferences({0: {"the": 1.0}, 2: {"bad": 2.0, "of": 6.0}})
    after = preferences({0: {"the": 3.0, "of": 3.0, "good": 2.0, "<unk>": 8.0}, 1: {"good": 1.0, "bad": 5.0}})
    transfer = pd.DataFrame({"neuron": [0, 1, 2, 3], "state": [SHARED, GAINED, AVOIDED, NEVER]})
    found = gained_words(before, after, transfer, WORDS, seed=1).set_index(["state", "side", "of"]).sort_index()
    gained = found.loc[(GAINED, "after")]
    assert gained["observed"].to_dict() == {"features": 1, "mass": 1, "neurons": 1}
    assert (gained["neurons"] == 1).all()
    assert (gained["preferred"] == 2).all()
    assert gained.loc["features", "expected"] == pytest.approx((1 / 4 + 1) / 2, abs=0.03)
    assert gained.loc["mass", "expected"] == pytest.approx((1 / 8 + 1) / 2, abs=0.03)
    assert gained.loc["mass", ["low", "high"]].tolist() == [1 / 8, 1]
    assert (gained["p"] > 0.9).all(), "one of two neurons is as far as chance goes: nothing can be told"
    avoided = found.loc[(AVOIDED, "before")]
    assert avoided["observed"].to_dict() == {"features": 1 / 2, "mass": 1 / 4, "neurons": 1 / 2}
    assert found.loc[(SHARED, "after", "features"), "observed"] == 1 / 4
    assert found.loc[(SHARED, "before", "features"), "observed"] == 0


def test_neurons_that_differ_from_chance_are_told_and_those_that_do_not_are_not():
    """Three of ten neurons hold evaluative words alone: one draw in C(10, 3) = 120 holds exactly these."""
    after = preferences({n: {"good": 1.0} if n < 3 else {"the": 1.0} for n in range(10)})
    transfer = pd.DataFrame({"neuron": range(10), "state": [GAINED] * 3 + [SHARED] * 7})
    found = (
        gained_words(after, after, transfer, WORDS, seed=1, draws=12_000)
        .set_index(["state", "side", "of"])
        .sort_index()
    )
    assert found.loc[(GAINED, "after", "mass"), "p"] == pytest.approx(2 / 120, abs=0.005)
    assert found.loc[(GAINED, "after", "mass"), "expected"] == pytest.approx(0.3, abs=0.02)
    mixed = transfer.assign(state=[GAINED, SHARED, SHARED, SHARED, GAINED, GAINED] + [SHARED] * 4)
    found = gained_words(after, after, mixed, WORDS, seed=1).set_index(["state", "side", "of"]).sort_index()
    assert found.loc[(GAINED, "after", "mass"), "p"] > 0.5


def test_where_no_neuron_is_gained_nothing_is_measured():
    same = preferences({0: {"good": 1.0}, 1: {"the": 1.0}})
    transfer = pd.DataFrame({"neuron": [0, 1], "state": [SHARED, SHARED]})
    found = gained_words(same, same, transfer, WORDS, seed=1).set_index(["state", "side", "of"]).sort_index()
    assert found.loc[(GAINED, "after"), ["observed", "expected", "p"]].isna().all(axis=None)
    assert (found.loc[(GAINED, "after"), "neurons"] == 0).all()
    assert found.loc[(SHARED, "after", "mass"), ["observed", "expected", "p"]].tolist() == [0.5, 0.5, 1]
    with pytest.raises(TxrayError, match="one comparison"):
        gained_words(same, same, pd.concat([transfer, transfer]), WORDS, seed=1)
