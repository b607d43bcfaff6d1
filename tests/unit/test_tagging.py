"""The tagging room: our tagger tags as Flair's predict() does, whatever the text; corpora keep every token."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.tagging import Tagger, accuracy, load_tagger, tag_corpus
from txray_lib.tagging import tagger as tagger_module
from txray_lib.tags import TAG_CLASSES, tag_class

torch = pytest.importorskip("torch")
pytest.importorskip("flair", reason="the tagging tests need Flair: pip install 'txray-lib[tag]'")

SENTENCES = [
    ["The", "old", "dog", "saw", "the", "cat", ",", "and", "the", "cat", "saw", "the", "dog", "."],
    [],
    ["Stop"],
    ["=", "=", "Early", "life", "=", "="],
    ["A", "well", "@-@", "known", "town", "of", "12", "@,@", "500", "people", "near", "<unk>", "<unk>", "."],
    ["Zoë", "paid", "€", "3.50", "for", "naïve", "日本語", "“", "books", "”", "—", "twice", "…"],
    ["run", "run", "run", "run", "a", "run", "of", "runs"],
    ["HTTP://EXAMPLE.ORG/a_b", ":-)", "x" * 300, "don", "'t", "1990s", "U.S.", "1,234,567"],
    ["I", "did", "n't", "run", "the", "long", "run", ";", "they", "run", "it"],
]
WORDS = sorted({token for sentence in SENTENCES for token in sentence})


@pytest.fixture(scope="module")
def own() -> Tagger:
    return load_tagger()


@pytest.fixture(scope="module")
def model(own):
    from txray_lib.tagging.store import load_npz

    return load_npz(tagger_module.OWN_FILE)


@pytest.fixture
def _flair_on_cpu():
    from txray_lib.tagging.engine import on_cpu

    with on_cpu():
        yield


def predicted(model, sentences: list[list[str]]) -> list[list[str]]:
    """What Flair's own predict() says, all sentences in one call."""
    from flair.data import Sentence

    flair_sentences = [Sentence(tokens) for tokens in sentences if tokens]
    model.predict(flair_sentences)
    tags = iter([[token.get_label("pos").value for token in sentence] for sentence in flair_sentences])
    return [next(tags) if tokens else [] for tokens in sentences]


def corpus_of(*documents: Document) -> Corpus:
    return Corpus("made", documents)


def document(tokens: str, name: str = "d", **rest) -> Document:
    return Document(name=name, split="train", block="b", tokens=tuple(tokens.split()), **rest)


def test_the_room_imports_without_flair_and_torch():
    code = "import sys, txray_lib.tagging, txray_lib.tags; sys.exit(bool({'flair', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_tag_of_the_tagger_has_a_class(own):
    assert len(own.tag_set) == 49
    assert set(own.tag_set) <= set(TAG_CLASSES)
    assert [tag_class(tag) for tag in ("NNS", "VBD", "HYPH", "NFP", "IN", "B-PER")] == [
        *("noun", "verb", "punctuation", "punctuation", "preposition", "other")
    ]


def test_plain_english_is_tagged_as_a_grammarian_would(own):
    tags = own.tags([SENTENCES[0], SENTENCES[4], SENTENCES[3]])
    assert " ".join(tags[0]) == "DT JJ NN VBD DT NN , CC DT NN VBD DT NN ."
    assert tags[1][2] == "HYPH"
    assert tags[1][6:9] == ["CD", "CD", "CD"]
    assert [tags[2][i] for i in (0, 1, 4, 5)] == ["NFP"] * 4


@pytest.mark.usefixtures("_flair_on_cpu")
def test_tags_are_those_of_predict(own, model):
    assert own.tags(SENTENCES) == predicted(model, SENTENCES)


@pytest.mark.usefixtures("_flair_on_cpu")
def test_scores_are_those_of_flairs_forward_pass(model):
    """Not only the best tag: the vectors of the table are the very ones that Flair embeds."""
    from flair.data import Sentence

    from txray_lib.tagging.fast import TokenVectors

    tokens = SENTENCES[0]
    vectors = TokenVectors(model.embeddings)
    vectors.remember(list(dict.fromkeys(tokens)))
    with torch.no_grad():
        expected, lengths = model._prepare_tensors([Sentence(tokens)])
        ours = vectors.padded([tokens])
        torch.testing.assert_close(ours, expected)
        torch.testing.assert_close(model.forward(ours, lengths), model.forward(expected, lengths))


@pytest.mark.usefixtures("_flair_on_cpu")
def test_flairs_predict_gives_the_same_through_the_plain_execution(own, model, monkeypatch):
    from txray_lib.tagging import plain

    monkeypatch.setattr(plain, "SENTENCES_PER_CALL", 3)
    sentences = [s for s in SENTENCES if s]
    assert plain.PlainExecution(model)(sentences) == own.tags(sentences)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_sentence_has_the_same_tags_alone_and_among_others(own, data):
    token = st.one_of(st.sampled_from(WORDS), st.text(min_size=1, max_size=6))
    sentences = data.draw(st.lists(st.lists(token, max_size=8), min_size=1, max_size=6))
    together = own.tags(sentences)
    assert together == [own.tags([sentence])[0] for sentence in sentences]
    assert [len(tags) for tags in together] == [len(sentence) for sentence in sentences]
    assert together == own.tags(sentences[::-1])[::-1]


@pytest.mark.usefixtures("_flair_on_cpu")
def test_character_vectors_are_flairs_where_flair_is_right(model):
    """Flair is right for tokens that stand once in their sentence; ours depend on the token alone."""
    from flair.data import Sentence
    from flair.embeddings import CharacterEmbeddings

    ours = model.embeddings.embeddings[3]
    flairs = CharacterEmbeddings.from_params(ours.to_params())
    flairs.load_state_dict(ours.state_dict())
    words = ["Zoë", "a", "runs", "unbelievable", "x" * 60]
    once, twice = Sentence(words), Sentence([*words, "a", *words])
    with torch.no_grad():
        flairs.embed(once)
        expected = {token.text: token.embedding.clone() for token in once}
        once.clear_embeddings()
        ours.embed(twice)
    for token in twice:
        torch.testing.assert_close(token.embedding, expected[token.text])


def test_batches_hold_every_item_once_within_the_budget():
    from txray_lib.tagging.embeddings import length_batches

    assert list(length_batches([1, 5, 2, 9, 2], budget=8)) == [[3], [1], [2, 4, 0]]
    assert list(length_batches([], budget=8)) == []


def test_the_table_of_tokens_stays_within_its_size(model):
    from txray_lib.tagging.fast import TokenVectors

    vectors = TokenVectors(model.embeddings, capacity=4)
    with torch.no_grad():
        vectors.remember(["a", "b", "c"])
        first = vectors.padded([["b"]]).clone()
        vectors.remember(["c", "d"])
        assert len(vectors) == 4
        vectors.remember(["b", "e"])
        assert len(vectors) == 2
        torch.testing.assert_close(vectors.padded([["b"]]), first)


def test_absurd_input_is_tagged_and_nothing_is_dropped(own):
    strange = ["", " ", "\u200b", "\x00", "\ufffd", "\u2581", "\ud800", "y" * 10_000, "dog"]
    tags, long_tags = own.tags([strange, ["word", "."] * 6_000])
    assert len(tags) == len(strange)
    assert len(long_tags) == 12_000
    assert set(tags + long_tags) <= set(own.tag_set)
    assert tags[:7] == own.tags([["<unk>"] * 6 + ["?", *strange[7:]]])[0][:7]
    assert own.tags([]) == []
    with pytest.raises(TxrayError, match="list of tokens"):
        own.tags(["The dog ."])


def test_threads_and_logs_are_left_as_they_were(own):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        own.tags(SENTENCES)
        assert torch.get_num_threads() == 2
        with pytest.raises(TxrayError):
            own.tags(["text"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert logging.getLogger("flair").level == logging.WARNING


def test_a_corpus_is_tagged_by_sentence_and_keeps_every_token(own):
    corpus = corpus_of(
        document("The dog ran . It saw a cat .", "two sentences", sentences=(0, 4), label=1),
        document("", "empty"),
        document("Fine film !", "tagged before", tags=("X", "X", "X")),
    )
    tagged = tag_corpus(corpus, own, progress=False)
    assert [d.name for d in tagged] == [d.name for d in corpus]
    assert [d.tokens for d in tagged] == [d.tokens for d in corpus]
    expected = own.tags([["The", "dog", "ran", "."], ["It", "saw", "a", "cat", "."]])
    assert tagged.documents[0].tags == (*expected[0], *expected[1])
    assert tagged.documents[0].label == 1
    assert tagged.documents[1].tags == ()
    assert tagged.documents[2].tags == tuple(own.tags([["Fine", "film", "!"]])[0])


def test_a_corpus_in_many_groups_has_the_same_tags(own, monkeypatch):
    corpus = corpus_of(*(document(" ".join(s), str(i)) for i, s in enumerate(SENTENCES)))
    at_once = tag_corpus(corpus, own, progress=False)
    monkeypatch.setattr("txray_lib.tagging.tagged.TOKENS_PER_CALL", 10)
    assert tag_corpus(corpus, own, progress=False) == at_once


def test_a_corpus_that_cannot_be_tagged_says_why(own):
    with pytest.raises(TxrayError, match="'made' is empty"):
        tag_corpus(corpus_of(document("")), own, progress=False)
    with pytest.raises(TxrayError, match=r"'late' do not cover its 3 tokens"):
        tag_corpus(corpus_of(document("a b c", "late", sentences=(1,))), own, progress=False)


def test_accuracy_by_hand():
    corpus = corpus_of(
        document("a b c", tags=("DT", "NN", "NN"), gold=("DT", "NN", "VB")),
        document("", tags=(), gold=()),
        document("d e", tags=("NN", "JJ"), gold=("NN", "NN")),
    )
    expected = pd.DataFrame(
        {"tokens": [3, 1, 1, 5], "correct": [2, 1, 0, 3], "share": [2 / 3, 1.0, 0.0, 0.6]},
        index=pd.Index(["NN", "DT", "VB", "all"], name="gold"),
    )
    pd.testing.assert_frame_equal(accuracy(corpus), expected)


@pytest.mark.parametrize(("tags", "gold"), [(None, ("DT",)), (("DT",), None), (("DT", "NN"), ("DT",))])
def test_accuracy_needs_tags_and_gold(tags, gold):
    with pytest.raises(TxrayError, match="'lacking'"):
        accuracy(corpus_of(document("a", "lacking", tags=tags, gold=gold)))


def test_a_tagger_stored_and_loaded_again_has_the_same_weights(own, model, tmp_path):
    from txray_lib.tagging.store import save_npz

    path = tmp_path / "again.npz"
    save_npz(model, path)
    assert os.listdir(tmp_path) == ["again.npz"]
    again = load_tagger(str(path))
    assert again.tag_set == own.tag_set
    assert again.tags(SENTENCES) == own.tags(SENTENCES)
    weights = again._execution._model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())


def test_a_changed_or_missing_file_of_our_tagger_is_refused(tmp_path, monkeypatch):
    content = bytearray(tagger_module.OWN_FILE.read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "tagger.npz"
    changed.write_bytes(content)
    monkeypatch.setattr(tagger_module, "OWN_FILE", changed)
    with pytest.raises(TxrayError, match="has changed"):
        load_tagger()
    changed.unlink()
    with pytest.raises(TxrayError, match="is missing"):
        load_tagger()


@pytest.mark.parametrize("content", [b"", b"not an archive", "truncated"])
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "damaged.npz"
    path.write_bytes(tagger_module.OWN_FILE.read_bytes()[:100_000] if content == "truncated" else content)
    with pytest.raises(TxrayError, match=r"damaged\.npz is not a stored tagger"):
        load_tagger(str(path))


@pytest.mark.parametrize("name", ["owm", "pos", "models/missing.pt", "/no/such/tagger", "."])
def test_a_name_that_is_no_tagger_is_an_error_that_lists_them(name):
    with pytest.raises(TxrayError, match=r"own|flair/pos-english"):
        load_tagger(name)


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path, monkeypatch):
    import flair
    from huggingface_hub import HfApi

    def unreachable(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(flair, "cache_root", tmp_path)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(TxrayError, match=r"'flair/pos-english-fast' is not in .* Use the tagger 'own'"):
        load_tagger("flair/pos-english-fast")


def character_language_tagger():
    """A tiny tagger of the kind the hub has: contextual character embeddings and a CRF. Its weights are random."""
    from flair.data import Dictionary
    from flair.embeddings import FlairEmbeddings, StackedEmbeddings
    from flair.models import LanguageModel, SequenceTagger

    torch.manual_seed(0)
    characters, tags = Dictionary(), Dictionary(add_unk=False)
    for character in "abcdefghijklmnopqrstuvwxyz .":
        characters.add_item(character)
    for tag in ("NN", "VB", "DT", "."):
        tags.add_item(tag)
    language_model = LanguageModel(characters, is_forward_lm=True, hidden_size=8, nlayers=1, embedding_size=4)
    embeddings = StackedEmbeddings([FlairEmbeddings(language_model)])
    return SequenceTagger(embeddings, tags, tag_type="pos", hidden_size=8).eval()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("as_objects", [False, True], ids=["parameters", "objects as Flair once wrote them"])
@pytest.mark.usefixtures("_flair_on_cpu")
def test_a_file_written_by_flair_is_read_without_running_it(tmp_path, as_objects, protocol):
    written = character_language_tagger()
    state = written._get_state_dict()
    if as_objects:
        state["embeddings"] = written.embeddings
    state["model_card"] = {"training_parameters": {"optimizer": torch.optim.SGD, "path": Path("x")}}
    torch.save(state, tmp_path / "model.pt", pickle_protocol=protocol)
    tagger = load_tagger(str(tmp_path / "model.pt"))
    sentences = [["the", "dog", "barks", "."], [], ["the"], ["", "dog"], ["dog"] * 1_200]
    tags = tagger.tags(sentences)
    assert [len(t) for t in tags] == [4, 0, 1, 2, 1_200]
    assert tags[0] == predicted(written, sentences[:1])[0]


class Intruder:
    """Pickled, it creates a file when it is loaded in the ordinary way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_file_that_would_run_code_does_not_run_it(tmp_path):
    trace = tmp_path / "trace"
    assert pickle.loads(pickle.dumps(Intruder(trace))) is None
    assert trace.exists()
    trace.rmdir()
    torch.save({"embeddings": Intruder(trace), "state_dict": {}}, tmp_path / "evil.pt")
    with pytest.raises(
        TxrayError, match=r"evil\.pt is not a sequence tagger that can be read safely, which names .*mkdir"
    ):
        load_tagger(str(tmp_path / "evil.pt"))
    assert not trace.exists()


def english_web_treebank() -> Corpus:
    """The test set of UD English EWT as a corpus of one document a sentence, with gold tags."""
    data = Path(os.environ.get("TXRAY_DATA") or Path(__file__).resolve().parents[2] / "../shared/data")
    archive = data / "ud-english-ewt.tar.xz"
    if not archive.is_file():
        pytest.skip(f"NOT SCORED on UD English EWT: no ud-english-ewt.tar.xz in {data}; set TXRAY_DATA to its folder")
    with tarfile.open(archive) as tar:
        text = tar.extractfile("ud-ewt/en_ewt-ud-test.conllu").read().decode("utf-8")
    documents = []
    for i, sentence in enumerate(text.strip().split("\n\n")):
        cells = [line.split("\t") for line in sentence.split("\n")]
        words = [c for c in cells if c[0].isdigit()]
        tokens, gold = tuple(c[1] for c in words), tuple(c[4] for c in words)
        documents.append(Document(name=str(i), split="test", block=str(i), tokens=tokens, gold=gold))
    return Corpus("ewt", tuple(documents))


def test_our_tagger_scores_on_the_english_web_treebank(own):
    corpus = english_web_treebank()
    table = accuracy(tag_corpus(corpus, own, progress=False))
    assert table.loc["all", "tokens"] == corpus.token_count == 25_094
    assert table.loc["all", "share"] >= 0.945
