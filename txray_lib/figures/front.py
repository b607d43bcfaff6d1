"""The first figure of the book: every neuron a point, and the words of the one that is touched (Fig. 8 and 9 in small).

May touch: results, theme, linked, overview, view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from txray_lib.figures.linked import clicked, place_of_chosen, token_lines
from txray_lib.figures.overview import Axes, fit_axes, lengths, summarise
from txray_lib.figures.theme import STATES, finish
from txray_lib.figures.view import NAMES, View

WIDTH, HEIGHT = 255, 270
LETTERS = 97
"""Pixels that the words take beside their lines."""
TOKENS = 6
"""Of each side: twelve lines at most beside the points."""


def front(
    transfer: pd.DataFrame,
    roles: Mapping[str, str],
    preferences: Mapping[str, pd.DataFrame],
    neuron: int,
    nulls: pd.DataFrame | None = None,
) -> alt.HConcatChart:
    """Left the shared neurons of one comparison, right the strongest words of `neuron`, or of the point that is clicked.

    preferences  of both stages; nulls  of `answers.beside_null`: points not above their null are hollow; None where none is
    """
    rows = transfer[transfer["state"] == "shared"].reset_index(drop=True)
    rows = rows.assign(x=lengths(rows))
    summary = summarise(rows, transfer, roles).reset_index(drop=True)
    view = View(rows, summary, roles, preferences, TOKENS, "paper", nulls)
    axes = fit_axes(rows, None)
    chosen = alt.selection_point(name="chosen", fields=["k"], empty=False)
    own = rows[rows["neuron"] == neuron].iloc[0]
    panels = [_points(view, axes, chosen), _words(view, chosen)]
    chart = alt.hconcat(*panels, spacing=14, params=[clicked("targets", view.key(own))])
    chart = chart.resolve_scale(color="independent", shape="independent")
    return finish(chart, _describe(rows, own, view), NAMES)


def _points(view: View, axes: Axes, chosen: alt.Parameter) -> alt.LayerChart:
    base = view.chart()
    short = Axes("features preferred (log)", "distance H", axes.x_domain, axes.y_domain)
    place: dict[str, Any] = {"x": short.x("x", labelOverlap=True), "y": short.y("d")}
    ink = STATES["shared"].light
    filled = base.transform_filter("datum.o !== 1").mark_point(filled=True, size=26, opacity=0.5, color=ink)
    hollow = base.transform_filter("datum.o === 1").mark_point(
        filled=False, size=22, strokeWidth=1, opacity=0.55, color=ink
    )
    target = base.mark_point(filled=True, size=40, opacity=0)
    tooltip = [alt.Tooltip("n:Q", title="neuron"), alt.Tooltip("d:Q", title="distance")]
    return alt.layer(
        filled.encode(**place),
        hollow.encode(**place),
        place_of_chosen(base, chosen).encode(**place),
        target.encode(**place, tooltip=tooltip).properties(name="targets"),
    ).properties(width=WIDTH, height=HEIGHT)


def _words(view: View, chosen: alt.Parameter) -> alt.LayerChart:
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", columns=2)
    lines = token_lines(view, chosen, "share of the neuron's preferences P", legend, letters=LETTERS, ticks=3)
    base = view.chart().transform_filter(chosen)
    head = base.transform_calculate(
        head="'neuron ' + datum.n + ': distance ' + format(datum.d, '.2f')"
        " + (isValid(datum.e) ? ', by chance ' + format(datum.e, '.2f') : '')"
    )
    said = head.mark_text(align="left", baseline="bottom", fontSize=13, fontWeight="bold", dy=-6).encode(
        text="head:N", x=alt.value(-LETTERS), y=alt.value(0)
    )
    return alt.layer(lines, said).properties(width=165, height=HEIGHT - 40)


def _describe(rows: pd.DataFrame, own: pd.Series, view: View) -> str:
    record = next(record for record in view.records if record["k"] == view.key(own))
    side = {name: [w for w, p in zip(record["w"], record[name], strict=True) if p][:4] for name in ("b", "a")}
    hollow = [each["o"] for each in view.records if "o" in each]
    null = (
        f" {len(hollow) - sum(hollow)} of {len(hollow)} moved further than chance, the others are hollow."
        if hollow
        else ""
    )
    return (
        f"Left, a point for each of {len(rows)} neurons in use both before and after training on labels ({own['before']},"
        f" {own['after']}): Hellinger distance against the number of features it prefers.{null}"
        f" Right, neuron {own['neuron']}, at distance {own['hellinger']:.2f}: its strongest features before"
        f" are {', '.join(side['b'])}, after {', '.join(side['a'])}."
    )
