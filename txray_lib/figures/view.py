"""The rows behind the linked overview: a record per comparison and preferred neuron, with its strongest tokens.

Stored once in a page and read by all panels. May touch: preferences, results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.preferences import distributions
from txray_lib.results import NEURON

MAX_LETTERS = 18


NAMES = {
    "c": "comparison",
    "k": "key",
    "n": "neuron",
    "x": "length",
    "d": "hellinger",
    "s": "state",
    "lb": "length_before",
    "la": "length_after",
    "mb": "mass_before",
    "ma": "mass_after",
    "w": "features",
    "b": "p_before",
    "a": "p_after",
    "e": "expected",
    "q": "q",
    "o": "not_above_null",
}
"""What the short columns of a page's points are."""


class View:
    """The one data set of the page: a row per comparison and preferred neuron, with short names to keep it small.

    c comparison, k key, n neuron, x length, d distance, s state, lb la lengths, mb ma masses, w tokens, b a their
    probabilities. Rows of one neuron lie side by side, so that a page packs well. With nulls also e, the distance that chance
    gives, q, and o, 1 where the distance is not above its null.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        summary: pd.DataFrame,
        roles: Mapping[str, str],
        preferences: Mapping[str, pd.DataFrame],
        top_tokens: int,
        probability: str,
        nulls: pd.DataFrame | None = None,
    ) -> None:
        self.summary, self.roles = summary, roles
        self.number = {name: i for i, name in enumerate(summary["comparison"])}
        stages = dict.fromkeys([*summary["before"], *summary["after"]])
        probabilities = {stage: _probabilities(preferences[stage], probability) for stage in stages}
        parts = [
            strongest(probabilities[each.before], probabilities[each.after], top_tokens).assign(
                comparison=each.comparison
            )
            for each in summary.itertuples()
        ]
        both = rows.merge(pd.concat(parts, ignore_index=True), on=["comparison", *NEURON], how="left")
        if nulls is not None:
            beside = nulls[["comparison", *NEURON, "expected", "q", "above"]]
            both = both.merge(beside, on=["comparison", *NEURON], how="left")
        both = both.sort_values([*NEURON, "comparison"], kind="stable")
        self.records = [self._record(row) for row in both.itertuples()]
        self.data = alt.InlineData(values=self.records)

    def key(self, row: Any) -> str:
        return f"{self.number[row.comparison]}.{row.layer}.{row.neuron}"

    def _record(self, row: Any) -> dict[str, Any]:
        empty = not isinstance(row.w, list)
        return {
            "c": self.number[row.comparison],
            "k": self.key(row),
            "n": int(row.neuron),
            "x": row.x,
            "d": None if np.isnan(row.hellinger) else _short(row.hellinger),
            "s": row.state,
            "lb": int(row.length_before),
            "la": int(row.length_after),
            "mb": round(float(row.mass_before), 2),
            "ma": round(float(row.mass_after), 2),
            "w": [] if empty else row.w,
            "b": [] if empty else [_short(p) if row.length_before else None for p in row.b],
            "a": [] if empty else [_short(p) if row.length_after else None for p in row.a],
            **_chance(row),
        }

    def chart(self) -> alt.Chart:
        """A chart of the rows with the words that the short columns stand for."""
        names = [f"{row.before} → {row.after}" for row in self.summary.itertuples()]
        return alt.Chart(self.data).transform_calculate(
            label=f"{json.dumps(list(self.summary['label']))}[datum.c]",
            name=f"{json.dumps(names)}[datum.c]",
        )


def strongest(before: pd.DataFrame, after: pd.DataFrame, top: int) -> pd.DataFrame:
    """The `top` most probable tokens of each side of every neuron: a row [layer, neuron, w, b, a] with lists of tokens, of
    their probabilities before and after (0 where the side does not prefer the token), most probable in either first."""
    best = pd.concat([side.groupby(NEURON, sort=False).head(top) for side in (before, after)])
    chosen = best[[*NEURON, "feature"]].drop_duplicates()
    for name, side in (("b", before), ("a", after)):
        chosen = chosen.merge(side.rename(columns={"p": name}), on=[*NEURON, "feature"], how="left")
    chosen = chosen.fillna({"b": 0.0, "a": 0.0})
    chosen = chosen.assign(most=chosen[["b", "a"]].max(axis=1)).sort_values(
        [*NEURON, "most", "feature"], ascending=[True, True, False, True], kind="stable"
    )
    chosen["w"] = labels(chosen)
    return chosen.groupby(NEURON, sort=True)[["w", "b", "a"]].agg(list).reset_index()


def _probabilities(preferences: pd.DataFrame, probability: str) -> pd.DataFrame:
    """[layer, neuron, feature, p], every neuron's tokens by falling probability."""
    table = distributions(preferences, probability=probability)[[*NEURON, "feature", "p"]]
    table = table.astype({"layer": int, "neuron": int, "feature": str})
    return table.sort_values([*NEURON, "p", "feature"], ascending=[True, True, False, True], kind="stable")


def labels(chosen: pd.DataFrame) -> pd.Series:
    """Tokens short enough for an axis; two of one neuron that would look alike are numbered."""
    words = chosen["feature"]
    label = words.where(words.str.len() <= MAX_LETTERS, words.str.slice(0, MAX_LETTERS - 1) + "…")
    same = label.groupby([chosen["layer"], chosen["neuron"], label]).cumcount()
    return label.where(same == 0, label + " (" + (same + 1).astype(str) + ")")


def _chance(row: Any) -> dict[str, Any]:
    q = getattr(row, "q", np.nan)
    if np.isnan(q):
        return {}
    expected = None if np.isnan(row.expected) else _short(row.expected)
    return {"e": expected, "q": _short(q), "o": int(not row.above)}


def _short(number: float) -> float:
    return float(f"{number:.3g}")
