"""Fine-tunings side by side: on the labels, on shuffled ones, from other seeds (RQ3). May touch: errors, theme."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError, nearest
from txray_lib.figures.theme import BAND, CONTROL_SHAPES, CONTROLS, ON_BAR, ROLES, SHAPES, STATES, TEXT, finish

PANELS = {
    "states": "neurons",
    "distance": "Hellinger distance",
    "length": "change of length, %",
    "tag_length": "change in tags, %",
}
USED = ("shared", "avoided", "gained")
_INK = {"real": ROLES["supervised"].light, **{kind: ink.light for kind, ink in CONTROLS.items()}}
_SHAPE = {"real": SHAPES["supervised"], **CONTROL_SHAPES}
_STATES_WIDTH, _WIDTH, _STEP = 215, 118, 30


def controls(rows: pd.DataFrame, panels: Sequence[str] = ("states", "distance", "length")) -> alt.HConcatChart:
    """A row per fine-tuning: how many neurons are shared, avoided and gained; the medians of distance and of the change of
    length over the shared neurons, with their middle half as a bar.

    rows    of `answers.control_rows`
    panels  which of "states", "distance", "length", "tag_length" are drawn, from left to right
    """
    if rows.empty:
        raise TxrayError("there is no fine-tuning to draw")
    for panel in panels:
        if panel not in PANELS:
            raise TxrayError(f"there is no panel {panel!r}. {nearest(panel, PANELS)}")
    drawn = [
        _states(rows, i == 0) if panel == "states" else _median(rows, panel, i == 0) for i, panel in enumerate(panels)
    ]
    return finish(
        alt.hconcat(*drawn, spacing=14).resolve_scale(color="independent", shape="independent"), _describe(rows, panels)
    )


def _y(rows: pd.DataFrame, named: bool) -> alt.Y:
    axis = alt.Axis(domain=False, ticks=False, labels=named, labelLimit=160, grid=not named)
    return alt.Y("name:N", sort=rows["name"].tolist(), title=None, axis=axis)


def _states(rows: pd.DataFrame, named: bool) -> alt.LayerChart:
    long = rows.melt("name", list(USED), var_name="state", value_name="neurons")
    long["rank"] = long["state"].map(USED.index)
    long = long.sort_values(["name", "rank"], kind="stable")
    end = long.groupby("name", sort=False)["neurons"].cumsum()
    long["middle"] = end - long["neurons"] / 2
    scale = alt.Scale(domain=list(USED), range=[STATES[state].light for state in USED])
    y, x = _y(rows, named), alt.X("neurons:Q", title=PANELS["states"], stack="zero", axis=alt.Axis(tickCount=4))
    legend = alt.Legend(title=None, orient="top", direction="horizontal")
    bars = (
        alt.Chart(long)
        .mark_bar(height=20)
        .encode(
            y=y,
            x=x,
            order="rank:Q",
            color=alt.Color("state:N", scale=scale, legend=legend),
            tooltip=["name", "state", "neurons"],
        )
    )
    wide = long[long["neurons"] >= 0.08 * max(end.max(), 1)]
    words = alt.Chart(wide).mark_text(color=ON_BAR.light, fontWeight="bold")
    words = words.encode(y=y, x=alt.X("middle:Q", title=PANELS["states"]), text="neurons:Q")
    return alt.layer(bars, words).properties(width=_STATES_WIDTH, height=alt.Step(_STEP))


def _median(rows: pd.DataFrame, measure: str, named: bool) -> alt.LayerChart:
    factor, digits = (1, 4) if measure == "distance" else (100, 2)
    names = ["low", "median", "high"]
    table = rows[["name", "kind"]].assign(
        **{name: (factor * rows[f"{measure}_{name}"]).round(digits) for name in names}
    )
    kinds = list(dict.fromkeys(table["kind"]))
    y, title = _y(rows, named), PANELS[measure]
    base = alt.Chart(table).encode(y=y)
    points = base.mark_point(filled=True, size=85, opacity=1).encode(
        x=alt.X("median:Q", title=title, axis=alt.Axis(tickCount=4)),
        color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[_INK[k] for k in kinds]), legend=None),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=[_SHAPE[k] for k in kinds]), legend=None),
        tooltip=["name", *(alt.Tooltip(f"{name}:Q", format=".3~g") for name in names)],
    )
    middle = base.mark_bar(height=10, color=BAND.light).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=TEXT.light).encode(x=alt.X("zero:Q", title=title))
    return alt.layer(zero, middle, points).properties(width=_WIDTH, height=alt.Step(_STEP))


def _describe(rows: pd.DataFrame, panels: Sequence[str]) -> str:
    parts = []
    for row in rows.to_dict("records"):
        said = [", ".join(f"{row[state]} {state}" for state in USED)] if "states" in panels else []
        said += [
            f"median {PANELS[panel]} {(1 if panel == 'distance' else 100) * row[f'{panel}_median']:.3g}"
            for panel in panels
            if panel != "states" and pd.notna(row[f"{panel}_median"])
        ]
        parts.append(f"{row['name']}: {', '.join(said) or 'no neuron is shared'}")
    return f"What fine-tuning changes, a row per fine-tuning. {'; '.join(parts)}."
