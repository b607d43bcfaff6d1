"""Parts of a labelled corpus: a validation part, a balanced sample, the texts that leak. May touch: errors, documents.

Everything here is seeded and balanced by label, for the files' own order holds one class first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError


def validation_part(corpus: Corpus, size: int | float, seed: int) -> Corpus:
    """The corpus with a part of "train" moved to "valid": as many documents of each label, whole blocks together.

    `size` is a number of documents, or a share of "train" where it is a float below 1; an odd number is rounded down.
    Where whole blocks do not add up to exactly so many, a label has a few less, never more. The order of documents
    stays. Raises TxrayError without two labels, or where `size` leaves a label without documents on either side.
    """
    by_label = _by_label(corpus.split("train"), corpus.name)
    total = sum(map(len, by_label.values()))
    each = int(size * total if isinstance(size, float) else size) // len(by_label)
    if not 0 < each < min(map(len, by_label.values())):
        raise TxrayError(
            f"a validation part of {size} cannot be taken from the {total} labelled documents of {corpus.name!r}: each "
            f"label must keep a document on both sides. Choose a share between 0 and 1, or a smaller number."
        )
    moved = _whole_blocks(by_label, each, seed)
    return Corpus(
        corpus.name,
        tuple(replace(d, split="valid") if d.split == "train" and d.block in moved else d for d in corpus),
    )


def _whole_blocks(by_label: dict[int, list[Document]], each: int, seed: int) -> set[str]:
    """Blocks in a seeded order, each taken if every label still has room for its documents."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for label, documents in by_label.items():
        for document in documents:
            counts[document.block][label] += 1
    blocks = sorted(counts)
    np.random.default_rng(seed).shuffle(blocks)
    room = dict.fromkeys(by_label, each)
    chosen: set[str] = set()
    for block in blocks:
        if all(counts[block][label] <= room[label] for label in room):
            chosen.add(block)
            room = {label: left - counts[block][label] for label, left in room.items()}
    if any(left == each for left in room.values()):
        raise TxrayError(
            f"no validation part of {each} documents a label can be made of whole blocks: the smallest is "
            f"larger. Choose a larger part."
        )
    return chosen


def label_balanced_sample(corpus: Corpus, tokens: int, seed: int) -> Corpus:
    """Documents in a seeded order, labels in turn, until exactly `tokens` tokens are reached; the last one is cut.

    Raises TxrayError without labels, or where one label runs out first.
    """
    by_label = _by_label(corpus, corpus.name)
    generator = np.random.default_rng(seed)
    turns = [[documents[i] for i in generator.permutation(len(documents))] for documents in by_label.values()]
    sample = Corpus(corpus.name, tuple(d for turn in zip(*turns, strict=False) for d in turn)).head(tokens)
    if sample.token_count < tokens:
        raise TxrayError(
            f"a label-balanced sample of {tokens:,} tokens was asked of the corpus {corpus.name!r}, which has only "
            f"{sample.token_count:,} in documents of alternating labels. Ask for fewer tokens or give more text."
        )
    return sample


def _by_label(corpus: Corpus, name: str) -> dict[int, list[Document]]:
    """The documents of each label, positive first, sorted by name so that the files' order does not matter."""
    groups: dict[int, list[Document]] = defaultdict(list)
    for document in sorted(corpus, key=lambda d: d.name):
        if document.label is not None:
            groups[document.label].append(document)
    if len(groups) < 2:
        raise TxrayError(
            f"the corpus {name!r} has labels {sorted(groups) or 'none'}: two are needed to balance them. "
            f"Give a labelled corpus with documents of both classes."
        )
    return dict(sorted(groups.items(), reverse=True))


def shared_texts(corpus: Corpus) -> list[frozenset[str]]:
    """The texts that stand in "test" and in another split too: for each, the names of all its documents.

    Texts are the same when their tokens are. In the order of the first document of each.
    """
    groups: dict[tuple[str, ...], list[Document]] = defaultdict(list)
    for document in corpus:
        groups[document.tokens].append(document)
    return [
        frozenset(d.name for d in documents)
        for documents in groups.values()
        if len({d.split == "test" for d in documents}) == 2
    ]
