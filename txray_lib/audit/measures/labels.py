"""What the labels do that shuffled labels do not (§3.3). May touch: results, transfer, intervals.

Only a run that was fine-tuned on shuffled labels too can tell: both parts are missing elsewhere, so that they are of the same
runs where seeds are put together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import Measured, bootstrap, missing
from txray_lib.audit.measures.run import Run
from txray_lib.transfer import SHARED

_PARTS = ("labels", "shuffled")


def measures(run: Run) -> dict[str, dict[str, Measured]]:
    """K42: by how much the length of the median shared neuron changes, either way, with labels and with shuffled ones."""
    shuffled = _shuffled(run)
    if not shuffled:
        return {"K42": dict.fromkeys(_PARTS, missing("this run was not fine-tuned on shuffled labels"))}
    return {
        "K42": {
            "labels": bootstrap(_mean_of_medians, _moved(run.compared["supervised"])),
            "shuffled": bootstrap(_mean_of_medians, *map(_moved, shuffled)),
        }
    }


def _shuffled(run: Run) -> list[pd.DataFrame]:
    """The comparison with each fine-tuning on shuffled labels, in the order of its neurons."""
    if not run.results.has("control_transfer"):
        return []
    rows = run.results.table("control_transfer")
    rows = rows[rows["control"].astype(str).str.startswith("shuffled")]
    return [part.sort_values("neuron") for _, part in rows.groupby("control", sort=False, observed=True)]


def _moved(rows: pd.DataFrame) -> np.ndarray:
    """|log(after / before)| of each neuron's length as a share, (units,); NaN where it is not shared."""
    shared = rows[["length_before", "length_after"]].where(rows["state"] == SHARED).to_numpy(dtype=np.float64)
    return np.expm1(np.abs(np.log(shared[:, 1] / shared[:, 0])))


def _mean_of_medians(*columns: np.ndarray) -> np.ndarray:
    return np.mean([np.nanmedian(column, axis=-1) for column in columns], axis=0)
