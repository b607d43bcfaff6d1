"""Counts of preference states, and what pruning does to F1 (Tab. 2). May touch: the theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.charts.theme import BAND, ON_BAR, STATES, TEXT, WAYS, finish
from txray_lib.results import state_counts


def states(transfer: pd.DataFrame) -> alt.LayerChart:
    """How many neurons are shared, avoided, gained, never preferred in each comparison, as stacked bars."""
    counts = state_counts(transfer)
    names = list(STATES)
    long = counts.reset_index().melt("comparison", var_name="state", value_name="neurons")
    long["rank"] = long["state"].map(names.index)
    long["comparison"] = long["comparison"].str.replace(":", " → ", regex=False)
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
