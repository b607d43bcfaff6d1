"""A user's own text: plain text to pretrain on, a table of texts with two labels to transfer to, an encoder's words.

    load_text      UTF-8 text: a line is a document, a blank line begins a new block
    load_labelled  .csv, .tsv or .jsonl with the columns text and label, and, if wished, split and block
    load_words     UTF-8 text: the word of each row of an encoder's embedding

Text is tokenised like WikiText-2. Every error names the file, and all lines that have the fault. May touch: errors,
documents, rows, tokenise, vocabulary.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document, sentence_starts
from txray_lib.corpora.rows import SPLITS, Faults, Row, column_names, rows_of, text_of
from txray_lib.corpora.tokenise import BREAK, tokenise_like_wikitext
from txray_lib.corpora.vocabulary import END, Vocabulary
from txray_lib.errors import TxrayError

VALID_SHARE = 0.05
"""Of the blocks of a plain text: what pretraining is validated on."""


@dataclass(frozen=True)
class Labelled:
    """corpus: the documents; labels: what 0 and 1 are called in the file; unread: columns that were left alone."""

    corpus: Corpus
    labels: tuple[str, str]
    unread: tuple[str, ...]


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
    rows without a text, a label or a token; labels that are not two; and splits with fewer texts than `sizes` asks for.
    """
    path, faults = Path(path), Faults(Path(path))
    rows = list(rows_of(path, column_names(columns or {}), delimiter, faults))
    texts = [_passages(row.text) for row in rows]
    blocks, given = any(row.block for row in rows), {row.split for row in rows} - {None}
    for row, passages in zip(rows, texts, strict=True):
        if row.text and not any(passages):
            faults.add(row.line, "a text without a token. Remove the row, or give it its text.")
        if blocks and not row.block:
            faults.add(row.line, "no block. Give every row one, or leave the column out.")
        if given and not row.split:
            faults.add(row.line, "no split. Give every row one, or leave the column out.")
    faults.raise_any()
    labels = _two_labels(rows, path)
    documents = []
    for number, (row, passages) in enumerate(zip(rows, texts, strict=True), 1):
        own = f"row-{number:07d}"
        block = f"block {row.block}" if blocks else own
        documents.append(_document(own, row.split or "train", block, *passages, label=labels.index(row.label)))
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
    lines = [line.removesuffix("\r") for line in text_of(path).removesuffix("\n").split("\n")]
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


def shared_blocks(corpus: Corpus) -> int:
    """How many blocks have documents in more than one split: what is no longer independent of what it is tested on."""
    splits = defaultdict[str, set[str]](set)
    for document in corpus:
        splits[document.block].add(document.split)
    return sum(len(its) > 1 for its in splits.values())


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    for number, line in enumerate(text_of(path).split("\n"), 1):
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
    few = []
    for split in SPLITS:
        if min(there[split, label] for label in (0, 1)) < sizes[split] // 2:
            numbers = " and ".join(f"{there[split, label]:,} of {labels[label]!r}" for label in (0, 1))
            few.append(
                f"{split} gets {numbers}, and the profile asks for {sizes[split] // 2:,} of each: lower"
                f" finetuning.reviews.{split} (now {sizes[split]:,}), or give more texts"
            )
    if few:
        raise TxrayError(f"{path} has {len(corpus):,} texts. Of them {'; '.join(few)}.")


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
