"""How far each benchmark lies from its limit: a mark a row, on a scale of times. May touch: errors, theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import SERIES, TEXT, finish

_VERDICTS = {"met": ("circle", SERIES[0]), "falls short": ("triangle-down", SERIES[1])}


def speed(rows: pd.DataFrame) -> alt.LayerChart:
    """A mark for each row at the number of times by which it is better than its limit; left of the line it falls short.

    rows  [name, verdict, times, told]: verdict "met" or "falls short", times above 0, told what was measured in words
    """
    if rows.empty:
        raise TxrayError("there is no benchmark to draw: `make bench` measures them")
    known = list(_VERDICTS)
    domain = [min(0.5, rows["times"].min() / 1.3), max(2.0, rows["times"].max() * 1.5)]
    scale = alt.Scale(type="log", domain=domain, nice=False)
    tooltip = [alt.Tooltip("name:N", title="benchmark"), alt.Tooltip("told:N", title="measured")]
    base = alt.Chart(rows).encode(
        x=alt.X(
            "times:Q", scale=scale, title="times better than the limit (log)", axis=alt.Axis(format="~g", tickCount=6)
        ),
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=180, grid=True)),
    )
    marks = base.mark_point(filled=True, size=110, opacity=1).encode(
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=known, range=[ink.light for _, ink in _VERDICTS.values()]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        shape=alt.Shape("verdict:N", scale=alt.Scale(domain=known, range=[shape for shape, _ in _VERDICTS.values()])),
        tooltip=tooltip,
    )
    limit = alt.Chart(pd.DataFrame({"x": [1]})).mark_rule(strokeWidth=2, color=TEXT.light, strokeDash=[6, 3])
    chart = alt.layer(limit.encode(x=alt.X("x:Q", scale=scale)), marks).properties(width=430, height=alt.Step(26))
    return finish(chart, _described(rows))


def _described(rows: pd.DataFrame) -> str:
    met = rows[rows["verdict"] == "met"]
    best, worst = (rows.loc[index] for index in (rows["times"].idxmax(), rows["times"].idxmin()))
    return (
        f"{len(met)} of {len(rows)} benchmarks meet their limit, a dashed line at 1. Furthest above it lies {best['name']}, "
        f"{best['times']:.1f} times better; lowest {worst['name']}, at {worst['times']:.2f} of it."
    )
