"""How far one choice alone moves the paper's numbers, where everything else stays (C1–C3, C9, C10, C13).

May touch: definitions, preferences, transfer, quantities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from txray_lib.audit.quantities import COMPARISONS, agreement, quantities
from txray_lib.preferences import RELEASED
from txray_lib.transfer import STATES, Definitions, compare

FORMULAS = {"distance": "C1", "probability": "C2", "length": "C3"}
"""The switches that change a formula, and their ids among the departures of the released code."""

Pairs = Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
"""The preferences before and after, for each of the four COMPARISONS."""


def formula_switches(pairs: Pairs, units: int) -> pd.DataFrame:
    """`moved` for each formula of the released code in the place of the paper's."""
    paper = _compared(pairs, units)
    parts = []
    for formula, code in FORMULAS.items():
        definitions = Definitions(**{formula: RELEASED})
        parts.append(moved(formula, code, paper, _compared(pairs, units, definitions), definitions))
    return pd.concat(parts, ignore_index=True)


def reading_switch(switch: str, code: str, pairs: Pairs, switched: Pairs, units: int) -> pd.DataFrame:
    """`moved` where some sides of the four comparisons were read otherwise."""
    return moved(switch, code, _compared(pairs, units), _compared(switched, units))


def moved(
    switch: str,
    code: str,
    paper: Mapping[str, pd.DataFrame],
    switched: Mapping[str, pd.DataFrame],
    definitions: Definitions | None = None,
) -> pd.DataFrame:
    """[switch, code, id, part, paper, switched]: every quantity of four comparisons in both ways, and how alike the two
    ways rank neurons by distance (id "ranking"; in the paper's own way that is 1)."""
    both = quantities(paper).merge(
        quantities(switched, definitions), on=["id", "part"], suffixes=("_paper", "_switched")
    )
    rows = both.rename(columns={"value_paper": "paper", "value_switched": "switched"})
    ranking = pd.DataFrame(
        [
            {"id": "ranking", "part": f"{name} {measure}", "paper": 1.0, "switched": value}
            for name in COMPARISONS
            for measure, value in agreement(paper[name], switched[name]).items()
        ]
    )
    return pd.concat([rows, ranking], ignore_index=True).assign(switch=switch, code=code)[
        ["switch", "code", "id", "part", "paper", "switched"]
    ]


def same_weights(
    reading: str, code: str, stage: str, paper: pd.DataFrame, read: pd.DataFrame, units: int
) -> dict[str, Any]:
    """One stage read in two ways by the same weights: what preprocessing alone does to preference states and distances.

    A row with: reading, code, stage, neurons, one count for each state, mean and median distance over shared neurons,
    tokens of the second reading that are somebody's.
    """
    table = compare(paper, read, units)
    counts = table["state"].value_counts().reindex(list(STATES), fill_value=0)
    states = {state.split()[0]: int(number) for state, number in counts.items()}
    return {
        "reading": reading,
        "code": code,
        "stage": stage,
        "neurons": units,
        **states,
        "mean": table["hellinger"].mean(),
        "median": table["hellinger"].median(),
        "tokens": int(read["count"].sum()),
    }


def _compared(pairs: Pairs, units: int, definitions: Definitions | None = None) -> dict[str, pd.DataFrame]:
    return {name: compare(*pairs[name], units, definitions=definitions) for name in COMPARISONS}
