"""The paper's counts, means and changes that follow from comparisons of stages alone (N1–N3, N7, N11–N14, N17, N18).

May touch: errors, definitions, transfer. Counts are counts of neurons, changes are shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from txray_lib.preferences import PAPER
from txray_lib.transfer import AVOIDED, GAINED, SHARED, Definitions

COMPARISONS = ("early", "late", "zero-shot", "supervised")
"""early:before-last, before-last:last, last:zero-shot, zero-shot:supervised."""

FEWEST = 3
"""Fewer shared neurons have no ranking."""


def quantities(compared: Mapping[str, pd.DataFrame], definitions: Definitions | None = None) -> pd.DataFrame:
    """[id, part, value] of every quantity that the four COMPARISONS give; NaN where a mean has nothing to average.

    compared  transfer rows of one comparison each, by its name in COMPARISONS
    """
    supervised = compared["supervised"]
    both = {name: rows[rows["state"] == SHARED] for name, rows in compared.items()}
    found = {
        ("N1", "early"): len(both["early"]),
        ("N1", "late"): len(both["late"]),
        ("N2", "early"): _length(both["early"], "before", definitions),
        ("N2", "before_last"): _length(both["late"], "before", definitions),
        ("N2", "last"): _length(both["late"], "after", definitions),
        ("N3", "share"): _fall(both["early"]["hellinger"].mean(), both["late"]["hellinger"].mean()),
        ("N7", "shared"): len(both["zero-shot"]),
        ("N8", "drop"): len(both["late"]) - len(both["zero-shot"]),
        ("N11", "shared"): len(both["supervised"]),
        ("N12", "lost"): _fall(len(both["zero-shot"]), len(both["supervised"])),
        ("N12", "avoided"): _ratio((supervised["state"] == AVOIDED).sum(), (supervised["length_before"] > 0).sum()),
        ("N13", "gained"): (supervised["state"] == GAINED).sum(),
        ("N14", "empty"): (supervised["length_after"] == 0).sum(),
        ("N14", "avoided"): (supervised["state"] == AVOIDED).sum(),
        ("N17", "tokens"): _change(both["supervised"], "length"),
        ("N17", "tags"): _change(both["supervised"], "tag_length"),
        ("N17", "mean_of_ratios"): (
            both["supervised"]["length_after"] / both["supervised"]["length_before"] - 1
        ).mean(),
        ("N18", "tokens"): _change(supervised, "length"),
    }
    return pd.DataFrame([(*key, float(value)) for key, value in found.items()], columns=["id", "part", "value"])


def agreement(ours: pd.DataFrame, other: pd.DataFrame, top: int = 10) -> dict[str, float]:
    """How alike two comparisons of the same neurons rank them by distance: "rho", Spearman's, over the neurons that are
    shared in both, and "top", the share of the `top` most distant ones that both name; NaN for fewer than three."""
    distances = [rows.set_index("neuron")["hellinger"].dropna() for rows in (ours, other)]
    neurons = distances[0].index.intersection(distances[1].index)
    first, second = (values.loc[neurons] for values in distances)
    if len(neurons) < FEWEST or first.nunique() < 2 or second.nunique() < 2:
        return {"rho": math.nan, "top": math.nan}
    heads = [set(values.sort_values(ascending=False, kind="stable").index[:top]) for values in distances]
    return {
        "rho": float(stats.spearmanr(first, second).statistic),
        "top": len(heads[0] & heads[1]) / max(len(heads[0]), 1),
    }


def _length(shared: pd.DataFrame, side: str, definitions: Definitions | None) -> float:
    length = definitions.length if definitions else PAPER
    return shared[f"length_{side}" if length == PAPER else "union"].mean()


def _change(rows: pd.DataFrame, size: str) -> float:
    """Change of the mean length, as a share of the mean before (a ratio of means)."""
    return -_fall(rows[f"{size}_before"].sum(), rows[f"{size}_after"].sum())


def _fall(before: float, after: float) -> float:
    return 1 - _ratio(after, before)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole and not np.isnan(whole) else math.nan
