"""The same text read as the released code reads it in places: other preprocessing, same weights (C9, C10, C13).

Each reading turns a tagged corpus and a vocabulary into others that `collect` reads as ever. May touch: corpora,
training, collection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from txray_lib.collection import Collected, collect
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.errors import TxrayError, nearest
from txray_lib.stages import READ_OTHERWISE

END_OF_SENTENCE, END_OF_PARAGRAPH = "<eos>", "<eop>"
MARK_TAG = "MARK"
_MARKS = ("\N{NULL}eos", "\N{NULL}eop")


@dataclass(frozen=True)
class Reading:
    """How a stage is read. code: its id among the departures of the released code; roles: the stages that are read so;
    prepare: from a corpus, a vocabulary and a number of lanes to those that are read."""

    name: str
    code: str
    about: str
    roles: tuple[str, ...]
    prepare: Callable[[Corpus, Vocabulary, int], tuple[Corpus, Vocabulary]]


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
    if reading not in READINGS:
        raise TxrayError(f"there is no reading {reading!r}. {nearest(reading, READINGS)}")
    prepared, words = READINGS[reading].prepare(corpus, vocabulary, batch_size)
    collected = collect(model, prepared, words, batch_size, device, what)
    return replace(collected, records=_named(collected.records, prepared)) if reading == "marks" else collected


def sentence_by_sentence(corpus: Corpus) -> Corpus:
    """Every sentence a document of its own, so that the hidden state starts from zero at each (C9)."""
    return Corpus(corpus.name, tuple(sentence for document in corpus for sentence in _sentences(document)))


def carried_through(corpus: Corpus, lanes: int) -> Corpus:
    """The whole text in at most `lanes` long documents, through each of which the hidden state runs (C9).

    Documents stay in order and whole. A lane has no label, and its block is its own.
    """
    ends = np.cumsum([len(d) for d in corpus])
    lane = (np.maximum(ends - 1, 0) * min(lanes, len(corpus)) // max(int(ends[-1]), 1)).tolist()
    joined: dict[int, list[Document]] = {}
    for number, document in zip(lane, corpus, strict=True):
        joined.setdefault(number, []).append(document)
    return Corpus(
        corpus.name,
        tuple(
            Document(
                f"lane {number}",
                parts[0].split,
                f"lane {number}",
                tokens=tuple(t for d in parts for t in d.tokens),
                tags=tuple(t for d in parts for t in d.tags or ()),
            )
            for number, parts in joined.items()
        ),
    )


def with_marks(corpus: Corpus) -> Corpus:
    """A mark after each sentence, and another one after each document (C13)."""
    return Corpus(corpus.name, tuple(_marked(document) for document in corpus if len(document)))


@dataclass(frozen=True)
class _MarkedVocabulary(Vocabulary):
    """Feeds both marks as `<eos>`, the one mark that the encoder knows."""

    def encode(self, tokens: tuple[str, ...]) -> np.ndarray:
        ids = super().encode(tokens)
        ids[[token in _MARKS for token in tokens]] = self.end
        return ids


def _sentences(document: Document) -> list[Document]:
    spans = pairwise((*document.sentences, len(document)))
    return [
        replace(
            document,
            name=f"{document.name}:{start}",
            tokens=document.tokens[start:end],
            tags=document.tags and document.tags[start:end],
            gold=None,
            sentences=(0,),
        )
        for start, end in spans
        if end > start
    ]


def _marked(document: Document) -> Document:
    tokens: list[str] = []
    tags: list[str] = []
    for sentence in _sentences(document):
        tokens += [*sentence.tokens, _MARKS[0]]
        tags += [*(sentence.tags or ()), MARK_TAG]
    return replace(document, tokens=(*tokens, _MARKS[1]), tags=(*tags, MARK_TAG), gold=None, sentences=(0,))


def _named(records: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Records whose document's last token is named `<eop>`; every other mark keeps the name `<eos>`."""
    feature = records["feature"].cat.add_categories([END_OF_PARAGRAPH])
    feature.iloc[np.cumsum([len(d) for d in corpus]) - 1] = END_OF_PARAGRAPH
    return records.assign(feature=feature)


READINGS = {
    reading.name: reading
    for reading in (
        Reading(
            "sentence",
            "C9",
            "the hidden state starts anew at every sentence",
            READ_OTHERWISE["sentence"],
            lambda corpus, vocabulary, _: (sentence_by_sentence(corpus), vocabulary),
        ),
        Reading(
            "never",
            "C9",
            "the hidden state runs through the whole text",
            READ_OTHERWISE["never"],
            lambda corpus, vocabulary, lanes: (carried_through(corpus, lanes), vocabulary),
        ),
        Reading(
            "cased",
            "C10",
            "tokens keep their capitals, which the vocabulary does not know",
            READ_OTHERWISE["cased"],
            lambda corpus, vocabulary, _: (corpus, replace(vocabulary, lowercase=False)),
        ),
        Reading(
            "marks",
            "C13",
            "ends of sentences and of documents are features too",
            READ_OTHERWISE["marks"],
            lambda corpus, vocabulary, _: (
                with_marks(corpus),
                _MarkedVocabulary(vocabulary.words, vocabulary.lowercase),
            ),
        ),
    )
}
"""Every reading, by name."""
