"""Tables in the form a run writes, of rows that a test writes out."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

Row = tuple[int, str, str, int, float]
TYPES = {"neuron": "int32", "feature": "category", "tag": "category", "count": "int64", "activation_sum": "float64"}


def preferences_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Preferences of one layer, without labels and predictions, of (neuron, feature, tag, count, activation sum)."""
    table = pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)
    return table.assign(layer=np.int8(0), y=np.int8(-1), prediction_sum=np.nan)
