"""A user's own text: plain text to pretrain on, a table of texts with two labels to transfer to, an encoder's words.

Text is tokenised like WikiText-2. Every error names the file, and all lines that have the fault. May touch: errors,
documents, tokenise, vocabulary.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document, deal_blocks
from txray_lib.corpora.tokenise import cut_passages
from txray_lib.corpora.vocabulary import END, Vocabulary
from txray_lib.errors import TxrayError

_Row = tuple[int, dict[str, Any]]
_SPLITS = ("train", "valid", "test")
_COLUMNS = ("text", "label", "split", "block")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_QUOTING = 'Put a text with quotes, the separator or a line break between quotes ("), and write a quote in it twice.'
_SHOWN = 10
"""How many lines of a fault an error names."""


@dataclass(frozen=True)
class Labelled:
    """corpus: the documents; labels: what 0 and 1 are called in the file; unread: columns that were left alone."""

    corpus: Corpus
    labels: tuple[str, str]
    unread: tuple[str, ...]


class Faults(defaultdict[str, list[str]]):
    """The lines of a file that are wrong, by what is wrong with them, so that one error names them all."""

    def raise_any(self, path: Path) -> None:
        """Raise TxrayError with the first lines of each fault and the number of all; do nothing where there is none."""
        told = []
        for what, lines in self.items():
            more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
            told.append(f"{'lines' if len(lines) > 1 else 'line'} {', '.join(lines[:_SHOWN])}{more}: {what}")
        if told:
            raise TxrayError("\n  ".join([f"{path}:", *told]))


def load_text(path: Path | str, name: str, seed: int) -> Corpus:
    """A text file as documents, a line each, in the order of the file; lines between blank lines are of one block.

    Where there is no blank line every line is a block of its own. A twentieth of the blocks, one at least, drawn by the
    seed, is the split "valid", the rest "train". Raises TxrayError for a file that is missing, not UTF-8, or holds fewer
    than two blocks with a token.
    """
    path = Path(path)
    lines = enumerate(_read_text(path).split("\n"), 1)
    read = [Document(f"line-{number:07d}", "train", "", *cut_passages([line])) for number, line in lines]
    blocks = [list(group) for filled, group in groupby(read, key=lambda d: len(d) > 0) if filled]
    if len(blocks) == 1:
        blocks = [[document] for document in blocks[0]]
    if len(blocks) < 2:
        raise TxrayError(
            f"{path} holds {len(blocks)} block(s) of text, and two are needed: one to train on, one to validate on. Put each"
            " document on a line of its own, and a blank line between blocks, such as articles."
        )
    held_out = np.random.default_rng(seed).permutation(len(blocks))[: max(1, round(len(blocks) / 20))]
    documents = []
    for number, block in enumerate(blocks):
        split = "valid" if number in held_out else "train"
        documents += [replace(d, split=split, block=f"block-{number:06d}") for d in block]
    return Corpus(name, tuple(documents))


def load_labelled(
    path: Path | str,
    name: str,
    sizes: Mapping[str, int],
    seed: int,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
) -> Labelled:
    """A labelled file as documents in its order.

    Of the two labels the first is 0, the second 1, the class whose F1 is told: by number where both are numbers, else by
    alphabet. A `block` is what is independent of others, such as an author; without the column every row is one. Without
    `split` whole blocks are dealt by the seed until "test" and "valid" have `sizes` texts, half of each label; the rest is
    "train". With it rows are train, valid or test; where none is valid, that part is dealt from train.

    columns    what text, label, split and block are called in the file, where it is otherwise: {"text": "review"}
    delimiter  what stands between the columns of a .csv or .tsv file, where it is neither a comma nor a tab

    Raises TxrayError for a file that is missing, of another kind, not UTF-8 or empty; a column that is missing or misspelt;
    rows without a label or a token; labels that are not two; and splits with fewer texts than `sizes` asks for.
    """
    path, called = Path(path), columns or {}
    names = {c: called.get(c, c) for c in _COLUMNS if c in called or c not in called.values()}
    kind, faults = path.suffix.lower(), Faults(list)
    if kind == ".jsonl":
        table = _read_json(path, names, faults)
    elif kind in _DELIMITERS:
        table = _read_csv(path, names, delimiter or _DELIMITERS[kind], faults)
    else:
        raise TxrayError(f"{path} is no table of labelled texts: its name must end in .csv, .tsv or .jsonl.")
    there = {column for _, fields in table for column in fields}
    given = {column for column in _COLUMNS if names.get(column) in there}
    read = []
    for number, (line, fields) in enumerate(table, 1):
        row = {column: fields.get(names[column], "") for column in given}
        read.append(_read_row(f"row-{number:07d}", line, row, faults))
    faults.raise_any(path)
    labels = _order_labels(Counter(label for _, label in read), path)
    corpus = Corpus(name, tuple(replace(document, label=labels.index(label)) for document, label in read))
    if not corpus.split("valid").documents:
        lacking = ["valid"] if "split" in given else ["test", "valid"]
        corpus = deal_blocks(corpus, {split: sizes[split] for split in lacking}, seed, at_least=True)
    for split in _SPLITS:
        texts = Counter(document.label for document in corpus.split(split))
        if min(texts[0], texts[1]) < sizes[split] // 2:
            raise TxrayError(
                f"{path} has {len(corpus):,} texts; {split} gets {texts[0]:,} of {labels[0]!r} and {texts[1]:,} of {labels[1]!r}, and"
                f" the profile asks for {sizes[split] // 2:,} of each. Lower finetuning.reviews.{split}, or give more texts."
            )
    return Labelled(corpus, labels, tuple(sorted(there - set(names.values()))))


def load_words(path: Path, lowercase: bool) -> tuple[Vocabulary, list[int]]:
    """The vocabulary of an encoder of the user's own, and the line, from 0, of each of its words, (words,).

    The file has a word a line, that of each row of the embedding in turn; `<unk>` stands for every word that it lacks, `<eos>`
    for the end of a document, and is the last word here wherever it stands there. Raises TxrayError for a file that is missing
    or not UTF-8, an empty or repeated line, or one of the two words missing.
    """
    lines = _read_text(path).removesuffix("\n").split("\n")
    first, faults = dict[str, int](), Faults(list)
    for number, word in enumerate(lines):
        if not word.strip():
            faults["no word, and every row of the embedding has one. Give it one."].append(f"{number + 1}")
        elif first.setdefault(word, number) != number:
            faults["a word of an earlier line. Give each row its own."].append(f"{number + 1} {word!r}")
        elif lowercase and word != word.lower():
            what = "a capital, which lower-cased text never holds. Set vocabulary.lowercase to false, or write it in lower case."
            faults[what].append(f"{number + 1} {word!r}")
    faults.raise_any(path)
    if missing := [mark for mark in (UNKNOWN, END) if mark not in first]:
        raise TxrayError(
            f"{path} has no line {' or '.join(missing)}. Write {UNKNOWN} and {END} in place of the encoder's own names for a word that"
            " it does not know and for the end of a document, or add the lines, and rows to the embedding."
        )
    words = (*(word for word in lines if word != END), END)
    return Vocabulary(words, lowercase), [first[word] for word in words]


def _read_text(path: Path) -> str:
    """A text file without a byte order mark. Raises TxrayError for one that is missing, empty or not UTF-8."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        remedy = "Paths in a profile are relative to the folder of its file, or to TXRAY_DATA."
        raise TxrayError(f"{path} cannot be read ({error.strerror}). {remedy}") from None
    except UnicodeDecodeError as error:
        raise TxrayError(f"{path}: byte {error.start:,} is not UTF-8. Save the file as UTF-8.") from None
    if not text.strip():
        raise TxrayError(f"{path} is empty. Put your text there.")
    return text


def _read_csv(path: Path, names: Mapping[str, str], delimiter: str, faults: Faults) -> list[_Row]:
    csv.field_size_limit(1 << 26)
    reader, rows = csv.reader(io.StringIO(_read_text(path), newline=""), delimiter=delimiter, strict=True), list[_Row]()
    try:
        header = [column.strip() for column in next(reader)]
        _check_columns(header, names, path)
        for fields in filter(None, reader):
            if len(fields) == len(header):
                rows.append((reader.line_num, dict(zip(header, fields, strict=True))))
            else:
                what = f"not {len(header)} columns, as the header. {_QUOTING}"
                faults[what].append(f"{reader.line_num} ({len(fields)})")
    except csv.Error as error:
        raise TxrayError(f"{path}, line {reader.line_num}: {error}. {_QUOTING}") from None
    return rows


def _read_json(path: Path, names: Mapping[str, str], faults: Faults) -> list[_Row]:
    rows = list[_Row]()
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"a {type(row).__name__}")
            json.dumps(row, ensure_ascii=False).encode()
            rows.append((number, {column: "" if value is None else value for column, value in row.items()}))
        except ValueError as error:
            faults["no JSON object in whole characters. Write one a line."].append(f"{number} ({error})")
    if rows:
        _check_columns(list({column: None for _, row in rows for column in row}), names, path)
    return rows


def _check_columns(columns: Sequence[str], names: Mapping[str, str], path: Path) -> None:
    """Raise TxrayError where a column that is asked for is missing, misspelt, or there twice."""
    needed = [name for column, name in names.items() if column in ("text", "label") or name != column]
    problems = [f"there is no {name!r}" for name in needed if name not in columns]
    problems += [f"{column!r} is there twice" for column, count in Counter(columns).items() if count > 1]
    for column in sorted(set(columns) - set(names.values())):
        if meant := get_close_matches(column.lower(), [c for c in ("split", "block") if names.get(c) == c], 1, 0.7):
            problems.append(f"{column!r} is not read: is {meant[0]!r} meant?")
    if problems:
        raise TxrayError(
            f"{path} has the columns {', '.join(columns)}: {'; '.join(problems)}. Name them text, label, split and block, or say in the"
            " profile's corpora.target what they are called, as columns: {text: review, label: sentiment}, and what stands between"
            " them, as delimiter: ;"
        )


def _read_row(name: str, line: int, row: Mapping[str, Any], faults: Faults) -> tuple[Document, str]:
    """The document of a row, without its label, and what that is called; what is wrong with the row is added to `faults`."""
    passages = row["text"].splitlines() if isinstance(row["text"], str) else []
    tokens, sentences = cut_passages(passages)
    if not tokens:
        faults["no text that holds a token. Remove the row, or give it its text."].append(f"{line}")
    label = str(row["label"]).strip() if isinstance(row["label"], str | int) else ""
    if not label:
        faults["no label that is a word or a whole number. Give every row one of two labels."].append(f"{line}")
    split = str(row["split"]).strip() if "split" in row else "train"
    if split not in _SPLITS:
        what = f"no split out of {', '.join(_SPLITS)}. Give every row one, or leave the column out."
        faults[what].append(f"{line} {split!r}")
    if "block" in row and not str(row["block"]).strip():
        faults["no block. Give every row one, or leave the column out."].append(f"{line}")
    block = f"block {str(row['block']).strip()}" if "block" in row else name
    return Document(name, split, block, tokens, sentences), label


def _order_labels(counts: Counter[str], path: Path) -> tuple[str, str]:
    """What 0 and 1 are called, of the labels and their numbers of rows."""
    if len(counts) != 2:
        told = ", ".join(f"{label!r} ({number:,})" for label, number in counts.most_common(5)) or "none"
        raise TxrayError(
            f"{path} has {len(counts)} labels, most often {told}. Two are needed: leave the rows of others out, or join labels."
        )
    try:
        first, second = sorted(counts, key=float)
    except ValueError:
        first, second = sorted(counts)
    return first, second
