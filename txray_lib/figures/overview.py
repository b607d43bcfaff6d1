"""Hellinger distance against length, a point per shared neuron, with running median and quartiles (Fig. 4, 6, 8).

`overview` is one view; `linked` (the module beside it) adds margins and the detail of a chosen neuron. May touch: definitions, theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.definitions import PAPER, RELEASED, Definitions
from txray_lib.figures.theme import ON_BAR, ROLES, SHAPES, TEXT, finish

DASHES = "M-1,-0.15H-0.25V0.15H-1ZM0.25,-0.15H1V0.15H0.25Z"
TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]
TOOLTIP = [
    "comparison",
    "layer",
    "neuron",
    "state",
    "distance",
    "length before",
    "length after",
    "mass before",
    "mass after",
    "top before",
    "top after",
]
WIDTH = 540
PAPERS = Definitions()
MIN_IN_BIN = 12
MAX_BINS = 12


@dataclass(frozen=True)
class Axes:
    """What the two axes measure: titles and domains that fit every point."""

    x_title: str
    y_title: str
    x_domain: tuple[float, float]
    y_domain: tuple[float, float]

    def x(self, field: str, **axis: Any) -> alt.X:
        ticks = alt.Axis(values=TICKS, format="~s", **axis)
        scale = alt.Scale(type="log", domain=list(self.x_domain), nice=False)
        return alt.X(f"{field}:Q", title=self.x_title, scale=scale, axis=ticks)

    def y(self, field: str) -> alt.Y:
        axis = alt.Axis(tickCount=5, format="~g" if self.y_domain[1] >= 0.01 else ".0e")
        return alt.Y(
            f"{field}:Q", title=self.y_title, scale=alt.Scale(domain=list(self.y_domain), nice=False), axis=axis
        )


def overview(
    transfer: pd.DataFrame,
    roles: Mapping[str, str],
    top: Mapping[str, Mapping[tuple[int, int], Sequence[str]]] | None = None,
    control: float | None = None,
) -> alt.LayerChart:
    """Distance against length for every shared neuron of one or more comparisons.

    transfer  rows of the transfer table; a neuron's place is the mean of its two lengths, its colour the role of the
              stage after, as in the paper
    roles     role of each stage
    top       for each stage, the most probable tokens of a (layer, neuron), shown on hovering
    control   mean distance between two halves of one text under the same weights, drawn as a dashed line
    """
    shared = transfer[transfer["state"] == "shared"]
    shared = shared.assign(x=lengths(shared))
    summary = summarise(shared, transfer, roles)
    points = _points(shared, summary, top or {})
    encoding = encode(summary, control)
    pick = alt.selection_point(fields=["label"], bind="legend", name="comparison")
    axes = fit_axes(shared, control)
    band, median = running_layers(running(shared, summary), axes, encoding, pick)
    chart = alt.layer(
        *band,
        alt.Chart(points)
        .mark_point(filled=True, size=34)
        .encode(
            x=axes.x("length"),
            y=axes.y("distance"),
            **encoding,
            opacity=alt.condition(pick, alt.value(0.45), alt.value(0.04)),
            tooltip=[f"{name}:{'Q' if name == 'distance' else 'N'}" for name in TOOLTIP],
        )
        .add_params(pick),
        *median,
        *control_line(control, encoding, axes),
    ).properties(width=WIDTH, height=320)
    return finish(chart, describe(summary, control))


def lengths(rows: pd.DataFrame, length: str = PAPER) -> pd.Series:
    """Where a neuron stands on the x-axis: the mean of its two lengths over the stages that prefer it (both, where it is
    shared); with "released" the size of the union of both feature sets (C3)."""
    if length == RELEASED:
        return rows["union"].astype(float)
    both = rows[["length_before", "length_after"]].astype(float)
    return both.where(both > 0).mean(axis=1)


def fit_axes(shared: pd.DataFrame, control: float | None, definitions: Definitions = PAPERS, rest: float = 1.0) -> Axes:
    """Axes for shared neurons with a column `x`; `rest` is the largest length of those that are not shared.

    The paper's distance always has the axis from 0 to 1; the released code's, divided by length (C1), follows the data.
    """
    longest = max(float(shared["x"].max()) if len(shared) else 1.0, rest, 10.0)
    highest = 1.0
    if definitions.distance == RELEASED:
        highest = 1.05 * max(float(shared["hellinger"].max()) if len(shared) else 1.0, control or 0.0) or 1.0
    x_title = "length: features preferred, mean of both stages (log)"
    if definitions.length == RELEASED:
        x_title = "features preferred in either stage: size of the union (log)"
    y_title = "Hellinger distance H" if definitions.distance == PAPER else "H: Hellinger distance / size of the union"
    return Axes(x_title, y_title, (0.85, 1.15 * longest), (0.0, highest))


def summarise(
    shared: pd.DataFrame,
    transfer: pd.DataFrame,
    roles: Mapping[str, str],
    painted: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A row per comparison in the order of the stages after: [comparison, before, after, shared, mean, median, label,
    colour, shape]; `painted` names the role whose colour a comparison takes, otherwise that of the stage after."""
    pairs = transfer[["comparison", "before", "after"]].drop_duplicates()
    rank = pairs["after"].map(lambda stage: list(ROLES).index(roles[stage]))
    order = pairs.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")
    grouped = shared.groupby("comparison", observed=True)["hellinger"]
    summary = order.assign(
        shared=order["comparison"].map(grouped.size()).fillna(0).astype(int),
        mean=order["comparison"].map(grouped.mean()),
        median=order["comparison"].map(grouped.median()),
    )
    role = [(painted or {}).get(row.comparison, roles[row.after]) for row in summary.itertuples()]
    label = [f"{row.before} → {row.after}: {_said(row.shared, row.mean, row.median)}" for row in summary.itertuples()]
    return summary.assign(
        label=label, colour=[ROLES[name].light for name in role], shape=[SHAPES[name] for name in role]
    )


def running(shared: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Quartiles of the distance along the length: [label, x, low, median, high].

    Shared neurons are sorted by length and cut into at most twelve bins of equal size, at least twelve neurons each; a
    comparison with fewer than two bins has none. x is a bin's median length; neurons of one length share a bin.
    """
    rows = []
    for each in summary.itertuples():
        own = shared[(shared["comparison"] == each.comparison) & shared["hellinger"].notna()]
        bins = min(MAX_BINS, len(own) // MIN_IN_BIN)
        if bins < 2:
            continue
        # Ties in length get one rank, so that equal neurons are never dealt to different bins.
        place = np.minimum(((own["x"].rank(method="average") - 1) * bins / len(own)).astype(int), bins - 1)
        for _, part in own.groupby(place.to_numpy()):
            low, median, high = part["hellinger"].quantile([0.25, 0.5, 0.75])
            rows.append((each.label, float(part["x"].median()), low, median, high, len(part)))
    return pd.DataFrame(rows, columns=["label", "x", "low", "median", "high", "neurons"]).round(5)


def running_layers(
    table: pd.DataFrame, axes: Axes, encoding: Mapping[str, Any], pick: alt.Parameter
) -> tuple[list[alt.Chart], list[alt.Chart]]:
    """A band between the quartiles, to lie below the points where it does not keep the pointer from them, and a line of the
    median with a halo that parts it from its own points, to lie above them."""
    if table.empty:
        return [], []
    base = alt.Chart(table).transform_filter(pick).encode(x=axes.x("x"), detail="label:N")
    line = base.encode(y=axes.y("median"))
    band = base.mark_area(opacity=0.22).encode(y=axes.y("low"), y2="high:Q", color=encoding["color"])
    halo = line.mark_line(color=ON_BAR.light, strokeWidth=5)
    return [band], [halo, line.mark_line(strokeWidth=2.5).encode(color=encoding["color"])]


def _points(
    shared: pd.DataFrame, summary: pd.DataFrame, top: Mapping[str, Mapping[tuple[int, int], Sequence[str]]]
) -> pd.DataFrame:
    def tokens(side: str) -> list[str]:
        keys = zip(shared[side], shared["layer"].astype(int), shared["neuron"].astype(int), strict=True)
        return [", ".join(top.get(stage, {}).get((layer, neuron), ())) for stage, layer, neuron in keys]

    return pd.DataFrame(
        {
            "label": shared["comparison"].map(summary.set_index("comparison")["label"]),
            "length": shared["x"],
            "comparison": shared["comparison"].astype(str),
            "layer": shared["layer"].astype(int),
            "neuron": shared["neuron"].astype(int),
            "state": shared["state"].astype(str),
            "distance": shared["hellinger"].round(4),
            "length before": shared["length_before"],
            "length after": shared["length_after"],
            "mass before": shared["mass_before"].round(2),
            "mass after": shared["mass_after"].round(2),
            "top before": tokens("before"),
            "top after": tokens("after"),
        }
    )


def control_line(control: float | None, encoding: Mapping[str, Any], axes: Axes) -> list[alt.Chart]:
    if control is None:
        return []
    line = pd.DataFrame({"control": [control], "label": [_control_label(control)]})
    rule = alt.Chart(line).mark_rule(strokeWidth=1.5, strokeDash=[6, 4])
    return [rule.encode(y=axes.y("control"), color=encoding["color"])]


def _control_label(control: float) -> str:
    return f"same weights, other half of the text: mean H {control:.2f}"


def encode(summary: pd.DataFrame, control: float | None) -> dict[str, Any]:
    """Colour and shape of the comparisons, and of the control's line, in one legend."""
    labels, colours, shapes = (list(summary[name]) for name in ("label", "colour", "shape"))
    if control is not None:
        labels, colours, shapes = [*labels, _control_label(control)], [*colours, TEXT.light], [*shapes, DASHES]
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    return {
        "color": alt.Color("label:N", scale=alt.Scale(domain=labels, range=colours), legend=legend),
        "shape": alt.Shape("label:N", scale=alt.Scale(domain=labels, range=shapes), legend=legend),
    }


def describe(summary: pd.DataFrame, control: float | None) -> str:
    each = "; ".join(
        f"{row.before} to {row.after}: {_described(row.shared, row.mean, row.median)}" for row in summary.itertuples()
    )
    line = (
        f" A dashed line marks {control:.2f}, the mean between two halves of one text under the same weights."
        if control is not None
        else ""
    )
    return (
        f"Scatter plot of Hellinger distance against length, one point per shared neuron, with running median and quartiles."
        f" {each}.{line}"
    )


def _number(distance: float) -> str:
    return f"{distance:.2f}" if distance >= 0.095 or distance == 0 else f"{distance:.2g}"


def _said(shared: int, mean: float, median: float) -> str:
    if not shared:
        return "0 shared, no distance"
    return f"{shared:,} shared, median H {_number(median)}, mean {_number(mean)}"


def _described(shared: int, mean: float, median: float) -> str:
    return (
        f"{shared} shared neurons, mean distance {_number(mean)}, median {_number(median)}"
        if shared
        else "no shared neuron"
    )
