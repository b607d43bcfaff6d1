"""Ways of collecting from full activations: the strongest neuron of a token (§2.1), the k strongest, all that are positive.

A room of the computing half; may touch: errors, corpora, preferences. Activations come in chunks, (tokens, neurons)
each, so that memory does not grow with the text. Each way has its own sum (law 2), `nobody` being counted in:

 argmax    one record a token
 top-k     k records a token; a neuron among the k strongest that is not positive is nobody's
 positive  a record for each positive activation, and one of nobody for a token without any
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY

ARGMAX, POSITIVE = "argmax", "positive"


@dataclass(frozen=True)
class Text:
    """The tokens of a tagged corpus as codes, each (tokens,): what records need to know of a token.

    words, tags, blocks  what the codes stand for, in sorted order
    """

    document: np.ndarray
    block: np.ndarray
    feature: np.ndarray
    tag: np.ndarray
    words: tuple[str, ...]
    tags: tuple[str, ...]
    blocks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.feature)

    @property
    def frequencies(self) -> np.ndarray:
        """The share of tokens that each word is, (words,)."""
        return np.bincount(self.feature, minlength=len(self.words)) / len(self)

    def part(self, tokens: np.ndarray) -> Text:
        """The tokens with these indices; the codes stand for the same."""
        kept = {name: getattr(self, name)[tokens] for name in ("document", "block", "feature", "tag")}
        return replace(self, **kept)

    def samples(self, tokens: int, seed: int) -> tuple[Text, Text]:
        """Two texts of so many tokens that have none in common: whole blocks in an order that follows from `seed`, from its
        start and from its end, the last block of each cut.

        Raises TxrayError where the text has too few tokens for both.
        """
        if not 0 < 2 * tokens <= len(self):
            raise TxrayError(f"two samples of {tokens:,} tokens are wanted of a text of {len(self):,}. Ask for fewer.")
        rank = np.random.default_rng([seed, 3]).permutation(len(self.blocks))[self.block]
        return tuple(self.part(np.argsort(order, kind="stable")[:tokens]) for order in (rank, -rank))


def text_of(corpus: Corpus, lowercase: bool = True) -> Text:
    """A tagged corpus as codes; its own tags or, where it has none, its gold tags.

    Raises TxrayError for a corpus without text or tags.
    """
    corpus.require_text()
    tags = [d.tags or d.gold for d in corpus]
    if untagged := next((d.name for d, t in zip(corpus, tags, strict=True) if len(t or ()) != len(d)), None):
        raise TxrayError(f"the document {untagged!r} of {corpus.name!r} has not one tag a token: tag the corpus first.")
    lengths = [len(d) for d in corpus]
    words = [token.lower() if lowercase else token for d in corpus for token in d.tokens]
    coded = {
        "block": np.repeat(np.array([d.block for d in corpus], dtype=object), lengths),
        "feature": np.array(words, dtype=object),
        "tag": np.array([tag for document in tags for tag in document], dtype=object),
    }
    codes = {name: pd.factorize(values, sort=True) for name, values in coded.items()}
    return Text(
        np.repeat(np.arange(len(corpus), dtype=np.int32), lengths),
        *(codes[name][0].astype(np.int32) for name in ("block", "feature", "tag")),
        *(tuple(codes[name][1]) for name in ("feature", "tag", "block")),
    )


def depth_of(way: str) -> int | None:
    """How many neurons of a token a way takes; None for all that are positive.

    Raises TxrayError for what is neither "argmax", "positive" nor "top-" and a number.
    """
    if way in (ARGMAX, POSITIVE):
        return 1 if way == ARGMAX else None
    kind, _, number = way.partition("-")
    if kind != "top" or not number.isdigit() or int(number) < 1:
        raise TxrayError(f"there is no way of collecting {way!r}. Known: argmax, top-3 (or another number), positive.")
    return int(number)


def chosen(activations: np.ndarray, way: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(token, neuron, activation) of each record that a way makes of activations (tokens, neurons).

    Ties go to the lowest neuron; the neuron is NOBODY where the activation is not positive. In the order of tokens, and
    within a token by falling activation, or for "positive" by neuron.
    """
    depth = depth_of(way)
    if depth is None:
        token, neuron = np.nonzero(activations > 0)
        strength = activations[token, neuron]
        mute = np.flatnonzero(np.bincount(token, minlength=len(activations)) == 0)
        token, order = _sorted(np.concatenate([token, mute]))
        neuron = np.concatenate([neuron, np.full(len(mute), NOBODY)])[order]
        return token, neuron, np.concatenate([strength, activations[mute].max(axis=1)])[order]
    if depth > activations.shape[1]:
        raise TxrayError(f"{way} wants more neurons than the {activations.shape[1]} there are. Take a smaller number.")
    left, rows = activations.copy() if depth > 1 else activations, np.arange(len(activations))
    neuron, strength = (np.empty((len(activations), depth), kind) for kind in (np.int64, activations.dtype))
    for rank in range(depth):
        neuron[:, rank] = left.argmax(axis=1)
        strength[:, rank] = left[rows, neuron[:, rank]]
        if depth > 1:
            left[rows, neuron[:, rank]] = -np.inf
    neuron[strength <= 0] = NOBODY
    return np.repeat(rows, depth), neuron.ravel(), strength.ravel()


def collect_way(chunks: Iterable[np.ndarray], text: Text, way: str) -> pd.DataFrame:
    """The records of a text (columns in `preferences`) from its activations, chunk after chunk, each (tokens, neurons).

    Raises TxrayError where the activations are not as many rows as the text has tokens, or are not numbers.
    """
    depth_of(way)
    token, neuron, strength, start = [], [], [], 0
    for activations in chunks:
        if not np.isfinite(activations).all():
            raise TxrayError("the activations are not numbers: the encoder that gave them diverged. Train it anew.")
        for found, values in zip((token, neuron, strength), chosen(activations, way), strict=True):
            found.append(values + start if found is token else values)
        start += len(activations)
    if start != len(text):
        raise TxrayError(f"there are activations of {start:,} tokens; the text has {len(text):,}. Read it whole.")
    return _records(text, *(np.concatenate(found) for found in (token, neuron, strength)))


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(values, kind="stable")
    return values[order], order


def _records(text: Text, token: np.ndarray, neuron: np.ndarray, activation: np.ndarray) -> pd.DataFrame:
    def category(codes: np.ndarray, names: tuple[str, ...]) -> pd.Categorical:
        return pd.Categorical.from_codes(codes[token], categories=pd.Index(names, dtype=object))

    return pd.DataFrame(
        {
            "document": text.document[token],
            "block": category(text.block, text.blocks),
            "layer": np.int8(0),
            "feature": category(text.feature, text.words),
            "tag": category(text.tag, text.tags),
            "neuron": neuron.astype(np.int32),
            "activation": activation.astype(np.float32),
            "prediction": np.float32(np.nan),
            "y": np.int8(-1),
        }
    )
