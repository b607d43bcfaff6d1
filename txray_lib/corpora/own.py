"""A user's own text: plain text to pretrain on, a table of texts with two labels to transfer to, an encoder's words.

Text is tokenised like WikiText-2. What was read, and what was left out of it, is said. May touch: errors, settings, documents,
files, tokenise, vocabulary.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from txray_lib.corpora.documents import SPLITS, UNKNOWN, Corpus, Document, deal_blocks, shared_blocks, shared_texts
from txray_lib.corpora.files import Faults, Say, Unseen, clean_name, read_table, read_text
from txray_lib.corpora.tokenise import UNSEEN, compose, cut_passages, resolve_entities
from txray_lib.corpora.vocabulary import END, Vocabulary
from txray_lib.errors import TxrayError
from txray_lib.settings import check_columns, check_delimiter

_COLUMNS = ("text", "label", "split", "block")
_TRUTH = {"true": "1", "false": "0"}
_NO_LABEL = frozenset({"nan", "null", "none", "na", "n/a", "<na>"})


@dataclass(frozen=True)
class Labelled:
    """corpus: the documents; labels: what 0 and 1 are called in the file."""

    corpus: Corpus
    labels: tuple[str, str]


def load_text(path: Path | str, name: str, seed: int, say: Say = print) -> Corpus:
    """A text file as documents, a line each, in the order of the file; lines between blank lines are of one block.

    Where there is no blank line every line is a block of its own. A twentieth of the blocks, one at least, drawn by the
    seed, is the split "valid", the rest "train". Raises TxrayError for a file that is missing, not UTF-8, or holds fewer
    than two blocks with a token.
    """
    path, unseen = Path(path), Unseen()
    if path.suffix.lower() in (".csv", ".tsv", ".jsonl"):
        raise TxrayError(f"{path} is a table, and plain text is wanted. Save its texts as a .txt file, one a line.")
    lines = read_text(path, say).split("\n")
    read = [Document(f"line-{n:07d}", "train", "", *_cut([line], unseen)) for n, line in enumerate(lines, 1)]
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
    say(f"{path.name}: {len(documents):,} documents in {len(blocks):,} blocks, from {len(lines):,} lines")
    unseen.tell(path, say)
    return Corpus(name, tuple(documents))


def load_labelled(
    path: Path | str,
    name: str,
    sizes: Mapping[str, int],
    seed: int,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    positive: str | None = None,
    say: Say = print,
) -> Labelled:
    """A labelled file as documents in its order.

    Of the two labels the first is 0, the second 1, the class whose F1 is told: numbers by size, before words by alphabet;
    capitals, 1 and 1.0 make no other label, nor 1 and true where all are 0, 1, true or false. A `block` is what is independent of
    others, such as an author; without the column every row is one. Without `split` whole blocks are dealt by the seed until "test"
    and "valid" have `sizes` texts, half of each label; the rest is "train". With it rows are train, valid or test; where none is
    valid, that part is dealt from train.

    columns    what text, label, split and block are called in the file, where it is otherwise: {"text": "review"}
    delimiter  what stands between the columns of a .csv or .tsv file, where the header does not tell it
    positive   the label that is 1, where it is not the second
    say        is told how the file was read, what was left out of it, and which label is 1

    Raises TxrayError for a file that is missing, of another kind, not UTF-8 or empty; a column that is missing or misspelt;
    rows without a label or a token; labels that are not two; and splits with fewer texts than `sizes` asks for.
    """
    path, faults, unseen = Path(path), Faults(list), Unseen()
    called = {column: clean_name(name) for column, name in (columns or {}).items()}
    if not {*called} <= {*_COLUMNS}:
        raise TxrayError(f"columns {columns}: text, label, split and block are wanted, and no others.")
    try:
        check_columns(called)
        delimiter = delimiter if delimiter is None else check_delimiter(delimiter)
    except ValueError as error:
        raise TxrayError(f"the columns or the delimiter given for {path}: {error}") from None
    names = {c: called.get(c, c) for c in _COLUMNS if c in called or c not in called.values()}
    table = read_table(path, names, delimiter, faults, say)
    there = {column for _, fields in table for column in fields}
    given = {column for column in _COLUMNS if names.get(column) in there}
    read = []
    for number, (line, fields) in enumerate(table, 1):
        row = {column: fields.get(names[column], "") for column in given}
        read.append(_read_row(f"row-{number:07d}", line, row, faults, unseen))
    faults.raise_any(path)
    unseen.tell(path, say)
    filled = {column for _, fields in table for column, value in fields.items() if value != ""}
    if unread := sorted(column or "one without a name" for column in filled - set(names.values())):
        say(f"{path.name}: columns that are not read: {', '.join(unread)}")
    numbers, labels = _order_labels((label for _, label in read), positive, path, say)
    corpus = Corpus(name, tuple(replace(document, label=numbers[label]) for document, label in read))
    if not corpus.split("valid").documents:
        lacking = ["valid"] if "split" in given else ["test", "valid"]
        corpus = deal_blocks(corpus, {split: sizes[split] for split in lacking}, seed, at_least=True)
    for split in SPLITS:
        texts = Counter(document.label for document in corpus.split(split))
        if min(texts[0], texts[1]) < sizes[split] // 2:
            raise TxrayError(
                f"{path} has {len(corpus):,} texts; {split} gets {texts[0]:,} of {labels[0]!r} and {texts[1]:,} of {labels[1]!r}, and"
                f" the profile asks for {sizes[split] // 2:,} of each. Lower finetuning.reviews.{split}, or give more texts."
            )
    if blocks := shared_blocks(corpus):
        say(f"{path.name}: blocks with texts in more than one split: {blocks:,}")
    if texts := shared_texts(corpus):
        say(f"{path.name}: texts that stand in the split test and in another: {len(texts):,}")
    return Labelled(corpus, labels)


def load_words(path: Path, lowercase: bool, say: Say = print) -> tuple[Vocabulary, list[int]]:
    """The vocabulary of an encoder of the user's own, and the line, from 0, of each of its words, (words,).

    The file has a word a line, that of each row of the embedding in turn; `<unk>` stands for every word that it lacks, `<eos>`
    for the end of a document, and is the last word here wherever it stands there. Raises TxrayError for a file that is missing
    or not UTF-8, an empty or repeated line, or one of the two words missing.
    """
    lines = compose(read_text(path, say)).split("\n")
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
    if unmatched := [word for word in lines if word.split() != [word] or UNSEEN.search(word)]:
        told = f"{len(unmatched):,}, such as {', '.join(map(ascii, unmatched[:5]))}"
        say(f"{path.name}: words that no token is, with spaces or marks that nobody sees: {told}")
    if missing := [mark for mark in (UNKNOWN, END) if mark not in first]:
        raise TxrayError(
            f"{path} has no line {' or '.join(missing)}. Write {UNKNOWN} and {END} in place of the encoder's own names for a word that"
            " it does not know and for the end of a document, or add the lines, and rows to the embedding."
        )
    words = (*(word for word in lines if word != END), END)
    return Vocabulary(words, lowercase), [first[word] for word in words]


def _cut(passages: Iterable[str], unseen: Unseen) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Tokens and where sentences start, of raw passages without the marks that nobody sees, those in entities included."""
    return cut_passages(unseen.clean(resolve_entities(passage)) for passage in passages)


def _read_row(name: str, line: int, row: Mapping[str, Any], faults: Faults, unseen: Unseen) -> tuple[Document, str]:
    """The document of a row, without its label, and what that is called; what is wrong with the row is added to `faults`."""
    text, label = row["text"], row["label"]
    tokens, sentences = _cut(text.splitlines() if isinstance(text, str) else [], unseen)
    if not isinstance(text, str):
        faults["a text that is a number, a list or an object. Give it between quotes, whole."].append(f"{line}")
    elif not tokens:
        faults["no text that holds a token. Remove the row, or give it its text."].append(f"{line}")
    is_one = isinstance(label, str | int) or (isinstance(label, float) and math.isfinite(label))
    label = unseen.clean(str(label)).strip() if is_one else ""
    if not label:
        faults["no label that is a word or a number. Give every row one of two labels."].append(f"{line}")
    split = unseen.clean(str(row.get("split", "train"))).strip().lower()
    if split not in SPLITS:
        what = f"no split out of {', '.join(SPLITS)}. Give every row one, or leave the column out."
        faults[what].append(f"{line} {split!r}")
        split = "train"
    block = unseen.clean(str(row.get("block", name))).strip()
    if not block:
        faults["no block. Give every row one, or leave the column out."].append(f"{line}")
    return Document(name, split, f"block {block}" if "block" in row else name, tokens, sentences), label


def _label_key(label: str, truth: Mapping[str, str]) -> float | str:
    """What makes a label the same as another: its number, also of a word in `truth`, or its letters whatever the capitals."""
    word = label.casefold()
    try:
        number = float(truth.get(word, label))
    except ValueError:
        return word
    return number if math.isfinite(number) else word


def _order_labels(
    labels: Iterable[str], positive: str | None, path: Path, say: Say
) -> tuple[dict[str, int], tuple[str, str]]:
    """Which of 0 and 1 each label is, and what the two are called; `labels` are those of all rows."""
    counts = Counter(sorted(labels))
    truth = _TRUTH if {_label_key(label, _TRUTH) for label in counts} <= {0, 1} else {}
    spelled = defaultdict[float | str, Counter[str]](Counter)
    for label, count in counts.items():
        spelled[_label_key(label, truth)][label] = count
    names = {key: spellings.most_common(1)[0][0] for key, spellings in spelled.items()}
    rows = Counter({names[key]: spellings.total() for key, spellings in spelled.items()})
    told = ", ".join(f"{shorten(name, 40)!r} ({number:,})" for name, number in rows.most_common(5)) or "none"
    if len(names) != 2:
        raise TxrayError(
            f"{path} has {len(names)} labels, most often {told}. Two are needed: leave out others, or join them."
        )
    order = sorted(names, key=lambda key: (isinstance(key, str), key))
    if positive is not None:
        key = _label_key(Unseen().clean(str(positive)).strip(), truth)
        if key not in order:
            raise TxrayError(f"{path} has no label {positive!r}, said to be the positive one. Its labels are {told}.")
        order.sort(key=lambda other: other == key)
    elif _NO_LABEL & {*order}:
        wrong = f"{path} has the labels {told}, and one of them is what programs write where there is none"
        raise TxrayError(f"{wrong}. Remove these rows, or say in the profile which of the two is positive.")
    zero, one = (names[key] for key in order)
    say(f"{path.name}: the label {zero!r} is 0, {one!r} is 1, the class whose F1 is told")
    if others := [label for label in counts if label not in (zero, one)]:
        say(f"{path.name}: labels that are taken for one of these: {', '.join(map(repr, others))}")
    return {label: number for number, key in enumerate(order) for label in spelled[key]}, (zero, one)
