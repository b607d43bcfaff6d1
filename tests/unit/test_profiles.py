"""Profiles: those that ship load; whatever is wrong with another is told by its key."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile, list_profiles, load_profile
from txray_lib.settings import read_keys

WANTED = ("encoder.layers: all is wanted", "or the numbers of some layers, from 0 to 127")
SHIPPED = sorted(p.stem for p in (Path(__file__).resolve().parents[2] / "profiles").glob("*.yaml"))


def told(folder: Path, text: str | bytes) -> str:
    """What is said of a profile with this text."""
    (folder / "profiles" / "mine.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(TxrayError) as error:
        load_profile("mine")
    return str(error.value)


def test_shipped_profiles_load_and_are_listed():
    assert list_profiles() == SHIPPED
    for name in SHIPPED:
        profile = load_profile(name)
        assert profile.name == name
        assert profile.about


def test_a_profile_is_laid_over_its_base(workplace):
    (workplace / "profiles" / "mine.yaml").write_text("base: tiny\nseed: 7\npretraining: {epochs: 3, units: 10}\n")
    mine, tiny = load_profile("mine"), load_profile("tiny")
    assert (mine.name, mine.seed, mine.pretraining.units) == ("mine", 7, 10)
    assert mine.pretraining.embedding_size == tiny.pretraining.embedding_size
    others = set(Profile.model_fields) - {"name", "seed", "pretraining"}
    assert mine.model_dump(include=others) == tiny.model_dump(include=others)


def test_a_file_elsewhere_can_be_a_profile_and_a_base_beside_it_comes_first(workplace, tmp_path):
    for name, text in (("other", "base: tiny\nseed: 9\n"), ("tiny", "base: demo\nseed: 123\n")):
        (tmp_path / f"{name}.yaml").write_text(text)
    other, demo = load_profile(str(tmp_path / "other.yaml")), load_profile("demo")
    assert (other.name, other.seed, other.pretraining) == ("other", 9, demo.pretraining)


def test_own_files_lie_beside_the_profile_or_in_the_data_folder(workplace, tmp_path, monkeypatch):
    monkeypatch.delenv("TXRAY_DATA", raising=False)
    path, data = tmp_path / "mine" / "own.yaml", tmp_path / "data"
    for folder in (path.parent, data):
        folder.mkdir()
    corpora = "{pretraining: {source: file, path: sub/a.txt}, target: {source: file, path: b.csv}}"
    path.write_text(f"base: tiny\ncorpora: {corpora}\n")
    own = load_profile(str(path))
    assert own.own_files == ("sub/a.txt", "b.csv")
    assert own.own_file("b.csv") == path.parent / "b.csv"
    monkeypatch.setenv("TXRAY_DATA", str(data))
    assert own.own_file("b.csv") == path.parent / "b.csv"
    (data / "b.csv").touch()
    assert own.own_file("b.csv") == data / "b.csv"
    (path.parent / "b.csv").touch()
    assert own.own_file("b.csv") == path.parent / "b.csv"
    path.rename(path.with_stem("mine"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TxrayError, match=r"Did you mean 'mine/mine\.yaml'\?"):
        load_profile("mine")
    assert Profile(**own.parameters).parameters == own.parameters
    assert str(tmp_path) not in yaml.safe_dump(own.parameters)


def test_columns_and_delimiter_of_a_table_are_parameters_where_they_are_given(workplace):
    table = "source: file, path: b.csv, columns: {text: review, label: sentiment}, delimiter: ;"
    (workplace / "profiles" / "mine.yaml").write_text(f"base: tiny\ncorpora: {{target: {{{table}}}}}\n")
    mine = load_profile("mine")
    named = {"columns": {"text": "review", "label": "sentiment"}, "delimiter": ";"}
    assert mine.part("corpora.target") == {"name": "reviews", "source": "file", "path": "b.csv", **named}
    assert Profile(**mine.parameters).corpora == mine.corpora
    assert load_profile("small").part("corpora.target") == {"name": "imdb", "source": "imdb"}


def test_a_study_of_what_is_known_reads_its_own_groups_and_a_run_all_but_that():
    assert set(load_profile("truth").parameters) == {"name", "about", "seed", "truth"}
    assert set(load_profile("demo").parameters) == set(Profile.model_fields) - {"truth", "encoder", "features"}
    assert "world" not in load_profile("small").parameters


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tinny", r"no profile 'tinny'.*Did you mean 'tiny'\?"),
        ("zzz", r"no profile 'zzz'.*Known: .*demo"),
        ("sub/none.yaml", r"no profile 'sub/none.yaml'"),
    ],
)
def test_a_misspelt_profile_names_the_nearest(name, told):
    with pytest.raises(TxrayError, match=told):
        load_profile(name)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed: 1_000", "seed", 1000),
        ("seed: 0x10", "seed", 16),
        ("pretraining: {learning_rate: 1e-3}", "pretraining.learning_rate", 0.001),
        ("pretraining: {learning_rate: 2}", "pretraining.learning_rate", 2.0),
        ("vocabulary: {lowercase: no}", "vocabulary.lowercase", False),
        ("controls: {constant_rate: on}", "controls.constant_rate", True),
        ("about: no", "about", "no"),
        ("about: 2024-01-02", "about", "2024-01-02"),
        ("about: 'a: b #c'", "about", "a: b #c"),
        ("corpora: {target: {name: no}}", "corpora.target.name", "no"),
        ("corpora: {target: {source: file, path: a, positive: yes}}", "corpora.target.positive", "yes"),
        ("corpora: {target: {source: file, path: a, positive: 012}}", "corpora.target.positive", "012"),
    ],
)
def test_a_setting_is_read_as_it_is_written(workplace: Path, text: str, key: str, value: object) -> None:
    (workplace / "profiles" / "mine.yaml").write_text(f"base: tiny\n{text}\n", encoding="utf-8")
    found = load_profile("mine").part(key)
    assert (found, type(found)) == (value, type(value))


def test_keys_that_are_merged_are_no_doubles(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("b: &B {k: 0}\np: {q: &X {<<: *B, k: 1}}\nr: {<<: *X, z: 2}\n", encoding="utf-8")
    assert read_keys(path) == {"b": {"k": 0}, "p": {"q": {"k": 1}}, "r": {"k": 1, "z": 2}}


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("sead: 2", "sead: no such key", "Did you mean 'seed'?"),
        ("pretraining: {epoch: 2}", "pretraining.epoch: no such key", "Did you mean 'epochs'?"),
        ("seed: one", "seed: ", "not 'one'"),
        ("pretraining: 3", "pretraining: ", "not 3"),
        ("seed: 012", "seed: ", "integer, not '012'"),
        ("seed: 1:30", "seed: ", "integer, not '1:30'"),
        ("seed: 5_000_000_000", "seed: ", "less than or equal to 4294967295"),
        ("pretraining: {snapshots: [0, 1, 010]}", "pretraining.snapshots.2: ", "not '010'"),
        ("vocabulary: {lowercase: perhaps}", "vocabulary.lowercase: ", "boolean"),
        ("vocabulary: 3", "vocabulary: ", "should be a group of keys, not 3"),
        ("about: 2024", "about: ", "not 2024; between quotes it is text"),
        ("pretraining: {learning_rate: .inf}", "pretraining.learning_rate: ", "not inf"),
        ("pretraining: {snapshots: [0, 1]}", "pretraining: snapshots must hold 0 and the last two", "[2, 3]"),
        ("pretraining: {snapshots: [0, 2, 3]}", "pretraining: snapshots must be distinct", "between 0 and 2"),
        ("pretraining: {snapshots: [0, 1, 2, 3, 4]}", "pretraining: snapshots must be distinct", "up to 3"),
        ("pretraining: {snapshots: [0, 1, 1, 2, 3]}", "pretraining: snapshots must be distinct", ""),
        ("tagger: owm", "tagger: ", "'own', not 'owm'"),
        ("features: {n: 4}", "features.n: ", "1, 2 or 3, not 4"),
        ("finetuning: {reviews: {train: 121}}", "finetuning.reviews.train: ", "multiple of 2"),
        ("pruning: {reviews: 600}", "pruning.reviews: ", "train or test"),
        ("pruning: {set_size: 13}", "pruning.set_size 13", "24 units"),
        ("controls: {probe_tokens: 1_600}", "controls.probe_tokens: ", "more than collection.tokens"),
        ("corpora: {pretraining: {source: imdb}}", "corpora: ", "the target needs labels"),
        ("corpora: {target: {name: encyclopedia}}", "corpora: ", "both corpora are named 'encyclopedia'"),
        ("corpora: {target: {name: ../up}}", "corpora.target.name: ", "'../up'"),
        ("world: null", "a corpus from the world", "needs the group 'world'"),
        ("corpora: {target: {source: file}}", "corpora.target: ", "'file' needs the path of a file"),
        ("corpora: {target: {delimiter: ;}}", "corpora.target: ", "'world' reads no file"),
        ("corpora: {target: {columns: {text: a}}}", "corpora.target: ", "'world' reads no file"),
        ("corpora: {target: {source: file, path: a, delimiter: ';;'}}", "corpora.target.delimiter: ", "one character"),
        ("corpora: {target: {source: file, path: a, positive: true}}", "corpora.target.positive: ", "between quotes"),
        ("corpora: {target: {source: file, path: a.JSONL, delimiter: ;}}", "corpora.target: ", "has no delimiter"),
        (
            "corpora: {target: {columns: {txt: a}}}",
            "corpora.target.columns.txt: ",
            "'text', 'label', 'split' or 'block'",
        ),
        ("corpora: {target: {columns: {label: text}}}", "corpora.target.columns: ", "from one column"),
        ("corpora: {pretraining: {source: file, path: a.txt, delimiter: ;}}", "corpora: ", "plain text"),
        ("corpora: {target: {path: a.csv}}", "corpora.target: ", "'world' reads no path"),
        ("corpora: {target: {source: file, path: /a.csv}}", "corpora.target.path: ", "or one that leads out by .."),
        ("corpora: {target: {source: file, path: 'C:\\\\a.csv'}}", "corpora.target.path: ", "an absolute one"),
        ("encoder: {vocabulary: w.txt}", "encoder.files: missing", ""),
        ("encoder: {files: {}, vocabulary: w.txt}", "encoder.files: ", "at least 1 item"),
        ("encoder: {files: {0: a.safetensors}, vocabulary: w.txt}", "encoder: files: epoch 0", "untrained"),
        ("encoder: {file: {}, files: {1: b}, vocabulary: w.txt}", "encoder.file: no such key", "Did you mean 'files'?"),
        *(
            (f"encoder: {{files: {{1: a}}, vocabulary: b, layers: {its}}}", *WANTED)
            for its in ("some", "[]", "[200]", "[0, -1]", "1")
        ),
        ("pretraining: {epochs: 2, snapshots: [0, 1, 2]}", "pretraining: epochs: ", "at least 3 epochs, not of 2"),
        ("truth: {tokens: [300_000]}", "truth: population", "two texts"),
        ("truth: {ways: [top-0]}", "truth.ways.0: ", "'top-0'"),
        ("truth: {ways: [argmax, argmax]}", "truth: ways: ", "twice"),
        ("truth: {cap: 10}", "truth: cap", "no fewer"),
        ("truth: {noises: {much: {stray: 0.1}}}", "truth.noises.much.stray: no such key", "Did you mean 'strays'?"),
        ("truth: {plan: {replaced: 0.7}}", "truth.plan: replaced", "some neurons stay unchanged"),
        ("truth: {plan: {sizes: [1.0]}}", "truth.plan: one of the sizes", "below 1"),
    ],
)
def test_every_error_names_its_key_and_what_would_be_right(workplace, text, key, hint):
    message = told(workplace, f"base: {'truth' if text.startswith('truth') else 'tiny'}\n{text}\n")
    assert message.startswith("the profile mine.yaml has 1 problem(s):")
    assert key in message
    assert hint in message


def test_all_problems_are_told_at_once(workplace):
    message = told(workplace, "base: tiny\nsead: 2\npretraining: {units: 1}\n")
    assert all(part in message for part in ("2 problem(s)", "sead", "pretraining.units"))


def test_missing_keys_are_named(workplace):
    content = yaml.safe_load((workplace / "profiles" / "demo.yaml").read_text())
    keys = sorted(set(content) - {"world"})
    message = told(workplace, yaml.safe_dump({"world": content["world"]}))
    assert all(f"  {key}: missing" in message for key in keys)
    del content["finetuning"]["reviews"]["valid"]
    assert "finetuning.reviews.valid: missing" in told(workplace, yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("base: tyni", "builds on 'tyni', which does not exist. Did you mean 'tiny'?"),
        ("base: [1]", "builds on [1]"),
        ("base: mine", "its own base"),
        ("base: other", "its own base"),
        ("a: [1", "is not valid YAML"),
        ("seed: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("", "must hold keys and values"),
        ("just words\n", "must hold keys and values"),
        (b"base: tiny\nabout: caf\xe9\n", "is not UTF-8: its byte 22"),
        ("base: tiny\n".encode("utf-16"), "is not UTF-8: its byte 1"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Run: git lfs pull"),
        ("base: tiny\nseed: 1\nseed: 2\n", "the key seed is there twice"),
        ("base: tiny\nnulls: {permutations: 9, permutations: 8}\n", "the key permutations is there twice"),
        ("base: tiny\nname: other\n", "names itself 'other'"),
        ("- a\n", "must hold keys and values"),
    ],
)
def test_what_is_no_profile_is_told_as_what_it_is(workplace, text, problem):
    (workplace / "profiles" / "other.yaml").write_text("base: mine\n")
    assert problem in told(workplace, text)


@given(st.text(min_size=1, max_size=12))
def test_nearest_always_says_something_known(word: str):
    sentence = nearest(word, ["epochs", "units"])
    assert "epochs" in sentence or "units" in sentence
