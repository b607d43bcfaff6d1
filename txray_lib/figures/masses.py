"""Sorted activation masses of all neurons: their head and their tail (Fig. 11). May touch: errors, theme."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import CONTROL_SHAPES, CONTROLS, ROLES, SHAPES, TEXT

WIDTH, HEIGHT = 470, 220
HEAD = 10
"""Ranks that the first panel shows at least."""
PLAIN = "datum.value >= 1 ? format(datum.value, '~s') : format(datum.value, '~g')"


def masses(table: pd.DataFrame, roles: Mapping[str, str], top: int = 20) -> alt.VConcatChart:
    """The mass of every neuron against its rank: the strongest on linear axes, and all of them on a logarithmic one.

    table  a row per neuron, a column per stage: its activation mass, 0 where it prefers nothing; such neurons have no point
    roles  role of each stage, or the kind of a control ("shuffled", "seed"), which gives its colour; controls are dashed
    top    the rank that is marked; the legend says what share of all mass the `top` strongest neurons hold

    Raises TxrayError for a rank below 1 and where no neuron has any mass.
    """
    if top < 1:
        raise TxrayError(f"the share of {top} neurons was asked for: at least 1 can be marked")
    if not (table.to_numpy() > 0).any():
        raise TxrayError(f"no neuron has any activation mass in {', '.join(table)}: there is nothing to draw")
    curves = pd.concat([_curve(table[stage], stage, top) for stage in table], ignore_index=True)
    labels = curves.drop_duplicates("stage").set_index("stage")["label"]
    ink = _ink(labels, roles)
    curves = curves.assign(kind=np.where(curves["stage"].map(roles).isin(list(CONTROLS)), "control", "stage"))
    strongest = max(2 * top, HEAD)
    head = _panel(curves[curves["rank"] <= strongest], ink, f"The head: the {strongest} strongest neurons")
    rule = alt.Chart(pd.DataFrame({"rank": [top], "says": [f"rank {top}"]})).encode(x="rank:Q")
    mark = rule.mark_text(align="left", dx=4, baseline="top").encode(text="says:N", y=alt.value(0))
    marked = alt.layer(rule.mark_rule(strokeDash=[2, 3], color=TEXT.light), mark, head)
    tail = _panel(curves, ink, "The tail: all neurons with mass (logarithmic)", type="log")
    size = {"width": WIDTH, "height": HEIGHT}
    return alt.vconcat(marked.properties(**size), tail.properties(**size), spacing=16)


def _curve(mass: pd.Series, stage: str, top: int) -> pd.DataFrame:
    """[stage, label, rank, neuron, mass, held]: the strongest first, of equals the lowest number."""
    own = mass[mass > 0].sort_index().sort_values(ascending=False, kind="stable")
    held = own.cumsum() / own.sum()
    said = f"{held.iloc[min(top, len(own)) - 1]:.1%}".replace("%", " %") if len(own) else "nothing"
    curve = pd.DataFrame({"rank": np.arange(1, len(own) + 1), "neuron": own.index, "mass": own.to_numpy()})
    curve["held"] = held.to_numpy()
    return curve.assign(stage=stage, label=f"{stage}: {len(own):,} neurons with mass, top {top} hold {said}")


def _ink(labels: pd.Series, roles: Mapping[str, str]) -> dict[str, alt.Color | alt.Shape]:
    inks, marks = {**ROLES, **CONTROLS}, {**SHAPES, **CONTROL_SHAPES}
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    names = list(labels)
    colours = alt.Scale(domain=names, range=[inks[roles[stage]].light for stage in labels.index])
    shapes = alt.Scale(domain=names, range=[marks[roles[stage]] for stage in labels.index])
    return {
        "color": alt.Color("label:N", scale=colours, legend=legend),
        "shape": alt.Shape("label:N", scale=shapes, legend=legend),
    }


def _panel(curves: pd.DataFrame, ink: dict, title: str, **scale: str) -> alt.LayerChart:
    """Lines with a mark at every so many ranks, so that stages differ by more than colour."""
    y = alt.Y("mass:Q", title="activation mass", scale=alt.Scale(**scale), axis=alt.Axis(tickCount=5, labelExpr=PLAIN))
    x = alt.X("rank:Q", title="rank by mass", scale=alt.Scale(nice=False))
    dash = alt.StrokeDash("kind:N", legend=None).scale(domain=["stage", "control"], range=[[1, 0], [5, 3]])
    tips = ["stage:N", "neuron:N", "rank:Q", alt.Tooltip("mass:Q", format=",.3f"), alt.Tooltip("held:Q", format=".1%")]
    base = alt.Chart(curves.drop(columns="held").round({"mass": 4})).encode(x=x, y=y)
    every = max(1, round(curves["rank"].max() / 12))
    marked = curves[(curves["rank"] - 1) % every == 0].round({"held": 4})
    points = alt.Chart(marked).mark_point(filled=True, size=45, opacity=1).encode(x=x, y=y, tooltip=tips, **ink)
    lines = base.mark_line(strokeWidth=2).encode(color=ink["color"], strokeDash=dash, detail="stage:N")
    return alt.layer(lines, points, title=title)
