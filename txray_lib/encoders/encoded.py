"""Labelled texts as token ids, and batches of similar lengths. May touch: errors, places, corpora."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from txray_lib.corpora import Corpus, Vocabulary
from txray_lib.errors import TxrayError
from txray_lib.places import whole_file


@dataclass(frozen=True)
class Texts:
    """names: of the documents; ids: an int array a text; labels: 0 or 1, shape (texts,)."""

    names: tuple[str, ...]
    ids: tuple[np.ndarray, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(i) for i in self.ids], dtype=np.int64)

    def take(self, chosen: np.ndarray) -> "Texts":
        """The texts at some positions."""
        return Texts(tuple(self.names[i] for i in chosen), tuple(self.ids[i] for i in chosen), self.labels[chosen])

    def cut(self, tokens: int) -> "Texts":
        """The first `tokens` tokens of each text."""
        return Texts(self.names, tuple(i[:tokens] for i in self.ids), self.labels)

    def save(self, path: Path) -> None:
        """Write as .npz, without pickle."""
        flat = np.concatenate([*self.ids, np.empty(0, np.int32)]).astype(np.int32)
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, flat=flat, lengths=self.lengths, labels=self.labels, names=np.array(self.names))

    @classmethod
    def load(cls, path: Path) -> "Texts":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            ids = np.split(file["flat"], np.cumsum(file["lengths"]))[:-1]
            return cls(tuple(file["names"].tolist()), tuple(ids), file["labels"])

    def with_shuffled_labels(self, seed: int, number: int) -> "Texts":
        """The same texts, their labels permuted among them: as many of each label, and nothing real to learn."""
        return replace(self, labels=np.random.default_rng([seed, number]).permutation(self.labels))


def encode_stream(corpus: Corpus, vocabulary: Vocabulary) -> np.ndarray:
    """All documents as one stream of ids with `<eos>` after each, int32, shape (tokens + documents,)."""
    end = np.array([vocabulary.end], np.int32)
    return np.concatenate([part for d in corpus.require_text() for part in (vocabulary.encode(d.tokens), end)])


def encode_texts(corpus: Corpus, vocabulary: Vocabulary) -> Texts:
    """A labelled corpus as ids."""
    ids = tuple(vocabulary.encode(d.tokens) for d in corpus)
    return Texts(tuple(d.name for d in corpus), ids, np.array([d.label for d in corpus], dtype=np.int64))


def balanced_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions of a random sample of `count` texts, half of each label, rising. Raises TxrayError if there are too few."""
    random, each = np.random.default_rng([seed, count]), count // 2
    there = [int((labels == label).sum()) for label in (0, 1)]
    if min(there) < each:
        raise TxrayError(
            f"{count} reviews, half of each label, were asked for; there are {there[0]} negative, {there[1]} positive"
        )
    return np.sort(np.concatenate([random.permutation(np.flatnonzero(labels == label))[:each] for label in (0, 1)]))


def batches_by_length(
    lengths: np.ndarray, batch_size: int, random: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Positions in batches of similar length, longest first; with `random`, lengths are jittered and batches shuffled."""
    keys = lengths if random is None else lengths * random.uniform(0.9, 1.1, len(lengths))
    order = np.argsort(-keys, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return batches if random is None else [batches[i] for i in random.permutation(len(batches))]


def padded(ids: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Ids padded with 0 on the right (batch, time), and their lengths (batch,)."""
    lengths = torch.tensor([len(i) for i in ids], dtype=torch.int64)
    batch = torch.zeros(len(ids), max(1, int(lengths.max())), dtype=torch.int64)
    for row, text in zip(batch, ids, strict=True):
        row[: len(text)] = torch.from_numpy(np.asarray(text, dtype=np.int64))
    return batch, lengths
