"""What exceeds chance, drawn (§2.2, RQ1–RQ3): distances, changes of state, and the parts of a distance.

 excess   observed against expected distances, a point per shared neuron
 changed  avoided and gained neurons beside what rearranging the text gives
 parts    quartiles of the parts of a distance, a line per part

May touch: theme, telling.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.figures.theme import BAND, CHANCE, TEXT, finish
from txray_lib.telling import LEVEL, arrow, plural

ABOVE, WITHIN = tuple(CHANCE)
MARKS = {ABOVE: "triangle-up", WITHIN: "circle"}
SIDES = {1: 330, 2: 265, 3: 166}
"""Pixels of a panel's side by the number of panels in a row."""


def excess(found: pd.DataFrame, level: float = LEVEL, measure: str = "Hellinger distance H") -> alt.VConcatChart:
    """Observed against expected distance, a point per shared neuron and a panel per comparison.

    found  of `answers.beside_null`: comparison, neuron, length_before, length_after, hellinger, expected, p, q, above
    """
    panels = [(name, own) for name, own in found.groupby("comparison", sort=False)]
    columns = min(max(len(panels), 1), 3)
    drawn = [_panel(name, own, SIDES[columns], i % columns == 0, measure) for i, (name, own) in enumerate(panels)]
    lines = [alt.hconcat(*drawn[i : i + columns], spacing=14) for i in range(0, len(drawn), columns)] or [
        _panel("no shared neuron", found, SIDES[1], True, measure)
    ]
    return finish(
        alt.vconcat(*lines, spacing=14).resolve_scale(color="shared", shape="shared"), _describe(panels, level)
    )


def _panel(name: str, own: pd.DataFrame, side: int, first: bool, measure: str) -> alt.LayerChart:
    points = pd.DataFrame(
        {
            "stands": [ABOVE if above else WITHIN for above in own["above"]],
            "neuron": own["neuron"].astype(int),
            "length before": own["length_before"].astype(int),
            "length after": own["length_after"].astype(int),
            "H": own["hellinger"].round(4),
            "expected": own["expected"].round(4),
            "p": own["p"].map("{:.2g}".format),
            "q": own["q"].map("{:.2g}".format),
        }
    ).sort_values("stands", ascending=False, kind="stable")
    axis = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f")
    unit = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("expected:Q", title="H by chance", scale=unit, axis=axis)
    y = alt.Y("H:Q", title=measure if first else None, scale=unit, axis=axis)
    legend = alt.Legend(title=None, orient="top", direction="horizontal", symbolStrokeWidth=1.6)
    colour = alt.Scale(domain=list(CHANCE), range=[ink.light for ink in CHANCE.values()])
    shape = alt.Scale(domain=list(MARKS), range=list(MARKS.values()))
    diagonal = pd.DataFrame({"expected": [0.0, 1.0], "H": [0.0, 1.0]})
    line = alt.Chart(diagonal).mark_line(color=TEXT.light, strokeDash=[4, 3], strokeWidth=1.2).encode(x=x, y=y)
    dots = (
        alt.Chart(points)
        .mark_point(filled=False, size=32, strokeWidth=1.6, opacity=0.8)
        .encode(
            x=x,
            y=y,
            color=alt.Color("stands:N", scale=colour, legend=legend),
            shape=alt.Shape("stands:N", scale=shape, legend=legend),
            tooltip=list(points.columns.drop("stands")),
        )
    )
    title = alt.TitleParams(_title(name, own, side), fontSize=11 if side < 200 else 12, lineHeight=14)
    return alt.layer(line, dots).properties(width=side, height=side, title=title)


def _title(name: str, own: pd.DataFrame, side: int) -> list[str]:
    """The two stages, on one line where they fit, and how many neurons are above."""
    stages = arrow(name)
    lines = [stages] if 6.5 * len(stages) <= side else stages.replace(" → ", " →|").split("|")
    return [*lines, f"{int(own['above'].sum()):,} of {len(own):,} above"]


def _describe(panels: list[tuple[str, pd.DataFrame]], level: float) -> str:
    each = "; ".join(
        f"{name.replace(':', ' to ')}: {int(own['above'].sum())} of {len(own)} above, median observed"
        f" {own['hellinger'].median():.2f}, expected {own['expected'].median():.2f}, excess {own['excess'].median():.2g}"
        for name, own in panels
    )
    return (
        "Scatter plots of the observed Hellinger distance against the one that chance gives, one point per shared neuron, with"
        f" the line of no excess; triangles are neurons above their null at q up to {level:g}, circles the others."
        f" {each or 'There are 0 shared neurons'}."
    )


def _two_lines(limit: int) -> alt.Axis:
    """An axis of rows whose labels have two lines, parted by "|", of at most `limit` pixels."""
    return alt.Axis(
        labelExpr="split(datum.label, '|')",
        labelLimit=limit,
        labelLineHeight=13,
        labelOffset=-6,
        labelPadding=9,
        domain=False,
        ticks=False,
    )


def changed(states: pd.DataFrame, level: float = LEVEL) -> alt.LayerChart:
    """Avoided and gained neurons of each comparison beside the middle 90 % of what chance gives.

    states  of `answers.states_by_chance`: comparison, state, observed, expected, null_05, null_95, p
    level   the largest p, of each test by itself, at which a mark stands out
    """
    small, large = f"p ≤ {level:g}, each by itself", f"p > {level:g}"
    rows = states[states["state"].isin(["avoided", "gained"])].reset_index(drop=True)
    rows = rows.assign(
        row=[f"{arrow(row.comparison)}|{row.state} {row.observed:,}" for row in rows.itertuples()],
        stands=[small if p <= level else large for p in rows["p"]],
        expected=rows["expected"].round(2),
        p=rows["p"].map("{:.2g}".format),
    )
    order = list(rows["row"])
    axis = _two_lines(300)
    y = alt.Y("row:N", sort=order, scale=alt.Scale(domain=order), title=None, axis=axis)
    x_axis = alt.Axis(tickCount=5, tickMinStep=1, format="d")
    title = "neurons"
    base = alt.Chart(rows).encode(y=y)
    colour = alt.Scale(domain=[small, large], range=[ink.light for ink in CHANCE.values()])
    shape = alt.Scale(domain=[small, large], range=list(MARKS.values()))
    legend = alt.Legend(title=None, orient="top")
    tip = ["comparison:N", "state:N", "observed:Q", "expected:Q", "null_05:Q", "null_95:Q", "p:N"]
    most = max(rows[["observed", "null_95"]].max().max(), 1) if len(rows) else 1
    span = alt.Scale(domain=[0, float(most)], nice=False, padding=8)
    low = alt.X("null_05:Q", title=title, axis=x_axis, scale=span)
    layers = [
        base.mark_rule(strokeWidth=9, color=BAND.light).encode(x=low, x2="null_95:Q"),
        base.mark_tick(thickness=2, height=14, color=TEXT.light).encode(x=alt.X("expected:Q", title=title, scale=span)),
        base.mark_point(size=90, strokeWidth=2.4, opacity=1).encode(
            x=alt.X("observed:Q", title=title, scale=span),
            color=alt.Color("stands:N", scale=colour, legend=legend),
            shape=alt.Shape("stands:N", scale=shape, legend=legend),
            tooltip=tip,
        ),
    ]
    chart = alt.layer(*layers).properties(width=330, height=34 * max(len(order), 1))
    each = "; ".join(
        f"{row.comparison.replace(':', ' to ')}, {row.state}: {row.observed}, by chance {row.expected:.1f}"
        f" ({row.null_05:.0f} to {row.null_95:.0f})"
        for row in rows.itertuples()
    )
    return finish(
        chart,
        "Avoided and gained neurons as points, with a bar for the middle 90 % of what rearranging the blocks of the text gives"
        f" and a tick for its mean; triangles have p up to {level:g}, each by itself, of {plural(len(rows), 'test')}, circles a"
        f" larger one. {each or 'There are 0 comparisons'}.",
    )


def parts(rows: pd.DataFrame, title: str = "Hellinger distance H") -> alt.LayerChart:
    """The distribution of each part of a distance: a tick per neuron, the quartiles as a bar, the median as a point.

    rows  [part, neuron, distance], parts from top to bottom as they first occur
    """
    grouped = rows.groupby("part", sort=False)["distance"]
    table = grouped.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["low", "median", "high"], axis=1).reset_index()
    table = table.assign(neurons=table["part"].map(grouped.size())).round(4)
    order = list(dict.fromkeys(rows["part"]))
    names = {row.part: f"{row.part}|{row.neurons:,} neurons, median {row.median:.2f}" for row in table.itertuples()}
    axis = _two_lines(240)
    y = alt.Y("row:N", sort=[names[p] for p in order], title=None, axis=axis)
    unit = alt.Scale(domain=[0, 1], nice=False)
    every = alt.Chart(rows.assign(row=rows["part"].map(names), distance=rows["distance"].round(4))).encode(y=y)
    middle = alt.Chart(table.assign(row=table["part"].map(names))).encode(y=y)
    tip = ["part:N", "neurons:Q", "low:Q", "median:Q", "high:Q"]
    chart = alt.layer(
        middle.mark_rule(strokeWidth=14, color=CHANCE[ABOVE].light, opacity=0.4).encode(
            x=alt.X("low:Q", title=title, scale=unit), x2="high:Q", tooltip=tip
        ),
        every.mark_tick(thickness=1, height=20, opacity=0.35, color=TEXT.light).encode(
            x=alt.X("distance:Q", title=title, scale=unit), tooltip=["part:N", "neuron:Q", "distance:Q"]
        ),
        middle.mark_point(filled=True, shape="diamond", size=110, opacity=1, color=CHANCE[ABOVE].light).encode(
            x=alt.X("median:Q", title=title, scale=unit), tooltip=tip
        ),
    ).properties(width=370, height=40 * max(len(order), 1))
    each = "; ".join(
        f"{row.part}: median {row.median:.2f} of {row.neurons} neurons, quartiles {row.low:.2f} and {row.high:.2f}"
        for row in table.itertuples()
    )
    return finish(
        chart,
        f"Distances from 0 to 1, a tick per neuron, with quartiles and median, in {len(order)} lines. {each or 'None is there'}.",
    )
