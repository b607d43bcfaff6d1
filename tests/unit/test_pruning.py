"""Pruning: cut neurons are gone from the recurrence, the sets are the paper's, the changes are relative."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from txray_lib.encoders import Classifier, Encoder, last_hidden_states, score
from txray_lib.encoders.encoded import Texts, balanced_sample
from txray_lib.encoders.finetuning import predict
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pruning
from txray_lib.pruning import (
    BEFORE_CLASSIFIER,
    OUT_OF_ENCODER,
    predict_pruned,
    prune_encoder,
    pruning_sets,
    pruning_table,
    pruning_tables,
    relative_change,
)
from txray_lib.pruning_null import MASS, SIZE, TOLERANCE, VARIANCE, equal_size, equal_weight, percentile, sampling_error
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED


def physically_smaller(encoder: Encoder, kept: list[int]) -> nn.LSTM:
    """An LSTM that has only the kept neurons, with the weights between them."""
    rows = torch.tensor([gate * encoder.units + neuron for gate in range(4) for neuron in kept])
    smaller = nn.LSTM(encoder.lstm.input_size, len(kept), batch_first=True)
    full = encoder.lstm.state_dict()
    smaller.load_state_dict(
        {
            "weight_ih_l0": full["weight_ih_l0"][rows],
            "weight_hh_l0": full["weight_hh_l0"][rows][:, kept],
            "bias_ih_l0": full["bias_ih_l0"][rows],
            "bias_hh_l0": full["bias_hh_l0"][rows],
        }
    )
    return smaller


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 8, (3, 40), generator=torch.Generator().manual_seed(9))


@pytest.fixture
def texts() -> Texts:
    random = np.random.default_rng(8)
    ids = tuple(random.integers(0, 7, n).astype(np.int32) for n in random.integers(0, 12, 40))
    return Texts(tuple(f"t{i}" for i in range(40)), ids, random.integers(0, 2, 40))


def table(rows: list[tuple[str, int, int, float]]) -> pd.DataFrame:
    """A transfer table of (state, length before, length after, mass after)."""
    return pd.DataFrame(
        {
            "neuron": range(len(rows)),
            "state": [r[0] for r in rows],
            "length_before": [r[1] for r in rows],
            "length_after": [r[2] for r in rows],
            "mass_after": [r[3] for r in rows],
        }
    )


TRANSFER = table(
    [
        (SHARED, 3, 2, 5.0),
        (NEVER, 0, 0, 0.0),
        (GAINED, 0, 1, 1.0),
        (AVOIDED, 4, 0, 0.0),
        (SHARED, 1, 1, 1.0),
        (SHARED, 1, 9, 5.0),
        (GAINED, 0, 1, 2.0),
        (SHARED, 1, 1, 1.0),
    ]
)


@pytest.mark.parametrize("cut", [[], [0], [6], [2, 5], [4, 0, 1], [0, 1, 2, 3, 4, 5]])
@torch.no_grad()
def test_pruned_is_an_lstm_that_never_had_the_neurons(encoder, ids, cut):
    kept = [n for n in range(encoder.units) if n not in cut]
    activations, (h, c) = prune_encoder(encoder, np.array(cut))(ids)
    expected, (expected_h, expected_c) = physically_smaller(encoder, kept)(encoder.embedding(ids))
    assert torch.allclose(activations[..., kept], expected, atol=1e-6)
    assert torch.allclose(h[..., kept], expected_h, atol=1e-6)
    assert torch.allclose(c[..., kept], expected_c, atol=1e-6)
    assert (activations[..., cut] == 0).all()


@torch.no_grad()
def test_pruning_is_more_than_zeroing_the_last_state(encoder, ids):
    activations, pruned = encoder(ids)[0], prune_encoder(encoder, np.array([1, 3]))(ids)[0]
    kept = [0, 2, 4, 5, 6]
    assert (activations[:, -1, kept] - pruned[:, -1, kept]).abs().max() > 1e-3


@torch.no_grad()
def test_the_empty_set_changes_nothing_and_the_original_is_left_alone(encoder, ids):
    before = copy.deepcopy(encoder.state_dict())
    assert torch.equal(prune_encoder(encoder, np.array([], dtype=np.int64))(ids)[0], encoder(ids)[0])
    prune_encoder(encoder, np.arange(5))
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize(("neurons", "named"), [([7], 7), ([2, 99], 99), ([-1, 2], -1)])
def test_a_neuron_that_is_not_there_is_an_error_that_names_it(encoder, neurons, named):
    with pytest.raises(TxrayError, match=rf"cannot prune neuron {named}: the encoder has 7"):
        prune_encoder(encoder, np.array(neurons))


@torch.no_grad()
def test_predict_pruned_zeroes_states_column_by_column(classifier):
    states = torch.randn(11, 7, generator=torch.Generator().manual_seed(2))
    sets = [np.array([], dtype=np.int64), np.array([3]), np.array([0, 6, 2]), np.arange(7)]
    predictions = predict_pruned(classifier, states, sets)
    assert predictions.shape == (11, 4)
    for column, neurons in zip(predictions.T, sets, strict=True):
        zeroed = states.clone()
        zeroed[:, torch.from_numpy(neurons)] = 0
        np.testing.assert_allclose(column, predict(classifier, zeroed), atol=1e-6)
    np.testing.assert_allclose(predictions[:, 3], torch.sigmoid(classifier.output.bias).item(), atol=1e-7)


def test_the_sets_by_hand():
    sets = {s.name: s.neurons.tolist() for s in pruning_sets(TRANSFER, 2)}
    assert sets == {"A": [1, 3], "A-strict": [3], "B": [2, 4], "C": [0, 5], "D": [2, 6]}


def test_ties_go_to_the_lowest_neuron_and_b_and_c_take_only_preferred_ones():
    by_name = {s.name: s.neurons.tolist() for s in pruning_sets(TRANSFER, 1)}
    assert (by_name["B"], by_name["C"]) == ([2], [0])
    by_name = {s.name: s.neurons.tolist() for s in pruning_sets(TRANSFER, 4)}
    assert by_name["B"] == [2, 4, 6, 7]
    assert by_name["C"] == [0, 2, 5, 6]


def test_fewer_preferred_neurons_than_the_size():
    by_name = {s.name: s.neurons.tolist() for s in pruning_sets(TRANSFER, 50)}
    assert by_name["B"] == by_name["C"] == [0, 2, 4, 5, 6, 7]


def test_nothing_preferred_after_supervision():
    by_name = {s.name: s.neurons.tolist() for s in pruning_sets(table([(AVOIDED, 2, 0, 0.0), (NEVER, 0, 0, 0.0)]), 1)}
    assert by_name == {"A": [0, 1], "A-strict": [0], "B": [], "C": [], "D": []}


def test_f1_by_hand():
    found = score(np.array([0.9, 0.8, 0.7, 0.2, 0.1]), np.array([1, 1, 0, 1, 0]))
    assert (found.precision, found.recall, found.f1, found.accuracy) == pytest.approx((2 / 3, 2 / 3, 2 / 3, 3 / 5))
    uneven = score(np.array([0.9, 0.1, 0.1, 0.1]), np.array([1, 1, 1, 0]))
    assert (uneven.precision, uneven.recall, uneven.f1) == pytest.approx((1, 1 / 3, 0.5))


@pytest.mark.parametrize(
    ("predictions", "labels", "accuracy"),
    [([0.1, 0.2], [1, 0], 0.5), ([0.9, 0.6], [0, 0], 0.0), ([0.1, 0.2], [0, 0], 1.0), ([0.5], [1], 0.0), ([], [], 0.0)],
)
def test_f1_without_hits_is_0(predictions, labels, accuracy):
    found = score(np.array(predictions), np.array(labels))
    assert (found.precision, found.recall, found.f1, found.accuracy) == (0, 0, 0, accuracy)


def planted_classifier() -> tuple[Classifier, Texts, torch.Tensor]:
    """A classifier that reads one neuron only, and states of which it errs on some."""
    made = Classifier(Encoder(8, 4, 3)).eval()
    with torch.no_grad():
        made.output.weight.copy_(torch.tensor([[10.0, 0.0, 0.0]]))
        made.output.bias.fill_(-1)
    labels = np.array([1] * 4 + [0] * 4)
    states = torch.zeros(8, 3)
    states[[0, 1, 2, 4], 0] = 1
    ids = tuple(np.array([i % 7], np.int32) for i in range(8))
    return made, Texts(tuple(map(str, range(8))), ids, labels), states


def test_the_change_is_relative():
    assert relative_change(77.0, 80.0) == pytest.approx(-0.0375)
    assert np.isnan(relative_change(0.5, 0.0))


def test_the_table_by_hand():
    model, texts, states = planted_classifier()
    transfer = table([(SHARED, 1, 1, 6.0), (GAINED, 0, 1, 2.0), (AVOIDED, 1, 0, 0.0)])
    settings = Pruning(set_size=1, reviews=8, random_sets=30, recurrent_random_sets=20)
    given = (model, transfer, pruning_sets(transfer, 1), {"test": texts}, {"test": states}, settings)
    result = pruning_table(*given, seed=1)
    assert len(result) == 5 * 2
    rows = result[result["way"] == BEFORE_CLASSIFIER].set_index("set")
    assert rows["neurons"].to_dict() == {"A": 1, "A-strict": 1, "B": 1, "C": 1, "D": 1}
    assert rows["mass_share"].to_dict() == pytest.approx({"A": 0, "A-strict": 0, "B": 0.25, "C": 0.75, "D": 0.25})
    assert rows["overlap_with_gained"].to_dict() == {"A": 0, "A-strict": 0, "B": 1, "C": 0, "D": 1}
    assert rows["f1_base"].tolist() == [0.75] * 5
    assert rows["f1"].to_dict() == {"A": 0.75, "A-strict": 0.75, "B": 0.75, "C": 0.0, "D": 0.75}
    assert rows["change"].to_dict() == {"A": 0, "A-strict": 0, "B": 0, "C": -1, "D": 0}
    assert (rows["random_low"] <= rows["random_median"]).all()
    assert rows["random_low"].tolist() == [-1] * 5, "a third of all random sets hit the one neuron that is read"
    assert rows["random_high"].tolist() == [0] * 5
    assert rows["random_sets"].tolist() == [30] * 5
    out_of = result[result["way"] == OUT_OF_ENCODER]
    assert out_of["random_sets"].tolist() == [20] * 5
    pd.testing.assert_frame_equal(result, pruning_table(*given, seed=1))


def test_out_of_the_encoder_scores_the_pruned_encoder(classifier, texts):
    transfer = table([(SHARED, 1, 1, 9.0 - n) for n in range(4)] + [(AVOIDED, 1, 0, 0.0)] + [(GAINED, 0, 1, 0.5)] * 2)
    sets = pruning_sets(transfer, 2)
    states = last_hidden_states(classifier, texts)
    reviews = 2 * int(min(np.bincount(texts.labels)))
    settings = Pruning(set_size=2, reviews=reviews, random_sets=5, recurrent_random_sets=6)
    result = pruning_table(classifier, transfer, sets, {"test": texts}, {"test": states}, settings, seed=1)
    rows = result[result["way"] == OUT_OF_ENCODER].set_index("set")
    assert rows["reviews"].tolist() == [reviews] * 5
    assert rows["random_sets"].tolist() == [6] * 5
    assert (rows["random_low"] <= rows["random_median"]).all()
    assert (rows["random_median"] <= rows["random_high"]).all()
    sample = texts.take(balanced_sample(texts.labels, reviews, 1))
    for chosen in sets:
        pruned = Classifier(prune_encoder(classifier.encoder, chosen.neurons))
        pruned.output.load_state_dict(classifier.output.state_dict())
        expected = score(predict(pruned, last_hidden_states(pruned, sample)), sample.labels).f1
        assert rows.loc[chosen.name, "f1"] == expected


def test_random_sets_of_equal_size_are_distinct_neurons_and_follow_from_the_seed():
    match = equal_size(np.array([1, 4, 5]), 9, 50, seed=1)
    assert [len(set(drawn.tolist())) for drawn in match.sets] == [3] * 50
    assert {n for drawn in match.sets for n in drawn.tolist()} == set(range(9))
    again = equal_size(np.array([0, 2, 8]), 9, 50, seed=1)
    assert all((a == b).all() for a, b in zip(match.sets, again.sets, strict=True)), "equal sizes, equal sets"


@pytest.mark.parametrize(("neurons", "why"), [([], "the set is empty"), (range(9), "the set is all neurons")])
def test_beside_no_neurons_or_all_of_them_there_are_no_random_sets(neurons, why):
    chosen = np.array(neurons, dtype=np.int64)
    for match in (equal_size(chosen, 9, 50, 1), equal_weight(MASS, np.ones(9), chosen, 50, 1)):
        assert (match.sets, match.why) == ([], why)


def test_sets_of_equal_weight_have_it_and_are_not_the_set_again():
    weights, chosen = np.random.default_rng(2).lognormal(0, 1, 100), np.arange(10)
    match = equal_weight(VARIANCE, weights, chosen, 60, seed=1)
    assert len(match.sets) == 60
    for drawn in match.sets:
        assert len(set(drawn.tolist())) == 10
        assert abs(weights[drawn].sum() - weights[chosen].sum()) <= TOLERANCE * weights[chosen].sum() * 1.0001
        assert len(np.intersect1d(drawn, chosen)) <= (1 + 10 / 100) / 2 * 10
    assert len({tuple(sorted(drawn)) for drawn in match.sets}) > 50


def test_where_the_set_has_most_of_the_mass_or_all_that_have_none_no_other_is_like_it():
    mass = np.array([0.0] * 6 + [50.0, 30.0] + [1.0] * 12)
    most, none, some_of_none = np.array([6, 7]), np.arange(6), np.array([0, 1])
    for chosen in (most, none):
        match = equal_weight(MASS, mass, chosen, 30, seed=1)
        assert match.sets == []
        assert "other sets of as many neurons have its mass" in match.why
    match = equal_weight(MASS, mass, some_of_none, 30, seed=1)
    assert [mass[drawn].sum() for drawn in match.sets] == [0.0] * 30


@pytest.mark.parametrize(
    ("change", "random", "expected"),
    [
        (0.5, [0, 1], 50),
        (2, [0, 1], 100),
        (-1, [0, 1], 0),
        (0, [0, 0, 0, 0], 50),
        (1, [0, 1, 1, 2], 50),
        (1, [0, 0, 1, 2], 62.5),
    ],
)
def test_the_percentile_counts_equal_ones_half(change, random, expected):
    assert percentile(change, np.array(random, dtype=float)) == expected


def test_there_is_no_percentile_of_nothing_or_among_nothing():
    assert np.isnan(percentile(np.nan, np.array([1.0])))
    assert np.isnan(percentile(1.0, np.array([])))


def test_the_sampling_error_is_0_where_pruning_changes_nothing_and_falls_with_the_reviews():
    random = np.random.default_rng(1)

    def error(reviews: int) -> float:
        labels = np.arange(reviews) % 2
        base, pruned = (np.where(random.random(reviews) < p, labels, 1 - labels) for p in (0.85, 0.7))
        assert sampling_error(base, base, labels, 1) == 0
        return sampling_error(base, pruned, labels, 1)

    few, many = error(400), error(6400)
    assert few / many == pytest.approx(4, rel=0.3)
    assert 0.01 < few < 0.1


def test_every_random_set_is_kept_and_the_summary_follows_from_them(classifier, texts):
    transfer = table([(SHARED, 1, 1, 9.0 - n) for n in range(4)] + [(AVOIDED, 1, 0, 0.0)] + [(GAINED, 0, 1, 0.5)] * 2)
    states = last_hidden_states(classifier, texts)
    reviews = 2 * int(min(np.bincount(texts.labels)))
    settings = Pruning(set_size=2, reviews=reviews, random_sets=12, recurrent_random_sets=3)
    parts, hidden = {"train": texts, "test": texts}, {"train": states, "test": states}
    rows, random = pruning_tables(classifier, transfer, pruning_sets(transfer, 2), parts, hidden, settings, seed=1)
    assert set(random["match"]) <= {SIZE, VARIANCE, MASS}
    keys = ["set", "way", "split"]
    for key, row in rows.set_index(keys).iterrows():
        drawn = random[(random[keys] == list(key)).all(axis=1)]
        equal = drawn[drawn["match"] == SIZE]
        assert len(equal) == row["random_sets"] == (12 if row.name[1] == BEFORE_CLASSIFIER else 3)
        assert equal["change"].median() == pytest.approx(row["random_median"])
        columns = {SIZE: "percentile", VARIANCE: "percentile_variance", MASS: "percentile_mass"}
        for match, column in columns.items():
            expected = percentile(row["change"], drawn.loc[drawn["match"] == match, "change"].to_numpy())
            assert row[column] == pytest.approx(expected, nan_ok=True)
        assert bool(row["why"]) or {VARIANCE, MASS} <= set(drawn["match"])
    assert (rows["sampling_error"] >= 0).all()
    train, test = (rows[rows["split"] == split].drop(columns="split").reset_index(drop=True) for split in parts)
    pd.testing.assert_frame_equal(train, test)
