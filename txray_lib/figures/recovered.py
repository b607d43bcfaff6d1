"""What a study of planted encoders finds, over the amount of text that it reads. May touch: figures.theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.figures.theme import SERIES, TEXT


def over_text(
    rows: pd.DataFrame,
    y: str,
    by: str,
    papers: float,
    title: str,
    legend: str,
    control: str = "",
    width: int = 235,
) -> alt.LayerChart:
    """A line over tokens a neuron for each value of `by`, in the order of the rows; a dashed rule where the paper stands.

    rows    tokens_a_neuron, `y` (a share), `by`
    papers  tokens a neuron that the paper reads
    control the value of `by` that is a control; its line is dotted
    """
    sizes, names = sorted(rows["tokens_a_neuron"].unique()), list(dict.fromkeys(rows[by]))
    inks = iter(SERIES)
    colours = [(TEXT if name == control else next(inks)).light for name in names]
    dashes = [[2, 3] if name == control else [1, 0] for name in names]
    x = alt.X(
        "tokens_a_neuron:Q",
        title="tokens a neuron",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(values=sizes, grid=False, format="~g"),
    )
    base = alt.Chart(rows).encode(
        x,
        alt.Y(f"{y}:Q", title="share found", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5, format="%")),
        alt.Color(
            f"{by}:N",
            sort=names,
            title=legend,
            scale=alt.Scale(domain=names, range=colours),
            legend=alt.Legend(orient="top", columns=len(names), titleOrient="left"),
        ),
        tooltip=[f"{by}:N", "tokens_a_neuron:Q", alt.Tooltip(f"{y}:Q", format=".1%")],
    )
    rule = alt.Chart(pd.DataFrame({"tokens_a_neuron": [papers]})).encode(x)
    return alt.layer(
        rule.mark_rule(color=TEXT.light, strokeDash=[4, 3]),
        rule.mark_text(text="the paper's amount", angle=270, dy=10, y=95, fontSize=11, color=TEXT.light),
        base.mark_line(strokeWidth=2.5).encode(
            alt.StrokeDash(f"{by}:N", scale=alt.Scale(domain=names, range=dashes), legend=None)
        ),
        base.mark_point(filled=True, size=45, opacity=1),
    ).properties(width=width, height=190, title=title)
