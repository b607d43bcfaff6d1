"""How far one choice alone moves the paper's counts, means and changes, where everything else stays (C1–C3, C9, C10, C13).

May touch: intervals, measures, preferences, transfer. Counts are counts of neurons, changes are shares.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import rank_correlation
from txray_lib.audit.measures import PAIRS
from txray_lib.preferences import PAPER, RELEASED
from txray_lib.transfer import AVOIDED, GAINED, SHARED, STATES, Definitions, compare

Compared = Mapping[str, pd.DataFrame]
"""Transfer rows of one comparison each, by its name in PAIRS."""


def compare_pairs(
    preferences: Mapping[str, pd.DataFrame],
    units: int,
    roles: Collection[str] | None = None,
    definitions: Definitions | None = None,
) -> dict[str, pd.DataFrame]:
    """The comparisons of PAIRS, from the preferences of the stage of each role; with `roles` those that one of them is in."""
    return {
        name: compare(preferences[before], preferences[after], units, definitions=definitions)
        for name, (before, after) in PAIRS.items()
        if roles is None or {before, after} & {*roles}
    }


def formula_switches(preferences: Mapping[str, pd.DataFrame], paper: Compared, units: int) -> pd.DataFrame:
    """`what_moves` for each formula of the released code in the place of the paper's; that of length changes no comparison."""
    distance, probability = (
        compare_pairs(preferences, units, definitions=Definitions(**{formula: RELEASED}))
        for formula in ("distance", "probability")
    )
    parts = (
        what_moves("distance", "C1", paper, distance),
        what_moves("probability", "C2", paper, probability),
        what_moves("length", "C3", paper, paper, RELEASED),
    )
    return pd.concat(parts, ignore_index=True)


def what_moves(switch: str, code: str, paper: Compared, other: Compared, length: str = PAPER) -> pd.DataFrame:
    """What moves where the four comparisons are made from other readings, or by other definitions.

    [switch, code, id, part, paper, switched]: every quantity in both ways, and how alike the two ways rank neurons by
    distance (id "ranking"; in the paper's own way that is 1).
    """
    ours, others = quantities(paper), quantities(other, length)
    rows = [(switch, code, *key, value, others[key]) for key, value in ours.items()]
    for name in PAIRS:
        rows.append((switch, code, "ranking", f"{name} rho", 1.0, agreement(paper[name], other[name])))
    return pd.DataFrame(rows, columns=["switch", "code", "id", "part", "paper", "switched"])


def quantities(compared: Compared, length: str = PAPER) -> dict[tuple[str, str], float]:
    """The paper's numbers, by id and part, that the four PAIRS give; NaN where a mean has nothing to average.

    length  "paper", or "released": the features of both stages together
    """
    supervised = compared["supervised"]
    early, late, moved, tuned = (rows[rows["state"] == SHARED] for rows in map(compared.get, PAIRS))
    before, after = ("length_before", "length_after") if length == PAPER else ("union", "union")
    found = {
        ("N1", "early"): len(early),
        ("N1", "late"): len(late),
        ("N2", "early"): early[before].mean(),
        ("N2", "before_last"): late[before].mean(),
        ("N2", "last"): late[after].mean(),
        ("N3", "share"): -_change(early["hellinger"].mean(), late["hellinger"].mean()),
        ("N7", "shared"): len(moved),
        ("N8", "drop"): len(late) - len(moved),
        ("N11", "shared"): len(tuned),
        ("N12", "lost"): -_change(len(moved), len(tuned)),
        ("N12", "avoided"): _ratio((supervised["state"] == AVOIDED).sum(), (supervised["length_before"] > 0).sum()),
        ("N13", "gained"): (supervised["state"] == GAINED).sum(),
        ("N14", "empty"): (supervised["length_after"] == 0).sum(),
        ("N14", "avoided"): (supervised["state"] == AVOIDED).sum(),
        ("N17", "tokens"): _change(tuned["length_before"].sum(), tuned["length_after"].sum()),
        ("N17", "tags"): _change(tuned["tag_length_before"].sum(), tuned["tag_length_after"].sum()),
        ("N17", "mean_of_ratios"): (tuned["length_after"] / tuned["length_before"] - 1).mean(),
        ("N18", "tokens"): _change(supervised["length_before"].sum(), supervised["length_after"].sum()),
    }
    return {key: float(value) for key, value in found.items()}


def agreement(ours: pd.DataFrame, other: pd.DataFrame) -> float:
    """How alike two comparisons of the same neurons rank them by distance: Spearman's rho over the neurons that are shared
    in both; NaN for fewer than three, or where one side has no two distances."""
    both = ours.merge(other, on="neuron")[["hellinger_x", "hellinger_y"]].dropna()
    return float(rank_correlation(*both.to_numpy(np.float64).T))


def same_weights(
    reading: str, code: str, stage: str, paper: pd.DataFrame, read: pd.DataFrame, units: int
) -> dict[str, Any]:
    """One stage read in two ways by the same weights: what preprocessing alone does to preference states and distances.

    A row with: reading, code, stage, neurons, one count for each state, mean and median distance over shared neurons,
    tokens of the second reading that are somebody's.
    """
    table = compare(paper, read, units)
    counts = table["state"].value_counts()
    return {
        "reading": reading,
        "code": code,
        "stage": stage,
        "neurons": units,
        **{state.split()[0]: int(counts.get(state, 0)) for state in STATES},
        "mean": table["hellinger"].mean(),
        "median": table["hellinger"].median(),
        "tokens": int(read["count"].sum()),
    }


def _change(before: float, after: float) -> float:
    return _ratio(after, before) - 1


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole and not math.isnan(whole) else math.nan
