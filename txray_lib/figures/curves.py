"""Curves with their values at the marks: over the epochs of pretraining (§3.1), and over the amount of text that a study of
planted encoders reads. May touch: errors, plane, theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.plane import mark_distance
from txray_lib.figures.theme import CHANCE, ROLES, SERIES, TEXT

WIDTH, HEIGHT = 420, 140


def over_epochs(curves: pd.DataFrame, steps: pd.DataFrame, halves: float | None = None) -> alt.VConcatChart:
    """Above, perplexity on validation text; below, the median distance between neighbouring snapshots.

    curves  a row per epoch, its index; the column `valid_perplexity` is drawn, where the run has it
    steps   a row per step, at the epoch where it ends: epoch, `median H`, and `by chance` where it is known
    halves  median distance between two halves of one text under the same weights, a dashed line
    """
    if steps.empty:
        raise TxrayError("epochs need snapshots that were compared: there is no step")
    last = int(max([*curves.index, *steps["epoch"]]))
    ticks = alt.Axis(values=list(range(0, last + 1, max(1, last // 10))), format="d", grid=False)
    x = alt.X("epoch:Q", title="epochs done", scale=alt.Scale(domain=[0, last], padding=22), axis=ticks)
    chance = CHANCE["above its null"].light
    known = alt.Chart(steps.dropna(subset=["by chance"])).encode(x=x, y="by chance:Q")
    below = alt.layer(
        *mark_distance(halves, "two halves of the text", "left"),
        _curve(steps, x, "median H", ".2f", ROLES["last"].light, alt.Scale(domain=[0, 1.15])),
        known.mark_point(shape="diamond", filled=True, size=110, opacity=1, color=chance),
        known.mark_text(dy=17, color=chance, text="by chance"),
    ).properties(width=WIDTH, height=HEIGHT + 30, title="Median Hellinger distance to the snapshot before")
    if "valid_perplexity" not in curves:
        return alt.vconcat(below)
    table = curves[["valid_perplexity"]].rename_axis("epoch").reset_index()
    above = _curve(table, x, "valid_perplexity", ",.3~r", TEXT.light, alt.Scale(type="log", nice=True))
    above = above.properties(width=WIDTH, height=HEIGHT, title="Perplexity on validation text (log)")
    return alt.vconcat(above, below, spacing=14)


def _curve(table: pd.DataFrame, x: alt.X, column: str, form: str, ink: str, scale: alt.Scale) -> alt.LayerChart:
    """A line with its values at the marks."""
    y = alt.Y(f"{column}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, format="~s"))
    base = alt.Chart(table.dropna(subset=[column])).encode(x=x, y=y)
    says = base.mark_text(dy=-12, fontWeight="bold", color=ink).encode(text=alt.Text(f"{column}:Q", format=form))
    return alt.layer(base.mark_line(color=ink), base.mark_point(filled=True, size=55, opacity=1, color=ink), says)


def over_text(
    rows: pd.DataFrame, y: str, by: str, papers: float, title: str, legend: str, control: str = "", width: int = 235
) -> alt.LayerChart:
    """A line over tokens a neuron for each value of `by`, in the order of the rows; a dashed rule where the paper stands.

    rows    tokens_a_neuron, `y` (a share), `by`
    papers  tokens a neuron that the paper reads
    control the value of `by` that is a control; its line is dotted
    """
    names = list(dict.fromkeys(rows[by]))
    inks = iter(SERIES)
    colours = alt.Scale(domain=names, range=[(TEXT if name == control else next(inks)).light for name in names])
    dashes = alt.Scale(domain=names, range=[[2, 3] if name == control else [1, 0] for name in names])
    above = alt.Legend(orient="top", columns=len(names), titleOrient="left")
    ticks = alt.Axis(values=sorted(rows["tokens_a_neuron"].unique()), grid=False, format="~g")
    scale = alt.Scale(type="log", nice=False, padding=8)
    x = alt.X("tokens_a_neuron:Q", title="tokens a neuron", scale=scale, axis=ticks)
    share = alt.Axis(tickCount=5, format="%")
    base = alt.Chart(rows).encode(
        x,
        alt.Y(f"{y}:Q", title="share found", scale=alt.Scale(domain=[0, 1]), axis=share),
        alt.Color(f"{by}:N", sort=names, title=legend, scale=colours, legend=above),
        tooltip=[f"{by}:N", "tokens_a_neuron:Q", alt.Tooltip(f"{y}:Q", format=".1%")],
    )
    rule = alt.Chart(pd.DataFrame({"tokens_a_neuron": [papers]})).encode(x)
    return alt.layer(
        rule.mark_rule(color=TEXT.light, strokeDash=[4, 3]),
        rule.mark_text(text="the paper's amount", angle=270, dy=10, y=95, fontSize=11, color=TEXT.light),
        base.mark_line(strokeWidth=2.5).encode(alt.StrokeDash(f"{by}:N", scale=dashes, legend=None)),
        base.mark_point(filled=True, size=45, opacity=1),
    ).properties(width=width, height=190, title=title)
