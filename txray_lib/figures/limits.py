"""What the method cannot see, drawn: distances against overlaps of sets, nearness, and neurons met as more text is read.

 overlaps  distance against the one that the two sets of features alone give, a panel per run
 nearness  distances of neurons to themselves and to others, a bar per comparison
 met       neurons in use against the tokens read, a panel per run

May touch: theme, telling.
"""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt
import pandas as pd

from txray_lib.figures.theme import CHANCE, ROLES, SHAPES, STATES, TEXT, finish
from txray_lib.telling import arrow

SIDES = {1: 330, 2: 265, 3: 166}
"""Pixels of a panel's side by the number of panels in a row."""
SPAN = {"least": "5 %", "low": "25 %", "median": "median", "high": "75 %", "most": "95 %"}
"""What the columns of a span are."""
_UNIT = {"domain": [0, 1], "nice": False}
_DECADES = [10, 100, 1000, 10_000, 100_000, 1_000_000]
_TENTHS = [0, 0.2, 0.4, 0.6, 0.8, 1]
_DASHES = {"last": [1, 0], "zero-shot": [6, 3], "supervised": [2, 2]}


def overlaps(rows: pd.DataFrame) -> alt.VConcatChart:
    """Each shared neuron's distance against that of its two sets of features, with the line on which both are the same.

    rows  of `overlaps.overlapping`: profile, comparison, neuron, length_before, length_after, hellinger, sets
    """
    panels = [(str(name), own) for name, own in rows.groupby("profile", sort=False)]
    side = SIDES[min(max(len(panels), 1), 3)]
    drawn = [_scatter(name, own, side, i % 3 == 0) for i, (name, own) in enumerate(panels)]
    each = "; ".join(
        f"{name}: {len(own)} neurons, median difference {(own['hellinger'] - own['sets']).abs().median():.3f}"
        for name, own in panels
    )
    return finish(
        _rows_of(drawn),
        "Scatter plots of the Hellinger distance of each shared neuron before and after against the distance that its two sets of"
        f" features alone give, with the line on which both are equal. {each or 'There are 0 shared neurons'}.",
    )


def nearness(rows: pd.DataFrame) -> alt.LayerChart:
    """The distances of shared neurons to themselves and to another neuron: a bar from the 5th to the 95th percentile, a wider
    one between the quartiles, and the median.

    rows  of `overlaps.nearness`, of one run or more: profile, comparison, part, neuron, distance
    """
    keys = ["profile", "comparison", "part"]
    spans = rows.groupby(keys, sort=False)["distance"].quantile([0.05, 0.25, 0.5, 0.75, 0.95]).unstack()
    spans = spans.reindex(pd.MultiIndex.from_frame(rows[keys].drop_duplicates()))
    spans = spans.set_axis(["least", "low", "median", "high", "most"], axis=1).round(4).reset_index()
    spans = spans.assign(row=[f"{row.profile}|{arrow(row.comparison)}" for row in spans.itertuples()])
    order = list(dict.fromkeys(spans["row"]))
    parts = list(dict.fromkeys(spans["part"]))
    inks = [STATES["shared"].light, STATES["avoided"].light]
    axis = alt.Axis(
        labelExpr="split(datum.label, '|')",
        labelLimit=250,
        labelLineHeight=13,
        labelOffset=-6,
        labelPadding=9,
        domain=False,
        ticks=False,
    )
    base = alt.Chart(spans).encode(
        y=alt.Y("row:N", sort=order, scale=alt.Scale(domain=order), title=None, axis=axis),
        yOffset=alt.YOffset("part:N", scale=alt.Scale(domain=parts)),
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=parts, range=inks[: len(parts)]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            "profile:N",
            "comparison:N",
            "part:N",
            *(alt.Tooltip(f"{name}:Q", title=said) for name, said in SPAN.items()),
        ],
    )
    title = "Hellinger distance H"
    scale = alt.Scale(**_UNIT, padding=6)
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.5).encode(x=alt.X("least:Q", title=title, scale=scale), x2="most:Q"),
        base.mark_rule(strokeWidth=8, opacity=0.5).encode(x=alt.X("low:Q", title=title, scale=scale), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1, shape="diamond").encode(
            x=alt.X("median:Q", title=title, scale=scale)
        ),
    ).properties(width=350, height=38 * max(len(order), 1))
    each = "; ".join(
        f"{row.profile}, {row.comparison.replace(':', ' to ')}, {row.part}: median {row.median:.2f}, middle 90 % from"
        f" {row.least:.2f} to {row.most:.2f}"
        for row in spans.itertuples()
    )
    return finish(
        chart,
        "Distances from 0 to 1 of shared neurons to themselves and to another neuron, with quartiles and medians."
        f" {each or 'There are 0 comparisons'}.",
    )


def met(rows: pd.DataFrame, roles: Iterable[str] = tuple(_DASHES)) -> alt.VConcatChart:
    """Neurons in use against the tokens read, a line per stage and a panel per run.

    rows   of `limits.reading_on`, of one run or more: profile, stage, role, tokens, neurons
    roles  of the stages drawn, in the order of the legend
    """
    panels = [(str(name), own) for name, own in rows.groupby("profile", sort=False)]
    side = SIDES[min(max(len(panels), 1), 3)]
    drawn = [_curves(name, own, side, i % 3 == 0, list(roles)) for i, (name, own) in enumerate(panels)]
    each = "; ".join(f"{name}: {_ends(own)}" for name, own in panels)
    return finish(
        _rows_of(drawn),
        "Lines of the number of neurons that some token excites most against the number of tokens read (logarithmic), to be"
        f" expected if tokens came in any order. {each or 'There are 0 runs'}.",
    )


def _scatter(name: str, own: pd.DataFrame, side: int, first: bool) -> alt.LayerChart:
    points = pd.DataFrame(
        {
            "neuron": own["neuron"].astype(int),
            "length before": own["length_before"].astype(int),
            "length after": own["length_after"].astype(int),
            "H": own["hellinger"].round(4),
            "sets": own["sets"].round(4),
        }
    )
    axis, unit = alt.Axis(values=_TENTHS, format=".1f"), alt.Scale(**_UNIT)
    x = alt.X("sets:Q", title="distance of the sets alone", scale=unit, axis=axis)
    y = alt.Y("H:Q", title="Hellinger distance H" if first else None, scale=unit, axis=axis)
    line = pd.DataFrame({"sets": [0.0, 1.0], "H": [0.0, 1.0]})
    return alt.layer(
        alt.Chart(line).mark_line(color=TEXT.light, strokeDash=[4, 3], strokeWidth=1.2).encode(x=x, y=y),
        alt.Chart(points)
        .mark_point(filled=False, size=26, strokeWidth=1.3, opacity=0.7, color=CHANCE["above its null"].light)
        .encode(x=x, y=y, tooltip=list(points.columns)),
    ).properties(width=side, height=side, title=_title(name, own, side))


def _title(name: str, own: pd.DataFrame, side: int) -> alt.TitleParams:
    stages = arrow(str(own["comparison"].iloc[0])) if len(own) else "none"
    lines = [stages] if 6.5 * len(stages) <= side else stages.replace(" → ", " →|").split("|")
    return alt.TitleParams([name, *lines], fontSize=11 if side < 200 else 12, lineHeight=14)


def _curves(name: str, own: pd.DataFrame, side: int, first: bool, roles: list[str]) -> alt.LayerChart:
    points = own.assign(tokens=own["tokens"].round(1), neurons=own["neurons"].round(2))
    scale = alt.Scale(domain=roles, range=[ROLES[role].light for role in roles])
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2)
    base = alt.Chart(points).encode(
        x=alt.X(
            "tokens:Q",
            title="tokens read (log)",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(format="~s", values=_DECADES),
        ),
        y=alt.Y("neurons:Q", title="neurons in use" if first else None, axis=alt.Axis(tickCount=5)),
        color=alt.Color("role:N", scale=scale, legend=legend),
        strokeDash=alt.StrokeDash(
            "role:N", scale=alt.Scale(domain=roles, range=[_DASHES.get(role, [1, 0]) for role in roles]), legend=legend
        ),
        tooltip=["stage:N", "tokens:Q", "neurons:Q"],
    )
    ends = points.loc[points.groupby("stage", sort=False)["tokens"].idxmax()] if len(points) else points
    marks = alt.Chart(ends).encode(x="tokens:Q", y="neurons:Q", color=alt.Color("role:N", scale=scale, legend=None))
    shapes = alt.Scale(domain=roles, range=[SHAPES[role] for role in roles])
    return alt.layer(
        base.mark_line(strokeWidth=2),
        marks.mark_point(filled=True, size=50, opacity=1).encode(shape=alt.Shape("role:N", scale=shapes, legend=None)),
    ).properties(width=side, height=side, title=alt.TitleParams(name, fontSize=12))


def _ends(own: pd.DataFrame) -> str:
    said = []
    for stage, rows in own.groupby("stage", sort=False):
        last = rows.loc[rows["tokens"].idxmax()]
        said.append(f"{stage} {last['neurons']:.0f} neurons in {last['tokens']:.0f} tokens")
    return ", ".join(said)


def _rows_of(panels: list[alt.LayerChart]) -> alt.VConcatChart:
    lines = [alt.hconcat(*panels[i : i + 3], spacing=14) for i in range(0, len(panels), 3)]
    return alt.vconcat(*lines, spacing=14)
