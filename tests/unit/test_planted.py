"""Planted encoders and ways of collecting: worked out by hand, against the laws, and in the limit of much text."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES, measured
from txray_lib.planted import (
    DECAY,
    LOST,
    REPLACED,
    REVIVED,
    SILENCED,
    UNCHANGED,
    UNUSED,
    Noise,
    Plan,
    Planted,
    PlantedEncoder,
    plant,
)
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED, compare
from txray_lib.ways import Text, chosen, collect_way, text_of

WAYS = ("argmax", "top-2", "positive")
NOISY = Noise(jitter=0.1, flips=0.2, strays=0.05)


def text(tokens: int, words: int = 300, seed: int = 0, every_word: bool = True) -> Text:
    """Tokens drawn by Zipf's law, in blocks of 100; the first of them every word once."""
    weights = 1 / np.arange(1, words + 1)
    feature = np.random.default_rng(seed).choice(words, tokens, p=weights / weights.sum())
    if every_word:
        feature[:words] = np.arange(words)
    block = np.arange(tokens) // 100
    codes = (block, block, feature, feature % 3)
    names = [tuple(f"{kind}{i:05d}" for i in range(n)) for kind, n in (("w", words), ("t", 3), ("b", block[-1] + 1))]
    return Text(*(code.astype(np.int32) for code in codes), *names)


def hand_text(words: str) -> Text:
    """The words of a string, one document, one block, one tag."""
    feature, names = pd.factorize(np.array(words.split(), dtype=object), sort=True)
    zero = np.zeros(len(feature), np.int32)
    return Text(zero, zero, feature.astype(np.int32), zero, tuple(names), ("NN",), ("b",))


def collected(encoder: PlantedEncoder, read: Text, way: str = "argmax", seed: int = 1, rows: int = 4096):
    return collect_way(encoder.activations(read, seed, rows), read, way)


def preferred(records: pd.DataFrame) -> dict[int, list[str]]:
    """The words of every neuron, each as often as it was recorded."""
    return {int(n): sorted(rows["feature"].astype(str)) for n, rows in records.groupby("neuron")}


@pytest.fixture
def by_hand() -> PlantedEncoder:
    """Five neurons; the words a, b, c excite (0, 1), (2, 0), (1, 2), strongest first. Neurons 3 and 4 prefer nothing."""
    return PlantedEncoder(np.array([[0, 1], [2, 0], [1, 2]]), np.array([1.0, 0.5, 0.8]), 5)


def test_planted_tokens_come_back_and_no_other_neurons_tokens_with_them(by_hand):
    read = hand_text("a b a c b a")
    assert preferred(collected(by_hand, read)) == {0: ["a"] * 3, 1: ["c"], 2: ["b"] * 2}
    both = {0: ["a", "a", "a", "b", "b"], 1: ["a", "a", "a", "c"], 2: ["b", "b", "c"]}
    assert preferred(collected(by_hand, read, "top-2")) == both
    assert preferred(collected(by_hand, read, "positive")) == both


def test_activations_are_the_words_strength_falling_by_rank(by_hand):
    (activations,) = by_hand.activations(hand_text("b a c"), 0)
    mute = activations[0, 3]
    expected = [
        [0.5 * DECAY, mute, 0.5, mute, mute],
        [1.0, DECAY, mute, mute, mute],
        [mute, 0.8, 0.8 * DECAY, mute, mute],
    ]
    np.testing.assert_allclose(activations, expected, rtol=1e-6)
    assert mute < 0


def test_ways_by_hand():
    activations = np.array([[0.5, 0.9, 0.9, -1], [-1, -2, -3, -4], [0.2, -1, 0.1, 0]], np.float32)
    token, neuron, strength = chosen(activations, "argmax")
    assert (token.tolist(), neuron.tolist()) == ([0, 1, 2], [1, NOBODY, 0])
    assert strength.tolist() == pytest.approx([0.9, -1, 0.2])
    token, neuron, strength = chosen(activations, "top-2")
    assert (token.tolist(), neuron.tolist()) == ([0, 0, 1, 1, 2, 2], [1, 2, NOBODY, NOBODY, 0, 2])
    assert strength.tolist() == pytest.approx([0.9, 0.9, -1, -2, 0.2, 0.1])
    token, neuron, strength = chosen(activations, "positive")
    assert (token.tolist(), neuron.tolist()) == ([0, 0, 0, 1, 2, 2], [0, 1, 2, NOBODY, 0, 2])
    assert strength.tolist() == pytest.approx([0.5, 0.9, 0.9, -1, 0.2, 0.1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_each_way_obeys_its_sum(seed, k):
    activations = np.random.default_rng(seed).normal(-0.5, 1, (30, 5)).astype(np.float32)
    read = text(30, words=5)
    records = {way: collect_way([activations[:13], activations[13:]], read, way) for way in ("argmax", f"top-{k}")}
    records["positive"] = collect_way([activations], read, "positive")
    counts = {way: aggregate(r)["count"].sum() for way, r in records.items()}
    nobody = {way: (r["neuron"] == NOBODY).sum() for way, r in records.items()}
    assert counts["argmax"] + nobody["argmax"] == 30
    assert nobody["argmax"] == (activations.max(axis=1) <= 0).sum()
    assert counts[f"top-{k}"] + nobody[f"top-{k}"] == 30 * k
    assert counts["positive"] == (activations > 0).sum()
    assert nobody["positive"] == nobody["argmax"]


def test_argmax_gives_the_records_of_collection(corpus, vocabulary, encoder):
    import torch

    from txray_lib.collection import collect

    with torch.no_grad():
        chunks = [encoder(torch.from_numpy(vocabulary.encode(d.tokens))[None])[0][0].numpy() for d in corpus if len(d)]
    found, expected = collect_way(chunks, text_of(corpus), "argmax"), collect(encoder, corpus, vocabulary).records
    assert list(found.columns) == list(expected.columns)
    for column in ("document", "neuron", "layer"):
        assert found[column].dtype == expected[column].dtype
        np.testing.assert_array_equal(found[column], expected[column])
    assert found["block"].tolist() == expected["block"].tolist()
    assert found["tag"].tolist() == expected["tag"].tolist()
    np.testing.assert_allclose(found["activation"], expected["activation"], atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_chunks_change_no_record_and_seeds_do(way):
    read = text(700)
    encoder, _ = plant(read.frequencies, Plan(units=30), 1).encoders(NOISY)
    whole = collected(encoder, read, way)
    pd.testing.assert_frame_equal(whole, collected(encoder, read, way, rows=7))
    assert not whole["neuron"].equals(collected(encoder, read, way, seed=2)["neuron"])


def test_the_same_seed_plants_the_same_and_another_something_else():
    frequencies = text(2_000).frequencies
    one, again, other = (plant(frequencies, Plan(units=30), seed) for seed in (1, 1, 2))
    for name in ("kind", "before", "after", "strength"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_each_kind_is_what_its_name_says():
    plan = Plan(units=40, replaced=0.2, lost=0.1, silenced=0.1, unused=0.1)
    planted = plant(text(2_000).frequencies, plan, 3)
    held = [[set(np.flatnonzero((o == n).any(axis=1))) for n in range(40)] for o in (planted.before, planted.after)]
    assert pd.Series(planted.kind).value_counts().to_dict() == {
        UNCHANGED: 12,
        REPLACED: 8,
        LOST: 4,
        SILENCED: 4,
        REVIVED: 8,
        UNUSED: 4,
    }
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
        assert all(len(set(row)) == plan.depth for row in owners.tolist()), "a word excites a neuron once"


@pytest.fixture
def exchanged() -> Planted:
    """Words a b c d of frequencies .4 .3 .2 .1 and equal strength. Neuron 0 gives b to neuron 1 and gets c for it, neuron 2
    is silenced and neuron 3 revived; at rank 2 stands neuron 4, unchanged."""
    before = np.array([[0, 4], [0, 4], [1, 4], [2, 4]])
    after = np.array([[0, 4], [1, 4], [0, 4], [3, 4]])
    kinds = np.array([REPLACED, REPLACED, SILENCED, REVIVED, UNCHANGED])
    return Planted(kinds, before, after, np.ones(4), np.array([0.4, 0.3, 0.2, 0.1]))


def test_truth_by_hand(exchanged):
    truth = exchanged.truth("argmax")
    assert truth["state"].tolist() == [SHARED, SHARED, AVOIDED, GAINED, NEVER]
    assert truth["size"].tolist() == [0.5, 1, 1, 1, 0]
    assert truth["words_changed"].tolist()[:3] == [0.5, 1, 1]
    assert truth["text_changed"][0] == pytest.approx(3 / 7)
    nan = math.nan
    assert truth["hellinger"].tolist() == pytest.approx([math.sqrt(1 / 2), 1, nan, nan, nan], nan_ok=True)
    affinity = math.sqrt(4 / 7 * 4 / 6)
    assert truth["mass_hellinger"][0] == pytest.approx(math.sqrt(1 - affinity))
    assert truth["jensen_shannon"][0] == pytest.approx(math.sqrt(1 / 2)), "half of P is common, half disjoint"
    assert truth["ochiai"].tolist()[:2] == pytest.approx([1 / 2, 1])
    assert exchanged.truth("top-2")["state"].tolist() == [SHARED, SHARED, AVOIDED, GAINED, SHARED]
    assert exchanged.truth("positive")["hellinger"][4] == 0


def test_the_limit_with_noise_by_hand(exchanged):
    """Flips: a tenth of each word's tokens goes to neuron 4. Strays: every neuron holds every word, so all P are alike."""
    flipped = exchanged.truth("argmax", Noise(flips=0.1))
    assert flipped["hellinger_limit"].tolist()[:2] == pytest.approx([math.sqrt(1 / 2), 1])
    assert flipped["hellinger_limit"][4] == 0, "neuron 4 is preferred now, by the same words on both sides"
    astray = exchanged.truth("argmax", Noise(strays=0.1))
    np.testing.assert_allclose(astray["hellinger_limit"], 0, atol=1e-7)
    share = np.array([[0.9 * own + 0.1 / 5 for own in side] for side in ([1, 1, 0, 0], [1, 0, 1, 0])])
    masses = share * exchanged.frequencies
    p, q = masses / masses.sum(axis=1, keepdims=True)
    assert astray["mass_hellinger_limit"][0] == pytest.approx(math.sqrt(1 - np.sqrt(p * q).sum()))


@pytest.mark.parametrize("way", WAYS)
def test_without_noise_states_and_distances_of_the_whole_text_are_the_planted_ones(way):
    read = text(3_000)
    planted = plant(read.frequencies, Plan(units=40), 5)
    sides = [aggregate(collected(e, read, way, seed)) for seed, e in enumerate(planted.encoders())]
    truth, found = planted.truth(way), measured(*sides, 40)
    assert compare(*sides, 40)["state"].tolist() == truth["state"].tolist()
    for measure in MEASURES:
        np.testing.assert_allclose(found[measure], truth[measure], atol=1e-6, err_msg=measure)
        np.testing.assert_allclose(truth[f"{measure}_limit"], truth[measure])
        assert (found[measure][truth["kind"] == UNCHANGED] == 0).all(), "exactly 0: the same text, the same preferences"
    assert (truth["size"][truth["kind"].isin([REPLACED, LOST])] > 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_with_noise_distances_approach_their_limit_as_the_text_grows(way):
    noise, errors = Noise(jitter=0.1, flips=0.2), []
    for tokens in (500, 100_000):
        read = text(tokens, words=60, every_word=False)
        population = 1 / np.arange(1, 61)
        planted = plant(population / population.sum(), Plan(units=10, depth=2), 2)
        sides = [aggregate(collected(e, read, way, seed)) for seed, e in enumerate(planted.encoders(noise))]
        found, truth = measured(*sides, 10), planted.truth(way, noise)
        shared = truth["state"] == SHARED
        errors.append({m: np.abs(found[m] - truth[f"{m}_limit"])[shared].max() for m in MEASURES})
    assert max(errors[1].values()) < 0.02
    assert all(errors[1][measure] < errors[0][measure] / 3 for measure in ("hellinger", "mass_hellinger"))


def test_astray_tokens_drown_the_papers_distance_and_not_the_mass_weighted_one():
    read = text(200_000, words=60, every_word=False)
    planted = plant(read.frequencies, Plan(units=10, depth=2, sizes=(0.5,)), 2)
    noise = Noise(strays=0.05)
    found = measured(*(aggregate(collected(e, read, "argmax", s)) for s, e in enumerate(planted.encoders(noise))), 10)
    truth = planted.truth("argmax", noise)
    changed = truth["kind"] == REPLACED
    assert (found["hellinger"] < 0.4 * truth["hellinger"])[changed].all()
    np.testing.assert_allclose(found["mass_hellinger"], truth["mass_hellinger_limit"], atol=0.03)


def test_two_samples_have_no_token_in_common_and_follow_from_the_seed():
    read = text(1_000)
    first, second = read.samples(450, 1)
    assert len(first) == len(second) == 450
    shared_blocks = set(first.block) & set(second.block)
    assert not shared_blocks, "900 of 1,000 tokens in blocks of 100 leave the block in the middle to neither side twice"
    assert np.array_equal(first.feature, read.samples(450, 1)[0].feature)
    assert not np.array_equal(first.feature, read.samples(450, 2)[0].feature)
    smaller, _ = read.samples(200, 1)
    assert np.array_equal(smaller.feature, first.feature[:200]), "a larger text holds the smaller one"
    with pytest.raises(TxrayError, match=r"two samples of 501"):
        read.samples(501, 1)


def test_a_corpus_as_text(corpus):
    read = text_of(corpus)
    assert len(read) == corpus.token_count
    assert [read.words[i] for i in read.feature[:4]] == ["the", "river", "runs", "."]
    assert "The" in text_of(corpus, lowercase=False).words
    assert [read.tags[i] for i in read.tag[:4]] == ["DT", "NN", "VBZ", "."]
    assert [read.blocks[i] for i in read.block[:5]] == ["hill"] * 4 + ["lake"]
    assert read.frequencies[read.words.index("nobody")] == pytest.approx(1 / len(read))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Noise(jitter=0.5), "jitter = 0.5"),
        (lambda: Noise(strays=-0.1), "strays = -0.1"),
        (lambda: Plan(replaced=0.7, lost=0.2), "must leave neurons unchanged"),
        (lambda: Plan(sizes=(0.5, 1.2)), "sizes"),
        (lambda: Plan(units=6, depth=4), "depth 4"),
        (lambda: plant(text(500, words=50).frequencies, Plan(), 1), "50 distinct words are too few"),
        (lambda: chosen(np.zeros((2, 3)), "top-0"), "'top-0'"),
        (lambda: chosen(np.zeros((2, 3)), "top-4"), "than the 3 there are"),
        (lambda: chosen(np.zeros((2, 3)), "most"), "'most'"),
        (lambda: collect_way([np.zeros((2, 3))], text(5, words=2), "argmax"), "of 2 tokens; the text has 5"),
        (lambda: collect_way([np.full((5, 3), np.nan)], text(5, words=2), "argmax"), "not numbers"),
    ],
)
def test_what_cannot_be_is_told(wrong, says):
    with pytest.raises(TxrayError, match=says):
        wrong()
