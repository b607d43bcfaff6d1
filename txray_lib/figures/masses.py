"""Sorted activation masses, and the share that the strongest neurons hold (Fig. 11). May touch: errors, theme."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import CONTROL_SHAPES, CONTROLS, ROLES, SHAPES, TEXT

PLAIN = "datum.value >= 1000 ? format(datum.value, '~s') : format(datum.value, '~g')"
HOVERED = ("rank_mass", "rank_held")
"""One selection in each panel; both panels follow both."""
RANKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]


def masses(
    table: pd.DataFrame,
    stages: Sequence[str],
    roles: Mapping[str, str],
    top: int = 20,
    reference: str | None = None,
    controls: Mapping[str, str] | None = None,
) -> alt.HConcatChart:
    """Left the mass of every neuron against its rank, both logarithmic; right the share of all mass up to that rank.

    table      a row per stage, layer and neuron with mass, 0 where it prefers nothing (such neurons have no place on a
               logarithmic axis: the curve ends where they begin)
    stages     the curves; roles gives their colours
    top        the rank that is marked: what share do the `top` strongest neurons hold?
    reference  a stage drawn as a thin line behind the others, such as the untrained encoder
    controls   further stages drawn as thin dashed lines, each with its kind: "shuffled" or "seed"
    """
    if top < 1:
        raise TxrayError(f"the share of {top} neurons was asked for: at least 1 can be marked")
    controls, roles = controls or {}, {**roles, **(controls or {})}
    shown = [*dict.fromkeys([*([reference] if reference else []), *stages, *controls])]
    curves = pd.concat([_curve(table, stage) for stage in shown], ignore_index=True)
    if curves.empty:
        raise TxrayError(f"no neuron has any activation mass in {', '.join(shown)}: there is nothing to draw")
    held = {stage: _held(curves, stage, top) for stage in shown}
    labels = {stage: f"{stage}: top {top} hold {_percent(held[stage])}" for stage in shown}
    curves = curves.assign(label=curves["stage"].map(labels))
    encoding = _encoding(labels, roles)
    thin = json.dumps([*([reference] if reference else []), *controls])
    size = alt.condition(f"indexof({thin}, datum.stage) >= 0", alt.value(1.2), alt.value(2))
    dash = alt.condition(f"indexof({json.dumps([*controls])}, datum.stage) >= 0", alt.value([5, 3]), alt.value([1, 0]))
    panels = [
        _panel(curves, field, title, scale, axis, encoding, {"strokeWidth": size, "strokeDash": dash}, top)
        for field, title, scale, axis in (
            (
                "mass",
                "activation mass of a neuron (log)",
                alt.Scale(type="log"),
                alt.Axis(labelExpr=PLAIN, tickCount=6),
            ),
            (
                "held",
                "share of all mass up to this rank",
                alt.Scale(domain=[0, 1]),
                alt.Axis(format=".0%", tickCount=5),
            ),
        )
    ]
    return alt.hconcat(*panels, spacing=18)


def _curve(table: pd.DataFrame, stage: str) -> pd.DataFrame:
    """[stage, rank, neuron, mass, held], strongest first, neurons of equal mass by number."""
    own = table[(table["stage"] == stage) & (table["mass"] > 0)]
    own = own.sort_values(["mass", "layer", "neuron"], ascending=[False, True, True], kind="stable")
    share = own["mass"].cumsum() / own["mass"].sum()
    return pd.DataFrame(
        {
            "stage": stage,
            "rank": np.arange(1, len(own) + 1),
            "neuron": own["neuron"].astype(int).to_numpy(),
            "mass": own["mass"].to_numpy(),
            "length": own["length"].astype(int).to_numpy(),
            "held": share.clip(upper=1).round(5).to_numpy(),
        }
    )


def _held(curves: pd.DataFrame, stage: str, top: int) -> float:
    own = curves[curves["stage"] == stage]
    return float(own["held"].iloc[min(top, len(own)) - 1]) if len(own) else float("nan")


def _encoding(labels: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, object]:
    names = list(labels.values())
    inks, marks = {**ROLES, **CONTROLS}, {**SHAPES, **CONTROL_SHAPES}
    colours = alt.Scale(domain=names, range=[inks[roles[stage]].light for stage in labels])
    shapes = alt.Scale(domain=names, range=[marks[roles[stage]] for stage in labels])
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    return {
        "color": alt.Color("label:N", scale=colours, legend=legend, sort=names),
        "shape": alt.Shape("label:N", scale=shapes, legend=legend, sort=names),
    }


def _panel(
    curves: pd.DataFrame,
    field: str,
    title: str,
    scale: alt.Scale,
    axis: alt.Axis,
    encoding: Mapping[str, object],
    stroke: Mapping[str, object],
    top: int,
) -> alt.LayerChart:
    ranks = [rank for rank in RANKS if rank <= curves["rank"].max()]
    x = alt.X(
        "rank:Q",
        title="rank by mass (log)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=ranks, format="~s"),
    )
    y = alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)
    tooltip = [
        alt.Tooltip("stage:N"),
        alt.Tooltip("rank:Q", format=","),
        alt.Tooltip("neuron:N"),
        alt.Tooltip("mass:Q", format=",.3f"),
        alt.Tooltip("length:Q", format=","),
        alt.Tooltip("held:Q", title="held up to this rank", format=".1%"),
    ]
    base = alt.Chart(curves)
    hover = alt.selection_point(
        name=f"rank_{field}", fields=["rank"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    line = base.mark_line(clip=True).encode(x=x, y=y, color=encoding["color"], detail="stage:N", **stroke)
    rule = alt.Chart(pd.DataFrame({"rank": [top]})).mark_rule(color=TEXT.light, strokeDash=[2, 3]).encode(x=x)
    marks = (
        alt.Chart(_marked(curves, top))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(x=x, y=y, tooltip=tooltip, **encoding)
    )
    points = (
        base.mark_point(size=60, filled=True)
        .encode(
            x=x,
            y=y,
            color=encoding["color"],
            opacity={"condition": [{"param": name, "empty": False, "value": 1} for name in HOVERED], "value": 0},
            tooltip=tooltip,
        )
        .add_params(hover)
    )
    pointed = {"or": [{"param": name, "empty": False} for name in HOVERED]}
    moving = base.transform_filter(pointed).mark_rule(color=TEXT.light).encode(x=x)
    return alt.layer(line, rule, marks, moving, points).properties(width=245, height=280)


def _marked(curves: pd.DataFrame, top: int) -> pd.DataFrame:
    """The row at rank `top` of each stage, or its last where fewer neurons have mass."""
    return curves[curves["rank"] <= top].groupby("stage", sort=False).tail(1)


def _percent(share: float) -> str:
    return "nothing" if np.isnan(share) else f"{100 * share:.1f} %"
