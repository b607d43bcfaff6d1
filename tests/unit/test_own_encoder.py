"""An encoder of the user's own in a profile: its words, the roles of its snapshots, its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_training import same

from txray_lib.corpora import UNKNOWN
from txray_lib.corpora.own import load_words
from txray_lib.corpora.vocabulary import END
from txray_lib.encoders.lstm import Encoder
from txray_lib.encoders.snapshots import load_own_encoder
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.stages import comparisons, stages

WORDS = ["the", END, "river", UNKNOWN, "runs"]


def write_words(path: Path, words: list[str] | None = None) -> Path:
    path.write_text("\n".join(WORDS if words is None else words) + "\n", encoding="utf-8")
    return path


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
        (["a", "", UNKNOWN, END], "line 2"),
        (["a", UNKNOWN, "a", END], "line 3"),
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


def test_given_snapshots_have_the_roles_of_a_pretraining(workplace):
    text = "base: tiny\nencoder: {files: {2: a.safetensors, 5: b.safetensors, 9: c.safetensors, 30: d.safetensors}, vocabulary: w.txt}\n"
    (workplace / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
    profile = load_profile("mine")
    assert profile.pretraining.snapshots == [0, 2, 5, 9, 30]
    roles = {stage.snapshot: stage.role for stage in stages(profile)[:-2]}
    assert list(roles.values()) == ["untrained", "early", "between", "before-last", "last"]
    asked = [c.name for c in comparisons(profile) if c.question == "rq1"]
    assert asked == ["encyclopedia-0:encyclopedia-2", "encyclopedia-2:encyclopedia-9", "encyclopedia-9:encyclopedia-30"]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A language model as another project would write it: other names, a decoder, half precision, rows in its own order."""
    torch.manual_seed(5)
    embedding, rnn = torch.nn.Embedding(5, 3), torch.nn.LSTM(3, 4)
    tensors = {f"encoder.{k}": v for k, v in embedding.state_dict().items()}
    tensors |= {f"rnn.{k}": v.half() for k, v in rnn.state_dict().items()} | {"decoder.weight": torch.ones(5, 4)}
    save_file(tensors, tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


def read(path: Path, rows: tuple[int, ...] = (0, 2, 3, 4, 1), size: int = 3, units: int = 4) -> Encoder:
    return load_own_encoder(path, rows, size, units, "encoder", "rnn")


def test_an_encoder_under_other_names_gives_the_activations_of_its_own_layers(theirs):
    tensors = load_file(theirs)
    rnn = torch.nn.LSTM(3, 4, batch_first=True)
    rnn.load_state_dict({k.removeprefix("rnn."): v.float() for k, v in tensors.items() if k.startswith("rnn.")})
    expected = rnn(tensors["encoder.weight"][torch.tensor([[0, 2, 3, 4, 1]])])[0]
    encoder = read(theirs)
    assert not encoder.training
    torch.testing.assert_close(encoder(torch.tensor([[0, 1, 2, 3, 4]]))[0], expected)


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_a_snapshot_is_read_as_ones_own_also_out_of_a_wrapper(tmp_path, encoder, wrapper):
    path, wanted = tmp_path / "own.safetensors", encoder.state_dict()
    save_file({f"{wrapper}{name}": tensor for name, tensor in wanted.items()}, path)
    assert same(wanted, load_own_encoder(path, range(8), 4, 7).state_dict())
    save_file({f"{wrapper}{name}": tensor.bfloat16() for name, tensor in wanted.items()}, path)
    read = load_own_encoder(path, range(8), 4, 7).state_dict()
    assert same({name: tensor.bfloat16().float() for name, tensor in wanted.items()}, read)
    assert same(read, load_own_encoder(path, range(8), 4, 7, f"{wrapper}embedding", f"{wrapper}lstm").state_dict())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"size": 8}, r"encoder\.weight has the shape \(5, 3\), and \(5, 8\) is wanted.*pretraining\.units"),
        ({"units": 6}, r"rnn\.weight_ih_l0 has the shape \(16, 3\), and \(24, 3\) is wanted"),
        ({"rows": (0, 1)}, r"encoder\.weight has the shape \(5, 3\), and \(2, 3\) is wanted"),
        ({"rnn.bias_hh_l0": None}, r"no tensor rnn\.bias_hh_l0, wanted of shape \(16,\)\. Did you mean"),
        (
            {"rnn.weight_ih_l1": torch.ones(16, 4)},
            r"LSTM cells in 2 layer\(s\) and 1 direction\(s\): say `layers: all`",
        ),
        (
            {"rnn.weight_hh_l0": torch.ones(12, 4)},
            r"holds GRU cells in 1 layer\(s\) and 1 direction\(s\): say `layers: all`",
        ),
        ({"rnn.weight_hh_l0": torch.ones(4, 4)}, "rnn holds the weights of a plain RNN or of cells with a projection"),
        ({"rnn.weight_hh_l0_reverse": torch.ones(16, 4)}, r"and 2 direction\(s\)"),
        ({"rnn.weight_hr_l0": torch.ones(2, 4)}, "of cells with a projection"),
        ({"encoder.weight": torch.full((5, 3), torch.nan)}, r"encoder\.weight holds values that are not finite"),
        ({"rnn.bias_ih_l0": torch.ones(16, dtype=torch.int64)}, r"rnn\.bias_ih_l0 holds values that are not finite"),
    ],
    ids=str,
)
def test_tensors_that_do_not_fit_are_told(theirs, asked, told):
    shape = {name: value for name, value in asked.items() if name in ("size", "units", "rows")}
    tensors = load_file(theirs) | {name: value for name, value in asked.items() if name not in shape}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, theirs)
    with pytest.raises(TxrayError, match=told) as error:
        read(theirs, **shape)
    assert str(theirs) in str(error.value)


def test_what_is_no_safetensors_file_is_told(theirs, tmp_path):
    torch.save(load_file(theirs), tmp_path / "model.pt")
    with pytest.raises(TxrayError, match=r"a pickle may run any code.*save_file"):
        read(tmp_path / "model.pt")
    torch.save(load_file(theirs), tmp_path / "model.safetensors")
    with pytest.raises(TxrayError, match="cannot be read as safetensors"):
        read(tmp_path / "model.safetensors")
    with pytest.raises(TxrayError, match=r"there is no file .*none\.safetensors.*TXRAY_DATA"):
        read(tmp_path / "none.safetensors")
