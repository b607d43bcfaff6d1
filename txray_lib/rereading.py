"""The same text read as the released code reads it in places: other preprocessing, same weights (C9, C10, C13).

May touch: errors, corpora, encoders, collection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from txray_lib.collection import Collected, collect
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.errors import TxrayError, nearest

READINGS = {"sentence": "C9", "never": "C9", "cased": "C10", "marks": "C13"}
"""Each reading, with its id among the departures of the released code: the hidden state starts anew at every sentence; it runs
through the whole text; tokens keep their capitals, which the vocabulary does not know; ends of sentences and of documents are
features too."""

END_OF_PARAGRAPH = "<eop>"
MARK_TAG = "MARK"
_MARK = "\N{NULL}"


def collect_as(
    reading: str,
    model: Encoder | Classifier,
    corpus: Corpus,
    vocabulary: Vocabulary,
    batch_size: int = 64,
    device: str = "cpu",
    what: str = "",
) -> Collected:
    """Collect a tagged corpus in another way than the paper's. Raises TxrayError for an unknown reading."""
    if reading == "sentence":
        corpus = start_at_sentences(corpus)
    elif reading == "never":
        corpus = carry_through(corpus, batch_size)
    elif reading == "cased":
        vocabulary = replace(vocabulary, lowercase=False)
    elif reading == "marks":
        corpus, vocabulary = mark_ends(corpus), _MarkedVocabulary(vocabulary.words, vocabulary.lowercase)
    else:
        raise TxrayError(f"there is no reading {reading!r}. {nearest(reading, READINGS)}")
    collected = collect(model, corpus, vocabulary, batch_size, device, what)
    if reading != "marks":
        return collected
    feature = collected.records["feature"].cat.add_categories([END_OF_PARAGRAPH])
    feature.iloc[np.cumsum([len(document) for document in corpus]) - 1] = END_OF_PARAGRAPH
    return replace(collected, records=collected.records.assign(feature=feature))


def start_at_sentences(corpus: Corpus) -> Corpus:
    """Every sentence a document of its own, so that the hidden state starts from zero at each (C9)."""
    return Corpus(corpus.name, tuple(sentence for document in corpus for sentence in _sentences(document)))


def carry_through(corpus: Corpus, lanes: int) -> Corpus:
    """The whole text in at most `lanes` long documents, through each of which the hidden state runs (C9).

    Documents stay in order and whole. A lane has no label, and its block is its own.
    """
    ends = np.cumsum([len(document) for document in corpus])
    lane = np.maximum(ends - 1, 0) * min(lanes, len(corpus)) // max(int(ends[-1]), 1)
    carried = []
    for number in np.unique(lane):
        parts = [corpus.documents[i] for i in np.flatnonzero(lane == number)]
        tokens = tuple(token for part in parts for token in part.tokens)
        tags = tuple(tag for part in parts for tag in part.tags or ())
        carried.append(Document(f"lane {number}", parts[0].split, f"lane {number}", tokens=tokens, tags=tags))
    return Corpus(corpus.name, tuple(carried))


def mark_ends(corpus: Corpus) -> Corpus:
    """A mark after each sentence, and another one after each document (C13)."""
    marked = []
    for document in (document for document in corpus if len(document)):
        tokens, tags = list[str](), list[str]()
        for sentence in _sentences(document):
            tokens += [*sentence.tokens, _MARK]
            tags += [*(sentence.tags or ()), MARK_TAG]
        marked.append(replace(document, tokens=(*tokens, _MARK), tags=(*tags, MARK_TAG), gold=None, sentences=(0,)))
    return Corpus(corpus.name, tuple(marked))


@dataclass(frozen=True)
class _MarkedVocabulary(Vocabulary):
    """Feeds a mark as `<eos>`, the one mark that the encoder knows."""

    def encode(self, tokens: tuple[str, ...]) -> np.ndarray:
        ids = super().encode(tokens)
        ids[[token == _MARK for token in tokens]] = self.end
        return ids


def _sentences(document: Document) -> list[Document]:
    return [
        replace(
            document,
            name=f"{document.name}:{start}",
            tokens=document.tokens[start:end],
            tags=document.tags and document.tags[start:end],
            gold=None,
            sentences=(0,),
        )
        for start, end in pairwise((*document.sentences, len(document)))
        if end > start
    ]
