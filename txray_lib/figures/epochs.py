"""Perplexity and distances over the epochs of pretraining, one above the other (RQ1, §3.1). May touch: errors, theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import CHANCE, ROLES, TEXT

WIDTH, HEIGHT = 420, 140
PERPLEXITY, DISTANCE, EXPECTED = "valid_perplexity", "median H", "by chance"


def epochs(curves: pd.DataFrame, steps: pd.DataFrame, halves: float | None = None) -> alt.VConcatChart:
    """Above, perplexity on validation text; below, the median distance between neighbouring snapshots.

    curves  a row per epoch, its index; the column `valid_perplexity` is drawn, where the run has it
    steps   a row per step, at the epoch where it ends: epoch, `median H`, and `by chance` where it is known
    halves  median distance between two halves of one text under the same weights, a dashed line
    """
    if steps.empty:
        raise TxrayError("epochs need snapshots that were compared: there is no step")
    last = float(max([*curves.index, *steps["epoch"]]))
    x = alt.X("epoch:Q", title="epochs done", scale=alt.Scale(domain=[0, last], padding=22), axis=_whole(last))
    ink, chance = ROLES["last"].light, CHANCE["above its null"].light
    distance = _line(steps, x, DISTANCE, ".2f", ink, alt.Scale(domain=[0, 1.15]))
    known = alt.Chart(steps.dropna(subset=[EXPECTED])).encode(x=x, y=f"{EXPECTED}:Q")
    layers = [
        *_rule(halves),
        distance,
        known.mark_point(shape="diamond", filled=True, size=110, opacity=1, color=chance),
        known.mark_text(dy=17, color=chance).transform_calculate(says="'by chance'").encode(text="says:N"),
    ]
    title = ["Median Hellinger distance to the snapshot before"]
    panels = [alt.layer(*layers).properties(width=WIDTH, height=HEIGHT + 30, title=title)]
    if PERPLEXITY in curves:
        scale = alt.Scale(type="log", nice=True)
        table = curves[[PERPLEXITY]].rename_axis("epoch").reset_index()
        above = _line(table, x, PERPLEXITY, ",.3~r", TEXT.light, scale)
        panels.insert(0, above.properties(width=WIDTH, height=HEIGHT, title="Perplexity on validation text (log)"))
    return alt.vconcat(*panels, spacing=14)


def _whole(last: float) -> alt.Axis:
    """Ticks at whole epochs, ten at most."""
    return alt.Axis(values=list(range(0, int(last) + 1, max(1, int(last) // 10))), format="d", grid=False)


def _line(table: pd.DataFrame, x: alt.X, column: str, form: str, ink: str, scale: alt.Scale) -> alt.LayerChart:
    """A line with its values at the marks."""
    base = alt.Chart(table.dropna(subset=[column])).encode(
        x=x, y=alt.Y(f"{column}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, format="~s"))
    )
    says = base.mark_text(dy=-12, fontWeight="bold", color=ink).encode(text=alt.Text(f"{column}:Q", format=form))
    return alt.layer(base.mark_line(color=ink), base.mark_point(filled=True, size=55, opacity=1, color=ink), says)


def _rule(halves: float | None) -> list[alt.Chart]:
    if halves is None or pd.isna(halves):
        return []
    base = alt.Chart(pd.DataFrame({"halves": [halves], "says": ["two halves of the text"]})).encode(y="halves:Q")
    words = base.mark_text(align="left", baseline="bottom", dx=4, dy=-2, fontSize=11).encode(
        x=alt.value(0), text="says"
    )
    return [base.mark_rule(strokeDash=[6, 4], color=TEXT.light), words]
