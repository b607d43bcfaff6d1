"""The comparison of two stages: a row a neuron (§2.2). May touch: errors, definitions, preferences.

Columns: comparison, before, after (names of stages), layer, neuron, state,
 length_before, length_after, tag_length_*, count_*, mass_*, union (features of both sides together), hellinger, hellinger_tag.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from txray_lib.definitions import PAPER, Definitions
from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions, neurons

SHARED, AVOIDED, GAINED, NEVER = STATES = ("shared", "avoided", "gained", "never preferred")
_SIZES = ["length", "tag_length", "count", "mass"]


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    names: tuple[str, str] = ("before", "after"),
    definitions: Definitions | None = None,
) -> pd.DataFrame:
    """The transfer between two stages' preferences of an encoder with `units` neurons in its one layer; `names` are theirs.

    Distances are missing, never 0 or 1, where a side is empty ("ill-defined", §2.2). `definitions` are the paper's
    unless others are given; they change distances, never lengths or states.
    """
    definitions = definitions or Definitions()
    for name, side in (("before", before), ("after", after)):
        if len(side) and not 0 <= side["neuron"].min() <= side["neuron"].max() < units:
            raise TxrayError(
                f"the preferences {name} name neuron {side['neuron'].max()}, but the encoder has {units} neurons"
            )
    named = {"comparison": ":".join(names), "before": names[0], "after": names[1]}
    table = pd.DataFrame({**named, "layer": np.int8(0), "neuron": np.arange(units, dtype=np.int32)})
    for name, side in (("before", before), ("after", after)):
        sizes = neurons(side).set_index("neuron")[_SIZES].reindex(table["neuron"], fill_value=0)
        for size in _SIZES:
            table[f"{size}_{name}"] = sizes[size].to_numpy(dtype=np.float64 if size == "mass" else np.int64)
    table.insert(5, "state", preference_states(table["length_before"].to_numpy(), table["length_after"].to_numpy()))
    by_feature, by_tag = (_roots_of(before, after, by, units, definitions.probability) for by in ("feature", "tag"))
    table["union"] = _union(*by_feature)
    for column, roots in (("hellinger", by_feature), ("hellinger_tag", by_tag)):
        distance = _distance(*roots)
        table[column] = distance if definitions.distance == PAPER else distance / np.maximum(_union(*roots), 1)
    return table


def preference_states(length_before: np.ndarray, length_after: np.ndarray) -> np.ndarray:
    """shared, avoided, gained or never preferred, from the lengths on both sides, shape (neurons,) (§2.2)."""
    preferred_before, preferred_after = length_before > 0, length_after > 0
    return np.select(
        [preferred_before & preferred_after, preferred_before, preferred_after],
        [SHARED, AVOIDED, GAINED],
        default=NEVER,
    )


def hellinger(
    before: pd.DataFrame, after: pd.DataFrame, units: int, by: str = "feature", probability: str = PAPER
) -> np.ndarray:
    """Hellinger distance of each neuron's two distributions, shape (units,), in [0, 1]; NaN where a side is empty."""
    return _distance(*_roots_of(before, after, by, units, probability))


def _distance(before: sparse.csr_matrix, after: sparse.csr_matrix) -> np.ndarray:
    difference = before - after
    distance = np.sqrt(0.5 * np.asarray(difference.multiply(difference).sum(axis=1)).ravel())
    empty = np.logical_or(*(np.diff(side.indptr) == 0 for side in (before, after)))
    return np.where(empty, np.nan, np.minimum(distance, 1.0))


def _union(before: sparse.csr_matrix, after: sparse.csr_matrix) -> np.ndarray:
    """How many features either side prefers, shape (units,)."""
    present = [sparse.csr_matrix((np.ones_like(s.data), s.indices, s.indptr), shape=s.shape) for s in (before, after)]
    return np.diff((present[0] + present[1]).indptr).astype(np.int64)


def _roots_of(
    before: pd.DataFrame, after: pd.DataFrame, by: str, units: int, probability: str
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    sides = [distributions(side, by, probability).astype({by: "category"}) for side in (before, after)]
    words = [side[by].cat.categories.to_numpy(dtype=object) for side in sides]
    features = pd.Index(np.unique(np.concatenate(words)), dtype=object)
    p, q = (_roots(side, by, features, units) for side in sides)
    return p, q


def _roots(distribution: pd.DataFrame, by: str, features: pd.Index, units: int) -> sparse.csr_matrix:
    """Square roots of the probabilities, (units, features). A probability of exactly 0 stays a stored entry."""
    words = distribution[by].cat
    columns = features.get_indexer(words.categories.astype(object))[words.codes.to_numpy()]
    entries = (np.sqrt(distribution["p"].to_numpy()), (distribution["neuron"].to_numpy(), columns))
    return sparse.csr_matrix(entries, shape=(units, len(features)))
