"""Transformers: words in pieces and windows, layers read in one pass, records, fine-tuning, pruning, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="a Transformer needs the package transformers")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)
from transformers.models.bert import BertTokenizerFast
from transformers.models.gpt2 import GPT2TokenizerFast

from txray_lib.collection import NEAR_TIE
from txray_lib.corpora import UNKNOWN, Corpus, Document
from txray_lib.encoders.pieces import Cut, Pieces
from txray_lib.encoders.training import finetune, last_hidden_states, predict
from txray_lib.encoders.transformers import MeanClassifier, Transformer, find_folder, load_transformer
from txray_lib.errors import TxrayError
from txray_lib.layers import collect_layers
from txray_lib.preferences import NOBODY
from txray_lib.settings import Reading
from txray_lib.worlds import WorldSize, encyclopedia

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LAYERS, WIDTH, UNITS = 2, 16, 24


@pytest.fixture(scope="module")
def text() -> Corpus:
    """Some documents of the generated encyclopedia, tagged: one is long, one empty, one has an unknown word and odd ones."""
    world = encyclopedia(WorldSize(3_000, {"train": 4, "valid": 2, "test": 2}, 700, 0.1), 1, "wiki")
    documents = [replace(d, tags=d.gold) for d in world.split("train").documents[:12]]
    long = tuple(token for d in documents for token in d.tokens)
    tags = tuple(tag for d in documents for tag in d.tags)
    odd = ("The", UNKNOWN, "[SEP]", "\u200b", "river")
    documents += [
        Document("long", "train", "z", long, tags=tags),
        Document("none", "train", "z", (), tags=()),
        Document("odd", "train", "y", odd, tags=("DT", "NN", "SYM", "SYM", "NN")),
    ]
    return Corpus("wiki", tuple(documents))


def train_a_little(model: torch.nn.Module, ids: torch.Tensor) -> None:
    """Some steps towards the text, so that the neurons are not all alike."""
    optimiser = torch.optim.AdamW(model.parameters(), 0.01)
    for _ in range(15):
        optimiser.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()


def save_bert(folder: Path, text: Corpus, seed: int = 0) -> Path:
    """A small BERT with a WordPiece tokenizer of 300 pieces, trained for some steps."""
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.train_from_iterator(
        [" ".join(d.tokens) for d in text], trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL)
    )
    words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = BertTokenizerFast(tokenizer_object=words)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=UNITS,
        max_position_embeddings=64,
    )
    model = BertForMaskedLM(config)
    train_a_little(model, torch.tensor([tokenizer(" ".join(text.documents[-3].tokens)).input_ids[:60]]))
    model.bert.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_gpt(folder: Path, text: Corpus) -> Path:
    """A small GPT-2 with a byte-level tokenizer, trained for some steps."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        [" ".join(d.tokens) for d in text],
        trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]),
    )
    tokenizer = GPT2TokenizerFast(tokenizer_object=pieces)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=pieces.get_vocab_size(), n_embd=WIDTH, n_layer=LAYERS, n_head=2, n_inner=UNITS, n_positions=64
    )
    model = GPT2LMHeadModel(config)
    train_a_little(model, torch.tensor([tokenizer(" ".join(text.documents[-3].tokens)).input_ids[:60]]))
    model.transformer.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory, text) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"), text)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory, text) -> Path:
    return save_gpt(tmp_path_factory.mktemp("gpt"), text)


@pytest.fixture(scope="module", params=["bert", "gpt"])
def folder(request) -> Path:
    return request.getfixturevalue(request.param)


def records_of(model, pieces, documents, **options) -> pd.DataFrame:
    return pd.concat([part.records for part in collect_layers(model, pieces, documents, **options)], ignore_index=True)


def alike(some: pd.DataFrame, others: pd.DataFrame, near: float = 1e-4) -> None:
    """Records are equal; activations to float32's rounding, neurons except where two are nearly equal."""
    exact = ["document", "block", "layer", "feature", "tag", "y"]
    assert (some[exact].astype(str).to_numpy() == others[exact].astype(str).to_numpy()).all()
    np.testing.assert_allclose(some["activation"], others["activation"], atol=near)
    assert (some["neuron"].to_numpy() == others["neuron"].to_numpy()).mean() > 0.995


def test_a_pass_gives_what_the_layers_compute_at_the_last_piece_of_each_word(bert, text):
    transformer, pieces = load_transformer(bert, Reading())
    document = text.documents[0].head(20)
    [cut] = pieces.cut([document.tokens])
    records = records_of(transformer, pieces, [document])
    with torch.no_grad():
        states = transformer.model(
            torch.from_numpy(pieces.framed(cut.ids))[None], output_hidden_states=True
        ).hidden_states
    last = np.cumsum(cut.sizes)
    for number, layer in enumerate(transformer.model.encoder.layer):
        with torch.no_grad():
            values = layer.intermediate(layer.attention(states[number])[0])[0, last]
        largest, neuron = values.max(dim=1)
        its = records[records["layer"] == number]
        np.testing.assert_allclose(its["activation"], largest, atol=1e-5)
        assert its["neuron"].tolist() == np.where(largest > 0, neuron, NOBODY).tolist()
        assert its["feature"].tolist() == [token.lower() for token in document.tokens]


def test_the_residual_stream_is_what_a_layer_leaves(folder, text):
    transformer, pieces = load_transformer(folder, Reading(site="residual", layers=[0]))
    assert (transformer.units, transformer.layers) == (WIDTH, (0,))
    document = text.documents[1].head(20)
    [cut] = pieces.cut([document.tokens])
    with torch.no_grad():
        states = transformer.model(
            torch.from_numpy(pieces.framed(cut.ids))[None], output_hidden_states=True
        ).hidden_states
    largest = states[1][0, len(pieces.before) + np.cumsum(cut.sizes) - 1].max(dim=1).values
    np.testing.assert_allclose(records_of(transformer, pieces, [document])["activation"], largest, atol=1e-5)


@pytest.mark.parametrize(("pooling", "pool"), [("mean", torch.mean), ("max", torch.amax)])
def test_a_word_in_pieces_is_their_mean_or_largest_where_asked(bert, text, pooling, pool):
    transformer, pieces = load_transformer(bert, Reading(pieces=pooling, layers=[1]))
    document = text.documents[2].head(20)
    [cut] = pieces.cut([document.tokens])
    heard = []
    with transformer.listening(lambda layer, value: heard.append(value[0])), torch.no_grad():
        transformer(torch.from_numpy(pieces.framed(cut.ids))[None], torch.tensor([len(cut.ids) + 2]))
    ends = 1 + np.cumsum(cut.sizes)
    wanted = [pool(heard[0][end - size : end], dim=0).max() for end, size in zip(ends, cut.sizes, strict=True)]
    assert max(cut.sizes) > 1
    np.testing.assert_allclose(records_of(transformer, pieces, [document])["activation"], wanted, atol=1e-5)


def test_documents_together_give_what_each_gives_alone_and_every_word_a_record_in_each_layer(folder, text):
    transformer, pieces = load_transformer(folder, Reading(context=8))
    together = [*collect_layers(transformer, pieces, text, batch_size=5)]
    records = pd.concat([part.records for part in together])
    alone = [
        records_of(transformer, pieces, [document], batch_size=1, first=i)
        for i, document in enumerate(text)
        if len(document)
    ]
    alone = pd.concat(alone).sort_values(["layer", "document"], kind="stable")
    alike(records, alone)
    assert len(records) == LAYERS * text.token_count
    assert sum(part.nobody for part in together) == (records["neuron"] == NOBODY).sum()
    assert records.groupby("layer").size().tolist() == [text.token_count] * LAYERS
    odd = records[records["document"] == len(text) - 1]
    assert odd["feature"].astype(str).tolist()[:3] == [("the", "The")[pieces.lowercase is False], UNKNOWN, "[sep]"] or (
        not pieces.lowercase
    )
    assert str(records["layer"].dtype) == "int8"


def test_special_tokens_in_a_text_are_text_and_an_unknown_word_is_the_models_own(bert, gpt):
    pieces = load_transformer(bert)[1]
    cut, unknown, nothing = pieces.cut([["[SEP]"], [UNKNOWN, "a"], ["\u200b"]])
    assert SPECIAL.index("[SEP]") not in cut.ids
    assert unknown.ids[0] == SPECIAL.index("[UNK]")
    assert unknown.sizes.tolist() == [1, 1]
    assert nothing.sizes.tolist() == [0]
    assert pieces.lowercase
    other = load_transformer(gpt)[1]
    assert other.unknown is None
    assert not other.lowercase
    assert other.cut([[UNKNOWN]])[0].sizes[0] > 1
    assert 0 not in other.cut([["<|endoftext|>"]])[0].ids


def test_a_word_that_the_tokenizer_drops_is_nobodys(bert, text):
    records = records_of(*load_transformer(bert), [text.documents[-1]])
    assert (records.loc[records["feature"] == "\u200b", "neuron"] == NOBODY).all()


@given(
    sizes=st.lists(st.integers(0, 6), max_size=60),
    room=st.integers(14, 30),
    context=st.integers(0, 3),
)
def test_each_word_is_recorded_in_one_window_with_its_context(bert, sizes, room, context):
    pieces = load_once(bert)
    sizes = np.array(sizes, np.int64)
    ids = np.arange(1000, 1000 + sizes.sum())
    windows = [*pieces.windows(7, Cut(ids, sizes), room, context)]
    recorded = [
        (w.first + i, w.ids[start : start + size])
        for w in windows
        for i, (start, size) in enumerate(zip(w.starts, w.sizes, strict=True))
    ]
    assert [word for word, _ in recorded] == list(range(len(sizes)))
    ends = np.cumsum(sizes)
    for word, its in recorded:
        assert its.tolist() == ids[ends[word] - sizes[word] : ends[word]].tolist()
    for window in windows:
        assert len(window.ids) <= room
        assert (window.ids[0], window.ids[-1]) == (2, 3)
        inner = window.ids[1:-1]
        for start, size in zip(window.starts, window.sizes, strict=True):
            place = ends[window.first] if False else inner[start - 1] if size else None
            if place is not None and size:
                before, after = start - 1, len(inner) - (start - 1 + size)
                assert before >= min(context, place - 1000)
                assert after >= min(context, 1000 + len(ids) - place - size)


_LOADED: dict[Path, Pieces] = {}


def load_once(folder: Path) -> Pieces:
    if folder not in _LOADED:
        _LOADED[folder] = load_transformer(folder)[1]
    return _LOADED[folder]
