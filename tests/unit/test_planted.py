"""Planted encoders, ways of collecting, the study of what is recovered: by hand, against the laws, in the limit of much text."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from txray_lib import planted as study
from txray_lib.collection import collect
from txray_lib.errors import TxrayError
from txray_lib.planted import LOST, REPLACED, REVIVED, SILENCED, UNCHANGED, UNUSED, collect_way, plant, word_frequencies
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.profiles import TruthNoise, TruthPlan, TruthStudy
from txray_lib.transfer import AVOIDED, GAINED, MEASURES, NEVER, SHARED, compare, measured

NAN = math.nan
WAYS = ("argmax", "top-2", "positive")
NOISY = TruthNoise(jitter=0.1, flips=0.2, strays=0.05)


def plan(units: int, **changed) -> TruthPlan:
    shares = {"replaced": 0.2, "lost": 0.1, "silenced": 0.05, "unused": 0.05, "depth": 4}
    return TruthPlan(**{"units": units, "sizes": [0.1, 0.25, 0.5, 0.75, 1.0], **shares, **changed})


def text(tokens: int, words: int = 300, every_word: bool = True) -> pd.DataFrame:
    """Tokens drawn by Zipf's law, in blocks of 100; the first of them every word once."""
    weights = 1 / np.arange(1, words + 1)
    feature = np.random.default_rng(0).choice(words, tokens, p=weights / weights.sum())
    if every_word:
        feature[:words] = np.arange(words)
    codes = {"block": np.arange(tokens) // 100, "feature": feature, "tag": feature % 3}
    names = {name: [f"{name}{i:05d}" for i in range(max(values.max() + 1, words))] for name, values in codes.items()}
    columns = {name: pd.Categorical.from_codes(values, names[name]) for name, values in codes.items()}
    return pd.DataFrame({"document": codes["block"].astype(np.int32), **columns})


def hand_text(words: str) -> pd.DataFrame:
    """The words of a string, one document, one block, one tag."""
    frame = pd.DataFrame({"document": np.int32(0), "block": "b", "feature": words.split(), "tag": "NN"})
    return frame.astype({"block": "category", "feature": "category", "tag": "category"})


def collected(planted: study.Planted, side: str, read: pd.DataFrame, way: str = "argmax", seed: int = 1, **more):
    return collect_way(planted.activations(side, read, seed, **more), read, way)


def preferred(planted: study.Planted, read: pd.DataFrame, way: str = "argmax", **more) -> list[pd.DataFrame]:
    """Preferences before and after, of the same text with other noise."""
    sides = enumerate(("before", "after"))
    return [aggregate(collected(planted, side, read, way, seed, **more)) for seed, side in sides]


def test_planted_tokens_come_back_and_no_other_neurons_tokens_with_them():
    """The words a, b, c excite (0, 1), (2, 0), (1, 2), strongest first. Neurons 3 and 4 prefer nothing."""
    owners = np.array([[0, 1], [2, 0], [1, 2]])
    planted = study.Planted(np.array([UNCHANGED] * 5), owners, owners, np.array([1.0, 0.5, 0.8]), np.ones(3) / 3)
    both = {0: ["a", "a", "a", "b", "b"], 1: ["a", "a", "a", "c"], 2: ["b", "b", "c"]}
    for way, expected in (("argmax", {0: ["a"] * 3, 1: ["c"], 2: ["b"] * 2}), ("top-2", both), ("positive", both)):
        found = collected(planted, "before", hand_text("a b a c b a"), way)
        assert {n: sorted(rows["feature"].astype(str)) for n, rows in found.groupby("neuron")} == expected
    activations = planted.activations("after", hand_text("b a c"), 0)
    levels = [[0.5 * study.DECAY, -0.1, 0.5], [1.0, study.DECAY, -0.1], [-0.1, 0.8, 0.8 * study.DECAY]]
    np.testing.assert_allclose(activations, [[*row, -0.1, -0.1] for row in levels], rtol=1e-6)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("argmax", [(0, 1, 0.9), (1, NOBODY, -1), (2, 0, 0.2)]),
        ("top-2", [(0, 1, 0.9), (0, 2, 0.9), (1, NOBODY, -1), (1, NOBODY, -2), (2, 0, 0.2), (2, 2, 0.1)]),
        ("positive", [(0, 0, 0.5), (0, 1, 0.9), (0, 2, 0.9), (1, NOBODY, -1), (2, 0, 0.2), (2, 2, 0.1)]),
    ],
)
def test_ways_by_hand(way, expected):
    activations = np.array([[0.5, 0.9, 0.9, -1], [-1, -2, -3, -4], [0.2, -1, 0.1, 0]], np.float32)
    for found, wanted in zip(study.choose(activations, way), zip(*expected, strict=True), strict=True):
        assert found.tolist() == pytest.approx(list(wanted))


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_each_way_obeys_its_sum(seed, k):
    activations = np.random.default_rng(seed).normal(-0.5, 1, (30, 5)).astype(np.float32)
    read = text(30, words=5)
    counts, nobody = {}, {}
    for way in ("argmax", f"top-{k}", "positive"):
        records = collect_way(activations, read, way)
        counts[way], nobody[way] = aggregate(records)["count"].sum(), (records["neuron"] == NOBODY).sum()
    assert counts["argmax"] + nobody["argmax"] == 30
    assert nobody["argmax"] == nobody["positive"] == (activations.max(axis=1) <= 0).sum()
    assert counts[f"top-{k}"] + nobody[f"top-{k}"] == 30 * k
    assert counts["positive"] == (activations > 0).sum()


def test_argmax_gives_the_records_of_collection(corpus, vocabulary, encoder):
    with torch.no_grad():
        rows = [encoder(torch.from_numpy(vocabulary.encode(d.tokens))[None])[0][0].numpy() for d in corpus if len(d)]
    found = collect_way(np.concatenate(rows), study.list_tokens(corpus), "argmax")
    expected = collect(encoder, corpus, vocabulary).records
    assert list(found.columns) == list(expected.columns)
    for column in ("document", "neuron", "layer"):
        assert found[column].dtype == expected[column].dtype
        np.testing.assert_array_equal(found[column], expected[column])
    assert found[["block", "tag"]].astype(str).equals(expected[["block", "tag"]].astype(str))
    np.testing.assert_allclose(found["activation"], expected["activation"], atol=1e-6)
    assert found["feature"].tolist() == [token.lower() for document in corpus for token in document.tokens]


def test_a_seed_decides_what_is_planted_and_read():
    read = text(700)
    one, again, other = (plant(word_frequencies(read), plan(30), seed) for seed in (1, 1, 2))
    for name in ("kind", "before", "after", "strength"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))
    for way in WAYS:
        whole = collected(one, "after", read, way, noise=NOISY)
        pd.testing.assert_frame_equal(whole, collected(one, "after", read, way, noise=NOISY))
        assert not whole["neuron"].equals(collected(one, "after", read, way, seed=2, noise=NOISY)["neuron"])


def test_each_kind_is_what_its_name_says():
    planted = plant(word_frequencies(text(2_000)), plan(40, silenced=0.1, unused=0.1), 3)
    held = [[set(np.flatnonzero((o == n).any(axis=1))) for n in range(40)] for o in (planted.before, planted.after)]
    counts = {UNCHANGED: 12, REPLACED: 8, LOST: 4, SILENCED: 4, REVIVED: 8, UNUSED: 4}
    assert pd.Series(planted.kind).value_counts().to_dict() == counts
    for kind, before, after in zip(planted.kind, *held, strict=True):
        assert {
            UNCHANGED: bool(before) and before == after,
            REPLACED: bool(before - after) and bool(after - before),
            LOST: bool(after) and after < before,
            SILENCED: bool(before) and not after,
            REVIVED: bool(after) and not before,
            UNUSED: not before and not after,
        }[kind], kind
    for owners in (planted.before, planted.after):
        assert all(len(set(row)) == 4 for row in owners.tolist()), "a word excites a neuron once"


def test_truth_by_hand():
    """Words a b c d of frequencies .4 .3 .2 .1 and equal strength. Neuron 0 gives b to neuron 1 and gets c for it, neuron 2
    is silenced and neuron 3 revived; at rank 2 stands neuron 4, unchanged."""
    before = np.array([[0, 4], [0, 4], [1, 4], [2, 4]])
    after = np.array([[0, 4], [1, 4], [0, 4], [3, 4]])
    kinds = np.array([REPLACED, REPLACED, SILENCED, REVIVED, UNCHANGED])
    planted = study.Planted(kinds, before, after, np.ones(4), np.array([0.4, 0.3, 0.2, 0.1]))
    truth = planted.truth("argmax")
    assert truth["state"].tolist() == [SHARED, SHARED, AVOIDED, GAINED, NEVER]
    assert truth["size"].tolist() == [0.5, 1, 1, 1, 0]
    assert truth["hellinger"].tolist() == pytest.approx([math.sqrt(1 / 2), 1, NAN, NAN, NAN], nan_ok=True)
    assert truth["mass_hellinger"][0] == pytest.approx(math.sqrt(1 - math.sqrt(4 / 7 * 4 / 6)))
    assert truth["jensen_shannon"][0] == pytest.approx(math.sqrt(1 / 2)), "half of P is common, half disjoint"
    assert truth["ochiai"].tolist()[:2] == pytest.approx([1 / 2, 1])
    assert planted.truth("top-2")["state"].tolist() == [SHARED, SHARED, AVOIDED, GAINED, SHARED]
    assert planted.truth("positive")["hellinger"][4] == 0


@pytest.mark.parametrize("way", WAYS)
def test_without_noise_states_and_distances_of_the_whole_text_are_the_planted_ones(way):
    read = text(3_000)
    planted = plant(word_frequencies(read), plan(40), 5)
    sides = preferred(planted, read, way)
    truth, found = planted.truth(way), measured(*sides, 40)
    assert compare(*sides, 40)["state"].tolist() == truth["state"].tolist()
    for measure in MEASURES:
        np.testing.assert_allclose(found[measure], truth[measure], atol=1e-6, err_msg=measure)
        assert (found[measure][truth["kind"] == UNCHANGED] == 0).all(), "exactly 0: the same text, the same preferences"
    assert (truth["size"][truth["kind"].isin([REPLACED, LOST])] > 0).all()


def test_two_samples_have_no_token_in_common_and_follow_from_the_seed():
    read = text(1_000)
    first, second = study.draw_samples(read, 450, 1)
    assert len(first) == len(second) == 450
    assert not set(first["block"]) & set(second["block"])
    assert first.equals(study.draw_samples(read, 450, 1)[0])
    assert not first["feature"].equals(study.draw_samples(read, 450, 2)[0]["feature"])
    assert study.draw_samples(read, 200, 1)[0].equals(first[:200]), "a larger text holds the smaller one"


def tiny(**changes) -> TruthStudy:
    clean = {"none": {"jitter": 0.0, "flips": 0.0, "strays": 0.0}}
    small = {"tokens": [1_500, 6_000], "seeds": 1, "noises": clean, "ways": ["argmax"], "texts": ["one"]}
    small |= {"plan": plan(40).model_dump(), "permutations": 60, "cap": 600, "population": 12_000, "words": 1_000}
    return TruthStudy(**small | changes)


def test_states_by_three_rules_by_hand():
    """Of 1,000 records of 10 neurons an even share is 100, a tenth of it 10: neuron 1 has 5 of them after, which is less."""
    truth = pd.DataFrame({"state": [SHARED, AVOIDED, GAINED, GAINED] + [NEVER] * 6})
    before, after = [600, 400, 0, 0] + [0] * 6, [600, 5, 200, 195] + [0] * 6
    state = [SHARED, SHARED, GAINED, GAINED] + [NEVER] * 6
    transfer = pd.DataFrame({"count_before": before, "count_after": after, "state": state})
    null = pd.DataFrame({"q_state": [1, 1, 0.01, 0.2] + [NAN] * 6})
    found = study.recovered_states(truth, transfer, null).set_index(["rule", "state"])
    expected = {
        ("one token", SHARED): [1, 2, 1 / 2],
        ("one token", AVOIDED): [1, 0, NAN],
        ("one token", GAINED): [2, 2, 1],
        ("a tenth", SHARED): [1, 1, 1],
        ("a tenth", AVOIDED): [1, 1, 1],
        ("tested", GAINED): [2, 1, 1],
    }
    for key, row in expected.items():
        assert found.loc[key].tolist() == pytest.approx(row, nan_ok=True), key


def test_ranks_by_hand():
    """Shared are neurons 0 to 3; the distance of neuron 3 is missing, so three count."""
    kinds, states = [UNCHANGED, REPLACED, LOST, LOST, REVIVED], [SHARED] * 4 + [GAINED]
    truth = pd.DataFrame({"kind": kinds, "state": states, "size": [0, 1, 0.5, 0.5, 1]})
    distances = pd.DataFrame({measure: [0.3, 0.9, 0.2, NAN, NAN] for measure in MEASURES})
    distances = distances.assign(rarefied_before=[4.0, 4, 4, NAN, NAN], rarefied_after=[4.0, 2, 8, NAN, NAN])
    found = study.ranked_changes(truth, distances).set_index("measure")
    hellinger = found.loc["hellinger", ["rho", "auc", "unchanged", "changed"]].tolist()
    assert hellinger == pytest.approx([0.5, 0.5, 0.3, 0.55])
    assert found.loc["rarefied", ["unchanged", "changed"]].tolist() == pytest.approx([0, math.log(2)])
    nothing = study.ranked_changes(truth, distances.assign(hellinger=NAN)).set_index("measure")
    assert nothing.loc["hellinger"].isna().all()


def test_detection_by_hand():
    """Found: the small change, one of two large ones (of the other the distance is missing), the revived, one unchanged."""
    kinds = [REPLACED, LOST, REPLACED, REVIVED, UNCHANGED, UNCHANGED, UNUSED]
    truth = pd.DataFrame({"kind": kinds, "size": [0.2, 0.9, 1.0, 1, 0, 0, 0]})
    null = pd.DataFrame({"q": [0.05, 0.01, NAN, 0.01, 0.04, 0.3, NAN]})
    found = study.detected_changes(truth, {"hellinger": null}).set_index("size")
    assert found["neurons"].tolist() == [1, 0, 0, 0, 2, 3]
    assert found["power"].tolist() == pytest.approx([1, NAN, NAN, NAN, 1 / 2, 2 / 3], nan_ok=True)
    assert set(found["false_discoveries"]) == {1 / 4}
    assert set(found["false_positives"]) == {1 / 3}


def test_without_noise_on_one_text_nothing_unchanged_is_found():
    tables = study.study_tables(tiny(ways=["argmax", "top-2", "positive"]), 1)
    detection, measures, states = (tables[f"truth_{name}"] for name in ("detection", "measures", "states"))
    assert set(detection["way"]) == {"argmax", "top-2", "positive"}
    assert (detection["false_positives"] == 0).all()
    assert (measures["unchanged"] == 0).all()
    shared = states.query("rule == 'one token' and state == 'shared'")
    assert (shared["precision"] == 1).all(), "a neuron that is seen on both sides is on both"
    assert shared.groupby("tokens")["found"].mean().is_monotonic_increasing, "what is shared but not seen is not found"
    power = detection[detection["size"] == "all"].groupby("tokens")["power"].mean()
    assert power[6_000] > power[1_500], "more text finds more"


def test_another_seed_gives_other_tables_and_another_text_moves_what_no_one_changed():
    noisy = {"noises": {"some": {"jitter": 0.1, "flips": 0.1, "strays": 0.02}}, "tokens": [3_000]}
    one, other = (study.study_tables(tiny(texts=["one", "two"], **noisy), seed) for seed in (1, 2))
    for name, table in one.items():
        assert not table.drop(columns="seed").equals(other[name].drop(columns="seed"))
        assert (table["tokens_a_neuron"] == 75).all()
    unchanged = one["truth_measures"].query("measure == 'hellinger'").set_index("texts")["unchanged"]
    assert unchanged["two"] > unchanged["one"] > 0, "another text moves what no one changed, more than noise does"


def test_other_texts_are_read_in_the_first_way_only():
    found = study.list_comparisons(tiny(ways=["positive", "argmax"], texts=["two", "one"], tokens=[1_500]))
    read = (("positive", "two"), ("positive", "one"), ("argmax", "two"))
    assert found == [(1_500, "none", way, texts) for way, texts in read]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: plant(word_frequencies(text(500, words=50)), plan(200), 1), "50 distinct words are too few"),
        (lambda: study.choose(np.zeros((2, 3)), "top-0"), "'top-0'"),
        (lambda: study.choose(np.zeros((2, 3)), "top-4"), "than the 3 there are"),
        (lambda: study.choose(np.zeros((2, 3)), "3"), "no way of collecting '3'"),
        (lambda: collect_way(np.ones((2, 4)), hand_text("a"), "top-3"), "have the shape"),
        (lambda: collect_way(np.ones(1), hand_text("a"), "top-3"), "have the shape"),
        (lambda: collect_way(np.full((1, 4), NAN), hand_text("a"), "top-3"), "not finite"),
    ],
)
def test_what_cannot_be_is_told(wrong, says):
    with pytest.raises(TxrayError, match=says):
        wrong()
