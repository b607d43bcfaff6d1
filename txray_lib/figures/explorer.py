"""Every neuron of every comparison: distance against length, and below it those without a distance (Fig. 4, 6, 8 in one).

Which comparison is drawn and which neuron has a ring are parameters of the chart, `comparison` and `chosen`: the page's
script sets them, and hears from `picked` and `picked_below` which point was clicked. May touch: theme, plane.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.figures.plane import TICKS
from txray_lib.figures.theme import STATES, TEXT

WIDTH = 500
ROWS = ("gained", "avoided")
"""The preference states without a distance, a row below the points for each."""
NAMES = {
    "c": "comparison",
    "n": "neuron",
    "s": "state",
    "x": "length",
    "d": "hellinger",
    "lb": "length_before",
    "la": "length_after",
    "mb": "mass_before",
    "ma": "mass_after",
    "e": "expected",
    "q": "q",
    "o": "not_above_null",
}
"""What the short columns of the points are, for whoever downloads them."""


def explorer(points: pd.DataFrame, comparison: int, neuron: int) -> alt.VConcatChart:
    """The chart of all neurons that the explorer's page drives.

    points      of `explorer.points`
    comparison  the number of the one that is drawn first; neuron the one that has the ring first, -1 for none
    """
    both = points[["length_before", "length_after"]].astype(float)
    rows = points.assign(x=both.where(both > 0).mean(axis=1))
    longest = max(10.0, float(rows["x"].max())) if len(rows) else 10.0
    drawn = alt.param(name="comparison", value=comparison)
    chosen = alt.param(name="chosen", value=neuron)
    base = alt.Chart(alt.InlineData(values=records(rows))).transform_filter("datum.c === comparison")
    panels = alt.vconcat(
        _scatter(base, longest), _below(base, longest), spacing=6, title="How far did each neuron move?"
    )
    return panels.add_params(drawn, chosen).resolve_scale(color="shared")


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The points with the short names of `NAMES`, to keep the page small: o is 1 where a distance is not above its null.
    What a point does not have is left out."""
    shown = pd.DataFrame(
        {
            "c": rows["c"],
            "n": rows["neuron"],
            "s": rows["state"].astype(str),
            "x": rows["x"],
            "d": rows["hellinger"].round(4),
            "lb": rows["length_before"],
            "la": rows["length_after"],
            "mb": rows["mass_before"].round(1),
            "ma": rows["mass_after"].round(1),
            "e": rows["expected"].round(4),
            "q": rows["q"].map("{:.2g}".format).astype(float),
            "o": (~rows["above"].astype("boolean")).astype("Float64"),
        }
    ).astype(object)
    return [
        {name: _plain(value) for name, value in row.items() if not pd.isna(value)} for row in shown.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else float(value)
    return value


def _x(longest: float, **axis: Any) -> alt.X:
    title = axis.pop("title", "features preferred (log scale)")
    scale = alt.Scale(type="log", domain=[0.85, 1.15 * longest], nice=False)
    return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(values=TICKS, format="~s", **axis))


def _colour(legend: alt.Legend | None) -> alt.Color:
    states = ["shared", *ROWS]
    scale = alt.Scale(domain=states, range=[STATES[state].light for state in states])
    return alt.Color("s:N", scale=scale, legend=legend)


def _scatter(base: alt.Chart, longest: float) -> alt.LayerChart:
    shared = base.transform_filter("isValid(datum.d)")
    y = alt.Y("d:Q", title="Hellinger distance H", scale=alt.Scale(domain=[0, 1]))
    place = {"x": _x(longest), "y": y}
    filled = shared.transform_filter("datum.o !== 1").mark_point(filled=True, size=32, opacity=0.5)
    hollow = shared.transform_filter("datum.o === 1").mark_point(filled=False, size=28, strokeWidth=1.1, opacity=0.7)
    target = shared.mark_point(filled=True, size=60, opacity=0)
    ring = shared.transform_filter("datum.n === chosen")
    ring = ring.mark_point(size=210, strokeWidth=3, color=TEXT.light, opacity=1)
    return alt.layer(
        filled.encode(**place, color=_colour(None)),
        hollow.encode(**place, color=_colour(None)),
        ring.encode(**place),
        target.encode(**place, tooltip=_tooltip("d:Q", "e:Q", "q:Q")).add_params(_click("picked")),
    ).properties(width=WIDTH, height=290)


def _below(base: alt.Chart, longest: float) -> alt.LayerChart:
    rest = base.transform_filter("!isValid(datum.d)")
    axis = alt.Axis(domain=False, ticks=False, grid=False)
    y = alt.Y("s:N", title=None, scale=alt.Scale(domain=list(ROWS)), axis=axis)
    place = {"x": _x(longest, title=None, labels=False, ticks=False, domain=False), "y": y}
    ring = rest.transform_filter("datum.n === chosen")
    return alt.layer(
        rest.mark_tick(thickness=1.5, height=14, opacity=0.6).encode(**place, color=_colour(None)),
        ring.mark_tick(thickness=3, height=20, opacity=1, color=TEXT.light).encode(**place),
        rest.mark_point(filled=True, size=60, opacity=0)
        .encode(**place, tooltip=_tooltip())
        .add_params(_click("picked_below")),
    ).properties(width=WIDTH, height=alt.Step(22))


def _click(name: str) -> alt.Parameter:
    return alt.selection_point(name=name, fields=["n"], on="click", nearest=True, toggle=False, clear=False)


def _tooltip(*more: str) -> list[alt.Tooltip]:
    titles = {
        "n:N": "neuron",
        "s:N": "state",
        "d:Q": "distance",
        "e:Q": "distance by chance",
        "q:Q": "q",
        "lb:Q": "length before",
        "la:Q": "length after",
        "mb:Q": "mass before",
        "ma:Q": "mass after",
    }
    kept = [field for field in titles if field not in ("d:Q", "e:Q", "q:Q") or field in more]
    # Vega-Lite reads a nominal field of the nearest point from the right place only where it has a format.
    return [
        alt.Tooltip(field, title=titles[field], **({"format": ""} if field.endswith(":N") else {})) for field in kept
    ]
