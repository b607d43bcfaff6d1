"""The comparison of two stages: a row a neuron (§2.2), by the paper's formulas or its released code's. May touch: errors,
preferences.

Columns: comparison, before, after (names of stages), layer, neuron, state,
 length_before, length_after, tag_length_*, count_*, mass_*, union (features of both sides together), hellinger, hellinger_tag.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy import sparse

from txray_lib.errors import TxrayError, nearest
from txray_lib.preferences import CHOICES, PAPER, distributions, neurons

SHARED, AVOIDED, GAINED, NEVER = STATES = ("shared", "avoided", "gained", "never preferred")
_SIZES = ["length", "tag_length", "count", "mass"]


@dataclass(frozen=True)
class Definitions:
    """Three formulas, each the paper's or the released code's.

    distance     "paper": the Hellinger distance (§2.2); "released": divided by the size of the union of features (C1)
    probability  "paper": a feature's mean activation over the sum of the means (§2.1), which sums to 1; "released": over
                 the sum of all activations of the neuron, which does not (C2)
    length       "paper": the features a neuron prefers (§2.2); "released": those of both stages together (C3)

    Raises TxrayError for another value.
    """

    distance: str = PAPER
    probability: str = PAPER
    length: str = PAPER

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value not in CHOICES:
                raise TxrayError(f"there is no definition {field.name} = {value!r}. {nearest(str(value), CHOICES)}")

    @property
    def is_papers(self) -> bool:
        """Whether all three are the paper's."""
        return self == Definitions()

    def __str__(self) -> str:
        changed = [field.name for field in fields(self) if getattr(self, field.name) != PAPER]
        return "the paper's definitions" if not changed else f"the released code's {' and '.join(changed)}"


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
) -> list[sparse.csr_matrix]:
    """Square roots of both sides' probabilities, (units, features). A probability of exactly 0 stays a stored entry."""
    sides = [distributions(side, by, probability) for side in (before, after)]
    features = pd.Index(sorted({word for side in sides for word in side[by].unique()}), dtype=object)
    return [
        sparse.csr_matrix(
            (np.sqrt(side["p"].to_numpy()), (side["neuron"].to_numpy(), features.get_indexer(side[by].astype(object)))),
            shape=(units, len(features)),
        )
        for side in sides
    ]
