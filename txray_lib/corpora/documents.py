"""Documents of tokens and tags, what every later room reads: their files, their parts. May touch: errors, places, tokenise.

Every part that is drawn is seeded and balanced by label, for the files' own order holds one class first.
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from numbers import Real
from pathlib import Path
from unicodedata import is_normalized

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from txray_lib.corpora.tokenise import compose
from txray_lib.errors import TxrayError
from txray_lib.places import whole_file

UNKNOWN = "<unk>"
SPLITS = ("train", "valid", "test")

_ROWS_AT_ONCE = 500
_READ_AT_ONCE = 16
"""Documents that are read at a time: few, so that the memory of a stream is that of what is made of it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text through which the encoder's hidden state runs: a WikiText-2 paragraph, an IMDB review.

    name       where it comes from, unique in its corpus ("train/pos/0_9.txt")
    split      "train", "valid" or "test"
    block      the unit that is independent of others: a Wikipedia article, the reviews of one film
    tokens     in their original case, in one spelling (Unicode NFC)
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

    def __post_init__(self) -> None:
        """Raises TxrayError for tokens that are no words, sentences outside of them, and another split or label."""
        listed = isinstance(self.tokens, Iterable) and not isinstance(self.tokens, str)
        words = tuple(self.tokens) if listed else ()
        if not listed or not all(issubclass(kind, str) for kind in {*map(type, words)}):
            raise TxrayError(f"the tokens of the document {self.name!r} are no words. Give them as text.split() does.")
        composed = words if is_normalized("NFC", "".join(words)) else tuple(map(compose, words))
        object.__setattr__(self, "tokens", composed)
        starts = (*self.sentences, len(words))
        if words and (starts[0] != 0 or any(start >= end for start, end in pairwise(starts))):
            raise TxrayError(
                f"the sentences of the document {self.name!r} do not start at 0 and rise within its tokens."
            )
        is_number = isinstance(self.label, Real) and not isinstance(self.label, bool)
        if str(self.split) not in SPLITS or not (self.label is None or (is_number and self.label in (0, 1))):
            given = f"the document {self.name!r} has the split {self.split!r} and the label {self.label!r}"
            raise TxrayError(f"{given}: a split is one of {', '.join(SPLITS)}, a label 1, 0 or None.")

    def __len__(self) -> int:
        return len(self.tokens)

    def sentence_tokens(self) -> Iterator[tuple[str, ...]]:
        """The tokens of each sentence in turn."""
        for start, end in zip(self.sentences, (*self.sentences[1:], len(self.tokens)), strict=True):
            yield self.tokens[start:end]

    def head(self, tokens: int) -> "Document":
        """Its first `tokens` tokens."""
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

    def split(self, *names: str) -> "Corpus":
        """The documents of the named splits, in their order."""
        return Corpus(self.name, tuple(d for d in self.documents if d.split in names))

    def head(self, tokens: int) -> "Corpus":
        """Its first `tokens` tokens exactly: whole documents, the last one cut."""
        kept, left = [], tokens
        for document in self.documents:
            if left > 0:
                kept.append(document if len(document) <= left else document.head(left))
                left -= len(document)
        return Corpus(self.name, tuple(kept))

    def require_text(self) -> "Corpus":
        """Itself, or an error if it holds no token at all."""
        if not self.token_count:
            raise TxrayError(f"the corpus {self.name!r} of {len(self)} documents has no token. Check its file.")
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
    """Read what `save_corpus` wrote; `steps.require_whole` has told whether it is there and whole."""
    return Corpus(pq.read_schema(path).metadata[b"corpus"].decode(), tuple(stream_corpus_file(path)))


def stream_corpus_file(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Document]:
    """The documents numbered from `start` to before `stop`, a few at a time: for a corpus that need not fit in memory."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(_READ_AT_ONCE))
        for row in islice(rows, start, stop):
            for column in ("tokens", "tags", "gold"):
                row[column] = None if row[column] is None else tuple(map(sys.intern, row[column]))
            yield Document(**row | {"sentences": tuple(row["sentences"])})


def document_lengths(path: Path) -> np.ndarray:
    """How many tokens each document of a corpus file has, (documents,), without its text in memory."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        batches = [pc.list_value_length(b["tokens"]) for b in file.iter_batches(_ROWS_AT_ONCE, columns=["tokens"])]
    return pa.chunked_array(batches, pa.int32()).to_numpy().astype(np.int64)


def deal_blocks(corpus: Corpus, sizes: Mapping[str, int], seed: int, at_least: bool = False) -> Corpus:
    """The corpus with whole blocks of "train" moved to other splits, half of each label; the order of documents stays.

    Blocks come in a seeded order. A split takes those for which every label still has room: it may get a few documents less
    than its size, never more. With `at_least` it takes those that bring a label it lacks: a few more, never less.

    sizes  how many documents a split gets, such as {"valid": 2_000}; splits are dealt in this order
    """
    counts = defaultdict[str, Counter[int | None]](Counter)
    for document in corpus.split("train"):
        counts[document.block][document.label] += 1
    blocks = sorted(counts)
    np.random.default_rng(seed).shuffle(blocks)
    split_of: dict[str, str] = {}
    for split, size in sizes.items():
        room = Counter({0: size // 2, 1: size // 2})
        for block in blocks:
            its = counts[block]
            wanted = any(room[y] > 0 for y in its) if at_least else all(room[y] >= its[y] for y in its)
            if wanted and block not in split_of:
                split_of[block] = split
                room.subtract(its)
    dealt = (replace(d, split=split_of.get(d.block, "train")) if d.split == "train" else d for d in corpus)
    return Corpus(corpus.name, tuple(dealt))


def label_balanced_sample(corpus: Corpus, tokens: int, seed: int) -> Corpus:
    """Documents of all splits in a seeded order, labels in turn, until exactly `tokens` tokens are reached; the last is cut.

    Raises TxrayError where one label runs out first.
    """
    generator, turns = np.random.default_rng(seed), []
    for label in (1, 0):
        its = sorted((d for d in corpus if d.label == label), key=lambda d: d.name)
        turns.append([its[i] for i in generator.permutation(len(its))])
    sample = Corpus(corpus.name, tuple(d for turn in zip(*turns, strict=False) for d in turn)).head(tokens)
    if sample.token_count < tokens:
        raise TxrayError(
            f"a label-balanced sample of {tokens:,} tokens was asked of the corpus {corpus.name!r}, which has only "
            f"{sample.token_count:,} in documents of alternating labels. Ask for fewer tokens or give more text."
        )
    return sample


def shared_texts(corpus: Corpus) -> list[frozenset[str]]:
    """The texts (the tokens) that stand in "test" and in another split too: for each, the names of all its documents."""
    groups = defaultdict[tuple[str, ...], list[Document]](list)
    for document in corpus:
        groups[document.tokens].append(document)
    both = (its for its in groups.values() if len({d.split == "test" for d in its}) == 2)
    return [frozenset(d.name for d in its) for its in both]


def shared_blocks(corpus: Corpus) -> int:
    """How many blocks have documents in more than one split: what is no longer independent of what it is tested on."""
    splits = Counter(block for block, _ in {(document.block, document.split) for document in corpus})
    return sum(count > 1 for count in splits.values())
