"""Encoders: killed and continued training gives the same weights; what is frozen stays; what does not fit is told."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from small_training import FINETUNING, PRETRAINING, WORDS, Killed, an_encoder, killing, same, texts

from txray_lib.corpora import Corpus
from txray_lib.encoders import lstm, snapshots, training
from txray_lib.encoders.encoded import Texts, balanced_sample, batches_by_length, encode_stream, encode_texts
from txray_lib.encoders.lstm import Classifier, Encoder, LanguageModel, has_bfloat16
from txray_lib.encoders.snapshots import load_snapshot, save_snapshot, untrained_encoder
from txray_lib.encoders.training import finetune, last_hidden_states, predict, pretrain, score
from txray_lib.errors import TxrayError

TRAIN = np.random.default_rng(0).integers(0, WORDS, 107).astype(np.int32)
VALID = np.random.default_rng(1).integers(0, WORDS, 40).astype(np.int32)
WINDOWS = 5
Finetuned = tuple[Classifier, pd.DataFrame]


def run_pretraining(checkpoint: Path | None = None, kept: dict[int, Any] | None = None, **changes: Any) -> Any:
    """The snapshots by epoch, in the order in which they came, and the curve without its seconds."""
    kept = {} if kept is None else kept

    def keep(epoch: int, encoder: Encoder) -> None:
        kept[epoch] = {k: v.clone() for k, v in encoder.state_dict().items()}

    settings = PRETRAINING.model_copy(update=changes)
    curve = pretrain(settings, WORDS, TRAIN, VALID, 1, keep, checkpoint)
    return kept, curve.drop(columns="seconds")


@pytest.fixture(scope="module")
def whole_pretraining() -> Any:
    return run_pretraining()


def kill_pretraining(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, after: int, **changes: Any) -> dict[int, Any]:
    """The snapshots of a pretraining that was killed after so many updates, with a checkpoint at each."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(training, "READ_EVERY", 1)
    kept: dict[int, Any] = {}
    with monkeypatch.context() as patch:
        patch.setattr(training, "_update", killing(training._update, after))
        with pytest.raises(Killed):
            run_pretraining(checkpoint, kept, **changes)
    torch.rand(3)
    return kept


@pytest.mark.parametrize("after", [0, 1, WINDOWS - 1, WINDOWS, 2 * WINDOWS + 3])
def test_pretraining_goes_on_to_the_same_bits(tmp_path, monkeypatch, whole_pretraining, after):
    kept = kill_pretraining(tmp_path / "c.safetensors", monkeypatch, after)
    _, curve = run_pretraining(tmp_path / "c.safetensors", kept)
    snapshots, whole_curve = whole_pretraining
    assert all(same(snapshots[epoch], kept[epoch]) for epoch in PRETRAINING.snapshots)
    pd.testing.assert_frame_equal(curve, whole_curve, check_exact=True)


ROUNDS = pytest.mark.skipif(not has_bfloat16("cpu"), reason="no bfloat16 here: training with it was NOT tried")


@ROUNDS
def test_rounded_products_train_nearly_as_well_leave_whole_weights_and_go_on(tmp_path, monkeypatch, whole_pretraining):
    rounded, curve = run_pretraining(precision="bfloat16")
    exact, exact_curve = whole_pretraining
    last = PRETRAINING.epochs
    assert all(weight.dtype == torch.float32 for weight in rounded[last].values())
    assert same(rounded[0], exact[0])
    assert not same(rounded[last], exact[last])
    measured, wanted = (c.query("measure == 'valid_perplexity'")["value"].to_numpy() for c in (curve, exact_curve))
    np.testing.assert_allclose(measured, wanted, rtol=0.05)
    kept = kill_pretraining(tmp_path / "c.safetensors", monkeypatch, WINDOWS + 1, precision="bfloat16")
    run_pretraining(tmp_path / "c.safetensors", kept, precision="bfloat16")
    assert same(rounded[last], kept[last])
    classifier, _ = run_finetuning(precision="bfloat16")
    assert all(weight.dtype == torch.float32 for weight in classifier.state_dict().values())


def test_snapshots_come_in_order_and_only_those_wanted(whole_pretraining):
    assert list(whole_pretraining[0]) == [0, 1, 2, 3]
    assert list(run_pretraining(epochs=4, snapshots=[0, 4, 3, 1])[0]) == [0, 1, 3, 4]
    snapshots = whole_pretraining[0]
    assert not any(same(snapshots[epoch], snapshots[epoch + 1]) for epoch in range(3))
    rows = whole_pretraining[1].groupby("epoch")["measure"].apply(sorted).to_dict()
    each = ["learning_rate", "train_perplexity", "valid_perplexity"]
    assert rows == {0.0: ["valid_perplexity"], 1.0: each, 2.0: each, 3.0: each}
    assert same(untrained_encoder(WORDS, 5, 6, seed=1).state_dict(), snapshots[0])


def test_the_seed_decides(whole_pretraining):
    kept: dict[int, Any] = {}
    pretrain(PRETRAINING, WORDS, TRAIN, VALID, 2, lambda e, m: kept.update({e: m.state_dict()}))
    assert not same(kept[3], whole_pretraining[0][3])


def test_pretraining_learns_what_can_be_learnt():
    stream = np.tile(np.arange(WORDS, dtype=np.int32), 40)
    settings = PRETRAINING.model_copy(update={"epochs": 8, "snapshots": [0, 1, 7, 8], "dropout": 0.0, "batch_size": 8})
    curve = pretrain(settings, WORDS, stream, stream, 1, lambda e, m: None)
    valid = curve[curve["measure"] == "valid_perplexity"]["value"].tolist()
    assert valid[0] == pytest.approx(WORDS, rel=0.2)
    assert valid[-1] < 0.7 * valid[0]


@torch.no_grad()
@pytest.mark.parametrize(("bias", "expected"), [(0.0, WORDS), (math.log(10.0), (WORDS - 1 + 10) / 10)])
def test_the_perplexity_of_a_constant_distribution_by_hand(bias, expected):
    model = LanguageModel(Encoder(WORDS, 5, 6))
    for parameter in model.parameters():
        parameter.zero_()
    model.bias[3] = bias
    assert training.perplexity(model, np.full(40, 3, np.int32), PRETRAINING) == pytest.approx(expected, rel=1e-6)


def test_the_schedule_by_hand():
    rate = [training.learning_rate(PRETRAINING, done) / 0.02 for done in (0, 0.1, 0.2, 0.6, 1)]
    assert rate == pytest.approx([0.04, 0.52, 1.0, 0.5, 0.0])
    constant = PRETRAINING.model_copy(update={"schedule": "constant"})
    assert {training.learning_rate(constant, done) for done in (0, 0.1, 1)} == {0.02}


@pytest.mark.parametrize(
    ("train", "valid", "changes", "told"),
    [
        (TRAIN[:7], VALID, {}, r"7 tokens are too few for 4 lanes.*batch_size"),
        (TRAIN, VALID[:1], {}, "1 tokens are too few"),
        (TRAIN, VALID, {"learning_rate": 1e20}, r"pretraining loss became (nan|inf): lower pretraining.learning_rate"),
    ],
)
def test_a_pretraining_that_cannot_be_is_told(train, valid, changes, told):
    settings = PRETRAINING.model_copy(update={"schedule": "constant", **changes})
    with pytest.raises(TxrayError, match=told):
        pretrain(settings, WORDS, train, valid, 1, lambda epoch, encoder: None)


def run_finetuning(checkpoint: Path | None = None, updates: int | None = None, **changes: Any) -> Finetuned:
    settings, valid = FINETUNING.model_copy(update=changes), texts(20, 2)
    classifier, curve = finetune(settings, an_encoder(), texts(40, 1), valid, 1, checkpoint, updates=updates)
    return classifier, curve.drop(columns="seconds")


@pytest.fixture(scope="module")
def whole_finetuning() -> Finetuned:
    return run_finetuning()


@pytest.mark.parametrize(("after", "updates"), [(2, None), (7, None), (5, 7)], ids=["early", "late", "a control"])
def test_finetuning_goes_on_to_the_same_bits(tmp_path, monkeypatch, whole_finetuning, after, updates):
    with monkeypatch.context() as patch:
        patch.setattr(training, "_update", killing(training._update, after))
        with pytest.raises(Killed):
            run_finetuning(tmp_path / "c.safetensors", updates)
    classifier, curve = run_finetuning(tmp_path / "c.safetensors", updates)
    whole, whole_curve = run_finetuning(updates=updates) if updates else whole_finetuning
    assert same(whole.state_dict(), classifier.state_dict())
    pd.testing.assert_frame_equal(curve, whole_curve, check_exact=True)


def test_embeddings_are_frozen_and_nothing_else_is(whole_finetuning):
    encoder = an_encoder()
    torch.manual_seed(1)
    before = {k: v.clone() for k, v in Classifier(encoder).state_dict().items()}
    after = whole_finetuning[0].state_dict()
    assert [k for k, v in before.items() if torch.equal(v, after[k])] == ["encoder.embedding.weight"]
    assert all(p.requires_grad for p in whole_finetuning[0].parameters())


def test_finetuning_stops_at_its_target(whole_finetuning):
    _, curve = run_finetuning(target_f1=0.0)
    assert curve["measure"].tolist() == ["train_loss", "valid_f1", "valid_accuracy"]
    _, curve = whole_finetuning
    assert (curve["measure"] == "valid_f1").sum() == math.ceil(3 * 5 / (5 // 2))
    assert curve["epoch"].max() == 3.0


def test_finetuning_gives_the_classifier_of_its_best_evaluation(whole_finetuning):
    classifier, curve = whole_finetuning
    valid = texts(20, 2)
    found = score(predict(classifier, last_hidden_states(classifier, valid)), valid.labels).accuracy
    assert found == curve[curve["measure"] == "valid_accuracy"]["value"].max()


def test_one_label_or_nothing_to_validate_on_is_an_error():
    one = texts(10, 1)
    with pytest.raises(TxrayError, match="both labels"):
        finetune(FINETUNING, Encoder(WORDS, 5, 6), one.take(np.flatnonzero(one.labels == 1)), one, 1)
    with pytest.raises(TxrayError, match="validate on"):
        finetune(FINETUNING, Encoder(WORDS, 5, 6), one, one.take(np.empty(0, np.int64)), 1)


@ROUNDS
def test_rounded_products_are_known_where_no_gradient_is_wanted():
    has_bfloat16.cache_clear()
    with torch.no_grad():
        assert has_bfloat16("cpu")


@ROUNDS
def test_rounded_products_leave_hidden_states_nearly_the_same(classifier):
    some = texts(30, 7).cut(6)
    some = Texts(some.names, tuple(i % 8 for i in some.ids), some.labels)
    exact, rounded = (last_hidden_states(classifier, some, precision=p) for p in ("float32", "bfloat16"))
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.02)


@torch.no_grad()
def test_last_hidden_states_are_those_of_each_text_alone(classifier):
    some = texts(30, 7).cut(6)
    some = Texts(some.names, tuple(i % 8 for i in some.ids), some.labels)
    states = last_hidden_states(classifier, some)
    for ids, state in zip(some.ids, states, strict=True):
        if len(ids):
            alone = classifier.encoder(torch.from_numpy(ids.astype(np.int64)).unsqueeze(0))[0][0, -1]
            assert torch.allclose(state, alone, atol=1e-6)
        else:
            assert (state == 0).all(), "a text of no tokens leaves the state it started from"


def test_a_snapshot_comes_back_bit_for_bit(tmp_path, encoder, classifier):
    for model in (encoder, classifier):
        save_snapshot(model, tmp_path / "own.safetensors", "hash")
        read = load_snapshot(tmp_path / "own.safetensors", "hash")
        assert type(read) is type(model)
        assert same(model.state_dict(), read.state_dict())
        assert not read.training
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]


def test_what_is_no_such_snapshot_is_told(tmp_path, classifier):
    save_snapshot(classifier, tmp_path / "c.safetensors", "one")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    torch.save({"embedding.weight": torch.zeros(2, 2)}, tmp_path / "pickle.safetensors")
    for left in (0, 5, -1):
        (tmp_path / f"cut{left}.safetensors").write_bytes((tmp_path / "c.safetensors").read_bytes()[:left])
    for name, digest, told in (
        ("c", "another", "c.safetensors was trained with another vocabulary"),
        ("other", None, "other.safetensors does not hold an encoder"),
        ("pickle", None, "damaged"),
        *((f"cut{left}", None, f"cut{left}.safetensors are damaged") for left in (0, 5, -1)),
        ("absent", None, "no weights at"),
    ):
        with pytest.raises(TxrayError, match=told):
            load_snapshot(tmp_path / f"{name}.safetensors", digest)


def test_a_checkpoint_of_another_shape_is_an_error(tmp_path):
    def parts(units: int) -> tuple[LanguageModel, torch.optim.Optimizer]:
        model = LanguageModel(Encoder(WORDS, 5, units))
        return model, torch.optim.AdamW(model.parameters())

    path = tmp_path / "c.safetensors"
    snapshots.save_checkpoint(path, *parts(6), {}, {"epoch": 1})
    assert snapshots.load_checkpoint(path, *parts(6)) == ({}, {"epoch": 1})
    with pytest.raises(TxrayError, match=r"c.safetensors belongs to another profile"):
        snapshots.load_checkpoint(path, *parts(7))


def test_texts_come_back_as_they_were(tmp_path):
    ids = (np.array([1, 2], np.int32), np.empty(0, np.int32), np.array([3], np.int32))
    Texts(("é/1.txt", "b", "c"), ids, np.array([1, 0, 1])).save(tmp_path / "t.npz")
    read = Texts.load(tmp_path / "t.npz")
    assert read.names == ("é/1.txt", "b", "c")
    assert [i.tolist() for i in read.ids] == [[1, 2], [], [3]]
    assert read.labels.tolist() == [1, 0, 1]
    assert [i.tolist() for i in read.cut(1).ids] == [[1], [], [3]]
    assert read.take(np.array([2, 0])).names == ("c", "é/1.txt")


def test_the_stream_ends_every_document(corpus, vocabulary):
    short = Corpus("s", corpus.documents[:3])
    words = [vocabulary.words[i] for i in encode_stream(short, vocabulary)]
    assert words == ["the", "river", "runs", ".", "<eos>", "film", "<eos>", "<eos>"]
    encoded = encode_texts(short, vocabulary)
    assert [[vocabulary.words[i] for i in ids] for ids in encoded.ids] == [["the", "river", "runs", "."], ["film"], []]
    assert encoded.labels.tolist() == [1, 0, 1]
    with pytest.raises(TxrayError, match="none"):
        encode_stream(Corpus("none", ()), vocabulary)


@given(st.lists(st.integers(0, 1), max_size=40), st.integers(0, 50), st.integers(0, 3))
def test_a_balanced_sample_is_balanced(labels: list[int], count: int, seed: int):
    if min(labels.count(0), labels.count(1)) < count // 2:
        with pytest.raises(TxrayError, match=rf"{count} reviews.*there are {labels.count(0)} negative"):
            balanced_sample(np.array(labels), count, seed)
        return
    chosen = balanced_sample(np.array(labels), count, seed)
    taken = [labels[i] for i in chosen]
    assert taken.count(0) == taken.count(1) == count // 2
    assert chosen.tolist() == sorted(set(chosen.tolist()))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7), st.booleans())
def test_batches_hold_every_text_once(lengths: list[int], size: int, shuffled: bool):
    batches = batches_by_length(np.array(lengths), size, np.random.default_rng(1) if shuffled else None)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    if not shuffled:
        read = [lengths[i] for batch in batches for i in batch]
        assert read == sorted(lengths, reverse=True)


def test_a_processor_without_rounded_products_is_told_as_one(monkeypatch):
    monkeypatch.setattr(lstm, "has_bfloat16", lambda device: False)
    with pytest.raises(TxrayError, match="say precision: float32"):
        run_finetuning(precision="bfloat16")
