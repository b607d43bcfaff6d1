"""Parts of a labelled corpus: a validation part, a balanced sample, the texts and blocks that leak. May touch: errors, documents.

Everything drawn here is seeded and balanced by label, for the files' own order holds one class first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.errors import TxrayError


def validation_part(corpus: Corpus, size: int, seed: int) -> Corpus:
    """The corpus with `size` documents of "train" moved to "valid": as many of each label, whole blocks together.

    An odd number is rounded down. Blocks come in a seeded order, each taken if every label still has room for its documents:
    where they do not add up to exactly so many, a label has a few less, never more. The order of documents stays. Raises
    TxrayError without two labels, or where a label would be left without documents on either side.
    """
    by_label = _group_by_label(corpus.split("train"))
    room, moved = dict.fromkeys(by_label, size // 2), set[str]()
    for block, counts in _count_labels(corpus, seed).items():
        if all(counts[label] <= left for label, left in room.items()):
            moved.add(block)
            room = {label: left - counts[label] for label, left in room.items()}
    if not all(0 < size // 2 - room[label] < len(documents) for label, documents in by_label.items()):
        raise TxrayError(
            f"no validation part of {size} documents can be made of whole blocks of {corpus.name!r} such that each label keeps a"
            " document on both sides. Choose another number."
        )
    chosen = (replace(d, split="valid") if d.split == "train" and d.block in moved else d for d in corpus)
    return Corpus(corpus.name, tuple(chosen))


def deal_blocks(corpus: Corpus, splits: Sequence[str], sizes: Mapping[str, int], seed: int) -> Corpus:
    """The corpus with whole blocks of "train" moved to each of `splits` until it has its size at least, half of each label."""
    split_of: dict[str, str] = {}
    blocks = _count_labels(corpus, seed)
    for split in splits:
        lacking = Counter({0: sizes[split] // 2, 1: sizes[split] // 2})
        for block, counts in blocks.items():
            if block not in split_of and any(lacking[label] > 0 for label in counts):
                split_of[block] = split
                lacking.subtract(counts)
    dealt = (replace(d, split=split_of.get(d.block, "train")) if d.split == "train" else d for d in corpus)
    return Corpus(corpus.name, tuple(dealt))


def _count_labels(corpus: Corpus, seed: int) -> dict[str, Counter[int | None]]:
    """How many documents of each label the blocks of "train" have, the blocks in a seeded order."""
    counts = defaultdict[str, Counter[int | None]](Counter)
    for document in corpus.split("train"):
        counts[document.block][document.label] += 1
    blocks = sorted(counts)
    np.random.default_rng(seed).shuffle(blocks)
    return {block: counts[block] for block in blocks}


def label_balanced_sample(corpus: Corpus, tokens: int, seed: int) -> Corpus:
    """Documents in a seeded order, labels in turn, until exactly `tokens` tokens are reached; the last one is cut.

    Raises TxrayError without two labels, or where one label runs out first.
    """
    generator = np.random.default_rng(seed)
    turns = [[its[i] for i in generator.permutation(len(its))] for its in _group_by_label(corpus).values()]
    sample = Corpus(corpus.name, tuple(d for turn in zip(*turns, strict=False) for d in turn)).head(tokens)
    if sample.token_count < tokens:
        raise TxrayError(
            f"a label-balanced sample of {tokens:,} tokens was asked of the corpus {corpus.name!r}, which has only "
            f"{sample.token_count:,} in documents of alternating labels. Ask for fewer tokens or give more text."
        )
    return sample


def _group_by_label(corpus: Corpus) -> dict[int, list[Document]]:
    """The documents of each label, positive first, sorted by name so that the files' order does not matter."""
    groups = {label: sorted((d for d in corpus if d.label == label), key=lambda d: d.name) for label in (1, 0)}
    if not all(groups.values()):
        raise TxrayError(
            f"the corpus {corpus.name!r} has no two labels to balance: give a corpus with documents of both classes."
        )
    return groups


def shared_texts(corpus: Corpus) -> list[frozenset[str]]:
    """The texts (the tokens) that stand in "test" and in another split too: for each, the names of all its documents."""
    groups = defaultdict[tuple[str, ...], list[Document]](list)
    for document in corpus:
        groups[document.tokens].append(document)
    both = (its for its in groups.values() if len({d.split == "test" for d in its}) == 2)
    return [frozenset(d.name for d in its) for its in both]


def shared_blocks(corpus: Corpus) -> int:
    """How many blocks have documents in more than one split: what is no longer independent of what it is tested on."""
    splits = defaultdict[str, set[str]](set)
    for document in corpus:
        splits[document.block].add(document.split)
    return sum(len(its) > 1 for its in splits.values())
