"""A user's own text: plain text to pretrain on, a table of texts with two labels to transfer to, an encoder's words.

    load_text      UTF-8 text: a line is a document, a blank line begins a new block
    load_labelled  .csv, .tsv or .jsonl with the columns text and label, and, if wished, split and block
    load_words     UTF-8 text: the word of each row of an encoder's embedding

Text is tokenised like WikiText-2. Every error names the file, and all lines that have the fault. May touch: errors,
documents, sampling, tokenise, vocabulary.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document
from txray_lib.corpora.sampling import deal_blocks
from txray_lib.corpora.tokenise import BREAK, cut_passages
from txray_lib.corpora.vocabulary import END, Vocabulary
from txray_lib.errors import TxrayError

VALID_SHARE = 0.05
"""Of the blocks of a plain text: what pretraining is validated on."""

_SPLITS = ("train", "valid", "test")
_COLUMNS = ("text", "label", "split", "block")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_FIELD_LIMIT = 1 << 26
_QUOTING = (
    'Put a text that holds quotes, the separator or a line break between quotes ("), and write a quote inside it twice.'
)
_SHOWN = 10
"""How many lines of a fault an error names."""


@dataclass(frozen=True)
class Labelled:
    """corpus: the documents; labels: what 0 and 1 are called in the file; unread: columns that were left alone."""

    corpus: Corpus
    labels: tuple[str, str]
    unread: tuple[str, ...]


class Faults:
    """What is wrong with the lines of a file, by kind, so that one error names them all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = defaultdict[str, list[str]](list)

    def add(self, line: int, what: str, shown: str = "") -> None:
        """Note what is wrong with a line and what to do, and what is to be shown of it behind its number."""
        self.lines[what].append(f"{line} {shown}".rstrip())

    def raise_any(self) -> None:
        """Raise TxrayError with the first lines of each fault and the number of all; do nothing where there is none."""
        told = []
        for what, lines in self.lines.items():
            more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
            told.append(f"{'lines' if len(lines) > 1 else 'line'} {', '.join(lines[:_SHOWN])}{more}: {what}")
        if told:
            raise TxrayError("\n  ".join([f"{self.path}:", *told]))


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
    order = np.random.default_rng(seed).permutation(len(blocks)).tolist()
    held_out = set(order[: max(1, round(VALID_SHARE * len(blocks)))])
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
    faults = Faults(path)
    table = _read_table(path, names, delimiter, faults)
    there = {column for _, fields in table for column in fields}
    given = {column for column in _COLUMNS if names.get(column) in there}
    rows = [(line, {column: fields.get(names[column]) for column in given}) for line, fields in table]
    read = [_read_row(f"row-{number:07d}", line, row, faults) for number, (line, row) in enumerate(rows, 1)]
    faults.raise_any()
    labels = _order_labels(Counter(label for _, label in read), path)
    corpus = Corpus(name, tuple(replace(document, label=labels.index(label)) for document, label in read))
    if not corpus.split("valid").documents:
        corpus = deal_blocks(corpus, ["valid"] if "split" in given else ["test", "valid"], sizes, seed)
    _require_sizes(corpus, sizes, labels, path)
    return Labelled(corpus, labels, tuple(sorted(there - set(names.values()))))


def load_words(path: Path, lowercase: bool) -> tuple[Vocabulary, list[int]]:
    """The vocabulary of an encoder of the user's own, and the line, from 0, of each of its words, (words,).

    The file has a word a line, that of each row of the embedding in turn; `<unk>` stands for every word that it lacks, `<eos>`
    for the end of a document, and is the last word here wherever it stands there. Raises TxrayError for a file that is missing
    or not UTF-8, an empty or repeated line, or one of the two words missing.
    """
    lines = [line.removesuffix("\r") for line in _read_text(path).removesuffix("\n").split("\n")]
    first, faults = dict[str, int](), Faults(path)
    for number, word in enumerate(lines):
        if not word.strip():
            faults.add(number + 1, "no word, and every row of the embedding has one. Give it one.")
        elif first.setdefault(word, number) != number:
            faults.add(number + 1, "a word of an earlier line. Give each row its own.", repr(word))
        elif lowercase and word != word.lower():
            faults.add(
                number + 1,
                "a capital, which text that is lower-cased never holds. Set vocabulary.lowercase to false, or write the words"
                " in lower case.",
                repr(word),
            )
    faults.raise_any()
    for mark, about in ((UNKNOWN, "every word that the encoder does not know"), (END, "the end of a document")):
        if mark not in first:
            raise TxrayError(
                f"{path} has no line {mark}, which stands for {about}: write it in place of the encoder's own name for that, or add"
                " the line, and a row to the embedding."
            )
    words = (*(word for word in lines if word != END), END)
    return Vocabulary(words, lowercase), [first[word] for word in words]


def _read_text(path: Path) -> str:
    """A text file without a byte order mark. Raises TxrayError for one that is missing, empty or not UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TxrayError(
            f"{path} cannot be read ({error.strerror}). A path in a profile is relative to the folder of the profile's file, "
            "or to TXRAY_DATA: put the file there, or mend the path."
        ) from None
    except UnicodeDecodeError as error:
        raise TxrayError(
            f"{path}: byte {error.start:,} (0x{error.object[error.start]:02x}) is not UTF-8. Save the file as UTF-8."
        ) from None
    if not text.strip():
        raise TxrayError(f"{path} is empty. Put your text there.")
    return text


def _read_table(
    path: Path, names: Mapping[str, str], delimiter: str | None, faults: Faults
) -> list[tuple[int, dict[str, Any]]]:
    """Line and fields, by column, of each row of a labelled file; those that are none are added to `faults`."""
    kind = path.suffix.lower()
    if kind == ".jsonl":
        return list(_read_json(_read_text(path), names, faults))
    if kind not in _DELIMITERS:
        raise TxrayError(f"{path} is no table of labelled texts: its name must end in .csv, .tsv or .jsonl.")
    return list(_read_csv(_read_text(path), names, delimiter or _DELIMITERS[kind], faults))


def _read_csv(
    text: str, names: Mapping[str, str], delimiter: str, faults: Faults
) -> Iterator[tuple[int, dict[str, Any]]]:
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [column.strip() for column in next(reader)]
        if problem := _tell_columns(header, names):
            raise TxrayError(
                f"{faults.path} has the header {delimiter.join(header)!r}: {problem} If another mark than {delimiter!r} stands between"
                " the columns, set delimiter in the profile's corpora.target."
            )
        for fields in filter(None, reader):
            if len(fields) == len(header):
                yield reader.line_num, dict(zip(header, fields, strict=True))
            else:
                faults.add(
                    reader.line_num, f"not the {len(header)} columns of the header. {_QUOTING}", f"({len(fields)})"
                )
    except csv.Error as error:
        raise TxrayError(
            f"{faults.path}, line {reader.line_num}: {error}. {_QUOTING} Or give the rows as .jsonl."
        ) from None
    finally:
        csv.field_size_limit(limit)


def _read_json(text: str, names: Mapping[str, str], faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    none = f'no JSON object in whole characters. Write one a line: {{"{names["text"]}": …, "{names["label"]}": …}}.'
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            json.dumps(row, ensure_ascii=False).encode()
            problem = _tell_columns(list(row), names) if isinstance(row, dict) else none
        except ValueError as error:
            faults.add(number, none, f"({error})")
            continue
        if problem:
            faults.add(number, problem)
        else:
            yield number, row


def _tell_columns(columns: Sequence[str], names: Mapping[str, str]) -> str:
    """What is wrong with the columns of a file, or with the keys of a row; empty if nothing is."""
    problems = []
    needed = [name for column, name in names.items() if column in ("text", "label") or name != column]
    if missing := [name for name in needed if name not in columns]:
        problems.append(
            f"{' and '.join(missing)} missing. Name the columns text and label, or say in the profile's corpora.target what they are"
            " called, as columns: {text: review, label: sentiment}."
        )
    for column in sorted(set(columns) - set(names.values())):
        if meant := get_close_matches(column.lower(), [c for c in ("split", "block") if names.get(c) == c], 1, 0.7):
            problems.append(f"{column!r} is not read. Did you mean {meant[0]!r}? Name it so, or otherwise.")
    if len(set(columns)) < len(columns):
        problems.append("One is there twice.")
    return " ".join(problems)


def _read_row(name: str, line: int, row: Mapping[str, Any], faults: Faults) -> tuple[Document, str]:
    """The document of a row, without its label, and what that is called; what is wrong with the row is added to `faults`."""
    passages = BREAK.split(row["text"]) if isinstance(row["text"], str) else []
    tokens, sentences = cut_passages(part for passage in passages for part in passage.splitlines())
    if not tokens:
        faults.add(line, "no text that holds a token. Remove the row, or give it its text.")
    label = _plain(row["label"]) if isinstance(row["label"], str | int) else ""
    if not label:
        faults.add(line, "no label that is a word or a whole number. Give every row one of two labels.")
    split = _plain(row["split"]) if "split" in row else "train"
    if split not in _SPLITS:
        faults.add(
            line, "no split that is train, valid or test. Give every row one, or leave the column out.", repr(split)
        )
    if "block" in row and not _plain(row["block"]):
        faults.add(line, "no block. Give every row one, or leave the column out.")
    block = f"block {_plain(row['block'])}" if "block" in row else name
    return Document(name, split, block, tokens, sentences), label


def _plain(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _order_labels(counts: Counter[str], path: Path) -> tuple[str, str]:
    """What 0 and 1 are called, of the labels and their numbers of rows."""
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


def _require_sizes(corpus: Corpus, sizes: Mapping[str, int], labels: Sequence[str], path: Path) -> None:
    there, few = Counter((document.split, document.label) for document in corpus), []
    for split in _SPLITS:
        if min(there[split, 0], there[split, 1]) < sizes[split] // 2:
            few.append(
                f"{split} gets {there[split, 0]:,} of {labels[0]!r} and {there[split, 1]:,} of {labels[1]!r}, and the profile asks for"
                f" {sizes[split] // 2:,} of each: lower finetuning.reviews.{split} (now {sizes[split]:,}), or give more texts"
            )
    if few:
        raise TxrayError(f"{path} has {len(corpus):,} texts. Of them {'; '.join(few)}.")
