"""A user's own text: plain text to pretrain on, a table of texts with two labels to transfer to, an encoder's words.

    load_text      UTF-8 text: a line is a document, a blank line begins a new block
    load_labelled  .csv, .tsv or .jsonl with the columns text and label, and, if wished, split and block
    load_words     UTF-8 text: the word of each row of an encoder's embedding

Text is tokenised like WikiText-2. Every error names the file and the line or row. May touch: errors, documents, sources,
tokenise, vocabulary.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document, sentence_starts
from txray_lib.corpora.sources import utf8
from txray_lib.corpora.tokenise import BREAK, tokenise_like_wikitext
from txray_lib.corpora.vocabulary import END, Vocabulary
from txray_lib.errors import TxrayError, nearest

SPLITS = ("train", "valid", "test")
COLUMNS = ("text", "label", "split", "block")
VALID_SHARE = 0.05
"""Of the blocks of a plain text: what pretraining is validated on."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_FIELD_LIMIT = 1 << 26


@dataclass(frozen=True)
class Labelled:
    """corpus: the documents; labels: what 0 and 1 are called in the file; unread: columns that were left alone."""

    corpus: Corpus
    labels: tuple[str, str]
    unread: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of a labelled file: where it stands, and its columns, "" where one is not given."""

    place: str
    text: str
    label: str
    split: str
    block: str
    unread: frozenset[str]


def load_text(path: Path | str, name: str, seed: int) -> Corpus:
    """A text file as documents, a line each, in the order of the file; lines between blank lines are of one block.

    Where there is no blank line every line is a block of its own. A twentieth of the blocks, one at least, drawn by the
    seed, is the split "valid", the rest "train". Raises TxrayError for a file that is missing, not UTF-8, or holds fewer
    than two blocks with a token.
    """
    path = Path(path)
    blocks = _blocks(_lines(path))
    if len(blocks) < 2:
        raise TxrayError(
            f"{path} holds {len(blocks)} block(s) of text, and two are needed: one to train on, one to validate on. Put each "
            "document on a line of its own, and a blank line between blocks, such as articles."
        )
    order = np.random.default_rng(seed).permutation(len(blocks)).tolist()
    held_out = set(order[: max(1, round(VALID_SHARE * len(blocks)))])
    return Corpus(
        name,
        tuple(
            _document(f"line-{line:07d}", "valid" if number in held_out else "train", f"block-{number:06d}", tokens)
            for number, block in enumerate(blocks)
            for line, tokens in block
        ),
    )


def load_labelled(path: Path | str, name: str, sizes: Mapping[str, int], seed: int) -> Labelled:
    """A labelled file as documents in its order.

    Of the two labels the first is 0, the second 1, the class whose F1 is told: by number where both are numbers, else by
    alphabet. A `block` is what is independent of others, such as an author; without the column every row is one. Without
    `split` whole blocks are dealt by the seed until "test" and "valid" have `sizes` texts, half of each label; the rest is
    "train". With it rows are train, valid or test; where none is valid, that part is dealt from train.

    Raises TxrayError for a file that is missing, of another kind, not UTF-8 or empty; a column that is missing or misspelt;
    a row without a text, a label or a token; labels that are not two; and a split with fewer texts than `sizes` asks for.
    """
    path = Path(path)
    rows = list(_rows(path))
    labels = _two_labels(rows, path)
    unit = {row.block for row in rows} != {""}
    documents = []
    for number, row in enumerate(rows):
        tokens = _passages(row.text)
        if not any(tokens):
            raise TxrayError(f"{row.place} has a text without a token. Remove the row, or give it its text.")
        if unit and not row.block:
            raise TxrayError(f"{row.place} has no block. Give every row one, or leave the column out.")
        own = f"row-{number + 1:07d}"
        block = f"block {row.block}" if unit else own
        documents.append(_document(own, row.split or "train", block, *tokens, label=labels.index(row.label)))
    given = {row.split for row in rows} - {""}
    if given and (bare := next((row for row in rows if not row.split), None)):
        raise TxrayError(f"{bare.place} has no split. Give every row one, or leave the column out.")
    missing = [] if "valid" in given else ["valid"] if given else ["test", "valid"]
    corpus = _dealt(Corpus(name, tuple(documents)), missing, sizes, seed)
    _require_sizes(corpus, sizes, labels, path)
    return Labelled(corpus, labels, tuple(sorted({column for row in rows for column in row.unread})))


def load_words(path: Path, lowercase: bool) -> tuple[Vocabulary, list[int]]:
    """The vocabulary of an encoder of the user's own, and the line, from 0, of each of its words, (words,).

    The file has a word a line, that of each row of the embedding in turn; `<unk>` stands for every word that it lacks, `<eos>`
    for the end of a document, and is the last word here wherever it stands there. Raises TxrayError for a file that is missing
    or not UTF-8, an empty or repeated line, or one of the two words missing.
    """
    lines = [line.removesuffix("\r") for line in _text_of(path).removesuffix("\n").split("\n")]
    first: dict[str, int] = {}
    for number, word in enumerate(lines):
        if not word.strip():
            raise TxrayError(f"{path}, line {number + 1} is empty: every row of the embedding has a word. Give it one.")
        if lowercase and word != word.lower():
            raise TxrayError(
                f"{path}, line {number + 1} has {word!r}, which text that is lower-cased never holds. Set vocabulary.lowercase to false,"
                " or write the words in lower case."
            )
        if first.setdefault(word, number) != number:
            raise TxrayError(
                f"{path} has {word!r} on the lines {first[word] + 1} and {number + 1}. Give each row its own word."
            )
    for mark, about in ((UNKNOWN, "every word that the encoder does not know"), (END, "the end of a document")):
        if mark not in first:
            raise TxrayError(
                f"{path} has no line {mark}, which stands for {about}: write it in place of the encoder's own name for that, or add"
                " the line, and a row to the embedding."
            )
    words = (*(word for word in lines if word != END), END)
    return Vocabulary(words, lowercase), [first[word] for word in words]


def shared_blocks(corpus: Corpus) -> int:
    """How many blocks have documents in more than one split: what is no longer independent of what it is tested on."""
    splits = defaultdict[str, set[str]](set)
    for document in corpus:
        splits[document.block].add(document.split)
    return sum(len(its) > 1 for its in splits.values())


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TxrayError(
            f"{path} cannot be read ({error.strerror}). A path in a profile is relative to the folder of the profile's file, "
            "or to TXRAY_DATA: put the file there, or mend the path."
        ) from None
    text = utf8(content, path).removeprefix("\ufeff")
    if not text.strip():
        raise TxrayError(f"{path} is empty. Put your text there.")
    return text


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    for number, line in enumerate(_text_of(path).split("\n"), 1):
        yield number, tuple(map(sys.intern, tokenise_like_wikitext(line)))


def _blocks(lines: Iterator[tuple[int, tuple[str, ...]]]) -> list[list[tuple[int, tuple[str, ...]]]]:
    """Lines with a token, by block."""
    blocks: list[list[tuple[int, tuple[str, ...]]]] = [[]]
    for number, tokens in lines:
        if tokens:
            blocks[-1].append((number, tokens))
        else:
            blocks.append([])
    found = [block for block in blocks if block]
    return found if len(found) > 1 else [[line] for block in found for line in block]


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix.lower() not in (*_DELIMITERS, ".jsonl"):
        raise TxrayError(f"{path} is no table of labelled texts: its name must end in .csv, .tsv or .jsonl.")
    text = _text_of(path)
    table = _json_rows(text, path) if path.suffix.lower() == ".jsonl" else _csv_rows(text, path)
    for place, fields in table:
        yield _row(place, fields)


def _csv_rows(text: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = []
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[path.suffix.lower()], strict=True)
        header = [column.strip() for column in next(reader)]
        _require_columns(header, f"{path} has the header {', '.join(header)!r}")
        for fields in filter(None, reader):
            place = f"{path}, line {reader.line_num}"
            if len(fields) != len(header):
                raise TxrayError(
                    f"{place} has {len(fields)} columns, the header {len(header)}. Put a text that holds the separator or a line "
                    'break between quotes ("), and write a quote inside it twice.'
                )
            rows.append((place, dict(zip(header, fields, strict=True))))
        return rows
    except csv.Error as error:
        raise TxrayError(
            f"{path}, line {reader.line_num}: {error}. Put a text that holds quotes, the separator or a line break between quotes "
            '("), and write a quote inside it twice; or give the rows as .jsonl.'
        ) from None
    finally:
        csv.field_size_limit(limit)


def _json_rows(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TxrayError(
                f'{place} is not JSON ({error}). Write one object a line: {{"text": …, "label": …}}.'
            ) from None
        if not isinstance(row, dict):
            raise TxrayError(f'{place} is not an object. Write one a line: {{"text": …, "label": …}}.')
        _require_columns(list(row), f"{place} has the keys {', '.join(row)!r}")
        if not _is_utf8(row):
            raise TxrayError(f"{place} holds half a character (a lone surrogate), which is no UTF-8: write it whole.")
        yield place, row


def _is_utf8(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _require_columns(columns: list[str], found: str) -> None:
    if missing := [column for column in ("text", "label") if column not in columns]:
        raise TxrayError(f"{found}: {' and '.join(missing)} missing. Name the columns text and label.")
    for column in set(columns) - set(COLUMNS):
        if meant := get_close_matches(column.lower(), ("split", "block"), n=1, cutoff=0.7):
            raise TxrayError(f"{found}: {column!r} is not read. Did you mean {meant[0]!r}? Name it so, or otherwise.")
    if len(set(columns)) < len(columns):
        raise TxrayError(f"{found}: one is there twice.")


def _row(place: str, fields: dict[str, Any]) -> Row:
    text, label = fields["text"], fields["label"]
    if not isinstance(text, str) or not text.strip():
        raise TxrayError(f"{place} has no text. Remove the row, or give it its text.")
    if not isinstance(label, str | int) or not str(label).strip():
        raise TxrayError(f"{place} has no label that is a word or a whole number. Give every row one of two labels.")
    split, block = ("" if fields.get(column) is None else str(fields[column]).strip() for column in ("split", "block"))
    if "split" in fields and split not in SPLITS:
        raise TxrayError(f"{place} has the split {split!r}. {nearest(split, SPLITS)}")
    return Row(place, text, str(label).strip(), split, block, frozenset(fields) - frozenset(COLUMNS))


def _two_labels(rows: list[Row], path: Path) -> tuple[str, str]:
    counts = Counter(row.label for row in rows)
    if len(counts) != 2:
        told = ", ".join(f"{label!r} ({number:,})" for label, number in counts.most_common(5)) or "none"
        raise TxrayError(
            f"{path} has {len(counts)} labels: {told}{' …' if len(counts) > 5 else ''}. Two are needed: leave the rows of others "
            "out, or join labels until two are left."
        )
    try:
        first, second = sorted(counts, key=float)
    except ValueError:
        first, second = sorted(counts)
    return first, second


def _dealt(corpus: Corpus, splits: Sequence[str], sizes: Mapping[str, int], seed: int) -> Corpus:
    """The corpus with whole blocks of "train" moved to each of `splits` until it has its size, half of each label."""
    members = defaultdict[str, list[Document]](list)
    for document in corpus.split("train"):
        members[document.block].append(document)
    blocks = sorted(members)
    np.random.default_rng(seed).shuffle(blocks)
    split_of: dict[str, str] = {}
    for split in splits:
        lacking = Counter({0: sizes[split] // 2, 1: sizes[split] // 2})
        for block in blocks:
            its = Counter(document.label for document in members[block])
            if block not in split_of and any(lacking[label] > 0 for label in its):
                split_of[block] = split
                lacking.subtract(its)
    return Corpus(
        corpus.name,
        tuple(replace(d, split=split_of.get(d.block, "train")) if d.split == "train" else d for d in corpus),
    )


def _require_sizes(corpus: Corpus, sizes: Mapping[str, int], labels: tuple[str, str], path: Path) -> None:
    there = Counter((document.split, document.label) for document in corpus)
    for split in SPLITS:
        few = [label for label in (0, 1) if there[split, label] < sizes[split] // 2]
        if few:
            numbers = " and ".join(f"{there[split, label]:,} of {labels[label]!r}" for label in (0, 1))
            raise TxrayError(
                f"{path} gives {split} {numbers}, of {len(corpus):,} texts in all, and the profile asks for {sizes[split] // 2:,} of "
                f"each: lower finetuning.reviews.{split} (now {sizes[split]:,}), or give more texts."
            )


def _passages(text: str) -> list[tuple[str, ...]]:
    """The tokens of each passage between line breaks: each starts a sentence."""
    lines = (line for passage in BREAK.split(text) for line in passage.splitlines())
    return [tuple(map(sys.intern, tokenise_like_wikitext(line))) for line in lines]


def _document(name: str, split: str, block: str, *passages: tuple[str, ...], label: int | None = None) -> Document:
    tokens: tuple[str, ...] = ()
    sentences: tuple[int, ...] = ()
    for passage in passages:
        sentences += tuple(len(tokens) + start for start in sentence_starts(passage))
        tokens += passage
    return Document(name, split, block, tokens, sentences, label)
