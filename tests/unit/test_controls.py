"""Controls: shuffled labels change nothing but their order, a control is trained as long as the real one, and the probe
finds what is there and nothing else."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import FINETUNING, WORDS, an_encoder, same, texts
from small_training import PRETRAINING as DROPPING

from txray_lib import probe
from txray_lib.corpora import Corpus, Document
from txray_lib.encoders.training import at_constant_rate, finetune, kept_updates, learning_rate, pretrain
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pretraining


def test_shuffled_labels_leave_their_counts_and_the_reviews_and_tell_nothing_of_the_real_ones():
    real = texts(2000, 1, 1)
    first, again, second = (real.with_shuffled_labels(1, number) for number in (1, 1, 2))
    assert (first.names, first.ids) == (real.names, real.ids)
    assert np.bincount(first.labels).tolist() == np.bincount(real.labels).tolist()
    assert (first.labels == again.labels).all()
    for other in (real, second):
        assert (first.labels == other.labels).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("rows", "updates"),
    [
        ([(0.4, 0.7, 0.5), (0.8, 0.6, 0.6), (1.2, 0.9, 0.9)], 6),
        ([(0.4, 0.7, 0.5), (0.8, 0.6, 0.6), (1.2, 0.5, 0.6)], 4),
        ([(0.4, 0.8, 0.3)], 2),
    ],
    ids=["reaches the target", "first of the highest accuracy", "at once"],
)
def test_the_updates_of_the_kept_classifier_by_hand(rows, updates):
    """Rows are of (epoch, F1, accuracy)."""
    curve = pd.DataFrame(rows, columns=["epoch", "valid_f1", "valid_accuracy"]).melt("epoch", var_name="measure")
    settings = FINETUNING.model_copy(update={"target_f1": 0.8})
    assert kept_updates(curve, settings, 40) == updates


@pytest.mark.parametrize("target", [1.0, 0.0])
def test_on_real_labels_so_many_updates_give_the_kept_classifier_itself(target):
    settings, train, valid = FINETUNING.model_copy(update={"target_f1": target}), texts(40, 1, 1), texts(20, 2, 1)
    real, curve = finetune(settings, an_encoder(), train, valid, 1)
    updates = kept_updates(curve, settings, len(train))
    again, _ = finetune(settings, an_encoder(), train, valid, 1, updates=updates)
    assert same(real.state_dict(), again.state_dict())


PRETRAINING = DROPPING.model_copy(update={"dropout": 0.0})


def test_the_constant_rate_is_the_mean_of_those_that_the_schedule_gave(monkeypatch):
    given_rates: list[float] = []

    def noted(settings: Pretraining, done: float) -> float:
        given_rates.append(learning_rate(settings, done))
        return given_rates[-1]

    stream = np.random.default_rng(0).integers(0, WORDS, 107).astype(np.int32)
    monkeypatch.setattr("txray_lib.encoders.training.learning_rate", noted)
    pretrain(PRETRAINING, WORDS, stream, stream, 1, lambda epoch, encoder: None)
    windows = 5
    updates = [r for i, r in enumerate(given_rates) if i % (windows + 1) < windows]
    assert len(updates) == 3 * windows
    constant = at_constant_rate(PRETRAINING, len(stream))
    assert constant.schedule == "constant"
    assert constant.learning_rate == pytest.approx(np.mean(updates), rel=1e-12)
    others = {"exclude": {"schedule", "learning_rate"}}
    assert constant.model_dump(**others) == PRETRAINING.model_dump(**others)


def tagged(block: str, name: str, tokens: int) -> Document:
    return Document(name, "train", block, ("a",) * tokens, tags=("NN",) * tokens)


def test_the_parts_of_the_probe_share_no_block_and_have_the_tokens_asked_for():
    corpus = Corpus("c", tuple(tagged(f"b{i % 10}", f"d{i}", 3 + i % 4) for i in range(60)))
    train, test = probe.split_by_block(corpus, 100, 1)
    assert (train.token_count, test.token_count) == (100, 100)
    assert not {d.block for d in train} & {d.block for d in test}
    assert probe.split_by_block(corpus, 100, 1) == (train, test)
    corpus = Corpus("c", (tagged("one", "d1", 50), tagged("two", "d2", 50)))
    assert [part.token_count for part in probe.split_by_block(corpus, 50, 1)] == [50, 50]
    with pytest.raises(TxrayError, match=r"probe on 60 tokens .*Lower controls.probe_tokens"):
        probe.split_by_block(corpus, 60, 1)


@torch.no_grad()
def test_activations_are_those_of_each_document_alone(encoder, corpus, vocabulary):
    rows = probe.read_activations(encoder, corpus, vocabulary)
    texts = [torch.from_numpy(vocabulary.encode(d.tokens).astype(np.int64)) for d in corpus if len(d)]
    alone = [encoder(ids.unsqueeze(0))[0][0] for ids in texts]
    assert torch.allclose(rows, torch.cat(alone), atol=1e-6)


def some_tags(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(["DT", "NN", "VB"], dtype=object), count, p=[0.3, 0.5, 0.2])


def test_the_probe_finds_what_activations_hold_and_nothing_in_noise():
    train_tags, tags = some_tags(3000, 1), some_tags(1000, 2)
    directions = torch.randn(3, 20, generator=torch.Generator().manual_seed(1))

    def encoded(given: np.ndarray, seed: int) -> torch.Tensor:
        noise = 0.05 * torch.randn(len(given), 20, generator=torch.Generator().manual_seed(seed))
        return 0.1 * directions[np.unique(given, return_inverse=True)[1]] + noise + 0.5

    fitted, rows = probe.fit(encoded(train_tags, 3), train_tags), encoded(tags, 4)
    probable = fitted.probabilities(rows)
    assert (fitted.tell(rows) == tags).mean() > 0.97
    assert probable.sum(axis=1) == pytest.approx(np.ones(1000))
    assert (fitted.tell(rows) == fitted.names[probable.argmax(axis=1)]).all()
    noise = [torch.randn(count, 20, generator=torch.Generator().manual_seed(count)) for count in (3000, 1000)]
    told = probe.fit(noise[0], train_tags).tell(noise[1])
    assert (told == tags).mean() == pytest.approx((tags == "NN").mean(), abs=0.03)


def test_a_control_task_gives_each_word_one_tag_of_those_that_occur():
    words, tags = np.arange(2000) % 500, np.array(["NN"] * 1500 + ["VB"] * 500, dtype=object)
    task = probe.random_tags(words, tags, 1)
    assert sorted(task) == list(range(500))
    assert pd.Series(task).value_counts(normalize=True).to_dict() == pytest.approx({"NN": 0.75, "VB": 0.25}, abs=0.06)
    assert task == probe.random_tags(words, tags, 1) != probe.random_tags(words, tags, 2)


def test_a_word_alone_and_nothing_by_hand():
    train, train_tags = np.array([1, 1, 1, 2, 2, 4, 4]), np.array(["NN", "VB", "NN", "DT", "DT", "NN", "VB"])
    assert probe.by_word(train, train_tags, np.array([1, 2, 3, 4, 9])).tolist() == ["NN", "DT", "NN", "NN", "NN"]
    assert probe.majority(train_tags, 2).tolist() == ["NN", "NN"]


def test_the_interval_of_the_accuracy_by_hand():
    tags = np.array(["a"] * 8)
    told = np.array(["a"] * 4 + ["a", "b", "b", "b"])
    found = probe.accuracy(told, tags, np.array(["x"] * 4 + ["y"] * 4))
    error = math.sqrt(2 * (1.5**2 + 1.5**2)) / 8
    assert (found["accuracy"], found["tokens"], found["blocks"]) == (5 / 8, 8, 2)
    assert (found["low"], found["high"]) == pytest.approx((max(0, 5 / 8 - 1.96 * error), min(1, 5 / 8 + 1.96 * error)))
    one = probe.accuracy(told, tags, np.array(["x"] * 8))
    assert math.isnan(one["low"])
