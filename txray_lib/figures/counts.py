"""Counts of preference states, how long gained neurons are (Tab. 1), what pruning does to F1 (Tab. 2). May touch: the theme, results,
telling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from txray_lib.figures.theme import BAND, ON_BAR, STATES, TEXT, WAYS, finish
from txray_lib.results import state_counts
from txray_lib.telling import arrow


def states(transfer: pd.DataFrame) -> alt.LayerChart:
    """How many neurons are shared, avoided, gained, never preferred in each comparison, as stacked bars."""
    counts = state_counts(transfer)
    names = list(STATES)
    long = counts.reset_index().melt("comparison", var_name="state", value_name="neurons")
    long["rank"] = long["state"].map(names.index)
    long["comparison"] = long["comparison"].map(arrow)
    total = int(counts.sum(axis=1).max())
    scale = alt.Scale(domain=names, range=[ink.light for ink in STATES.values()])
    y = alt.Y(
        "comparison:N",
        title=None,
        sort=None,
        axis=alt.Axis(
            labelLimit=260,
            labelExpr="split(replace(datum.label, ' → ', ' →|'), '|')",
            domain=False,
            ticks=False,
        ),
    )
    x = alt.X("neurons:Q", title="neurons", stack="zero", axis=alt.Axis(tickCount=6))
    base = alt.Chart(long).encode(y=y, x=x, order="rank:Q")
    bars = base.mark_bar(height=26).encode(
        color=alt.Color("state:N", scale=scale, sort=names, legend=alt.Legend(title=None, orient="top", columns=2)),
        tooltip=["comparison:N", "state:N", "neurons:Q"],
    )
    room = total * 0.07
    numbers = _segment_middles(long[long["neurons"] > 0])
    labels = (
        alt.Chart(numbers[numbers["neurons"] >= room])
        .mark_text(color=ON_BAR.light, fontSize=12, fontWeight="bold")
        .encode(y=y, x=alt.X("middle:Q", title="neurons"), text="neurons:Q")
    )
    chart = alt.layer(bars, labels).properties(width=450, height=alt.Step(44))
    each = "; ".join(f"{c}: " + ", ".join(f"{n} {s}" for s, n in row.items()) for c, row in counts.iterrows())
    return finish(chart, f"Stacked bars of how many neurons have which preference state. {each}.")


def _segment_middles(long: pd.DataFrame) -> pd.DataFrame:
    ordered = long.sort_values(["comparison", "rank"], kind="stable")
    end = ordered.groupby("comparison", sort=False)["neurons"].cumsum()
    return ordered.assign(middle=end - ordered["neurons"] / 2)


def mass_and_length(
    transfer: pd.DataFrame, top: Mapping[tuple[int, int], Sequence[str]] | None = None
) -> alt.LayerChart:
    """Length against activation mass after the change, a point per preferred neuron, the gained ones marked (Tab. 1, §3.3.1).

    top  the strongest tokens of a (layer, neuron), shown on hovering
    """
    rows = transfer[(transfer["length_after"] > 0) & (transfer["mass_after"] > 0)]
    kinds = ["gained", "shared"]
    points = pd.DataFrame(
        {
            "neuron": rows["neuron"],
            "state": rows["state"],
            "mass": rows["mass_after"],
            "length": rows["length_after"],
            "tokens": [
                ", ".join((top or {}).get((int(la), int(n)), ()))
                for la, n in zip(rows["layer"], rows["neuron"], strict=True)
            ],
        }
    )
    scale = alt.Scale(domain=kinds, range=[STATES[kind].light for kind in kinds])
    shape = alt.Scale(domain=kinds, range=["triangle-up", "circle"])
    legend = alt.Legend(title="after supervision", orient="top")
    base = alt.Chart(points).encode(
        x=alt.X(
            "mass:Q",
            title="activation mass after supervision (log)",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(tickCount=6, format="~g"),
        ),
        y=alt.Y(
            "length:Q",
            title="length: features preferred (log)",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], format="~s"),
        ),
        color=alt.Color("state:N", scale=scale, sort=kinds, legend=legend),
        shape=alt.Shape("state:N", scale=shape, sort=kinds, legend=legend),
        tooltip=["neuron", "state", alt.Tooltip("mass", format=",.3~f"), "length", "tokens"],
    )
    others = base.transform_filter("datum.state != 'gained'").mark_point(filled=True, size=26, opacity=0.35)
    gained = base.transform_filter("datum.state == 'gained'").mark_point(filled=True, size=80, opacity=1)
    chart = alt.layer(others, gained).properties(width=520, height=300)
    return finish(chart, _describe_mass_and_length(points))


def _describe_mass_and_length(points: pd.DataFrame) -> str:
    def half(state: str) -> str:
        its = points[points["state"] == state]
        if its.empty:
            return f"no {state} neuron"
        return (
            f"{len(its)} {state}, masses {its['mass'].min():.3g} to {its['mass'].max():,.4g}, "
            f"lengths {its['length'].min()} to {its['length'].max()} (median {its['length'].median():g})"
        )

    return (
        "Length against activation mass of each preferred neuron after supervision, on two log axes; gained neurons as "
        f"triangles among the shared ones: {half('gained')}; {half('shared')}."
    )


def pruning(table: pd.DataFrame) -> alt.HConcatChart:
    """The change of F1 after removing each set of neurons, both ways, on train and test; behind each point the interval
    that holds 95 % of random sets of the same size, where it was measured."""
    table = table.assign(
        name=table["set"] + " (" + table["neurons"].map("{:,}".format) + ")",
        **{f"{column}_": 100 * table[column] for column in ("change", "random_low", "random_median", "random_high")},
    )
    low = float(table[["change_", "random_low_"]].min().min())
    high = float(table[["change_", "random_high_"]].max().max())
    pad = 0.06 * max(high - low, 1.0)
    x_scale = alt.Scale(domain=[min(low, 0) - pad, max(high, 0) + pad], nice=True)
    splits = [split for split in ("train", "test") if split in set(table["split"])]
    panels = [
        _pruning_panel(table[table["split"] == split], split, x_scale, first=i == 0) for i, split in enumerate(splits)
    ]
    return finish(alt.hconcat(*panels, spacing=18), _describe_pruning(table))


def _pruning_panel(rows: pd.DataFrame, split: str, x_scale: alt.Scale, first: bool) -> alt.LayerChart:
    ways = [way for way in WAYS if way in set(rows["way"])]
    scale = alt.Scale(domain=ways, range=[WAYS[way].light for way in ways])
    shape = alt.Scale(domain=ways, range=["circle", "square"][: len(ways)])
    legend = alt.Legend(
        title=["neurons removed", "grey: 95 % of random sets of", "that size, with their median"],
        orient="top",
        direction="vertical",
        columns=1,
    )
    axis = alt.Axis(domain=False, ticks=False, grid=True)
    y = alt.Y("name:N", title="set (neurons removed)" if first else None, sort=list(rows["name"].unique()), axis=axis)
    offset = alt.YOffset("way:N", sort=ways, scale=alt.Scale(paddingInner=0.25, paddingOuter=0.25))
    x = alt.X("change_:Q", title="change of F1, %", scale=x_scale, axis=alt.Axis(tickCount=5))
    base = alt.Chart(rows).encode(y=y, yOffset=offset)
    tips = [
        "set",
        "meaning",
        "neurons",
        "way",
        "split",
        "f1_base",
        "f1",
        "change",
        "reviews",
        "random_sets",
        "random_low",
        "random_median",
        "random_high",
    ]
    decimals = ("f1", "change", "random_low", "random_median", "random_high")
    tooltip = [alt.Tooltip(name, format=".4f") if name.startswith(decimals) else alt.Tooltip(name) for name in tips]
    measured = base.transform_filter("isValid(datum.random_low_)")
    return alt.layer(
        alt.Chart(pd.DataFrame({"zero": [0]}))
        .mark_rule(color=TEXT.light, strokeWidth=1)
        .encode(x=alt.X("zero:Q", scale=x_scale)),
        measured.mark_bar(height=12, color=BAND.light).encode(
            x=alt.X("random_low_:Q", scale=x_scale, title="change of F1, %"), x2="random_high_:Q"
        ),
        measured.mark_tick(color=TEXT.light, height=11, thickness=1).encode(
            x=alt.X("random_median_:Q", scale=x_scale, title="change of F1, %")
        ),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x=x,
            color=alt.Color("way:N", scale=scale, sort=ways, legend=legend),
            shape=alt.Shape("way:N", scale=shape, sort=ways, legend=legend),
            tooltip=tooltip,
        ),
    ).properties(width=190, height=alt.Step(18), title=f"{split} reviews")


def _describe_pruning(table: pd.DataFrame) -> str:
    parts = []
    for row in table.itertuples():
        chance = (
            f" (random sets {row.random_low_:+.1f} to {row.random_high_:+.1f} %)" if pd.notna(row.random_low_) else ""
        )
        change = f"{row.change_:+.1f} %" if pd.notna(row.change_) else "not defined"
        parts.append(f"{row.name}, {row.way}, {row.split}: {change}{chance}")
    return (
        "Relative change of F1 after removing sets of neurons, with grey intervals of random sets of the same size. "
        + "; ".join(parts)
        + "."
    )
