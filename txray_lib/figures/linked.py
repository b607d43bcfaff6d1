"""The overview with its margins and the detail of the neuron that is clicked (Fig. 4, 6, 8).

Below the points stand a histogram of their lengths and the lengths of avoided and gained neurons, which have no distance;
below those the chosen neuron's strongest tokens with their probability before and after.
May touch: errors, definitions, results, theme, overview, view.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.figures.overview import (
    PAPERS,
    Axes,
    control_line,
    describe,
    encode,
    fit_axes,
    lengths,
    running,
    running_layers,
    summarise,
)
from txray_lib.figures.theme import BAND, ROLES, SHAPES, TEXT, finish
from txray_lib.figures.view import NAMES, View
from txray_lib.results import extremes

WIDTH = 500
BINS_A_DECADE = 8
LABEL_PADDING = 9
MAX_LETTERS_OF_STAGES = 30
"""More letters than this do not fit in one line above the detail."""


def linked(
    transfer: pd.DataFrame,
    roles: Mapping[str, str],
    preferences: Mapping[str, pd.DataFrame],
    *,
    top_tokens: int = 5,
    neuron: int = -1,
    min_length: int = 10,
    control: float | None = None,
    painted: Mapping[str, str] | None = None,
    span: tuple[float, float] | None = None,
    definitions: Definitions = PAPERS,
    nulls: pd.DataFrame | None = None,
) -> alt.VConcatChart:
    """Distance against length of every shared neuron, linked to the tokens of the neuron that is clicked.

    preferences  of every stage in `transfer`
    top_tokens   tokens shown of each side, 5 keep a page of 1,500 neurons small
    neuron       the one shown first; -1 for the most changed with at least `min_length` features on both sides
    painted      role whose colour a comparison takes; otherwise the role of its stage after
    span         lengths between which the paper says that neurons concentrate (N4), shaded in the histogram
    definitions  those by which `transfer` was computed (C1, C2, C3)
    nulls        of `answers.beside_null`: points that are not above their null are hollow; None or no row where no null was drawn

    Raises TxrayError for fewer than one token, and for a neuron that prefers nothing.
    """
    if top_tokens < 1:
        raise TxrayError(f"{top_tokens} tokens were asked for: at least 1 can be drawn")
    rows = transfer[transfer["state"] != "never preferred"].reset_index(drop=True)
    rows = rows.assign(x=lengths(rows, definitions.length))
    shared = rows[rows["state"] == "shared"]
    summary = summarise(shared, transfer, roles, painted).reset_index(drop=True)
    start = first_shown(rows, neuron, min_length)
    view = View(rows, summary, roles, preferences, top_tokens, definitions.probability, nulls)
    axes = fit_axes(shared, control, definitions, rest=float(rows["x"].max()) if len(rows) else 1.0)
    encoding = encode(summary, control)
    pick = alt.selection_point(fields=["label"], bind="legend", name="comparison")
    chosen = alt.selection_point(name="chosen", fields=["k"], empty=False)
    panels = [
        _scatter(view, shared, axes, encoding, pick, chosen, control),
        _histogram(shared, summary, axes, encoding, pick, span),
        *_strip(view, axes, encoding, pick),
    ]
    if start is not None:
        panels.append(_detail(view, chosen))
    params = [_param(pick, "points"), clicked("targets", None if start is None else view.key(start))]
    chart = alt.vconcat(*panels, spacing=12, params=params).resolve_scale(color="independent", shape="independent")
    return finish(chart, _describe(rows, summary, control, start, view), NAMES)


def _param(parameter: alt.Parameter, view: str) -> alt.TopLevelSelectionParameter:
    """A selection made in the layer of this name, which Altair numbers, and known to all views."""
    return alt.TopLevelSelectionParameter(**parameter.param.to_dict(), views=[f"{view}_0"])


def clicked(view: str, start: str | None) -> alt.TopLevelSelectionParameter:
    """The key of the point nearest to the last click, at first `start`."""
    select = alt.PointSelectionConfig(type="point", fields=["k"], on="click", nearest=True, toggle=False, clear=False)
    value = [{"k": start}] if start is not None else alt.Undefined
    return alt.TopLevelSelectionParameter(name="chosen", select=select, value=value, views=[f"{view}_0"])


def place_of_chosen(base: alt.Chart, chosen: alt.Parameter) -> alt.Chart:
    """A ring around the chosen point."""
    return base.transform_filter(chosen).mark_point(size=190, strokeWidth=2.5, color=TEXT.light, opacity=1)


def first_shown(rows: pd.DataFrame, neuron: int, min_length: int) -> pd.Series | None:
    """The row of the neuron that the detail shows before any click; None if no neuron prefers anything.

    By rule (-1) the most changed with at least `min_length` features on both sides, else the most changed of all, else
    the first. A neuron that is named is looked for among the shared first. Raises TxrayError if it prefers nothing.
    """
    if neuron >= 0:
        own = rows[rows["neuron"] == neuron]
        if own.empty:
            raise TxrayError(
                f"neuron {neuron} prefers nothing in {', '.join(rows['comparison'].unique())}: choose a neuron that is"
                " shared, avoided or gained, or -1 for the one that the page picks by its rule"
            )
        return own.sort_values("state", key=lambda state: state != "shared", kind="stable").iloc[0]
    shared = rows[rows["state"] == "shared"]
    for length in (min_length, 1):
        if len(picked := extremes(shared, length)):
            return picked.loc["most"]
    return rows.iloc[0] if len(rows) else None


def _scatter(
    view: View,
    shared: pd.DataFrame,
    axes: Axes,
    encoding: Mapping[str, Any],
    pick: alt.Parameter,
    chosen: alt.Parameter,
    control: float | None,
) -> alt.LayerChart:
    base = view.chart().transform_filter("datum.d !== null")
    place = {"x": axes.x("x"), "y": axes.y("d")}
    seen = base.transform_filter(pick)
    band, median = running_layers(running(shared, view.summary), axes, encoding, pick)
    ring = place_of_chosen(base, chosen)
    # What is pointed at lies on top of everything and shows nothing: a line above it would keep the pointer away.
    target = seen.transform_calculate(tokens="join(datum.w, ', ')").mark_point(filled=True, size=30, opacity=0)
    tested = any("q" in record for record in view.records)
    filled = seen.transform_filter("datum.o !== 1").mark_point(filled=True, size=30, opacity=0.55 if tested else 0.4)
    hollow = seen.transform_filter("datum.o === 1").mark_point(filled=False, size=26, strokeWidth=1.1, opacity=0.6)
    return alt.layer(
        *band,
        filled.encode(**place, **encoding).properties(name="points"),
        *([hollow.encode(**place, **encoding)] if tested else []),
        *median,
        *control_line(control, encoding, axes),
        ring.encode(**place),
        target.encode(**place, tooltip=_tooltip(tested)).properties(name="targets"),
    ).properties(width=WIDTH, height=270)


def _tooltip(tested: bool = False) -> list[alt.Tooltip]:
    chance = {"e:Q": "distance by chance", "q:Q": "q"} if tested else {}
    said = {
        "name:N": "comparison",
        "n:N": "neuron",
        "s:N": "state",
        "d:Q": "distance",
        **chance,
        "lb:Q": "length before",
        "la:Q": "length after",
        "mb:Q": "mass before",
        "ma:Q": "mass after",
        "tokens:N": "strongest tokens",
    }
    # Vega-Lite reads a nominal field of the nearest point from the right place only where it has a format.
    return [
        alt.Tooltip(field, title=title, **({"format": ""} if field.endswith(":N") else {}))
        for field, title in said.items()
    ]


def histogram(shared: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """How many shared neurons lie in each of eight bins a decade of length: [label, low, high, neurons]."""
    rows = []
    for each in summary.itertuples():
        own = shared.loc[shared["comparison"] == each.comparison, "x"]
        bins = np.floor(np.log10(own) * BINS_A_DECADE + 1e-9).astype(int).value_counts().sort_index()
        rows += [
            (each.label, 10 ** (i / BINS_A_DECADE), 10 ** ((i + 1) / BINS_A_DECADE), int(n)) for i, n in bins.items()
        ]
    return pd.DataFrame(rows, columns=["label", "low", "high", "neurons"]).round(3)


def _histogram(
    shared: pd.DataFrame,
    summary: pd.DataFrame,
    axes: Axes,
    encoding: Mapping[str, Any],
    pick: alt.Parameter,
    span: tuple[float, float] | None,
) -> alt.LayerChart:
    x = axes.x("low", labels=False, ticks=False, domain=False).title(None)
    color = alt.Color("label:N", scale=encoding["color"]["scale"], legend=None)
    bars = (
        alt.Chart(histogram(shared, summary))
        .transform_filter(pick)
        .mark_rect(opacity=0.5, clip=True)
        .encode(
            x=x,
            x2="high:Q",
            y=alt.Y("neurons:Q", title="neurons", axis=alt.Axis(tickCount=2)),
            y2=alt.datum(0),
            color=color,
            tooltip=["low:Q", "high:Q", "neurons:Q"],
        )
    )
    layers = [bars]
    low, high = (max(span[0], axes.x_domain[0]), min(span[1], axes.x_domain[1])) if span else (1.0, 0.0)
    if span and low < high:
        room = pd.DataFrame({"low": [low], "high": [high], "says": [f"the paper's {span[0]:g}–{span[1]:g}"]})
        shade = alt.Chart(room).encode(x=x)
        layers = [
            shade.mark_rect(color=BAND.light, opacity=0.45).encode(x2="high:Q"),
            bars,
            shade.mark_text(align="right", dx=-2, dy=-2, baseline="bottom", fontSize=11).encode(
                x=axes.x("high", labels=False, ticks=False, domain=False).title(None), text="says:N", y=alt.value(0)
            ),
        ]
    return alt.layer(*layers).properties(width=WIDTH, height=48)


def _strip(view: View, axes: Axes, encoding: Mapping[str, Any], pick: alt.Parameter) -> list[alt.LayerChart]:
    """The neurons without a distance, as ticks at the length they have on the side that prefers them."""
    only = [record for record in view.records if record["s"] in ("avoided", "gained")]
    if not only:
        return []
    kinds = [(state, c) for state in ("avoided", "gained") for c in range(len(view.summary))]
    counts = {kind: sum((r["s"], r["c"]) == kind for r in only) for kind in kinds}
    shown = {kind: f"{kind[0]} {counts[kind]:,}|{kind[1]}" for kind in kinds if counts[kind]}
    names = {f"{state}{c}": text for (state, c), text in shown.items()}
    y = alt.Y(
        "row:N",
        scale=alt.Scale(domain=list(shown.values())),
        title=None,
        axis=alt.Axis(labelExpr="split(datum.label, '|')[0]", domain=False, ticks=False, grid=False),
    )
    ticks = (
        view.chart()
        .transform_filter("datum.s !== 'shared'")
        .transform_filter(pick)
        .transform_calculate(row=f"{json.dumps(names)}[datum.s + datum.c]", tokens="join(datum.w, ', ')")
        .mark_tick(thickness=1.5, height=12, opacity=0.6)
        .encode(
            x=axes.x("x", labels=False, ticks=False, domain=False).title(None),
            y=y,
            color=alt.Color("label:N", scale=encoding["color"]["scale"], legend=None),
            tooltip=_tooltip(),
        )
    )
    return [ticks.properties(width=WIDTH, height=alt.Step(17))]


def _detail(view: View, chosen: alt.Parameter) -> alt.HConcatChart:
    """The chosen neuron: its tokens' probabilities before and after, joined by a line, and its numbers beside them."""
    stages = _stages(view)
    columns = len(stages) if sum(map(len, stages)) <= MAX_LETTERS_OF_STAGES else 2
    legend = alt.Legend(title=None, orient="top", direction="horizontal", columns=columns)
    lines = token_lines(view, chosen, "probability of the strongest tokens", legend, letters=112, ticks=4)
    return alt.hconcat(lines.properties(width=290, height=175), _numbers(view, chosen), spacing=16).resolve_scale(
        color="independent", shape="independent"
    )


def _stages(view: View) -> list[str]:
    return list(dict.fromkeys([*view.summary["before"], *view.summary["after"]]))


def token_lines(
    view: View, chosen: alt.Parameter, title: str, legend: alt.Legend, letters: int, ticks: int
) -> alt.LayerChart:
    """A line for each strong token of the chosen neuron, between its probability before and after.

    letters  pixels that the tokens take beside the lines; ticks  how many the axis has, about
    """
    stages = _stages(view)
    roles = [view.roles[stage] for stage in stages]
    colour = alt.Scale(domain=stages, range=[ROLES[role].light for role in roles])
    shape = alt.Scale(domain=stages, range=[SHAPES[role] for role in roles])
    sides = {side: json.dumps(list(view.summary[side])) for side in ("before", "after")}
    tokens = (
        view.chart()
        .transform_filter(chosen)
        .transform_flatten(["w", "b", "a"], as_=["token", "before", "after"])
        .transform_calculate(most="max(datum.before, datum.after)")
    )
    y = alt.Y(
        "token:N",
        title=None,
        sort=alt.EncodingSortField("most", op="max", order="descending"),
        axis=alt.Axis(
            domain=False,
            ticks=False,
            grid=True,
            labelLimit=letters - LABEL_PADDING + 2,
            labelPadding=LABEL_PADDING,
            minExtent=letters,
            maxExtent=letters,
        ),
    )
    x_axis = alt.Axis(tickCount=ticks, labelExpr="format(datum.value, '~g')")  # not `format`, which rounds 0.12 to 0.1
    lines = tokens.mark_rule(color=BAND.light, strokeWidth=2).encode(
        y=y, x=alt.X("before:Q", title=title, axis=x_axis, scale=alt.Scale(zero=True)), x2="after:Q"
    )
    marks = (
        tokens.transform_fold(["before", "after"], as_=["side", "p"])
        .transform_filter("datum.p !== null")
        .transform_calculate(stage=f"datum.side === 'before' ? {sides['before']}[datum.c] : {sides['after']}[datum.c]")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            y=y,
            x=alt.X("p:Q", title=title, axis=x_axis),
            color=alt.Color("stage:N", scale=colour, legend=legend),
            shape=alt.Shape("stage:N", scale=shape, legend=legend),
            tooltip=["stage:N", "token:N", "p:Q"],
        )
    )
    return alt.layer(lines, marks)


def _numbers(view: View, chosen: alt.Parameter) -> alt.LayerChart:
    said = (
        "['', split(datum.name, ' → ')[0], '→ ' + split(datum.name, ' → ')[1], '', datum.s,"
        " 'distance ' + (datum.d === null ? 'none' : format(datum.d, '.3~g')),"
        " isValid(datum.q) ? (isValid(datum.e) ? 'by chance ' + format(datum.e, '.3~g') + ', ' : '')"
        " + 'q ' + format(datum.q, '.2~g') : '', isValid(datum.q) ? '' : null,"
        " 'length before: ' + format(datum.lb, ','), 'length after: ' + format(datum.la, ','),"
        " 'mass before: ' + format(datum.mb, ',.2f'), 'mass after: ' + format(datum.ma, ',.2f')]"
    )
    base = view.chart().transform_filter(chosen).transform_calculate(says=said, head="'neuron ' + datum.n")
    corner = {"x": alt.value(0), "y": alt.value(0)}
    return alt.layer(
        base.mark_text(align="left", baseline="top", fontSize=15, fontWeight="bold").encode(text="head:N", **corner),
        base.mark_text(align="left", baseline="top", lineHeight=18, dy=4).encode(text="says:N", **corner),
    ).properties(width=165, height=175)


def _describe(
    rows: pd.DataFrame, summary: pd.DataFrame, control: float | None, start: pd.Series | None, view: View
) -> str:
    text = describe(summary, control)
    counts = rows["state"].value_counts()
    lost = ", ".join(f"{counts.get(state, 0)} {state}" for state in ("avoided", "gained"))
    text += f" Ticks below it mark neurons without a distance: {lost}."
    tested = [record["o"] for record in view.records if "o" in record]
    if tested:
        text += f" Hollow are the {sum(tested)} of {len(tested)} points that are not above their null."
    if start is None:
        return text
    own = next(record for record in view.records if record["k"] == view.key(start))
    named = ", ".join(own["w"][:3])
    return (
        f"{text} Detail of the chosen neuron, first neuron {start['neuron']} in {start['comparison'].replace(':', ' to ')}:"
        f" length {start['length_before']} before and {start['length_after']} after, strongest tokens {named}."
    )
