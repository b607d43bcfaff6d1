"""The Large Movie Review Dataset (Maas et al. 2011): the corpus to transfer to and to learn labels from (§3.1).

All 50,000 labelled reviews, tokenised like WikiText-2. May touch: errors, documents, sources, tokenise.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from txray_lib.corpora.documents import Corpus, Document, sentence_starts
from txray_lib.corpora.sources import (
    Form,
    Found,
    damaged,
    digest_of_all,
    obtain,
    parquet_columns,
    read_file,
    tar_members,
    utf8,
)
from txray_lib.corpora.tokenise import BREAK, tokenise_like_wikitext
from txray_lib.errors import TxrayError


class Check(NamedTuple):
    """What the reviews of one split and class must be, in whatever order they come."""

    reviews: int
    bytes: int
    digest: str


CHECKS = {
    "train/pos": Check(12_500, 16_842_831, "c08328aa7829b58649a5ff4b8962799871e1940c61343634fb93c26597df08df"),
    "train/neg": Check(12_500, 16_289_992, "114592319e2704e0ad7d3d91814c35a202e16ac7551d2d03e088ac5798ce699e"),
    "test/pos": Check(12_500, 16_283_357, "4e5072b72707bd4e7e2263b2c239973ef083042f21e8a40f8f4be0711d5ee870"),
    "test/neg": Check(12_500, 16_067_328, "4258627e09c07f12d8334bf9782834e76da8caff4a68906cc4acdfda6dec5b3e"),
}
MEMBER_LIMIT = 4 << 20

_REVIEW = re.compile(r"aclImdb/((train|test)/(pos|neg)/(\d{1,6})_\d{1,2}\.txt)")
_FILMS = re.compile(r"aclImdb/(train|test)/urls_(pos|neg)\.txt")
_FILM = re.compile(r"\btt\d{5,10}\b")
_HUB = "https://huggingface.co/datasets/stanfordnlp/imdb/resolve/main/plain_text/{}-00000-of-00001.parquet"
_OFFICIAL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"


class Review(NamedTuple):
    """A raw review: its group ("train/pos"), its number in the group, its name and film, its bytes."""

    group: str
    number: int
    name: str
    film: str
    content: bytes


def load_imdb(name: str = "imdb", data: Path | None = None) -> Corpus:
    """All 50,000 labelled reviews as documents, by split, class (positive first: sample before you cut) and number.

    The block of a document is its film (`tt0453418`, from `urls_{pos,neg}.txt`, a line a review), or the review's own
    name where no such file stands. A line break in a review ends a sentence.

    `data` (default: TXRAY_DATA) is a folder with `aclImdb_v1.tar.gz`, or `aclImdb/`, or the hub's Parquet files
    (columns `text`, `label`) as `imdb/{train,test}-*.parquet` or `imdb-{train,test}.parquet`; those hold no file names,
    so a document is named by its row (`train/neg/row-00017`). Without a folder the corpus is downloaded. Raises
    TxrayError where it cannot be had, differs from the published content, or holds a review without a token.
    """
    reviews = obtain("IMDB (Large Movie Review Dataset)", _forms(), data)
    return Corpus(name, tuple(map(_document, reviews)))


def _forms() -> tuple[Form[list[Review]], ...]:
    return (
        Form(("aclImdb_v1.tar.gz",), lambda found: _from_files(_tar(found[0][0]), found[0][0]), (_OFFICIAL,)),
        Form(("aclImdb",), lambda found: _from_files(_folder(found[0][0]), found[0][0])),
        Form(("imdb/train-*.parquet", "imdb/test-*.parquet"), _read_parquet),
        Form(
            ("imdb-train.parquet", "imdb-test.parquet"),
            _read_parquet,
            tuple(map(_HUB.format, ("train", "test"))),
        ),
    )


def _wanted(name: str) -> bool:
    return bool(_REVIEW.fullmatch(name) or _FILMS.fullmatch(name))


def _tar(path: Path) -> Iterator[tuple[str, bytes]]:
    return tar_members(path, _wanted, MEMBER_LIMIT)


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.glob("*/*.txt")) + sorted(path.glob("*/*/*.txt")):
        name = f"aclImdb/{file.relative_to(path).as_posix()}"
        if _wanted(name):
            yield name, read_file(file, MEMBER_LIMIT)


def _from_files(members: Iterable[tuple[str, bytes]], source: Path) -> list[Review]:
    """The reviews of the official layout, in the order of split, class and number."""
    films: dict[str, list[str]] = {}
    reviews = []
    for name, content in members:
        if match := _FILMS.fullmatch(name):
            films["/".join(match.groups())] = utf8(content, f"{source}:{name}").splitlines()
        elif match := _REVIEW.fullmatch(name):
            own, split, kind, number = match.groups()
            reviews.append(Review(f"{split}/{kind}", int(number), own, "", content))
    reviews = [review._replace(film=_film(films.get(review.group), review)) for review in reviews]
    return _checked(sorted(reviews, key=_place), source)


def _film(lines: list[str] | None, review: Review) -> str:
    match = _FILM.search(lines[review.number]) if lines and review.number < len(lines) else None
    return match.group() if match else review.name


def _place(review: Review) -> tuple[int, int, str]:
    return tuple(CHECKS).index(review.group), review.number, review.name


def _read_parquet(found: Found) -> list[Review]:
    reviews = []
    for split, shards in zip(("train", "test"), found, strict=True):
        texts, labels = parquet_columns(shards, ["text", "label"])
        if not set(labels) <= {0, 1} or any(not isinstance(text, str) for text in texts):
            raise damaged(shards[0], "a text is missing or a label is neither 0 nor 1")
        for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
            group = f"{split}/{'pos' if label else 'neg'}"
            own = f"{group}/row-{row:05d}"
            reviews.append(Review(group, row, own, own, text.encode()))
    return _checked(sorted(reviews, key=_place), found[0][0].parent)


def _checked(reviews: list[Review], source: Path) -> list[Review]:
    for review in reviews:
        utf8(review.content, f"{source}:{review.name}")
    for group, expected in CHECKS.items():
        contents = [review.content for review in reviews if review.group == group]
        size = sum(map(len, contents))
        if (len(contents), size) != (expected.reviews, expected.bytes):
            raise damaged(
                source,
                f"{group} has {len(contents):,} reviews of {size:,} bytes, "
                f"the published corpus {expected.reviews:,} of {expected.bytes:,}",
            )
        if digest_of_all(contents) != expected.digest:
            raise damaged(source, f"the texts of {group} are not those of the published corpus")
    return reviews


def _document(review: Review) -> Document:
    """The document of a review; every passage between line breaks starts a sentence."""
    tokens: list[str] = []
    sentences: list[int] = []
    for passage in BREAK.split(review.content.decode()):
        cut = tokenise_like_wikitext(passage)
        if cut:
            sentences.extend(len(tokens) + start for start in sentence_starts(cut))
            tokens.extend(map(sys.intern, cut))
    if not tokens:
        raise TxrayError(f"the review {review.name} is empty: it holds no token. Remove the file or fetch it again.")
    split, kind = review.group.split("/")
    return Document(
        name=review.name,
        split=split,
        block=review.film,
        tokens=tuple(tokens),
        sentences=tuple(sentences),
        label=int(kind == "pos"),
    )
