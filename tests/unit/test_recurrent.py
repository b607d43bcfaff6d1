"""LSTMs and GRUs of several layers and directions: what one token at a time gives, out of anybody's files, through a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from one_token import assert_same_but_for_near_ties, step_through
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from txray_lib.corpora import UNKNOWN
from txray_lib.corpora.vocabulary import END
from txray_lib.encoders.encoded import padded
from txray_lib.encoders.lstm import Classifier
from txray_lib.encoders.pieces import Words
from txray_lib.encoders.recurrent import Recurrent
from txray_lib.encoders.snapshots import load_own_layers
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.layers import collect_layers
from txray_lib.preferences import aggregate
from txray_lib.profiles import load_profile
from txray_lib.results import open_results
from txray_lib.transfer import compare

HIDDEN, SIZE = 5, 4
KINDS = [(nn.LSTM, 1, True), (nn.LSTM, 3, False), (nn.LSTM, 2, True), (nn.GRU, 1, False), (nn.GRU, 2, True)]


def theirs(kind: type[nn.RNNBase], layers: int, both: bool, words: int = 8) -> tuple[nn.Embedding, nn.RNNBase]:
    """An embedding and recurrent layers of torch's own, wide enough for every gate to matter."""
    torch.manual_seed(2)
    embedding, rnn = nn.Embedding(words, SIZE), kind(SIZE, HIDDEN, layers, bidirectional=both, batch_first=True)
    for parameter in (*embedding.parameters(), *rnn.parameters()):
        nn.init.normal_(parameter, 0, 0.8)
    return embedding, rnn


def save(path: Path, embedding: nn.Embedding, rnn: nn.RNNBase, change=lambda name, value: (name, value)) -> Path:
    tensors = {f"embedding.{n}": v for n, v in embedding.state_dict().items()}
    tensors |= {f"rnn.{n}": v for n, v in rnn.state_dict().items()}
    save_file(dict(change(name, value.contiguous()) for name, value in tensors.items()), path)
    return path


def load(path: Path, both: bool, layers: list[int] | None = None) -> Recurrent:
    return load_own_layers(path, range(8), SIZE, HIDDEN * (1 + both), lstm="rnn", layers=layers)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0].__name__}-{kind[1]}-{kind[2]}")
def encoder(request, tmp_path) -> Recurrent:
    return load(save(tmp_path / "own.safetensors", *theirs(*request.param)), request.param[2])


def one_token_at_a_time(encoder: Recurrent, ids: Tensor, silent: Sequence[int] = ()) -> list[Tensor]:
    """The hidden states of each layer, (tokens, units), a text's tokens taken singly from its start, and from its end.

    silent  neurons of the first layer that are 0
    """
    values, found = encoder.embedding.weight.detach()[ids], []
    for layer in encoder.stack:
        weights, states = layer.cells.state_dict(), []
        for back in (False, True)[: 1 + encoder.bidirectional]:
            own = [n - HIDDEN * back for n in silent if 0 <= n - HIDDEN * back < HIDDEN]
            states.append(step_through(weights, values, back, own))
        values, silent = torch.cat(states, dim=1), ()
        found.append(values)
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_all_layers_of_a_batch_are_what_one_token_at_a_time_gives(encoder, corpus, vocabulary, batch_size):
    [part] = collect_layers(encoder, Words(vocabulary), corpus, batch_size)
    alone = [one_token_at_a_time(encoder, torch.from_numpy(vocabulary.encode(d.tokens)).long()) for d in corpus]
    assert part.records.groupby("layer").size().tolist() == [corpus.token_count] * len(encoder.stack)
    for layer, rows in part.records.groupby("layer"):
        assert_same_but_for_near_ties(rows, np.concatenate([own[layer].numpy() for own in alone]), part.near_ties)
        assert rows["feature"].tolist() == [vocabulary.seen(token) for d in corpus for token in d.tokens]
    assert part.records["neuron"].max() >= HIDDEN * encoder.bidirectional


def test_the_same_weights_and_text_twice_change_nothing(encoder, corpus, vocabulary):
    sides = [pd.concat([p.records for p in collect_layers(encoder, Words(vocabulary), corpus)]) for _ in range(2)]
    table = compare(*map(aggregate, sides), encoder.units)
    assert set(table["state"]) <= {"shared", "never preferred"}
    assert (table["hellinger"].dropna() == 0).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda name, value: (name, value),
        lambda name, value: (f"module.{name}", value),
        lambda name, value: (f"module._orig_mod.{name}", value.half()),
        lambda name, value: (name, value.double()),
    ],
    ids=["plain", "module.", "compiled and half", "double"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_what_torchs_own_module_gives(tmp_path, kind, change):
    embedding, rnn = theirs(*kind)
    read = load(save(tmp_path / "own.safetensors", embedding, rnn, change), kind[2])
    ids = torch.randint(0, 8, (3, 7))
    with torch.no_grad():
        torch.testing.assert_close(read(ids, torch.full((3,), 7)), rnn(embedding(ids))[0], atol=2e-3, rtol=0)
    assert {p.dtype for p in read.parameters()} == {torch.float32}


def test_rows_are_taken_in_the_order_of_the_words_and_some_layers_alone_are_read(tmp_path, corpus, vocabulary):
    embedding, rnn = theirs(nn.GRU, 2, True)
    path, rows = save(tmp_path / "own.safetensors", embedding, rnn), [7, 6, 5, 4, 3, 2, 1, 0]
    turned = load_own_layers(path, rows, SIZE, 2 * HIDDEN, lstm="rnn")
    assert torch.equal(turned.embedding.weight, embedding.weight[rows])
    whole, upper = load(path, True), load(path, True, [1])
    all_records, some = (
        next(collect_layers(each, Words(vocabulary), corpus)).records.astype({"feature": object})
        for each in (whole, upper)
    )
    pd.testing.assert_frame_equal(all_records.query("layer == 1").reset_index(drop=True), some)


def test_a_silenced_neuron_is_0_at_every_token_and_no_other_reads_it(encoder):
    torch.manual_seed(4)
    ids, lengths = torch.randint(0, 8, (2, 6)), torch.tensor([6, 4])
    cut, heard = np.array([1, encoder.units - 1]), []
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad(), encoder.without({0: cut}), encoder.listening(lambda _, value: heard.append(value)):
        encoder(ids, lengths)
    for row, length in enumerate(lengths):
        alone = one_token_at_a_time(encoder, ids[row, :length], cut.tolist())
        assert (alone[0][:, cut] == 0).all()
        for own, found in zip(alone, heard, strict=True):
            torch.testing.assert_close(found[row, :length], own, atol=2e-6, rtol=0)
    with pytest.raises(ZeroDivisionError), encoder.without({0: cut}):
        1 / 0  # noqa: B018
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    with pytest.raises(TxrayError, match="layers that are read"), encoder.without({9: cut}):
        pass


def test_a_classifier_reads_the_state_where_each_direction_ends(encoder, corpus, vocabulary):
    torch.manual_seed(3)
    classifier = Classifier(encoder)
    texts = [torch.from_numpy(vocabulary.encode(d.tokens[:9])).long() for d in corpus]
    found = encoder.summarise(*padded([text.numpy() for text in texts]))
    for text, summary in zip(texts, found, strict=True):
        if not len(text):
            assert (summary == 0).all(), "a text of no token leaves the state it started from"
            continue
        states = one_token_at_a_time(encoder, text)[-1]
        ends = [states[-1, :HIDDEN], *([states[0, HIDDEN:]] if encoder.bidirectional else [])]
        torch.testing.assert_close(summary, torch.cat(ends), atol=2e-6, rtol=0)
    [part] = collect_layers(classifier, Words(vocabulary), corpus, max_tokens=9)
    said = torch.sigmoid(classifier.logits(found)).detach().numpy()
    predictions = part.records.groupby("document")["prediction"].agg(["min", "max"])
    np.testing.assert_allclose(predictions["min"], said[predictions.index], atol=1e-6)
    np.testing.assert_array_equal(predictions["min"], predictions["max"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rnn.weight_hh_l0": torch.ones(5, 5)}, "rnn holds the weights of a plain RNN or of cells with a projection"),
        ({"rnn.weight_hr_l0": torch.ones(2, 5)}, "cells with a projection"),
        ({"rnn.weight_hh_l1": None}, r"no tensor rnn\.weight_hh_l1, wanted of shape \(15, 5\)"),
        ({"rnn.bias_ih_l0_reverse": None}, r"no tensor rnn\.bias_ih_l0_reverse"),
        ({"rnn.weight_ih_l1": torch.ones(15, 5)}, r"rnn\.weight_ih_l1 has the shape \(15, 5\), and \(15, 10\)"),
        ({"rnn.bias_hh_l1_reverse": torch.full((15,), torch.nan)}, r"rnn\.bias_hh_l1_reverse holds values that are"),
        ({"layers": [2]}, "there is no layer 2: the model has 2, numbered from 0"),
    ],
    ids=str,
)
def test_layers_that_do_not_fit_are_told(tmp_path, change, told):
    path = save(tmp_path / "own.safetensors", *theirs(nn.GRU, 2, True))
    tensors = load_file(path) | {name: value for name, value in change.items() if name != "layers"}
    save_file({name: value for name, value in tensors.items() if value is not None}, path)
    with pytest.raises(TxrayError, match=told):
        load(path, True, change.get("layers"))


PROFILE = """
base: tiny
about: A bidirectional GRU of two layers on the world.
encoder: {files: {1: one.safetensors, 2: two.safetensors}, vocabulary: words.txt, lstm: rnn, layers: all}
pretraining: {units: 10, embedding_size: 4}
collection: {tokens: 3000, batch_size: 16}
finetuning:
  reviews: {train: 40, valid: 20, test: 40}
  max_tokens: 30
  epochs: 1
pruning: {set_size: 3, reviews: 20, random_sets: 0, recurrent_random_sets: 2}
nulls: {permutations: 10, measures: []}
"""


def test_a_bidirectional_gru_of_two_layers_goes_through_a_whole_run(workplace):
    profiles = workplace / "profiles"
    words = ["the", "a", ",", ".", "of", "and", "in", "was", UNKNOWN, END]
    (profiles / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    for name in ("one", "two"):
        save(profiles / f"{name}.safetensors", *theirs(nn.GRU, 2, True, len(words)))
    (profiles / "mine.yaml").write_text(PROFILE, encoding="utf-8")
    run = Run(load_profile("mine"))
    run.make()
    results = open_results("mine", every_layer=True)
    for _, stage in results.stages.iterrows():
        counted = results.preferences(stage["stage"])["count"].sum()
        assert counted + stage["nobody"] + stage["excluded"] == 2 * stage["tokens"], stage["role"]
    assert results.transfer("rq3").groupby("layer").size().to_dict() == {0: 10, 1: 10}
    epochs = results.transfer("epochs").query("before == 'encyclopedia-1'")
    assert set(epochs["state"]) <= {"shared", "never preferred"}, "the two snapshots hold the same weights"
    assert set(results.table("pruning")["layer"]) == {-1, 0, 1}
    classifier = run.model("supervised")
    assert isinstance(classifier, Classifier)
    read = pd.concat([p.records for p in collect_layers(classifier, run.pieces, run.corpus("target"), max_tokens=30)])
    assert aggregate(read)["count"].sum() == results.preferences(results.stage("supervised"))["count"].sum()
