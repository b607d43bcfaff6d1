"""An encoder of the user's own: its words, its tensors, its activations, and what is said where they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from txray_lib.activations import from_activations
from txray_lib.encoders.own import load_own_encoder, untrained_encoder

from txray_lib.collection import collect
from txray_lib.corpora import UNKNOWN
from txray_lib.corpora.own import load_words
from txray_lib.corpora.vocabulary import END
from txray_lib.encoders import save_snapshot
from txray_lib.encoders.lstm import Encoder, LanguageModel
from txray_lib.errors import TxrayError
from txray_lib.stages import comparisons, stages

WORDS = ["the", END, "river", UNKNOWN, "runs"]


def write_words(path: Path, words: list[str] | None = None) -> Path:
    path.write_text("\n".join(WORDS if words is None else words) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A language model as another project would write it: other names, a decoder, half precision, rows in its own order."""
    torch.manual_seed(5)
    embedding, rnn = torch.nn.Embedding(len(WORDS), 3), torch.nn.LSTM(3, 4)
    tensors = {f"encoder.{k}": v for k, v in embedding.state_dict().items()}
    tensors |= {f"rnn.{k}": v.half() for k, v in rnn.state_dict().items()} | {"decoder.weight": torch.ones(5, 4)}
    save_file(tensors, tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


def read(path: Path, rows: tuple[int, ...] = (0, 2, 3, 4, 1), size: int = 3, units: int = 4) -> Encoder:
    return load_own_encoder(path, rows, size, units, "encoder", "rnn")


def test_words_keep_their_rows_and_the_end_comes_last(tmp_path):
    vocabulary, rows = load_words(write_words(tmp_path / "words.txt"), lowercase=False)
    assert vocabulary.words == ("the", "river", UNKNOWN, "runs", END)
    assert rows == [0, 2, 3, 4, 1]
    assert not vocabulary.lowercase
    (tmp_path / "dos.txt").write_bytes("\r\n".join(["\ufeffthe", *WORDS[1:]]).encode())
    assert load_words(tmp_path / "dos.txt", lowercase=False) == (vocabulary, rows)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "", UNKNOWN, END], "line 2 has no word"),
        (["a", UNKNOWN, "a", END], "line 3 'a' has a word of an earlier line"),
        (["a", END], f"has no line {UNKNOWN}"),
        (["a", UNKNOWN], f"has no line {END}"),
        ([], "is empty"),
    ],
)
def test_what_is_wrong_with_words_is_told(tmp_path, words, told):
    with pytest.raises(TxrayError) as error:
        load_words(write_words(tmp_path / "words.txt", words), lowercase=True)
    assert told in str(error.value)
    assert "words.txt" in str(error.value)


def test_an_encoder_under_other_names_gives_the_activations_of_its_own_layers(saved):
    tensors = load_file(saved)
    lstm = torch.nn.LSTM(3, 4, batch_first=True)
    lstm.load_state_dict({k.removeprefix("rnn."): v.float() for k, v in tensors.items() if k.startswith("rnn.")})
    ids = torch.tensor([[0, 1, 2, 3, 4]])
    theirs = lstm(tensors["encoder.weight"][torch.tensor([[0, 2, 3, 4, 1]])])[0]
    encoder = read(saved)
    assert not encoder.training
    torch.testing.assert_close(encoder(ids)[0], theirs)


def test_a_snapshot_of_a_run_is_read_too(tmp_path, encoder):
    save_snapshot(encoder, tmp_path / "own.safetensors", "")
    again = load_own_encoder(tmp_path / "own.safetensors", range(encoder.words), 4, 7)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), again.parameters(), strict=True))


def test_the_untrained_encoder_is_what_pretraining_begins_from():
    torch.manual_seed(3)
    begun = LanguageModel(Encoder(9, 4, 5)).encoder
    made = untrained_encoder(9, 4, 5, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(begun.parameters(), made.parameters(), strict=True))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": 8}, r"encoder\.weight has the shape \(5, 3\), and \(5, 8\) is wanted"),
        ({"units": 6}, r"rnn\.weight_ih_l0 has the shape \(16, 3\), and \(24, 3\) is wanted"),
        ({"rows": (0, 1)}, r"encoder\.weight has the shape \(5, 3\), and \(2, 3\) is wanted"),
    ],
)
def test_a_shape_that_does_not_fit_is_told_with_the_one_that_is_wanted(saved, change, told):
    with pytest.raises(TxrayError, match=told) as error:
        read(saved, **change)
    assert str(saved) in str(error.value)
    assert "pretraining.units" in str(error.value)


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("rnn.bias_hh_l0", None, r"no tensor rnn\.bias_hh_l0, wanted of shape \(16,\)\. Did you mean"),
        ("rnn.weight_ih_l1", torch.ones(16, 4), r"holds rnn\.weight_ih_l1: the encoder is one LSTM layer"),
        ("rnn.weight_hh_l0_reverse", torch.ones(16, 4), "in one direction"),
        ("rnn.weight_hr_l0", torch.ones(2, 4), "without a projection"),
        ("encoder.weight", torch.full((5, 3), torch.nan), r"encoder\.weight holds values that are not finite"),
        ("rnn.bias_ih_l0", torch.ones(16, dtype=torch.int64), r"rnn\.bias_ih_l0 holds values that are not finite"),
    ],
)
def test_tensors_that_are_not_one_lstm_layer_are_told(saved, name, tensor, told):
    tensors = {k: v for k, v in load_file(saved).items() if k != name} | ({} if tensor is None else {name: tensor})
    save_file(tensors, saved)
    with pytest.raises(TxrayError, match=told):
        read(saved)


def test_a_pickle_is_refused_with_the_lines_that_convert_it(saved, tmp_path, monkeypatch):
    torch.save(load_file(saved), tmp_path / "model.pt")
    with pytest.raises(TxrayError, match="a pickle may run any code") as error:
        read(tmp_path / "model.pt")
    *_, load, save = str(error.value).splitlines()
    monkeypatch.chdir(tmp_path)
    exec(f"import torch, safetensors.torch\n{load.strip()}\n{save.strip()}", {})
    for a, b in zip(read(tmp_path / "model.safetensors").parameters(), read(saved).parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_pickle_by_another_name_and_a_missing_file_are_told(saved, tmp_path):
    torch.save(load_file(saved), tmp_path / "model.safetensors")
    with pytest.raises(TxrayError, match="cannot be read as safetensors"):
        read(tmp_path / "model.safetensors")
    with pytest.raises(TxrayError, match=r"there is no file .*none\.safetensors.*TXRAY_DATA"):
        read(tmp_path / "none.safetensors")


def test_activations_of_ones_own_give_the_records_of_collect(encoder, corpus, vocabulary):
    collected = collect(encoder, corpus, vocabulary)
    with torch.no_grad():
        ids = [torch.from_numpy(vocabulary.encode(d.tokens)).long() for d in corpus]
        arrays = [encoder(i[None])[0][0].numpy() if len(i) else np.empty((0, 7)) for i in ids]
    given = from_activations(corpus, arrays, vocabulary.seen)
    assert (given.nobody, given.near_ties, given.documents) == (collected.nobody, collected.near_ties, 5)
    columns = list(collected.records.columns)
    assert list(given.records.columns) == columns
    plain = [r.astype({c: object for c in ("block", "feature", "tag")}) for r in (given.records, collected.records)]
    pd.testing.assert_frame_equal(*plain, rtol=1e-5, atol=1e-6)
    pd.testing.assert_frame_equal(given.preferences, collected.preferences, rtol=1e-5)


def test_activations_that_are_not_the_corpus_are_told(corpus):
    arrays = [np.ones((len(d), 3)) for d in corpus]
    with pytest.raises(TxrayError, match="for 4 documents, and 'reviews' has 5"):
        from_activations(corpus, arrays[:4])
    with pytest.raises(TxrayError, match="more than the 5 documents"):
        from_activations(corpus, [*arrays, arrays[0]])
    with pytest.raises(TxrayError, match=r"'two' have the shape \(2, 3\), and \(1, 3\) is wanted"):
        from_activations(corpus, [arrays[0], np.ones((2, 3)), *arrays[2:]])
    with pytest.raises(TxrayError, match=r"'two' have the shape \(1, 4\), and \(1, 3\) is wanted"):
        from_activations(corpus, [arrays[0], np.ones((1, 4)), *arrays[2:]])
    with pytest.raises(TxrayError, match="'one' are not all finite"):
        from_activations(corpus, [arrays[0] * np.inf, *arrays[1:]])


def test_given_snapshots_have_the_roles_of_a_pretraining(workplace):
    from txray_lib.profiles import load_profile

    text = "base: tiny\nencoder: {files: {2: a.safetensors, 5: b.safetensors, 9: c.safetensors, 30: d.safetensors}, vocabulary: w.txt}\n"
    (workplace / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
    profile = load_profile("mine")
    assert profile.pretraining.snapshots == [0, 2, 5, 9, 30]
    roles = {stage.snapshot: stage.role for stage in stages(profile)[:-2]}
    assert list(roles.values()) == ["untrained", "early", "between", "before-last", "last"]
    asked = [c.name for c in comparisons(profile) if c.question == "rq1"]
    assert asked == ["encyclopedia-0:encyclopedia-2", "encyclopedia-2:encyclopedia-9", "encyclopedia-9:encyclopedia-30"]
