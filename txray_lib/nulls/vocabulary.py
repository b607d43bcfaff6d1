"""What of a distance between two texts words of one text alone make (RQ2).

The common vocabulary is the set of features that occur in both texts, whoever they excite. Let a and b be the shares of a
neuron's P before and after that lie on it. Two distances follow:

 common       between P before and P after, both over the common vocabulary and normalised there anew
 vocabulary   between (a, 1 − a, 0) and (b, 0, 1 − b): all common features drawn together as one, those of one text alone as
              another. It is the smallest distance that words of one text alone leave possible. It is no measure of a shift by
              itself: two samples of one corpus have such words too

For the Hellinger distances and Ochiai's these two explain the whole: affinities multiply, so
1 − H² = (1 − H²_vocabulary)(1 − H²_common), where H²_vocabulary = 1 − √(ab).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from txray_lib.measures import between, named, normalised, owners, sides_of
from txray_lib.preferences import aggregate


def vocabulary_shift(before: pd.DataFrame, after: pd.DataFrame, units: int, measure: str = "hellinger") -> pd.DataFrame:
    """Distances over the common vocabulary and of words of one text alone, from two stages' records.

    Columns: layer, neuron, <measure>_common (missing where a side has nothing in common), <measure>_vocabulary (1 there;
    missing where a side is empty).
    """
    common = set(before["feature"].unique()) & set(after["feature"].unique())
    first, second, cells, owner = sides_of(aggregate(before), aggregate(after), units)
    in_common = cells.get_level_values("feature").isin(common)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (normalised(named(measure).weights(side), owner) for side in (first, second))
        a, b = (np.minimum((owner @ (side * in_common))[:, 0], 1.0) for side in (p, q))
        three = owners(np.repeat(np.arange(units), 3), units)
        together = [np.stack(s, axis=1).reshape(-1, 1) for s in ((a, 1 - a, 0 * a), (b, 0 * b, 1 - b))]
        alone = np.clip(named(measure).distance(*together, three)[:, 0], 0.0, 1.0)
    kept = (aggregate(side[side["feature"].isin(common)]) for side in (before, after))
    *kept_sides, _, kept_owner = sides_of(*kept, units)
    empty = np.isnan(between(measure, first, second, owner)[:, 0])
    return pd.DataFrame(
        {
            "layer": np.int8(0),
            "neuron": np.arange(units, dtype=np.int32),
            f"{measure}_common": between(measure, *kept_sides, kept_owner)[:, 0],
            f"{measure}_vocabulary": np.where(empty, np.nan, alone),
        }
    )
