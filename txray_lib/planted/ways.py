"""Ways of collecting from full activations: the strongest neuron of a token (§2.1), the k strongest, all that are positive.

Activations come in chunks, (tokens, neurons) each, so that memory does not grow with the text. Each way has its own sum
(law 2), `nobody` being counted in:

 argmax    one record a token
 top-k     k records a token; a neuron among the k strongest that is not positive is nobody's
 positive  a record for each positive activation, and one of nobody for a token without any
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY

ARGMAX, POSITIVE = "argmax", "positive"


def list_tokens(corpus: Corpus) -> pd.DataFrame:
    """A row for each token of a tagged corpus: document (its number), and block, feature (in lower case) and tag as categories
    in sorted order; the tag is the corpus's own or, where it has none, the gold one.

    Raises TxrayError for a corpus without text or tags.
    """
    corpus.require_text()
    tags = [document.tags or document.gold for document in corpus]
    for document, its in zip(corpus, tags, strict=True):
        if len(its or ()) != len(document):
            raise TxrayError(
                f"the document {document.name!r} of {corpus.name!r} has not one tag a token: tag it first."
            )
    lengths = [len(document) for document in corpus]
    columns = {
        "block": np.repeat(np.array([document.block for document in corpus], dtype=object), lengths),
        "feature": np.array([token.lower() for document in corpus for token in document.tokens], dtype=object),
        "tag": np.array([tag for its in tags for tag in its], dtype=object),
    }
    document = np.repeat(np.arange(len(corpus), dtype=np.int32), lengths)
    return pd.DataFrame({"document": document, **{name: pd.Categorical(values) for name, values in columns.items()}})


def word_frequencies(text: pd.DataFrame) -> np.ndarray:
    """The share of tokens that each feature of `list_tokens` is, (words,)."""
    return np.bincount(text["feature"].cat.codes, minlength=len(text["feature"].cat.categories)) / len(text)


def draw_samples(text: pd.DataFrame, tokens: int, seed: int) -> list[pd.DataFrame]:
    """Two texts of so many tokens that have none in common: whole blocks in an order that follows from `seed`, from its start
    and from its end, the last block of each cut.

    Raises TxrayError where the text has too few tokens for both.
    """
    if not 0 < 2 * tokens <= len(text):
        raise TxrayError(f"two samples of {tokens:,} tokens are wanted of a text of {len(text):,}. Ask for fewer.")
    blocks = text["block"].cat
    rank = np.random.default_rng([seed, 3]).permutation(len(blocks.categories))[blocks.codes]
    return [text.iloc[np.argsort(order, kind="stable")[:tokens]] for order in (rank, -rank)]


def read_depth(way: str) -> int | None:
    """How many neurons of a token a way takes; None for all that are positive.

    Raises TxrayError for what is neither "argmax", "positive" nor "top-" and a number.
    """
    if way in (ARGMAX, POSITIVE):
        return 1 if way == ARGMAX else None
    kind, _, number = way.partition("-")
    if kind != "top" or not number.isdigit() or int(number) < 1:
        raise TxrayError(f"there is no way of collecting {way!r}. Known: argmax, top-3 (or another number), positive.")
    return int(number)


def choose(activations: np.ndarray, way: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(token, neuron, activation) of each record that a way makes of activations (tokens, neurons).

    Ties go to the lowest neuron; the neuron is NOBODY where the activation is not positive. In the order of tokens, and
    within a token by falling activation, or for "positive" by neuron.
    """
    depth, tokens = read_depth(way), np.arange(len(activations))
    if depth is None:
        strongest = activations.argmax(axis=1)
        taken = activations > 0
        taken[tokens, strongest] = True
        token, neuron = np.nonzero(taken)
    elif depth > activations.shape[1]:
        raise TxrayError(f"{way} wants more neurons than the {activations.shape[1]} there are. Take a smaller number.")
    elif depth == 1:
        token, neuron = tokens, activations.argmax(axis=1)
    else:
        token = np.repeat(tokens, depth)
        neuron = np.argsort(-activations, axis=1, kind="stable")[:, :depth].ravel()
    strength = activations[token, neuron]
    return token, np.where(strength > 0, neuron, NOBODY), strength


def collect_way(chunks: Iterable[np.ndarray], text: pd.DataFrame, way: str) -> pd.DataFrame:
    """The records (columns in `preferences`) of a text, as `list_tokens` gives it, from its activations, chunk after chunk,
    each (tokens, neurons).

    Raises TxrayError where the activations are not as many rows as the text has tokens, or are not numbers.
    """
    found, start = [], 0
    for activations in chunks:
        if not np.isfinite(activations).all():
            raise TxrayError("the activations are not numbers: the encoder that gave them diverged. Train it anew.")
        token, neuron, strength = choose(activations, way)
        found.append((token + start, neuron, strength))
        start += len(activations)
    if start != len(text):
        raise TxrayError(f"there are activations of {start:,} tokens; the text has {len(text):,}. Read it whole.")
    token, neuron, strength = (np.concatenate(parts) for parts in zip(*found, strict=True))
    records = (
        text.iloc[token]
        .reset_index(drop=True)
        .assign(
            neuron=neuron.astype(np.int32),
            activation=strength.astype(np.float32),
            prediction=np.float32(np.nan),
            y=np.int8(-1),
        )
    )
    records.insert(2, "layer", np.int8(0))
    return records
