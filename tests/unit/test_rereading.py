"""Other readings: what each does to a text, worked out by hand, and that all but it stays the same."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from txray_lib.collection import collect
from txray_lib.corpora import Corpus, Document
from txray_lib.preferences import aggregate
from txray_lib.steps import reread
from txray_lib.steps.reread import carry_through, collect_as, mark_ends, start_at_sentences

TAGS = ("DT", "NN", ".", "NN", ".")
TEXT = Corpus(
    "c",
    (
        Document("d1", "train", "b1", ("A", "b", ".", "c", "."), sentences=(0, 3), label=1, tags=TAGS),
        Document("d2", "train", "b1", (), sentences=(), tags=()),
        Document("d3", "train", "b2", ("d",), sentences=(0,), label=0, tags=("NN",)),
    ),
)


def test_sentences_become_documents_with_their_tags_label_and_block():
    read = start_at_sentences(TEXT)
    found = [(d.tokens, d.tags, d.label, d.block) for d in read]
    assert found == [(("A", "b", "."), TAGS[:3], 1, "b1"), (("c", "."), TAGS[3:], 1, "b1"), (("d",), ("NN",), 0, "b2")]
    assert len({d.name for d in read}) == 3


@pytest.mark.parametrize("lanes", [1, 2, 3, 64])
def test_lanes_keep_every_token_in_order(lanes):
    read = carry_through(TEXT, lanes)
    assert 1 <= len(read) <= min(lanes, len(TEXT))
    assert [t for d in read for t in d.tokens] == ["A", "b", ".", "c", ".", "d"]
    assert [t for d in read for t in d.tags] == [*TAGS, "NN"]


def test_marks_stand_after_sentences_and_documents_and_nowhere_else():
    read = mark_ends(TEXT)
    assert [[i for i, tag in enumerate(d.tags) if tag == reread.MARK_TAG] for d in read] == [[3, 6, 7], [1, 2]]
    pairs = [pair for d in read for pair in zip(d.tokens, d.tags, strict=True)]
    assert "".join(token for token, tag in pairs if tag != reread.MARK_TAG) == "Ab.c.d"


def test_sentence_reading_gives_the_records_of_sentences_read_alone(encoder, corpus, vocabulary):
    sentences = [Corpus(corpus.name, (sentence,)) for sentence in start_at_sentences(corpus)]
    alone = pd.concat([collect(encoder, sentence, vocabulary).records for sentence in sentences])
    read = collect_as("sentence", encoder, corpus, vocabulary, batch_size=5)
    np.testing.assert_allclose(read.records["activation"], alone["activation"], atol=2e-6)
    assert len(read.records) == corpus.token_count


def test_never_resetting_carries_the_state_into_the_next_document(encoder, corpus, vocabulary):
    read = collect_as("never", encoder, corpus, vocabulary, batch_size=1).records
    paper = collect(encoder, corpus, vocabulary).records
    first = len(corpus.documents[0])
    np.testing.assert_allclose(read["activation"][:first], paper["activation"][:first], atol=2e-6)
    assert np.abs(read["activation"][first:] - paper["activation"][first:]).max() > 1e-3
    assert list(read["feature"]) == list(paper["feature"])


def test_cased_reading_makes_capitals_unknown_and_leaves_the_rest(encoder, corpus, vocabulary):
    shouted = Corpus("c", tuple(replace(d, tokens=tuple(t.upper() for t in d.tokens)) for d in corpus))
    lowercasing = replace(vocabulary, lowercase=True)
    read = collect_as("cased", encoder, shouted, lowercasing).records["feature"]
    paper = collect(encoder, shouted, lowercasing).records["feature"]
    unchanged = {word for word in vocabulary.words if word == word.upper()}
    assert set(read) <= {"<unk>", *unchanged}
    assert len(set(paper) - unchanged) >= 5


def test_marks_become_two_features_and_are_fed_as_the_end_mark(encoder, corpus, vocabulary):
    text = Corpus("c", tuple(d for d in corpus if len(d)))
    read = collect_as("marks", encoder, text, vocabulary, batch_size=3).records
    sentences = sum(len(list(d.sentence_tokens())) for d in text)
    counts = read["feature"].value_counts()
    assert (counts[reread.END_OF_PARAGRAPH], counts["<eos>"]) == (len(text), sentences)
    assert len(read) == text.token_count + sentences + len(text)
    paper = collect(encoder, text, vocabulary).records
    first = len(next(text.documents[0].sentence_tokens()))
    np.testing.assert_allclose(read["activation"][:first], paper["activation"][:first], atol=2e-6)


def test_every_reading_sums_to_preferences(encoder, corpus, vocabulary):
    for name in reread.READINGS:
        collected = collect_as(name, encoder, corpus, vocabulary)
        assert aggregate(collected.records)["count"].sum() == len(collected.records) - collected.nobody
