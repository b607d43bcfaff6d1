"""The tagging room: whatever the text, a tag for every token, the same alone and among others; corpora lose nothing."""

import os
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.preferences import tag_class
from txray_lib.tagging import load_tagger, tag_corpus, tag_sentences
from txray_lib.worlds import encyclopedia

pytestmark = pytest.mark.skipif(not find_spec("flair"), reason="Flair tags: pip install 'txray-lib[tag]'")

SENTENCES = [
    ["The", "old", "dog", "saw", "the", "cat", ",", "and", "the", "cat", "saw", "the", "dog", "."],
    [],
    ["=", "=", "Early", "life", "=", "="],
    ["A", "well", "@-@", "known", "town", "of", "12", "@,@", "500", "people", "near", "<unk>", "<unk>", "."],
    ["Zoë", "paid", "€", "3.50", "for", "naïve", "日本語", "語日本", "“", "books", "”", "—", "twice", "…"],
    ["HTTP://EXAMPLE.ORG/a_b", ":-)", "x" * 300, "don", "'t", "run", "the", "run", "1990s", "U.S.", "1,234,567"],
]
WORDS = sorted({token for sentence in SENTENCES for token in sentence})


@pytest.fixture(scope="module")
def own():
    return load_tagger()


def document(tokens: str, name: str = "d", **rest) -> Document:
    return Document(name=name, split="train", block="b", tokens=tuple(tokens.split()), **rest)


def test_every_tag_of_the_tagger_has_a_class(own):
    tags = own.label_dictionary.get_items()
    assert len(tags) == 49
    assert {tag for tag in tags if tag_class(tag) == "other"} == {"ADD", "AFX", "FW", "GW", "LS", "XX"} & set(tags)
    assert [tag_class(tag) for tag in ("NNS", "VBD", "NFP", "B-PER")] == ["noun", "verb", "punctuation", "other"]


def test_plain_english_is_tagged_as_a_grammarian_would(own):
    tags = tag_sentences([SENTENCES[0], SENTENCES[3], SENTENCES[2]], own)
    assert " ".join(tags[0]) == "DT JJ NN VBD DT NN , CC DT NN VBD DT NN ."
    assert [tags[1][i] for i in (2, 6, 7, 8)] == ["HYPH", "CD", "CD", "CD"]
    assert [tags[2][i] for i in (0, 1, 4, 5)] == ["NFP"] * 4


def test_a_vector_is_flairs_own_of_the_token_alone(own):
    """Whatever stands around it: Flair's character embeddings confuse tokens that are repeated in a sentence."""
    from flair.data import Sentence

    together = Sentence([*WORDS, *WORDS[::-1]])
    with torch.no_grad():
        own.embeddings.embed(together)
        for token in together:
            alone = Sentence([token.text])
            own.embeddings.inner.embed(alone)
            torch.testing.assert_close(token.get_embedding(), alone[0].get_embedding())


@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_sentence_has_the_same_tags_alone_and_among_others(own, data):
    token = st.one_of(st.sampled_from(WORDS), st.text(min_size=1, max_size=6))
    sentences = data.draw(st.lists(st.lists(token, max_size=8), min_size=1, max_size=6))
    together = tag_sentences(sentences, own)
    assert together == [tag_sentences([sentence], own)[0] for sentence in sentences]
    assert [len(tags) for tags in together] == [len(sentence) for sentence in sentences]
    assert together == tag_sentences(sentences[::-1], own)[::-1]


def test_absurd_input_is_tagged_and_nothing_is_dropped(own):
    strange = ["", " ", "\u200b", "\x00", "\ufffd", "\u2581", "\ud800", "y" * 10_000, "dog"]
    tags, long_tags = tag_sentences([strange, ["word", "."] * 1_000], own)
    assert (len(tags), len(long_tags)) == (len(strange), 2_000)
    assert set(tags + long_tags) <= set(own.label_dictionary.get_items())
    assert tags[:7] == tag_sentences([["<unk>"] * 6 + ["?", *strange[7:]]], own)[0][:7]
    assert tag_sentences([], own) == []


def test_threads_and_device_are_left_as_they_were(own):
    import flair

    torch.set_num_threads(2)
    device, flair.device = flair.device, torch.device("meta")
    try:
        tag_sentences(SENTENCES, own)
        assert (torch.get_num_threads(), flair.device) == (2, torch.device("meta"))
    finally:
        flair.device = device


def test_a_corpus_is_tagged_by_sentence_and_keeps_every_token(own):
    two_sentences = document("The dog ran . It saw a cat .", "two sentences", sentences=(0, 4), label=1)
    tagged_before = document("Fine film !", "tagged before", tags=("X", "X", "X"))
    corpus = Corpus("made", (two_sentences, document("", "empty"), tagged_before))
    tagged = tag_corpus(corpus, own)
    assert [(d.name, d.tokens, d.label) for d in tagged] == [(d.name, d.tokens, d.label) for d in corpus]
    parts = [["The", "dog", "ran", "."], ["It", "saw", "a", "cat", "."], ["Fine", "film", "!"]]
    first, second, last = tag_sentences(parts, own)
    assert [d.tags for d in tagged] == [(*first, *second), (), tuple(last)]


def test_a_corpus_without_a_token_is_refused(own):
    with pytest.raises(TxrayError, match="no token"):
        tag_corpus(Corpus("made", (document(""),)), own)


def test_a_changed_or_missing_file_of_our_tagger_is_refused(own, tmp_path):
    from txray_lib.tagging.own import FILE, load_own

    (tmp_path / "changed.npz").write_bytes(FILE.read_bytes()[:-1])
    for name in ("changed.npz", "missing.npz"):
        with pytest.raises(TxrayError, match=rf"{name} is missing or has changed"):
            load_own(tmp_path / name)


def are_right(corpus, tagger) -> list[bool]:
    """Whether each token's tag is the gold one."""
    return [tag == gold for d in tag_corpus(corpus, tagger) for tag, gold in zip(d.tags, d.gold, strict=True)]


def test_our_tagger_knows_the_tags_of_generated_text(own):
    text = encyclopedia(2_000, 1_000, seed=1)
    assert np.mean(are_right(text, own)) > 0.9


def test_our_tagger_scores_on_the_english_web_treebank(own):
    """On the test set of UD English EWT, a document a sentence."""
    data = Path(os.environ.get("TXRAY_DATA") or Path(__file__).resolve().parents[2] / "../shared/data")
    archive = data / "ud-english-ewt.tar.xz"
    if not archive.is_file():
        pytest.skip(f"NOT SCORED: no {archive.name} in {data}; set TXRAY_DATA to its folder")
    with tarfile.open(archive) as tar:
        text = tar.extractfile("ud-ewt/en_ewt-ud-test.conllu").read().decode("utf-8")
    documents = []
    for sentence in text.strip().split("\n\n"):
        cells = [line.split("\t") for line in sentence.split("\n")]
        words = [c for c in cells if c[0].isdigit()]
        tokens, gold = tuple(c[1] for c in words), tuple(c[4] for c in words)
        documents.append(Document(name=str(len(documents)), split="test", block="b", tokens=tokens, gold=gold))
    corpus = Corpus("ewt", tuple(documents))
    right = are_right(corpus, own)
    assert len(right) == 25_094
    assert np.mean(right) == pytest.approx(0.9521, abs=5e-4)
