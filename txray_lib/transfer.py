"""The comparison of two stages: a row a neuron (§2.2). May touch: errors, preferences.

Columns: comparison, before, after (names of stages), layer, neuron, state,
 length_before, length_after, tag_length_*, count_*, mass_*, hellinger, hellinger_tag.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions, neurons

SHARED, AVOIDED, GAINED, NEVER = STATES = ("shared", "avoided", "gained", "never preferred")
_SIZES = ["length", "tag_length", "count", "mass"]


def compare(
    before: pd.DataFrame, after: pd.DataFrame, units: int, names: tuple[str, str] = ("before", "after")
) -> pd.DataFrame:
    """The transfer between two stages' preferences of an encoder with `units` neurons in its one layer; `names` are theirs.

    Distances are missing, never 0 or 1, where a side is empty ("ill-defined", §2.2).
    """
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
    table["hellinger"] = hellinger(before, after, units, by="feature")
    table["hellinger_tag"] = hellinger(before, after, units, by="tag")
    return table


def preference_states(length_before: np.ndarray, length_after: np.ndarray) -> np.ndarray:
    """shared, avoided, gained or never preferred, from the lengths on both sides, shape (neurons,) (§2.2)."""
    preferred_before, preferred_after = length_before > 0, length_after > 0
    return np.select(
        [preferred_before & preferred_after, preferred_before, preferred_after],
        [SHARED, AVOIDED, GAINED],
        default=NEVER,
    )


def hellinger(before: pd.DataFrame, after: pd.DataFrame, units: int, by: str = "feature") -> np.ndarray:
    """Hellinger distance of each neuron's two distributions, shape (units,), in [0, 1]; NaN where a side is empty."""
    p, q = distributions(before, by), distributions(after, by)
    features = pd.Index(np.unique(np.concatenate([p[by].astype(object), q[by].astype(object)])))
    roots = [_roots(side, by, features, units) for side in (p, q)]
    difference = roots[0] - roots[1]
    distance = np.sqrt(0.5 * np.asarray(difference.multiply(difference).sum(axis=1)).ravel())
    empty = np.logical_or(*(np.diff(side.indptr) == 0 for side in roots))
    return np.where(empty, np.nan, np.minimum(distance, 1.0))


def _roots(distribution: pd.DataFrame, by: str, features: pd.Index, units: int) -> sparse.csr_matrix:
    """Square roots of the probabilities, (units, features). A probability of exactly 0 stays a stored entry."""
    columns = features.get_indexer(distribution[by].astype(object))
    entries = (np.sqrt(distribution["p"].to_numpy()), (distribution["neuron"].to_numpy(), columns))
    return sparse.csr_matrix(entries, shape=(units, len(features)))
