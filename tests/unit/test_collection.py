"""Collection: the table that one token at a time gives, whatever the batches; nothing dropped, nothing invented."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from one_token import assert_same_but_for_near_ties, step_through
from torch import Tensor, nn

from txray_lib import collection
from txray_lib.collection import collect, collect_parts, from_activations
from txray_lib.corpora import UNKNOWN, Corpus, Document, Vocabulary
from txray_lib.corpora.vocabulary import END
from txray_lib.encoders.lstm import WINDOW, Classifier, Encoder, windows
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.steps.collect import shard_ends
from txray_lib.transfer import AVOIDED, GAINED, compare

TEXT_COLUMNS, WORDS = ["document", "block", "layer", "feature", "tag", "y"], ["block", "feature", "tag"]


def one_token_at_a_time(encoder: Encoder, corpus: Corpus, vocabulary: Vocabulary) -> list[np.ndarray]:
    """The activations (tokens, units) of each document, from single steps of an LSTM cell."""
    words = [[vocabulary.words.index(vocabulary.seen(token)) for token in document.tokens] for document in corpus]
    embedding = encoder.embedding.weight.detach()
    return [step_through(encoder.lstm.state_dict(), embedding[ids]).numpy() for ids in words]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batched_is_one_token_at_a_time(encoder, corpus, vocabulary, batch_size):
    collected = collect(encoder, corpus, vocabulary, batch_size=batch_size)
    activations = np.concatenate(one_token_at_a_time(encoder, corpus, vocabulary))
    assert len(collected.records) == corpus.token_count == len(activations) > 300
    assert collected.preferences["count"].sum() == corpus.token_count - collected.nobody
    assert_same_but_for_near_ties(collected.records, activations, collected.near_ties)
    assert collected.records["neuron"].nunique() > 2, "a corpus that one neuron takes would test nothing"


@pytest.mark.parametrize(("part_tokens", "batch_size"), [(1, 64), (40, 3), (200, 1)])
def test_parts_give_the_table_of_the_whole(classifier, corpus, vocabulary, part_tokens, batch_size, monkeypatch):
    whole = collect(classifier, corpus, vocabulary, batch_size)
    monkeypatch.setattr(collection, "PART_TOKENS", part_tokens)
    parts = [*collect_parts(classifier, iter(corpus), vocabulary, batch_size)]
    assert len(parts) > 1
    documents, nobody = (sum(getattr(part, of) for part in parts) for of in ("documents", "nobody"))
    assert (documents, nobody) == (whole.documents, whole.nobody)
    records = pd.concat([part.records.astype(dict.fromkeys(WORDS, object)) for part in parts], ignore_index=True)
    for column in TEXT_COLUMNS:
        assert records[column].tolist() == whole.records[column].tolist()
    np.testing.assert_allclose(records["prediction"].astype(float), whole.records["prediction"], atol=1e-6)
    activations = np.concatenate(one_token_at_a_time(classifier.encoder, corpus, vocabulary))
    assert_same_but_for_near_ties(records, activations, sum(part.near_ties for part in parts))
    assert all(whole.records.dtypes[column] == "category" for column in WORDS)


def test_no_more_is_read_ahead_than_the_slots_need(encoder, vocabulary, monkeypatch):
    monkeypatch.setattr(collection, "PART_TOKENS", 20)
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Document(f"d{taken}", "train", "b", ("the", "film") * 5, tags=("NN",) * 10)

    parts = collect_parts(encoder, endless(), vocabulary, batch_size=4)
    for first in range(0, 10, 2):
        assert next(parts).records["document"].tolist() == [first] * 10 + [first + 1] * 10
        assert taken <= first + 8


def test_the_same_weights_and_text_twice_change_nothing(encoder, corpus, vocabulary):
    sides = [collect(encoder, corpus, vocabulary) for _ in range(2)]
    pd.testing.assert_frame_equal(sides[0].records, sides[1].records)
    table = compare(*(aggregate(side.records) for side in sides), encoder.units)
    assert (table["state"] == AVOIDED).sum() == (table["state"] == GAINED).sum() == 0
    for column in ("hellinger", "hellinger_tag"):
        assert (table[column].dropna() == 0).all()
        assert table[column].notna().tolist() == (table["length_before"] > 0).tolist()


def test_planted_tokens_appear_at_their_neuron_and_no_other(corpus, vocabulary, planted):
    model = planted(vocabulary, 4, {"river": {0: 1}, "film": {1: 2}, "great": {1: 1}, "runs": {3: 1}, UNKNOWN: {2: 1}})
    collected = collect(model, corpus, vocabulary, batch_size=2)
    by_feature = collected.records.groupby("feature", observed=True)["neuron"].unique().map(list).to_dict()
    expected = {"river": [0], "film": [1], "great": [1], "runs": [3], UNKNOWN: [2], "the": [NOBODY], ".": [NOBODY]}
    assert by_feature == expected
    tokens = [vocabulary.seen(t) for d in corpus for t in d.tokens]
    assert collected.nobody == tokens.count("the") + tokens.count(".")
    film = collected.records.query("feature == 'film'")["activation"]
    np.testing.assert_allclose(film, np.tanh(np.tanh(2.0)), atol=1e-6)


def test_ties_go_to_the_lowest_neuron_and_are_counted(corpus, vocabulary, planted):
    model = planted(vocabulary, 5, {"film": {1: 1, 3: 1}, "river": {4: 1, 2: 1 - 1e-7}, "great": {0: 1, 2: 1 - 1e-3}})
    collected = collect(model, corpus, vocabulary)
    tokens = [vocabulary.seen(t) for d in corpus for t in d.tokens]
    assert set(collected.records.query("feature == 'film'")["neuron"]) == {1}
    assert set(collected.records.query("feature == 'great'")["neuron"]) == {0}
    equal_everywhere = [t for t in tokens if t not in ("film", "river", "great")]
    assert collected.near_ties == tokens.count("film") + tokens.count("river") + len(equal_everywhere)


def test_a_records_token_is_what_the_encoder_saw(encoder, corpus, vocabulary):
    records = collect(encoder, corpus, vocabulary).records
    assert records["prediction"].isna().all(), "an encoder has no ŷ"
    text = Corpus("wiki", tuple(replace(d, label=None) for d in corpus))
    assert set(collect(encoder, text, vocabulary).records["y"]) == {-1}
    assert records["feature"].tolist() == [vocabulary.seen(t) for d in corpus for t in d.tokens]
    assert {"the", "great", "film", UNKNOWN} <= set(records["feature"])
    assert "The" not in set(records["feature"])
    assert END not in records["feature"].cat.categories
    assert records["tag"].tolist() == [t for d in corpus for t in d.tags]
    assert records["block"].tolist() == [d.block for d in corpus for _ in d.tokens]
    assert records["y"].tolist() == [d.label for d in corpus for _ in d.tokens]
    assert records["document"].tolist() == [i for i, d in enumerate(corpus) for _ in d.tokens]


def test_a_cased_vocabulary_keeps_case_and_a_literal_end_mark_is_unknown(vocabulary):
    cased = Vocabulary(("The", "the", UNKNOWN, END), lowercase=False)
    text = Corpus("t", (Document("d", "train", "b", ("The", "the", "THE", END), tags=("DT",) * 4),))
    torch.manual_seed(0)
    assert collect(Encoder(4, 2, 3), text, cased).records["feature"].tolist() == ["The", "the", UNKNOWN, UNKNOWN]


def test_y_hat_is_the_classifier_on_the_last_hidden_state(classifier, corpus, vocabulary):
    records = collect(classifier, corpus, vocabulary, batch_size=2).records
    types = {"document": "int32", "layer": "int8", "neuron": "int32", "activation": "float32", "y": "int8"}
    assert {name: str(records[name].dtype) for name in types} == types
    weight, bias = classifier.output.weight.detach().numpy()[0], classifier.output.bias.item()
    for number, activations in enumerate(one_token_at_a_time(classifier.encoder, corpus, vocabulary)):
        here = records[records["document"] == number]["prediction"]
        if len(here):
            expected = 1 / (1 + np.exp(-(activations[-1] @ weight + bias)))
            np.testing.assert_allclose(here, expected, atol=1e-6)


def test_a_text_that_cannot_be_read_is_told(encoder, corpus, vocabulary):
    untagged, uneven = (replace(corpus.documents[3], tags=tags) for tags in (None, ("NN",)))
    empty = Document("d", "train", "b", (), tags=())
    for text, words, told in (
        (Corpus("reviews", (*corpus.documents[:3], untagged)), vocabulary, "'long' has not one tag a token"),
        (Corpus("reviews", (uneven,)), vocabulary, "'long' has not one tag a token"),
        (corpus, Vocabulary(("a", UNKNOWN, END)), "the encoder knows 8 words, the vocabulary has 3"),
        (Corpus("none", ()), vocabulary, "the corpus 'none'"),
        (Corpus("none", (empty,)), vocabulary, "the corpus 'none'"),
    ):
        with pytest.raises(TxrayError, match=told):
            collect(encoder, text, words)


@given(st.lists(st.integers(0, 70), max_size=12), st.integers(1, 8))
def test_each_text_is_read_once_as_if_alone(encoder, lengths: list[int], slots: int):
    random = np.random.default_rng(1)
    texts, starts = [random.integers(0, 8, n) for n in lengths], np.cumsum([0, *lengths])
    read = np.full((starts[-1], 7), np.nan, np.float32)
    for window in windows(encoder, zip(starts.tolist(), texts, strict=False), slots):
        assert window.activations.shape == (len(window.size), WINDOW, 7)
        assert 0 < len(window.size) <= slots
        place, there = window.places()
        assert np.isnan(read[place[there]]).all(), "a token was read twice"
        read[place[there]] = window.activations.numpy()[there]
    for ids, start in zip(texts, starts, strict=False):
        if len(ids):
            with torch.no_grad():
                alone = encoder(torch.from_numpy(ids).unsqueeze(0))[0][0]
            np.testing.assert_allclose(read[start : start + len(ids)], alone.numpy(), atol=2e-6)


def test_slots_are_full_while_texts_wait(encoder):
    lengths = np.sort(np.random.default_rng(2).integers(1, 400, 200))[::-1]
    rows = [len(window.size) for window in windows(encoder, ((0, np.zeros(n, np.int64)) for n in lengths), 16)]
    assert lengths.sum() / (sum(rows) * WINDOW) > 0.9, "of all slots of all windows"


class Own(nn.Module):
    """An encoder of somebody else's: a recurrent layer whose one state stands twice."""

    def __init__(self, words: int, kind: type[nn.RNNBase] = nn.RNN) -> None:
        super().__init__()
        self.words, self.units = words, 6
        self.embedding, self.rnn = nn.Embedding(words, 8), kind(8, 6, batch_first=True)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        activations, hidden = self.rnn(self.embedding(ids), state[0])
        return activations, (hidden, hidden)


class Views(Own):
    """Its state is a view of its activations, which it keeps besides."""

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        self.kept, _ = super().forward(ids, state)
        last = self.kept[:, -1].unsqueeze(0)
        return self.kept, (last, last)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_what_a_module_returns_is_never_written_to(corpus, vocabulary, kind):
    own, views, seen = Own(8, kind), Views(8, kind), []
    views.load_state_dict(own.state_dict())
    handle = own.rnn.register_forward_hook(lambda module, given, found: seen.append(found[0]))
    expected = collect(own, corpus, vocabulary).records
    handle.remove()
    pd.testing.assert_frame_equal(collect(views, corpus, vocabulary).records, expected)
    assert all(torch.isfinite(activations).all() for activations in (*seen, views.kept))


def test_a_module_is_left_as_it_was_found(corpus, vocabulary, classifier):
    classifier.train().encoder.lstm.eval()
    classifier.output.requires_grad_(False)
    classifier.encoder.lstm.register_forward_hook(lambda module, given, found: None)

    def found() -> list[object]:
        hooks = [len(module._forward_hooks) for module in classifier.modules()]
        modes = [module.training for module in classifier.modules()]
        kept = [(p.clone(), p.dtype, p.device, p.requires_grad) for p in classifier.parameters()]
        return [hooks, modes, *([str(part) for part in parts] for parts in kept)]

    before = found()
    collect(classifier, corpus, vocabulary)
    assert found() == before
    with torch.no_grad():
        classifier.encoder.embedding.weight[0] = torch.nan
    before = found()
    with pytest.raises(TxrayError) as error:
        collect(classifier, corpus, vocabulary)
    assert "not numbers" in str(error.value)
    assert found() == before, "while the error is held, as a notebook holds it"


def giving(change: Callable[[Tensor, Tensor], object], **said: object) -> Own:
    """A module that gives `change` of its activations and its state, some of its attributes replaced."""

    class Changed(Own):
        def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> object:
            activations, (hidden, _) = super().forward(ids, state)
            return change(activations, hidden)

    torch.manual_seed(1)
    made = Changed(8)
    for name, value in said.items():
        setattr(made, name, value)
    return made


def replace_output(classifier: Classifier, output: nn.Module) -> Classifier:
    classifier.output = output
    return classifier


def as_given(activations: Tensor, hidden: Tensor) -> object:
    return activations, (hidden, hidden)


@pytest.mark.parametrize(
    "change",
    [
        torch.inference_mode()(lambda a, h: (a.clone(), (h.clone(), h.clone()))),
        lambda a, h: (a.clone().requires_grad_(), (h.clone().requires_grad_(), h)),
        lambda a, h: (a.double(), (h, h)),
        lambda a, h: [a, [h, h]],
        lambda a, h: (a, (h.double(), h.double())),
        lambda a, h: (a.to_sparse(), (h.to_sparse(), h)),
    ],
    ids=["inference mode", "gradients", "double", "lists", "double state", "sparse"],
)
def test_activations_of_other_kinds_are_read_right(corpus, vocabulary, change):
    plain = collect(giving(as_given), corpus, vocabulary).records
    pd.testing.assert_frame_equal(collect(giving(change), corpus, vocabulary).records, plain)


class InParts(nn.Module):
    """Its embedding in half precision, its recurrent layer in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.units, self.own = 8, 6, giving(as_given)
        self.own.embedding.half()
        self.own.embedding.register_forward_hook(lambda module, ids, found: found.float())

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> object:
        return self.own(ids, tuple(part.float() for part in state))


@pytest.mark.parametrize(
    ("model", "around"),
    [
        (InParts, nullcontext),
        (lambda: giving(as_given).train(), torch.inference_mode),
        (lambda: giving(as_given), lambda: torch.autocast("cpu", torch.bfloat16)),
        (lambda: torch.compile(giving(as_given), backend="eager"), nullcontext),
    ],
    ids=["in parts", "under inference mode", "under autocast", "compiled"],
)
def test_where_and_how_a_module_is_kept_changes_nothing(corpus, vocabulary, model, around):
    plain, model = collect(giving(as_given), corpus, vocabulary).records, model()
    with around():
        found = collect(model, corpus, vocabulary).records
    atol = 1e-3 if isinstance(model, InParts) else 1e-6
    np.testing.assert_allclose(found["activation"], plain["activation"], atol=atol)


def test_the_state_is_of_the_widest_type_of_the_weights(corpus, vocabulary):
    narrow = InParts()
    narrow.own.embedding.bfloat16()
    plain = giving(as_given)
    plain.load_state_dict(narrow.own.state_dict())
    found, expected = (collect(model, corpus, vocabulary).records["activation"] for model in (narrow, plain))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_modules_of_other_types_are_read_right(corpus, vocabulary, classifier, kind, tolerance):
    plain = collect(classifier, corpus, vocabulary).records
    other = collect(classifier.to(kind), corpus, vocabulary).records
    assert {p.dtype for p in classifier.parameters()} == {kind}
    for column in ("activation", "prediction"):
        assert other[column].dtype == np.float32
        np.testing.assert_allclose(other[column], plain[column], atol=tolerance)


class NoState(Own):
    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids, (None, None))


class Forgetful(Own):
    """It begins anew with every window, or goes on from where it was itself."""

    def __init__(self, keeps: bool) -> None:
        super().__init__(8)
        self.keeps, self.memory = keeps, None

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> object:
        fits = self.memory is not None and self.memory.shape[1] == len(ids)
        activations, hidden = self.rnn(self.embedding(ids), self.memory if fits else None)
        self.memory = hidden if self.keeps else None
        return activations, (hidden, hidden)


def with_eight_positions(activations: Tensor, hidden: Tensor) -> object:
    torch.arange(8)[activations.shape[1] - 1]
    return as_given(activations, hidden)


def without_room(activations: Tensor, hidden: Tensor) -> object:
    raise torch.OutOfMemoryError


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (giving(lambda a, h: a), r"gave \(2, 3, 6\) for 2 texts"),
        (giving(lambda a, h: {"state": h}), "gave dict for 2 texts"),
        (giving(lambda a, h: OrderedDict(last_hidden_state=a)), "gave OrderedDict for 2 texts"),
        (giving(lambda a, h: None), "gave NoneType for 2 texts"),
        (giving(lambda a, h: (a, None)), r"'NoneType'\) for 2 texts"),
        (giving(lambda a, h: (a.transpose(0, 1), (h, h))), r"gave \(\(3, 2, 6\).*and \(\(2, 3, 6\)"),
        (giving(lambda a, h: (torch.cat([a, a], -1), (h, h))), r"gave \(\(2, 3, 12\)"),
        (giving(lambda a, h: (torch.complex(a, a), (h, h))), "gave activations of torch.complex64"),
        (giving(lambda a, h: (a * torch.nan, (h, h))), "activations are not numbers"),
        (Forgetful(keeps=False), "Forgetful gives other activations .* in parts or alone: let its forward go on"),
        (Forgetful(keeps=True), "Forgetful gives other activations"),
        (giving(lambda a, h: (nn.functional.dropout(a, 0.5), (h, h))), "Changed gives other .*draw nothing at random"),
        (giving(lambda a, h: (a - a.mean(0, keepdim=True), (h, h))), "Changed gives other .*look at no other text"),
        (giving(lambda a, h: (a.flip(1), (h, h))), "Changed gives other .*no later token"),
        (giving(with_eight_positions), r"Changed of 8 words and 6 units cannot read 4 texts of 16 tokens \(IndexError"),
        (giving(without_room), "no room for 2 texts side by side in Changed: lower batch_size"),
        (giving(as_given, units=5), "Changed of 8 words and 5 units cannot read 2 texts of 3 tokens"),
        (giving(as_given, units=1), "Changed has 1 units"),
        (giving(as_given, words=9), "the encoder knows 9 words, the vocabulary has 8"),
        (giving(as_given, embedding=nn.Embedding(5, 8)), r"Changed of 8 words.*index out of range"),
        (NoState(8), r"NoState of 8 words.*positional arguments.*forward is given ids \(texts, tokens\) and the state"),
        # `batch_first=True` forgotten: with 16 texts of 16 tokens no shape would tell
        (giving(as_given, rnn=nn.RNN(8, 6)), r"Changed of 8 words.*Expected hidden size"),
        (nn.LSTM(8, 6), "a LSTM is no encoder"),
        (nn.DataParallel(Own(8)), "a DataParallel is no encoder.*`.module`"),
        ("epoch-1.safetensors", "a str is no encoder"),
    ],
)
def test_a_module_that_gives_something_else_is_told(corpus, vocabulary, model, told):
    with pytest.raises(TxrayError, match=told):
        collect(model, corpus, vocabulary)


class Merging(nn.Linear):
    """As adapters have it: what was learnt beside the weights is added to them for evaluation."""

    def train(self, mode: bool = True) -> nn.Module:
        if mode != self.training:
            self.weight.data += -1 if mode else 1
        return super().train(mode)


class Busy(Own):
    """It counts its calls in buffers, written into, set anew, a view of another, none at first; it merges weights, normalises
    in batches, and may be interrupted."""

    def __init__(self, stop: bool) -> None:
        super().__init__(8)
        self.stop, self.merging = stop, Merging(6, 6)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("view", self.calls[:])
        self.register_buffer("mask", torch.ones(1).expand(3))
        self.register_buffer("late", None)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> object:
        self.calls += 1
        self.seen = self.seen + ids.numel()
        self.late = self.seen
        if self.stop and ids.shape[1] == WINDOW:
            raise KeyboardInterrupt
        activations, hidden = self.rnn(self.norm(self.embedding(ids).transpose(1, 2)).transpose(1, 2), state[0])
        return activations, (hidden, hidden)


@pytest.mark.parametrize("around", [nullcontext, torch.inference_mode])
@pytest.mark.parametrize("stop", [False, True])
def test_buffers_and_merged_weights_are_left_as_they_were_found(corpus, vocabulary, stop, around):
    model = Busy(stop).train().share_memory()
    model.view = model.calls[:]
    calls, before = model.calls, {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(KeyboardInterrupt) if stop else nullcontext(), around():
        collect(model, corpus, vocabulary)
    assert model.calls is calls
    assert model.calls.is_shared()
    assert model.view.data_ptr() == calls.data_ptr()
    assert model.late is None
    assert all(part.training for part in model.modules())
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=1e-6)
    model.stop = False
    model(torch.zeros(2, 3, dtype=torch.int64), (torch.zeros(1, 2, 6),))[0].sum().backward()
    assert model.norm.num_batches_tracked == 1, "it can be trained on"


def test_a_module_on_two_devices_is_told_and_keeps_its_weights(corpus, vocabulary):
    model = Own(8).train()
    model.embedding.to("meta")
    with pytest.raises(TxrayError, match=r"the module Own lies on \['cpu', 'meta'\]: put all of it on one device"):
        collect(model, corpus, vocabulary)
    assert [p.device.type for p in model.parameters()] == ["meta", *["cpu"] * 4]
    assert model.training


@pytest.mark.parametrize(("home", "device"), [("cpu", "gpu"), ("meta", "cpu")])
def test_a_device_that_cannot_be_is_told(corpus, vocabulary, home, device):
    model = Own(8).to(home).train()
    with pytest.raises(TxrayError, match=f"module Own cannot be put on the device '{device}'"):
        collect(model, corpus, vocabulary, device=device)
    assert model.training
    assert {p.device.type for p in model.parameters()} == {home}


def test_activations_of_ones_own_give_the_records_of_collect(encoder, corpus, vocabulary):
    collected = collect(encoder, corpus, vocabulary)
    with torch.no_grad():
        ids = [torch.from_numpy(vocabulary.encode(d.tokens)).long() for d in corpus]
        arrays = [encoder(i[None])[0][0] if len(i) else torch.empty(0, 7) for i in ids]
    for change in (
        lambda a: a,
        Tensor.numpy,
        Tensor.double,
        Tensor.requires_grad_,
        Tensor.to_sparse,
        lambda a: a.numpy().astype(">f8"),
        lambda a: pd.DataFrame(a.numpy()),
    ):
        given = from_activations(corpus, (change(a.clone()) for a in arrays), vocabulary.seen)
        assert (given.nobody, given.near_ties, given.documents) == (collected.nobody, collected.near_ties, 5)
        records = [side.records.astype(dict.fromkeys(WORDS, object)) for side in (given, collected)]
        pd.testing.assert_frame_equal(*records, rtol=1e-5, atol=1e-6)
        pd.testing.assert_frame_equal(given.preferences, collected.preferences, rtol=1e-5)
    half = from_activations(corpus, [a.bfloat16() for a in arrays], vocabulary.seen).records
    np.testing.assert_allclose(half["activation"], collected.records["activation"], rtol=0.01)


def test_a_word_is_one_however_its_accents_are_typed():
    tokens = ("Caf\u00e9", "cafe\u0301", "CAFE\u0301")
    corpus = Corpus("t", (Document("d", "train", "b", tokens, tags=("NN",) * 3),))
    assert from_activations(corpus, [np.eye(3)]).records["feature"].tolist() == ["caf\u00e9"] * 3
    vocabulary = Vocabulary(("cafe\u0301", UNKNOWN, END))
    assert collect(Encoder(3, 2, 3), corpus, vocabulary).records["feature"].tolist() == ["caf\u00e9"] * 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda arrays: arrays[:4], "for 4 documents, and 'reviews' has 5"),
        (lambda arrays: [*arrays, arrays[0]], "more than the 5 documents"),
        (
            lambda arrays: [arrays[0], np.ones((2, 3))],
            r"'two' have the shape \(2, 3\); real numbers of the shape \(1, 3\)",
        ),
        (lambda arrays: [arrays[0], np.ones((1, 4))], r"'two' have the shape \(1, 4\)"),
        (lambda arrays: [np.ones((4, 1))], r"'one' have the shape \(4, 1\).*2 or more"),
        (lambda arrays: [arrays[0][None]], r"'one' have the shape \(1, 4, 3\)"),
        (lambda arrays: [(arrays[0], arrays[0])], r"'one' have the shape \(2, 4, 3\)"),
        (lambda arrays: np.concatenate(arrays), r"'one' have the shape \(3,\)"),
        (lambda arrays: [arrays[0] * np.inf], "'one' are not all finite"),
        (lambda arrays: [torch.full((4, 3), 1e6).half()], "'one' are not all finite"),
        (lambda arrays: [arrays[0] * 1j], "'one' are a ndarray; real numbers"),
        (lambda arrays: [np.ma.masked_equal(arrays[0], 1)], "'one' are a MaskedArray; real numbers"),
        (lambda arrays: [arrays[0].astype("M8[s]")], "'one' are a ndarray; real numbers"),
        (lambda arrays: [arrays[0].astype(str)], "'one' are a ndarray; real numbers"),
        (lambda arrays: [None, *arrays[1:]], "'one' are a NoneType"),
        (lambda arrays: [{"h": arrays[0]}], "'one' are a dict"),
        (lambda arrays: [OrderedDict(last_hidden_state=arrays[0])], "'one' are a OrderedDict"),
        (lambda arrays: {"one": arrays[0]}, r"the activations are a dict.*\[arrays\[d.name\] for d in corpus\]"),
        (lambda arrays: None, "the activations are a NoneType; a list is wanted"),
        (lambda arrays: lambda document: arrays[0], "the activations are a function; a list is wanted"),
    ],
)
def test_activations_that_are_not_the_corpus_are_told(corpus, change, told):
    with pytest.raises(TxrayError, match=told):
        from_activations(corpus, change([np.ones((len(d), 3)) for d in corpus]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"corpus": ["a", "text"]}, "the corpus is of the type list, and a Corpus is wanted: take `tx.load_text`"),
        ({"vocabulary": ["the", UNKNOWN]}, "the vocabulary is of the type list, and a Vocabulary is wanted"),
        ({"batch_size": 0}, "batch_size is 0, and a whole number from 1 on is wanted"),
        ({"batch_size": "64"}, "batch_size is '64'"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5"),
        (
            {"model": replace_output(Classifier(Own(8)), nn.Linear(6, 2))},
            r"output is a Linear .*\[2, 6\].*nn.Linear\(6, 1\) is wanted",
        ),
        ({"model": replace_output(Classifier(Own(8)), nn.Linear(6, 1, bias=False))}, "output is a Linear .*None"),
        ({"model": replace_output(Classifier(Own(8)), nn.Sequential(nn.Linear(6, 1)))}, "output is a Sequential "),
    ],
)
def test_what_collect_is_given_is_told(corpus, vocabulary, given, told):
    with pytest.raises(TxrayError, match=told):
        collect(**{"model": Own(8), "corpus": corpus, "vocabulary": vocabulary} | given)


def test_a_head_of_other_parameters_gives_the_same_predictions(classifier, corpus, vocabulary):
    plain = collect(classifier, corpus, vocabulary).records["prediction"]
    nn.utils.parametrizations.weight_norm(classifier.output)
    found = collect(classifier.requires_grad_(False), corpus, vocabulary).records["prediction"]
    np.testing.assert_allclose(found, plain, atol=1e-6)


@pytest.mark.parametrize("given", ["text", None, [Document("d", "train", "b", ("a",), tags=("NN",))]])
def test_what_from_activations_is_given_is_told(corpus, vocabulary, given):
    with pytest.raises(TxrayError, match="the corpus is of the type"):
        from_activations(given, [np.ones((1, 3))])
    with pytest.raises(TxrayError, match=r"`seen` is of the type .*`vocabulary\.seen`"):
        from_activations(corpus, [np.ones((len(d), 3)) for d in corpus], given)


def test_layers_are_numbered_from_0(corpus):
    arrays = [np.ones((len(d), 3)) for d in corpus]
    assert set(from_activations(corpus, arrays, layer=np.int64(5)).records["layer"]) == {5}
    for layer in (-1, 200, 1.5, "5", None):
        with pytest.raises(TxrayError, match=f"there is no layer {layer!r}"):
            from_activations(corpus, arrays, layer=layer)


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 6))
def test_shards_are_documents_in_a_row_of_about_equally_many_tokens(lengths: list[int], shards: int):
    ends = shard_ends(np.array(lengths, np.int64), shards)
    assert len(ends) == shards + 1
    assert (ends[0], ends[-1]) == (0, len(lengths))
    assert (np.diff(ends) >= 0).all()
    tokens = [sum(lengths[start:stop]) for start, stop in pairwise(ends.tolist())]
    assert all(abs(count - sum(lengths) / shards) <= max(lengths, default=0) for count in tokens)


def test_shards_of_a_hand_made_corpus():
    assert shard_ends(np.array([10, 10, 20, 5, 5, 10]), 3).tolist() == [0, 2, 3, 6]
    assert shard_ends(np.array([30]), 3).tolist() == [0, 0, 1, 1]
