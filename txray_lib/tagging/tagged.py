"""A corpus with tags, and how good they are where it has gold. A corner of tagging; may touch: errors, progress, corpora."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pandas as pd

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.progress import bar
from txray_lib.tagging.tagger import Tagger

TOKENS_PER_CALL = 20_000


def tag_corpus(corpus: Corpus, tagger: Tagger, progress: bool = True) -> Corpus:
    """The corpus with a tag for every token, made sentence by sentence in the original case (§3.1).

    Nothing is dropped: a document without tokens has no tags, not None. Tags that were there are replaced.
    Raises TxrayError for a corpus without any token and a document whose sentences do not cover its tokens.
    """
    corpus.require_text()
    tagged: list[Document] = []
    with bar(corpus.token_count, f"tagging {corpus.name}" if progress else "", "token") as ticker:
        for documents in _groups(corpus):
            tagged += _tag_documents(documents, tagger)
            ticker.update(sum(map(len, documents)))
    return Corpus(corpus.name, tuple(tagged))


def accuracy(corpus: Corpus) -> pd.DataFrame:
    """How many tokens have their gold tag: a row per gold tag, most frequent first, and at last the row "all".

    Index `gold`; columns tokens, correct (counts) and share (correct of tokens, in [0, 1]).
    Raises TxrayError where a document lacks tags or gold, or has not one of each a token.
    """
    corpus.require_text()
    for document in corpus:
        _require_scorable(document)
    gold = pd.Series(list(chain.from_iterable(d.gold for d in corpus)), name="gold")
    correct = gold == list(chain.from_iterable(d.tags for d in corpus))
    table = correct.groupby(gold).agg(tokens="size", correct="sum")
    table = table.sort_values("tokens", ascending=False, kind="stable")
    table.loc["all"] = table.sum()
    return table.assign(share=table["correct"] / table["tokens"])


def _groups(corpus: Corpus) -> Iterator[list[Document]]:
    """The documents in groups of some tens of thousands of tokens."""
    group: list[Document] = []
    size = 0
    for document in corpus:
        group.append(document)
        size += len(document)
        if size >= TOKENS_PER_CALL:
            yield group
            group, size = [], 0
    if group:
        yield group


def _tag_documents(documents: list[Document], tagger: Tagger) -> Iterator[Document]:
    sentences = [list(document.sentence_tokens()) for document in documents]
    for document, parts in zip(documents, sentences, strict=True):
        if sum(map(len, parts)) != len(document):
            raise TxrayError(
                f"the sentences of the document {document.name!r} do not cover its {len(document)} tokens: they start "
                f"at {document.sentences[:5]}. The first must start at 0, and the starts must rise within the text."
            )
    tags = iter(tagger.tags(list(chain.from_iterable(sentences))))
    for document, parts in zip(documents, sentences, strict=True):
        yield replace(document, tags=tuple(tag for _ in parts for tag in next(tags)))


def _require_scorable(document: Document) -> None:
    for name, values in (("tags", document.tags), ("gold", document.gold)):
        if values is None or len(values) != len(document):
            found = "none" if values is None else len(values)
            raise TxrayError(
                f"accuracy needs {name} for each of the {len(document)} tokens of the document {document.name!r}, "
                f"which has {found}. Tag the corpus with tag_corpus; gold tags come with the generated worlds only."
            )
