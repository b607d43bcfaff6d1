"""What the encoder sees of a token."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.corpora.vocabulary import build_vocabulary
from txray_lib.errors import TxrayError


def corpus_of(*texts: str) -> Corpus:
    return Corpus("toy", tuple(Document(f"d{i}", "train", f"b{i}", tuple(t.split())) for i, t in enumerate(texts)))


def test_words_stand_by_frequency_ties_by_alphabet_and_end_last():
    vocabulary = build_vocabulary(corpus_of("b The the <unk> <unk> <unk>", "a a the b c"), size=5)
    assert vocabulary.words == ("<unk>", "the", "a", "b", "c", "<eos>")
    assert vocabulary.features == ("<unk>", "the", "a", "b", "c")
    assert (len(vocabulary), vocabulary.unknown, vocabulary.end) == (6, 0, 5)


def test_casing_is_a_property_of_the_vocabulary():
    corpus = corpus_of("The the the")
    assert build_vocabulary(corpus, 3, lowercase=True).features == ("the", "<unk>")
    cased = build_vocabulary(corpus, 3, lowercase=False)
    assert cased.features == ("the", "The", "<unk>")
    assert (cased.seen("The"), cased.seen("THE")) == ("The", "<unk>")


def test_the_unknown_takes_the_last_place_where_it_is_rare():
    assert build_vocabulary(corpus_of("a a a b b <unk>"), size=2).words == ("a", "<unk>", "<eos>")


def test_encoding_sees_what_seen_says():
    vocabulary = build_vocabulary(corpus_of("the film the"), size=3)
    tokens = ("The", "film", "zzz", "<unk>", "<eos>")
    ids = vocabulary.encode(tokens)
    assert ids.dtype == np.int32
    assert ids.tolist() == [0, 1, 2, 2, 2]
    assert vocabulary.decode(ids) == ("the", "film", "<unk>", "<unk>", "<unk>") == tuple(map(vocabulary.seen, tokens))
    assert vocabulary.encode(()).shape == (0,)


def test_the_end_in_a_text_is_no_feature():
    vocabulary = build_vocabulary(corpus_of("<eos> <eos> <EOS> a"), size=5)
    assert vocabulary.words == ("a", "<unk>", "<eos>")
    assert vocabulary.word(vocabulary.end) == "<eos>"
    assert vocabulary.encode(["<eos>"]).tolist() == [vocabulary.unknown]


def test_unknown_share():
    vocabulary = build_vocabulary(corpus_of("the film"), size=3)
    assert vocabulary.unknown_share(corpus_of("The film", "is a")) == 0.5
    with pytest.raises(TxrayError, match="is empty"):
        vocabulary.unknown_share(corpus_of(""))


@pytest.mark.parametrize("word_id", [-1, 3])
def test_ids_outside_are_refused(word_id):
    with pytest.raises(IndexError, match="0 to 2"):
        Vocabulary(("a", "<unk>", "<eos>")).word(word_id)


@pytest.mark.parametrize("words", [("a", "<eos>"), ("a", "<unk>"), ("a", "a", "<unk>", "<eos>"), ()])
def test_impossible_vocabularies_are_refused(words):
    with pytest.raises(TxrayError, match="distinct words"):
        Vocabulary(words)


def test_a_size_without_room_is_refused():
    with pytest.raises(TxrayError, match="at least"):
        build_vocabulary(corpus_of("a"), size=1)
    with pytest.raises(TxrayError, match="is empty"):
        build_vocabulary(corpus_of(""), size=10)


TOKENS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=40)


@given(TOKENS, TOKENS, st.integers(2, 20), st.booleans())
def test_any_token_is_encoded_as_the_word_it_is_seen_as(train, other, size, lowercase):
    corpus = Corpus("toy", (Document("d", "train", "b", tuple(train)),))
    vocabulary = build_vocabulary(corpus, size, lowercase)
    assert len(vocabulary.features) <= size
    assert vocabulary.decode(vocabulary.encode(other)) == tuple(map(vocabulary.seen, other))
    assert vocabulary.end not in vocabulary.encode(other)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    vocabulary = build_vocabulary(corpus_of('naïve "大" the \u2028'), size=9, lowercase=False)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
    assert [p.name for p in tmp_path.iterdir()] == ["v.json"]


def test_an_altered_or_truncated_file_is_refused(tmp_path):
    path = tmp_path / "v.json"
    with pytest.raises(TxrayError, match="there is no vocabulary"):
        Vocabulary.load(path)
    build_vocabulary(corpus_of("the film"), size=3).save(path)
    whole = path.read_text()
    path.write_text(whole.replace("film", "flim"))
    with pytest.raises(TxrayError, match="was altered"):
        Vocabulary.load(path)
    path.write_text(whole[:40])
    with pytest.raises(TxrayError, match="is not a vocabulary file"):
        Vocabulary.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TxrayError, match="is not a vocabulary file"):
        Vocabulary.load(path)
    path.write_text(json.dumps(["the", "film"]))
    with pytest.raises(TxrayError, match="is not a vocabulary file"):
        Vocabulary.load(path)
