"""What the encoder sees of a token."""

from __future__ import annotations

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
    assert (len(vocabulary), vocabulary.unknown, vocabulary.end) == (6, 0, 5)
    assert build_vocabulary(corpus_of("a a a b b <unk>"), size=2).words == ("a", "<unk>", "<eos>")
    vocabulary = build_vocabulary(corpus_of("<eos> <eos> <EOS> a"), size=5)
    assert vocabulary.words == ("a", "<unk>", "<eos>"), "the end in a text is no feature"


def test_casing_is_a_property_of_the_vocabulary():
    corpus = corpus_of("The the the")
    assert build_vocabulary(corpus, 3, lowercase=True).words == ("the", "<unk>", "<eos>")
    cased = build_vocabulary(corpus, 3, lowercase=False)
    assert cased.words == ("the", "The", "<unk>", "<eos>")
    assert (cased.seen("The"), cased.seen("THE")) == ("The", "<unk>")
    assert cased.unknown_share(corpus_of("The film", "THE the")) == 0.5


def test_what_makes_no_vocabulary_is_refused():
    for words in (("a", "<eos>"), ("a", "<unk>"), ("a", "a", "<unk>", "<eos>"), ()):
        with pytest.raises(TxrayError, match="distinct words"):
            Vocabulary(words)
    with pytest.raises(TxrayError, match="at least"):
        build_vocabulary(corpus_of("a"), size=1)
    with pytest.raises(TxrayError, match="has no token"):
        build_vocabulary(corpus_of(""), size=10)


TOKENS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=40)


@given(TOKENS, TOKENS, st.integers(2, 20), st.booleans())
def test_any_token_is_encoded_as_the_word_it_is_seen_as(train, other, size, lowercase):
    corpus = Corpus("toy", (Document("d", "train", "b", tuple(train)),))
    vocabulary, other = build_vocabulary(corpus, size, lowercase), [*other, *train, "<eos>"]
    ids = vocabulary.encode(other)
    assert (ids.dtype, ids.shape) == (np.int32, (len(other),))
    assert len(vocabulary) <= size + 1
    assert [vocabulary.words[i] for i in ids] == [vocabulary.seen(token) for token in other]
    assert vocabulary.end not in ids


def test_saved_and_loaded_it_is_the_same(tmp_path):
    vocabulary = build_vocabulary(corpus_of('naïve "大" the film \u2028'), size=9, lowercase=False)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
