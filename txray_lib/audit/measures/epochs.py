"""Over all neighbouring epochs: what settles, and with what (§3.1). May touch: errors, results, transfer, intervals, tagging.

One run gives few epochs, and they are no sample of epochs: its rank correlations have no interval.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import Measured, missing, plain, rank_correlation
from txray_lib.audit.measures.run import Run
from txray_lib.audit.measures.tagging import mismatch
from txray_lib.errors import TxrayError
from txray_lib.transfer import SHARED

FEWEST = 3
"""Fewer steps between epochs have no ranking."""


def measures(run: Run) -> dict[str, dict[str, Measured]]:
    """K15, K47, K48."""
    perplexity = _perplexity(run)
    found = {"K47": _converged(perplexity)}
    parts = ("distance", "length")
    try:
        steps = _steps(run, perplexity)
    except TxrayError:
        none = missing("this run did not compare every epoch with the next")
        return {**found, "K15": dict.fromkeys(parts, none), "K48": dict.fromkeys(parts, none)}
    return {
        **found,
        "K15": {part: _agree(steps["gain"], steps[part]) for part in parts},
        "K48": {part: _agree(steps["mismatch"], steps[part]) for part in parts},
    }


def _perplexity(run: Run) -> pd.Series:
    """Validation perplexity of pretraining by epoch; empty where the run kept no curve."""
    if not run.results.has("training"):
        return pd.Series(dtype=np.float64)
    rows = run.results.table("training")
    rows = rows[(rows["phase"] == "pretraining") & (rows["measure"] == "valid_perplexity")]
    return rows.drop_duplicates("epoch", keep="last").set_index("epoch")["value"].sort_index()


def _converged(perplexity: pd.Series) -> dict[str, Measured]:
    """The share of perplexity that the step to the second epoch takes away, and the one to the last."""
    trained = perplexity[perplexity.index >= 1].to_numpy()
    if len(trained) < FEWEST:
        return dict.fromkeys(("first", "last"), missing("fewer than three epochs have a perplexity"))
    return {"first": plain(1 - trained[1] / trained[0]), "last": plain(1 - trained[-1] / trained[-2])}


def _steps(run: Run, perplexity: pd.Series) -> pd.DataFrame:
    """A row for each pair of neighbouring epochs: [gain, distance, length, mismatch].

    gain                fall of log perplexity
    distance, length    medians over shared neurons of the distance and of |log| of the change of length
    mismatch            mass that would have to move to match the tags of the corpus, at the later epoch
    """
    rows = run.results.transfer("epochs")
    epochs = run.results.stages.set_index("stage")["epoch"]
    found = []
    for (before, after), part in rows[rows["state"] == SHARED].groupby(["before", "after"], sort=False, observed=True):
        ends = perplexity.reindex([float(epochs[stage]) for stage in (before, after)]).to_numpy()
        sizes = np.abs(np.log(part["length_after"] / part["length_before"]))
        found.append((-np.diff(np.log(ends))[0], part["hellinger"].median(), sizes.median(), mismatch(run, after)))
    return pd.DataFrame(found, columns=["gain", "distance", "length", "mismatch"])


def _agree(first: pd.Series, second: pd.Series) -> Measured:
    if len(first) < FEWEST or first.isna().any() or second.isna().any():
        return missing("fewer than three steps between epochs can be compared")
    return plain(float(rank_correlation(first.to_numpy(), second.to_numpy())))
