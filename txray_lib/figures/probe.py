"""How often a linear probe tells the tag of a token, encoder by encoder (beside Fig. 3). May touch: errors, theme."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CORPUS, ROLES, TEXT, finish

WIDTH = 330
REFERENCES = {"nothing": "most frequent tag", "word alone": "word alone"}
"""What stands beside the encoders: what a probe can read without one."""


def probe(table: pd.DataFrame, roles: Mapping[str, str]) -> alt.LayerChart:
    """A point with its interval for each encoder; what the word alone and the most frequent tag give as points and as lines.

    table  the probe table: [stage, role, reads, accuracy, low, high, tokens, blocks]
    roles  the role of each stage, for its colour
    """
    if table.empty:
        raise TxrayError("the probe table is empty: there is no accuracy to draw")
    rows = pd.concat([table[table["reads"] == reads] for reads in (*REFERENCES, "activations")], ignore_index=True)
    own = rows["reads"] == "activations"
    rows["name"] = rows["reads"].map(REFERENCES).where(~own, rows["stage"] + " (" + rows["role"].astype(str) + ")")
    rows["colour"] = [
        ROLES[roles[stage]].light if mine else CORPUS.light for stage, mine in zip(rows["stage"], own, strict=True)
    ]
    for column in ("accuracy", "low", "high"):
        rows[column] = (100 * rows[column]).round(2)
    rows["says"] = [f"{row.accuracy:.1f} %" for row in rows.itertuples()]
    y = alt.Y(
        "name:N", sort=rows["name"].tolist(), title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=240)
    )
    x = alt.X(
        "accuracy:Q", title="tags told, % of tokens", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=6)
    )
    drawn = rows.drop(columns=["role", "unit", "l2", "seed"], errors="ignore")
    base = alt.Chart(drawn).encode(y=y)
    colour = alt.Color("colour:N", scale=None)
    lines = base.transform_filter("datum.reads != 'activations'").encode(y=alt.Y())
    chart = alt.layer(
        lines.mark_rule(strokeDash=[4, 3], color=TEXT.light).encode(x=x),
        base.mark_bar(height=12, color=BAND.light).encode(
            x=alt.X("low:Q", title="tags told, % of tokens"), x2="high:Q"
        ),
        base.mark_point(filled=True, size=75, opacity=1).encode(x=x, color=colour, tooltip=_tooltip()),
        base.mark_text(align="left", color=TEXT.light).encode(x=alt.value(WIDTH + 12), text="says:N"),
    )
    return finish(chart.properties(width=WIDTH, height=alt.Step(28)), _describe(rows))


def _tooltip() -> list[alt.Tooltip]:
    named = {"accuracy": "told, %", "low": "interval from, %", "high": "interval to, %"}
    return [
        alt.Tooltip("name:N", title="reads"),
        *(alt.Tooltip(f"{column}:Q", title=title, format=".1f") for column, title in named.items()),
        alt.Tooltip("tokens:Q", format=","),
        alt.Tooltip("blocks:Q"),
    ]


def _describe(rows: pd.DataFrame) -> str:
    told = "; ".join(
        f"{row.name} {row.accuracy:.1f} %" + (f" ({row.low:.1f} to {row.high:.1f})" if pd.notna(row.low) else "")
        for row in rows[["name", "accuracy", "low", "high"]].itertuples(index=False)
    )
    return f"How often the tag of a token is told, in per cent of tokens with 95 % intervals: {told}."
