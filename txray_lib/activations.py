"""Records of any encoder at all, from activations that a user's own code computed. May touch: errors, corpora, preferences,
collection.

`collect` reads with encoders that carry a state from token to token. Whatever else gives a number for each token and neuron,
such as a layer of a transformer, comes in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from txray_lib.collection import NEAR_TIE, Collected
from txray_lib.corpora import Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY


def from_activations(
    corpus: Corpus, activations: Iterable[np.ndarray], seen: Callable[[str], str] = str.lower, layer: int = 0
) -> Collected:
    """A stage's records (§2.1, step 1) from the activations of each document of a tagged corpus in turn, (tokens, units) each.

    `seen` gives the feature that a token is to the encoder: lower-cased here, `vocabulary.seen` where words are unknown. ŷ is
    missing. Raises TxrayError for a document without tags, an array of another shape, values that are not finite, or more or
    fewer arrays than documents.
    """
    rows, units, near_ties = list[pd.DataFrame](), None, 0
    arrays = iter(activations)
    for number, document in enumerate(corpus.require_text()):
        array = next(arrays, None)
        if array is None:
            raise TxrayError(f"there are activations for {number} documents, and {corpus.name!r} has {len(corpus)}")
        values = np.asarray(array, dtype=np.float32)
        _check(values, document, units)
        units = values.shape[1]
        if len(document):
            two = np.partition(values, -2, axis=1)[:, -2:]
            near_ties += int((two[:, 1] - two[:, 0] < NEAR_TIE).sum())
            rows.append(_rows(number, document, values, seen, layer))
    if next(arrays, None) is not None:
        raise TxrayError(f"there are activations for more than the {len(corpus)} documents of {corpus.name!r}")
    records = pd.concat(rows, ignore_index=True).astype({"block": "category", "feature": "category", "tag": "category"})
    return Collected(records, int((records["neuron"] == NOBODY).sum()), near_ties, len(corpus))


def _check(values: np.ndarray, document: Document, units: int | None) -> None:
    if document.tags is None or len(document.tags) != len(document):
        raise TxrayError(f"the document {document.name!r} has not one tag a token: tag the corpus first (`tag_corpus`)")
    if values.ndim != 2 or len(values) != len(document) or values.shape[1] != (units or max(values.shape[1], 2)):
        wanted = f"({len(document)}, {units or 'units, 2 or more'})"
        raise TxrayError(
            f"the activations of {document.name!r} have the shape {values.shape}, and {wanted} is wanted: a row for each token"
        )
    if not np.isfinite(values).all():
        raise TxrayError(f"the activations of {document.name!r} are not all finite numbers")


def _rows(number: int, document: Document, values: np.ndarray, seen: Callable[[str], str], layer: int) -> pd.DataFrame:
    strongest = values.max(axis=1)
    neuron = np.where(strongest > 0, values.argmax(axis=1), NOBODY)
    return pd.DataFrame(
        {
            "document": np.full(len(document), number, np.int32),
            "block": document.block,
            "layer": np.int8(layer),
            "feature": list(map(seen, document.tokens)),
            "tag": list(document.tags or ()),
            "neuron": neuron.astype(np.int32),
            "activation": strongest,
            "prediction": np.float32(np.nan),
            "y": np.int8(-1 if document.label is None else document.label),
        }
    )
