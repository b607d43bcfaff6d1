"""Pruning: cut neurons are gone from the recurrence, the sets are the paper's, changes are relative, random sets are alike."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from txray_lib import pruning
from txray_lib.encoders.encoded import Texts, balanced_sample
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.encoders.recurrent import Recurrent
from txray_lib.encoders.training import last_hidden_states, predict, score
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pruning
from txray_lib.pruning import BEFORE_CLASSIFIER, OUT_OF_ENCODER, predict_pruned, pruning_sets
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED


def physically_smaller(encoder: Encoder, kept: list[int]) -> nn.LSTM:
    """An LSTM that has only the kept neurons, with the weights between them."""
    rows = torch.tensor([gate * encoder.units + neuron for gate in range(4) for neuron in kept])
    smaller = nn.LSTM(encoder.lstm.input_size, len(kept), batch_first=True)
    weights = {name: full[rows] for name, full in encoder.lstm.state_dict().items()}
    weights["weight_hh_l0"] = weights["weight_hh_l0"][:, kept]
    smaller.load_state_dict(weights)
    return smaller


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(0, 8, (3, 40), generator=torch.Generator().manual_seed(9))


@pytest.fixture
def texts() -> Texts:
    random = np.random.default_rng(8)
    ids = tuple(random.integers(0, 7, n).astype(np.int32) for n in random.integers(0, 12, 40))
    return Texts(tuple(f"t{i}" for i in range(40)), ids, random.integers(0, 2, 40))


def table(rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    """A transfer table of (state, length after, mass after)."""
    return pd.DataFrame(rows, columns=["state", "length_after", "mass_after"]).assign(neuron=range(len(rows)))


STATE = [SHARED, NEVER, GAINED, AVOIDED, SHARED, SHARED, GAINED, SHARED]
TRANSFER = table([*zip(STATE, (2, 0, 1, 0, 1, 9, 1, 1), (5.0, 0.0, 1.0, 0.0, 1.0, 5.0, 2.0, 1.0), strict=True)])


@pytest.mark.parametrize("cut", [[], [0], [2, 5], [4, 0, 1], [0, 1, 2, 3, 4, 5]])
@torch.no_grad()
def test_pruned_is_an_lstm_that_never_had_the_neurons(encoder, ids, cut):
    kept, before = [n for n in range(encoder.units) if n not in cut], copy.deepcopy(encoder.state_dict())
    with encoder.without({0: np.array(cut, np.int64)}):
        activations, (h, c) = encoder(ids)
    expected, (expected_h, expected_c) = physically_smaller(encoder, kept)(encoder.embedding(ids))
    for found, wanted in ((activations, expected), (h, expected_h), (c, expected_c)):
        assert torch.allclose(found[..., kept], wanted, atol=1e-6)
    assert (activations[..., cut] == 0).all()
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items()), "it is as it was"
    others = (encoder(ids)[0] - activations)[:, -1, kept].abs().max()
    assert (others > 1e-3) == bool(cut), "cutting is more than zeroing the last state"


@pytest.mark.parametrize("neurons", [[7], [-1], [0.5], [True] * 7, ["a"], [[0]], [[1], [1, 2]], 3])
def test_what_are_no_neurons_is_told(classifier, neurons):
    layers, told = Recurrent("gru", 8, 4, 7, 1, False), "are no neurons: a list of numbers from 0 to 6 is wanted"
    for cut in (
        lambda: classifier.encoder.without({0: neurons}).__enter__(),
        lambda: predict_pruned(classifier, torch.zeros(2, 7), [neurons]),
        lambda: layers.without({0: neurons}).__enter__(),
    ):
        with pytest.raises(TxrayError, match=told):
            cut()
    with pytest.raises(TxrayError, match=told):
        pruning.predict_without(classifier, None, "cpu", "float32", [neurons])


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


@pytest.mark.parametrize(
    ("size", "least", "most"),
    [(1, [2], [0]), (2, [2, 4], [0, 5]), (4, [2, 4, 6, 7], [0, 2, 5, 6]), (50, [0, 2, 4, 5, 6, 7], [0, 2, 4, 5, 6, 7])],
)
def test_the_sets_by_hand_ties_go_to_the_lowest_neuron(size, least, most):
    expected = {"A": [1, 3], "A-strict": [3], "B": least, "C": most, "D": [2, 6]}
    assert {name: neurons.tolist() for name, neurons in pruning_sets(TRANSFER, size).items()} == expected


@pytest.mark.parametrize(
    ("transfer", "size", "told"),
    [
        (TRANSFER[1:], 2, "not a row for each neuron of one layer"),
        (TRANSFER[::-1], 2, "not a row for each neuron of one layer"),
        (pd.concat([TRANSFER, TRANSFER]), 2, "not a row for each neuron of one layer"),
        (TRANSFER, -1, "the size of a set is -1, and a whole number from 0 on is wanted"),
    ],
)
def test_sets_of_some_neurons_alone_are_refused(transfer, size, told):
    with pytest.raises(TxrayError, match=told):
        pruning_sets(transfer, size)


@pytest.mark.parametrize(
    ("predictions", "labels", "expected"),
    [
        ([0.9, 0.8, 0.7, 0.2, 0.1], [1, 1, 0, 1, 0], (2 / 3, 2 / 3, 2 / 3, 3 / 5)),
        ([0.9, 0.1, 0.1, 0.1], [1, 1, 1, 0], (1, 1 / 3, 0.5, 0.5)),
        ([0.1, 0.2], [1, 0], (0, 0, 0, 0.5)),
        ([0.5], [1], (0, 0, 0, 0)),
        ([], [], (0, 0, 0, 0)),
    ],
)
def test_f1_by_hand(predictions, labels, expected):
    found = score(np.array(predictions), np.array(labels))
    assert (found.precision, found.recall, found.f1, found.accuracy) == pytest.approx(expected)


def test_the_table_by_hand():
    """A classifier that reads neuron 0 alone, and errs on two of eight."""
    model = Classifier(Encoder(8, 4, 3)).eval()
    with torch.no_grad():
        model.output.weight.copy_(torch.tensor([[10.0, 0.0, 0.0]]))
        model.output.bias.fill_(-1)
    states = torch.zeros(8, 3)
    states[[0, 1, 2, 4], 0] = 1
    names, ids = tuple(map(str, range(8))), tuple(np.array([i % 7], np.int32) for i in range(8))
    texts = Texts(names, ids, np.array([1] * 4 + [0] * 4))
    transfer = table([(SHARED, 1, 6.0), (GAINED, 1, 2.0), (AVOIDED, 0, 0.0)])
    settings = Pruning(set_size=1, reviews=8, random_sets=30, recurrent_random_sets=20)
    result, drawn = pruning.pruning_tables(model, transfer, {"test": texts}, {"test": states}, settings, seed=1)
    assert len(result) == 5 * 2
    rows = result[result["way"] == BEFORE_CLASSIFIER].set_index("set")
    assert rows["neurons"].tolist() == [1] * 5
    assert rows["mass_share"].to_dict() == pytest.approx({"A": 0, "A-strict": 0, "B": 0.25, "C": 0.75, "D": 0.25})
    assert rows["f1_base"].tolist() == [0.75] * 5
    assert rows["f1"].to_dict() == {"A": 0.75, "A-strict": 0.75, "B": 0.75, "C": 0.0, "D": 0.75}
    assert rows["change"].to_dict() == {"A": 0, "A-strict": 0, "B": 0, "C": -1, "D": 0}
    assert rows["random_low"].tolist() == [-1] * 5, "a third of all random sets hit the one neuron that is read"
    assert rows["random_high"].tolist() == [0] * 5
    sizes = drawn[drawn["match"] == pruning.SIZE].groupby(["way", "set"]).size().unstack("set")
    assert (sizes.loc[BEFORE_CLASSIFIER] == 30).all()
    assert (sizes.loc[OUT_OF_ENCODER] == 20).all()
    assert pruning.relative_change(77.0, 80.0) == pytest.approx(-0.0375)
    assert np.isnan(pruning.relative_change(0.5, 0.0))


def test_both_ways_score_what_they_say_and_every_random_set_is_kept(classifier, texts):
    transfer = table([(SHARED, 1, 9.0 - n) for n in range(4)] + [(AVOIDED, 0, 0.0)] + [(GAINED, 1, 0.5)] * 2)
    states = last_hidden_states(classifier, texts)
    reviews = 2 * int(min(np.bincount(texts.labels)))
    settings = Pruning(set_size=2, reviews=reviews, random_sets=12, recurrent_random_sets=3)
    parts, hidden = {"train": texts, "test": texts}, {"train": states, "test": states}
    rows, random = pruning.pruning_tables(classifier, transfer, parts, hidden, settings, seed=1)
    assert set(random["match"]) <= {pruning.SIZE, pruning.VARIANCE}
    keys = ["set", "way", "split"]
    for key, row in rows.set_index(keys).iterrows():
        equal = random[(random[keys] == list(key)).all(axis=1) & (random["match"] == pruning.SIZE)]["change"]
        assert len(equal) == (12 if key[1] == BEFORE_CLASSIFIER else 3)
        assert row[["random_low", "random_high"]].tolist() == pytest.approx(equal.quantile([0.025, 0.975]).tolist())
    assert (rows["sampling_error"] >= 0).all()
    train, test = (rows[rows["split"] == split].drop(columns="split").reset_index(drop=True) for split in parts)
    pd.testing.assert_frame_equal(train, test)
    sample = texts.take(balanced_sample(texts.labels, reviews, 1))
    for name, neurons in pruning_sets(transfer, 2).items():
        with classifier.encoder.without({0: neurons}):
            expected = score(predict(classifier, last_hidden_states(classifier, sample)), sample.labels).f1
        found = rows.set_index(keys).loc[(name, OUT_OF_ENCODER, "test"), ["f1", "reviews"]]
        assert found.tolist() == [expected, reviews]


def test_random_sets_of_equal_size_are_distinct_neurons_and_follow_from_the_seed():
    sets = pruning.draw_equal_size(np.array([1, 4, 5]), 9, 50, seed=1)
    assert [len(set(drawn.tolist())) for drawn in sets] == [3] * 50
    assert {n for drawn in sets for n in drawn.tolist()} == set(range(9))
    again = pruning.draw_equal_size(np.array([0, 2, 8]), 9, 50, seed=1)
    assert all((a == b).all() for a, b in zip(sets, again, strict=True)), "equal sizes, equal sets"


def test_sets_of_equal_variance_have_it_and_are_not_the_set_again():
    variance, chosen = np.random.default_rng(2).lognormal(0, 1, 100), np.arange(10)
    sets, total = pruning.draw_equal_variance(variance, chosen, 60, seed=1), variance[chosen].sum()
    assert len(sets) == 60
    for drawn in sets:
        assert len(set(drawn.tolist())) == 10
        assert abs(variance[drawn].sum() - total) <= pruning.TOLERANCE * total * 1.0001
        assert len(np.intersect1d(drawn, chosen)) <= (1 + 10 / 100) / 2 * 10
    assert len({tuple(sorted(drawn)) for drawn in sets}) > 50


@pytest.mark.parametrize("chosen", [[], range(20), [6, 7]], ids=["none", "all", "most of it"])
def test_where_no_other_set_is_alike_there_is_none(chosen):
    variance, chosen = np.array([0.0] * 6 + [50.0, 30.0] + [1.0] * 12), np.array(chosen, dtype=np.int64)
    assert pruning.draw_equal_variance(variance, chosen, 30, seed=1) == []
    assert len(pruning.draw_equal_size(chosen, 20, 30, seed=1)) == (30 if 0 < len(chosen) < 20 else 0)


def test_the_sampling_error_is_0_where_pruning_changes_nothing_and_falls_with_the_reviews():
    random = np.random.default_rng(1)

    def error(reviews: int) -> float:
        labels = np.arange(reviews) % 2
        base, pruned = (np.where(random.random(reviews) < p, labels, 1 - labels) for p in (0.85, 0.7))
        assert pruning.sampling_error(base, base, labels, 1) == 0
        return pruning.sampling_error(base, pruned, labels, 1)

    few, many = error(400), error(6400)
    assert few / many == pytest.approx(4, rel=0.3)
    assert 0.01 < few < 0.1
