"""Hellinger distance against length, a point per shared neuron (Fig. 4, 6, 8). May touch: the theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from txray_lib.charts.theme import ROLES, SHAPES, TEXT, finish

DASHES = "M-1,-0.15H-0.25V0.15H-1ZM0.25,-0.15H1V0.15H0.25Z"
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
    order = _order(transfer, roles)
    summary = _summary(shared, order)
    points = _points(shared, summary, top or {})
    encoding = _encoding(summary, roles, control)
    pick = alt.selection_point(fields=["label"], bind="legend", name="comparison")
    y = alt.Y("distance:Q", title="Hellinger distance", scale=alt.Scale(domain=[0, 1]))
    chart = alt.layer(
        alt.Chart(points)
        .mark_point(filled=True, size=34)
        .encode(
            x=alt.X(
                "length:Q",
                title="length: features preferred, mean of both stages (log)",
                scale=alt.Scale(type="log", nice=True),
                axis=alt.Axis(values=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], format="~s"),
            ),
            y=y,
            **encoding,
            opacity=alt.condition(pick, alt.value(0.6), alt.value(0.04)),
            tooltip=[f"{name}:{'Q' if name == 'distance' else 'N'}" for name in TOOLTIP],
        )
        .add_params(pick),
        alt.Chart(summary.dropna()).mark_rule(strokeWidth=2).encode(y="mean:Q", color=encoding["color"]),
        *_control_line(control, encoding),
    ).properties(width=540, height=320)
    return finish(chart, _describe(summary, control))


def _order(transfer: pd.DataFrame, roles: Mapping[str, str]) -> pd.DataFrame:
    pairs = transfer[["comparison", "before", "after"]].drop_duplicates()
    rank = pairs["after"].map(lambda stage: list(ROLES).index(roles[stage]))
    return pairs.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def _summary(shared: pd.DataFrame, order: pd.DataFrame) -> pd.DataFrame:
    """A row per comparison: its count of shared neurons, mean distance, and the label that says both."""
    grouped = shared.groupby("comparison", observed=True)["hellinger"]
    summary = order.assign(
        shared=order["comparison"].map(grouped.size()).fillna(0).astype(int),
        mean=order["comparison"].map(grouped.mean()),
    )
    means = summary["mean"].map("mean distance {:.2f}".format).where(summary["mean"].notna(), "no distance")
    label = (
        summary["before"] + " → " + summary["after"] + ": " + summary["shared"].map("{:,} shared".format) + ", " + means
    )
    return summary.assign(label=label)


def _points(
    shared: pd.DataFrame, summary: pd.DataFrame, top: Mapping[str, Mapping[tuple[int, int], Sequence[str]]]
) -> pd.DataFrame:
    def tokens(side: str) -> list[str]:
        keys = zip(shared[side], shared["layer"].astype(int), shared["neuron"].astype(int), strict=True)
        return [", ".join(top.get(stage, {}).get((layer, neuron), ())) for stage, layer, neuron in keys]

    return pd.DataFrame(
        {
            "label": shared["comparison"].map(summary.set_index("comparison")["label"]),
            "length": (shared["length_before"] + shared["length_after"]) / 2,
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


def _control_line(control: float | None, encoding: dict[str, Any]) -> list[alt.Chart]:
    if control is None:
        return []
    line = pd.DataFrame({"control": [control], "label": [_control_label(control)]})
    rule = alt.Chart(line).mark_rule(strokeWidth=1.5, strokeDash=[6, 4])
    return [rule.encode(y="control:Q", color=encoding["color"])]


def _control_label(control: float) -> str:
    return f"same weights, other half of the text: mean distance {control:.2f}"


def _encoding(summary: pd.DataFrame, roles: Mapping[str, str], control: float | None) -> dict[str, Any]:
    """Colour and shape of the comparisons, and of the control's line, in one legend."""
    labels = list(summary["label"])
    colours = [ROLES[roles[after]].light for after in summary["after"]]
    shapes = [SHAPES[roles[after]] for after in summary["after"]]
    if control is not None:
        labels, colours, shapes = [*labels, _control_label(control)], [*colours, TEXT.light], [*shapes, DASHES]
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    return {
        "color": alt.Color("label:N", scale=alt.Scale(domain=labels, range=colours), legend=legend),
        "shape": alt.Shape("label:N", scale=alt.Scale(domain=labels, range=shapes), legend=legend),
    }


def _describe(summary: pd.DataFrame, control: float | None) -> str:
    each = "; ".join(f"{row.before} to {row.after}: {_said(row.shared, row.mean)}" for row in summary.itertuples())
    line = (
        f" A dashed line marks {control:.2f}, the mean between two halves of one text under the same weights."
        if control is not None
        else ""
    )
    return f"Scatter plot of Hellinger distance against length, one point per shared neuron. {each}.{line}"


def _said(shared: int, mean: float) -> str:
    return f"{shared} shared neurons, mean distance {mean:.2f}" if shared else "no shared neuron"
