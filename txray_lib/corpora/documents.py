"""Documents of tokens and tags: what every later room reads. May touch: errors, places."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from txray_lib.errors import TxrayError
from txray_lib.places import whole_file

UNKNOWN = "<unk>"

_ROWS_AT_ONCE = 500
_READ_AT_ONCE = 16
"""Documents that are read at a time: few, so that the memory of a stream is that of what is made of it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text through which the encoder's hidden state runs: a WikiText-2 paragraph, an IMDB review.

    name       where it comes from, unique in its corpus ("train/pos/0_9.txt")
    split      "train", "valid" or "test"
    block      the unit that is independent of others: a Wikipedia article, the reviews of one film
    tokens     in their original case
    sentences  index of the first token of each sentence, rising, starting with 0 (tags are made on whole sentences)
    label      1 positive, 0 negative, None where the corpus has no labels
    tags       one Penn Treebank tag a token, or None before tagging
    gold       the true tags, where the corpus was generated
    """

    name: str
    split: str
    block: str
    tokens: tuple[str, ...]
    sentences: tuple[int, ...] = (0,)
    label: int | None = None
    tags: tuple[str, ...] | None = None
    gold: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def sentence_tokens(self) -> Iterator[tuple[str, ...]]:
        """The tokens of each sentence in turn."""
        for start, end in zip(self.sentences, (*self.sentences[1:], len(self.tokens)), strict=True):
            yield self.tokens[start:end]

    def cut(self, tokens: int) -> Document:
        """Its first `tokens` tokens."""
        if tokens >= len(self.tokens):
            return self
        return replace(
            self,
            tokens=self.tokens[:tokens],
            sentences=tuple(s for s in self.sentences if s < tokens),
            tags=self.tags and self.tags[:tokens],
            gold=self.gold and self.gold[:tokens],
        )


@dataclass(frozen=True)
class Corpus:
    """Documents under one name; the name is the first half of a stage's name (`imdb-supervised`)."""

    name: str
    documents: tuple[Document, ...]

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents)

    @property
    def token_count(self) -> int:
        return sum(map(len, self.documents))

    def split(self, *names: str) -> Corpus:
        """The documents of the named splits, in their order."""
        return Corpus(self.name, tuple(d for d in self.documents if d.split in names))

    def head(self, tokens: int) -> Corpus:
        """Its first `tokens` tokens exactly: whole documents, the last one cut."""
        kept, left = [], tokens
        for document in self.documents:
            if left <= 0:
                break
            kept.append(document.cut(left))
            left -= len(kept[-1])
        return Corpus(self.name, tuple(kept))

    def require_text(self) -> Corpus:
        """Itself, or an error if it holds no token at all."""
        if not self.token_count:
            raise TxrayError(
                f"the corpus {self.name!r} of {len(self)} documents has no token. Check the file it was read from."
            )
        return self


_SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "split": pa.dictionary(pa.int8(), pa.string()),
        "block": pa.string(),
        "label": pa.int8(),
        "sentences": pa.list_(pa.int32()),
        "tokens": pa.list_(pa.string()),
        "tags": pa.list_(pa.string()),
        "gold": pa.list_(pa.string()),
    }
)


def content_hash(corpus: Corpus) -> str:
    """The sha256 of a corpus's names, splits, labels and tokens, in order: what provenance records of it."""
    digest = hashlib.sha256()
    for d in corpus:
        digest.update(json.dumps([d.name, d.split, d.label, d.tokens], ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def save_corpus(corpus: Corpus, path: Path) -> None:
    """Write a corpus as Parquet, a row a document; whole or not at all."""
    schema = _SCHEMA.with_metadata({"corpus": corpus.name})
    columns = {field.name: [getattr(d, field.name) for d in corpus] for field in schema}
    table = pa.Table.from_pydict(columns, schema=schema)
    with whole_file(path) as partial:
        pq.write_table(table, partial, _ROWS_AT_ONCE, compression="zstd", write_page_checksum=True)


def load_corpus_file(path: Path) -> Corpus:
    """Read what `save_corpus` wrote. Raises TxrayError where the file is missing, truncated or of another kind."""
    with _opened(path) as file:
        return Corpus(file.schema_arrow.metadata[b"corpus"].decode(), tuple(_documents(file)))


def stream_corpus_file(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Document]:
    """The documents numbered from `start` to before `stop`, a few at a time: for a corpus that need not fit in memory."""
    with _opened(path) as file:
        yield from islice(_documents(file), start, stop)


def document_lengths(path: Path) -> np.ndarray:
    """How many tokens each document of a corpus file has, (documents,), without its text in memory."""
    with _opened(path) as file:
        batches = [pc.list_value_length(b["tokens"]) for b in file.iter_batches(_ROWS_AT_ONCE, columns=["tokens"])]
    return pa.chunked_array(batches, pa.int32()).to_numpy().astype(np.int64)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if b"corpus" not in (file.schema_arrow.metadata or {}):
                raise KeyError("it names no corpus")
            yield file
    except FileNotFoundError as error:
        raise TxrayError(f"there is no corpus file {path}. Run the step that makes it.") from error
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise TxrayError(f"{path} is not a whole corpus file ({error}). Delete it; the next run makes it.") from error


def _documents(file: pq.ParquetFile) -> Iterator[Document]:
    read = 0
    for batch in file.iter_batches(_READ_AT_ONCE):
        read += batch.num_rows
        yield from map(_document, batch.to_pylist())
    if read != file.metadata.num_rows:
        raise ValueError(f"{read} of {file.metadata.num_rows} documents can be read")


def _document(row: dict[str, Any]) -> Document:
    for column in ("tokens", "tags", "gold"):
        row[column] = None if row[column] is None else tuple(map(sys.intern, row[column]))
    return Document(**row | {"sentences": tuple(row["sentences"])})
