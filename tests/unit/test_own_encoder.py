"""Encoders of the user's own in a profile: their words, the roles of their snapshots, weights out of anybody's files, and LSTMs and
GRUs of several layers and directions, which give what one token at a time gives."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from one_token import assert_same_but_for_near_ties, step_through
from safetensors.torch import save_file
from small_training import PROFILE, same
from torch import Tensor, nn

from txray_lib.corpora import UNKNOWN
from txray_lib.corpora.own import load_words
from txray_lib.corpora.vocabulary import END
from txray_lib.encoders.encoded import padded
from txray_lib.encoders.lstm import Classifier
from txray_lib.encoders.pieces import Words
from txray_lib.encoders.recurrent import Recurrent
from txray_lib.encoders.snapshots import load_own_encoder
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.layers import collect_layers
from txray_lib.preferences import aggregate
from txray_lib.profiles import load_profile
from txray_lib.results import open_results
from txray_lib.settings import OwnEncoder
from txray_lib.transfer import compare

WORDS = ["the", END, "River", UNKNOWN, "runs"]
HIDDEN, SIZE = 5, 4
KINDS = [(nn.LSTM, 1, False), (nn.LSTM, 3, False), (nn.LSTM, 2, True), (nn.GRU, 1, False), (nn.GRU, 2, True)]


def test_words_keep_their_rows_and_the_end_comes_last(tmp_path):
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    vocabulary, rows = load_words(tmp_path / "words.txt", lowercase=False)
    assert vocabulary.words == ("the", "River", UNKNOWN, "runs", END)
    assert rows == [0, 2, 3, 4, 1]
    assert not vocabulary.lowercase
    (tmp_path / "dos.txt").write_bytes("\r\n".join(["\ufeffthe", *WORDS[1:]]).encode())
    assert load_words(tmp_path / "dos.txt", lowercase=False) == (vocabulary, rows)


def test_given_snapshots_are_those_of_a_pretraining(workplace):
    """Which gives them their roles and comparisons: `test_stages`."""
    text = "base: tiny\nencoder: {files: {2: a.safetensors, 5: b.safetensors, 9: c.safetensors, 30: d.safetensors}, vocabulary: w.txt}\n"
    (workplace / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_profile("mine").pretraining.snapshots == [0, 2, 5, 9, 30]


def save(path: Path, kind: type[nn.RNNBase], layers: int, both: bool, words: int = 8) -> dict[str, Tensor]:
    """Write what torch's own modules hold, by their names, wide enough for every gate to matter."""
    torch.manual_seed(2)
    parts = {"embedding": nn.Embedding(words, SIZE), "lstm": kind(SIZE, HIDDEN, layers, bidirectional=both)}
    tensors = {f"{part}.{name}": torch.randn_like(v) for part, m in parts.items() for name, v in m.state_dict().items()}
    save_file(tensors, path)
    return tensors


def named(**how: object) -> OwnEncoder:
    """What a profile says of such files."""
    return OwnEncoder(files={1: "own.safetensors"}, vocabulary="words.txt", **how)


def load(path: Path, both: bool = False, layers: list[int] | str = "all") -> Recurrent:
    return load_own_encoder(path, range(8), SIZE, HIDDEN * (1 + both), named(layers=layers))


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0].__name__}-{kind[1]}-{kind[2]}")
def layered(request, tmp_path) -> Recurrent:
    save(tmp_path / "own.safetensors", *request.param)
    return load(tmp_path / "own.safetensors", request.param[2])


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_weights_are_read_out_of_wrappers_and_of_any_precision(tmp_path, encoder, wrapper, kind):
    path, wanted = tmp_path / "own.safetensors", {n: v.to(kind) for n, v in encoder.state_dict().items()}
    save_file({f"{wrapper}{name}": tensor for name, tensor in wanted.items()}, path)
    for names in ({}, {"embedding": f"{wrapper}embedding", "lstm": f"{wrapper}lstm"}):
        read = load_own_encoder(path, range(8), 4, 7, named(**names))
        assert same({name: tensor.float() for name, tensor in wanted.items()}, read.state_dict())
        assert not read.training


@pytest.mark.parametrize(("kind", "layers", "both"), KINDS)
def test_the_last_layer_is_what_torchs_own_module_gives(tmp_path, kind, layers, both):
    """A loader that takes one layer or direction for another of its shape would pass what is stepped through its own weights."""
    tensors = save(tmp_path / "own.safetensors", kind, layers, both)
    read, torchs = load(tmp_path / "own.safetensors", both), kind(SIZE, HIDDEN, layers, True, True, 0.0, both)
    torchs.load_state_dict({n.removeprefix("lstm."): v for n, v in tensors.items() if n.startswith("lstm.")})
    ids = torch.randint(0, 8, (3, 7))
    torch.testing.assert_close(read(ids, torch.full((3,), 7)), torchs(tensors["embedding.weight"][ids])[0])


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
def test_all_layers_of_a_batch_are_what_one_token_at_a_time_gives(layered, corpus, vocabulary, batch_size):
    [part] = collect_layers(layered, Words(vocabulary), corpus, batch_size)
    alone = [one_token_at_a_time(layered, torch.from_numpy(vocabulary.encode(d.tokens)).long()) for d in corpus]
    assert part.records.groupby("layer").size().tolist() == [corpus.token_count] * len(layered.stack)
    for layer, rows in part.records.groupby("layer"):
        assert_same_but_for_near_ties(rows, np.concatenate([own[layer].numpy() for own in alone]), part.near_ties)
        assert rows["feature"].tolist() == [vocabulary.seen(token) for d in corpus for token in d.tokens]
    assert part.records["neuron"].max() >= HIDDEN * layered.bidirectional


def test_the_same_weights_and_text_twice_change_nothing(layered, corpus, vocabulary):
    sides = [pd.concat([p.records for p in collect_layers(layered, Words(vocabulary), corpus)]) for _ in range(2)]
    table = compare(*map(aggregate, sides), layered.units)
    assert set(table["state"]) <= {"shared", "never preferred"}
    assert (table["hellinger"].dropna() == 0).all()


def test_rows_are_taken_in_the_order_of_the_words_and_some_layers_alone_are_read(tmp_path, corpus, vocabulary):
    path, rows = tmp_path / "own.safetensors", [7, 6, 5, 4, 3, 2, 1, 0]
    tensors = save(path, nn.GRU, 2, True)
    turned = load_own_encoder(path, rows, SIZE, 2 * HIDDEN, named(layers="all"))
    assert torch.equal(turned.embedding.weight, tensors["embedding.weight"][rows])
    models = (load(path, True, layers) for layers in ("all", [1]))
    whole, upper = (next(collect_layers(model, Words(vocabulary), corpus)).records for model in models)
    pd.testing.assert_frame_equal(whole.query("layer == 1").reset_index(drop=True), upper)


def test_a_silenced_neuron_is_0_at_every_token_and_no_other_reads_it(layered):
    torch.manual_seed(4)
    ids, lengths = torch.randint(0, 8, (2, 6)), torch.tensor([6, 4])
    cut, heard = np.array([1, layered.units - 1]), []
    before = {name: value.clone() for name, value in layered.state_dict().items()}
    with torch.no_grad(), layered.without({0: cut}), layered.listening(lambda _, value: heard.append(value)):
        layered(ids, lengths)
    for row, length in enumerate(lengths):
        alone = one_token_at_a_time(layered, ids[row, :length], cut.tolist())
        assert (alone[0][:, cut] == 0).all()
        for own, found in zip(alone, heard, strict=True):
            torch.testing.assert_close(found[row, :length], own, atol=2e-6, rtol=0)
    with pytest.raises(ZeroDivisionError), layered.without({0: cut}):
        1 / 0  # noqa: B018
    assert all(torch.equal(value, before[name]) for name, value in layered.state_dict().items())
    with pytest.raises(TxrayError, match="layers that are read"), layered.without({9: cut}):
        pass


def test_a_classifier_reads_the_state_where_each_direction_ends(layered, corpus, vocabulary):
    torch.manual_seed(3)
    classifier = Classifier(layered)
    texts = [torch.from_numpy(vocabulary.encode(d.tokens[:9])).long() for d in corpus]
    found = layered.summarise(*padded([text.numpy() for text in texts]))
    for text, summary in zip(texts, found, strict=True):
        if not len(text):
            assert (summary == 0).all(), "a text of no token leaves the state it started from"
            continue
        states = one_token_at_a_time(layered, text)[-1]
        ends = [states[-1, :HIDDEN], *([states[0, HIDDEN:]] if layered.bidirectional else [])]
        torch.testing.assert_close(summary, torch.cat(ends), atol=2e-6, rtol=0)
    [part] = collect_layers(classifier, Words(vocabulary), corpus, max_tokens=9)
    said = torch.sigmoid(classifier.logits(found)).detach().numpy()
    predictions = part.records.groupby("document")["prediction"].agg(["min", "max"])
    np.testing.assert_allclose(predictions["min"], said[predictions.index], atol=1e-6)
    np.testing.assert_array_equal(predictions["min"], predictions["max"])


GRU, LSTM = (nn.GRU, 2, True), (nn.LSTM, 1, False)


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        (LSTM, {"size": 8}, r"embedding\.weight has the shape \(8, 4\), and \(8, 8\) is wanted.*pretraining\.units"),
        (LSTM, {"units": 6}, r"lstm\.weight_ih_l0 has the shape \(20, 4\), and \(24, 4\) is wanted"),
        (LSTM, {"rows": (0, 1)}, r"embedding\.weight has the shape \(8, 4\), and \(2, 4\) is wanted"),
        (LSTM, {"lstm.bias_hh_l0": None}, r"no tensor lstm\.bias_hh_l0, wanted of shape \(20,\)\. Did you mean"),
        (
            LSTM,
            {"embedding.weight": torch.full((8, 4), torch.nan)},
            r"embedding\.weight holds values that are not finite",
        ),
        (LSTM, {"lstm.bias_ih_l0": torch.ones(20, dtype=torch.int64)}, r"lstm\.bias_ih_l0 holds values that are not"),
        (LSTM, {"lstm.weight_hh_l0": torch.ones(5, 5)}, "weights of a plain RNN or of cells with a projection"),
        (LSTM, {"lstm.weight_hr_l0": torch.ones(2, 5)}, "of cells with a projection"),
        (LSTM, {"lstm.weight_hh_l0": torch.ones(20, 0)}, r"lstm\.weight_hh_l0 has the shape \(20, 0\), and \(20, 5\)"),
        ((nn.LSTM, 2, False), {}, r"holds LSTM cells in 2 layer\(s\) and 1 direction\(s\): say `layers: all`"),
        (GRU, {}, r"holds GRU cells in 2 layer\(s\) and 2 direction\(s\): say `layers: all`"),
        (GRU, {"lstm.weight_hh_l1": None, "layers": "all"}, r"no tensor lstm\.weight_hh_l1, wanted of shape \(15, 5\)"),
        (GRU, {"lstm.bias_ih_l0_reverse": None, "layers": "all"}, r"no tensor lstm\.bias_ih_l0_reverse"),
        (GRU, {"lstm.weight_ih_l1": torch.ones(15, 5), "layers": "all"}, r"\(15, 5\), and \(15, 10\) is wanted"),
        (GRU, {"layers": [2]}, "there is no layer 2: the model has 2, numbered from 0"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_told(tmp_path, kind, change, told):
    path = tmp_path / "own.safetensors"
    tensors = save(path, *kind) | {name: value for name, value in change.items() if "." in name}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path)
    given = (path, change.get("rows", range(8)), change.get("size", SIZE), change.get("units", HIDDEN * (1 + kind[2])))
    with pytest.raises(TxrayError, match=told) as error:
        load_own_encoder(*given, named(layers=change.get("layers")))
    assert str(path) in str(error.value) or "encoder.layers" in str(error.value)


def test_what_is_no_safetensors_file_is_told(tmp_path):
    for name, told in (
        ("model.pt", r"a pickle may run any code.*save_file"),
        ("model.safetensors", "cannot be read as"),
    ):
        torch.save({"embedding.weight": torch.ones(2, 2)}, tmp_path / name)
        with pytest.raises(TxrayError, match=told):
            load(tmp_path / name)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    with pytest.raises(TxrayError, match=r"model\.safetensors is a Git LFS pointer"):
        load(tmp_path / "model.safetensors")
    with pytest.raises(TxrayError, match=r"there is no file .*none\.safetensors.*TXRAY_DATA"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", END], f"has no line {UNKNOWN}"),
        (["a", UNKNOWN], f"has no line {END}"),
        ([], "is empty"),
    ],
)
def test_what_is_wrong_with_words_is_told(tmp_path, words, told):
    path = tmp_path / "words.txt"
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    with pytest.raises(TxrayError) as error:
        load_words(path, lowercase=True)
    assert told in str(error.value)
    assert "words.txt" in str(error.value)


OWN = """
encoder: {files: {1: one.safetensors, 2: two.safetensors}, vocabulary: words.txt, layers: all}
pretraining: {units: 10, embedding_size: 4}
controls: {finetuning_seeds: 0, shuffled_labels: 0, constant_rate: false}
"""


def test_a_bidirectional_gru_of_two_layers_goes_through_a_whole_run(workplace):
    profiles = workplace / "profiles"
    words = ["the", "a", ",", ".", "of", "and", "in", "was", UNKNOWN, END]
    (profiles / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    for name in ("one", "two"):
        save(profiles / f"{name}.safetensors", nn.GRU, 2, True, len(words))
    (profiles / "mine.yaml").write_text(PROFILE + OWN, encoding="utf-8")
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
