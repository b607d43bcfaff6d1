"""Measures beside the paper's distance, drawn: how alike they rank neurons, and what each finds above its null (§2.2).

 agreement  rank correlations of every pair of measures, a panel per comparison
 found      observed and expected medians of each measure, and how many neurons are above their null

May touch: theme, recovery (the names of measures), telling.
"""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from txray_lib.figures.recovery import MEASURES
from txray_lib.figures.theme import BAND, CHANCE, DIRECTIONS, TEXT, finish
from txray_lib.telling import LEVEL, arrow

SHORT = {
    "hellinger": "Hellinger",
    "mass_hellinger": "by mass",
    "jensen_shannon": "Jensen-Shannon",
    "ochiai": "Ochiai",
    "rarefied": "length",
}
"""Names of measures that fit an axis."""
_CELL, _IN_A_ROW = 44, 2
_LABELS = 95


def agreement(pairs: pd.DataFrame) -> alt.VConcatChart:
    """Spearman's rank correlation of each pair of measures over the shared neurons, a panel per comparison.

    pairs  of `answers.agreement`: comparison, first, second, neurons, rho
    """
    names = list(dict.fromkeys(pairs["comparison"]))
    panels = [_matrix(name, pairs[pairs["comparison"] == name], i % _IN_A_ROW == 0) for i, name in enumerate(names)]
    lines = [alt.hconcat(*panels[i : i + _IN_A_ROW], spacing=24) for i in range(0, len(panels), _IN_A_ROW)]
    each = "; ".join(_told(name, pairs[pairs["comparison"] == name]) for name in names)
    text = "Rank correlations between measures of how far each shared neuron moved, with the paper's distance: "
    return finish(alt.vconcat(*lines, spacing=16), f"{text}{each or 'there are 0 comparisons'}.")


def _matrix(name: str, own: pd.DataFrame, first: bool) -> alt.LayerChart:
    """The lower triangle; what has no rank correlation says so."""
    rows, columns = list(SHORT)[1:], list(SHORT)[:-1]
    cells = pd.DataFrame(
        {
            "first": own["first"].map(SHORT),
            "second": own["second"].map(SHORT),
            "neurons": own["neurons"].astype(int),
            "rho": own["rho"].round(3),
            "size": own["rho"].abs().fillna(0),
            "way": ["alike" if rho >= 0 else "opposite" for rho in own["rho"].fillna(0)],
            "said": ["none" if math.isnan(rho) else f"{rho:.2f}".replace("-", "−") for rho in own["rho"]],
        }
    )
    plain = {"title": None, "sort": None}
    ticks = {"domain": False, "ticks": False, "grid": False, "labelFontSize": 11, "labelLimit": 110}
    y = alt.Y(
        "second:N",
        scale=alt.Scale(domain=[SHORT[row] for row in rows]),
        axis=alt.Axis(**ticks, minExtent=_LABELS) if first else None,
        **plain,
    )
    x = alt.X(
        "first:N",
        scale=alt.Scale(domain=[SHORT[column] for column in columns]),
        axis=alt.Axis(**ticks, orient="bottom", labelAngle=-35, labelOverlap=False),
        **plain,
    )
    fill = alt.Scale(domain=["alike", "opposite"], range=[DIRECTIONS["longer"].light, DIRECTIONS["shorter"].light])
    strength = alt.Scale(domain=[0, 1], range=[0.03, 0.6])
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=["first", "second", "neurons", "rho"])
    title = alt.TitleParams(name.replace(":", " →|").split("|"), fontSize=12, lineHeight=14)
    return alt.layer(
        base.mark_rect().encode(
            color=alt.Color("way:N", scale=fill, legend=None),
            opacity=alt.Opacity("size:Q", scale=strength, legend=None),
        ),
        base.mark_text(fontSize=11, color=TEXT.light).encode(text="said:N"),
    ).properties(width=_CELL * len(columns) + 20, height=26 * len(rows), title=title)


def _told(name: str, own: pd.DataFrame) -> str:
    known = own[(own["first"] == "hellinger") & own["rho"].notna()]
    each = ", ".join(f"{MEASURES[row.second]} {row.rho:.2f}" for row in known.itertuples())
    return f"{name.replace(':', ' to ')}, {each or 'none, too few neurons or none of different distance'}"


def found(rows: pd.DataFrame, level: float = LEVEL) -> alt.VConcatChart:
    """Medians of each measure as observed and as chance gives them, and how many neurons are above their null.

    rows  of `answers.found_by`: comparison, measure, shared, above, observed, expected
    """
    names = list(dict.fromkeys(rows["comparison"]))
    last = len(names) - 1
    panels = [_medians(name, rows[rows["comparison"] == name], i == 0, i == last) for i, name in enumerate(names)]
    each = "; ".join(
        f"{row.comparison.replace(':', ' to ')}, {MEASURES[row.measure]}: {row.above} of {row.shared} above, median"
        f" {row.observed:.2f}, by chance {row.expected:.2f}"
        for row in rows.itertuples()
    )
    return finish(
        alt.vconcat(*panels, spacing=10),
        f"Median distance of shared neurons by each measure, as observed and as chance gives it, and how many neurons are above"
        f" their null at q up to {level:g}. {each or 'There are 0 comparisons'}.",
    )


def _medians(name: str, own: pd.DataFrame, first: bool, last: bool) -> alt.LayerChart:
    observed, expected = "median observed", "median by chance"
    own = own.assign(
        name=own["measure"].map(SHORT), said=[f"{r.above:,} of {r.shared:,} above" for r in own.itertuples()]
    )
    order = [SHORT[measure] for measure in SHORT if measure in set(own["measure"])]
    long = pd.concat(
        [
            own.assign(kind=kind, median=own[column].round(4))[["name", "kind", "median", "said"]]
            for kind, column in ((expected, "expected"), (observed, "observed"))
        ]
    )
    y = alt.Y(
        "name:N",
        sort=order,
        scale=alt.Scale(domain=order),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, grid=True, minExtent=_LABELS, labelPadding=8),
    )
    axis = alt.Axis(tickCount=5, labels=last, ticks=last)
    unit = alt.Scale(domain=[0, 1], nice=False, padding=6)
    title = "median distance of shared neurons" if last else None
    x = alt.X("median:Q", title=title, scale=unit, axis=axis)
    legend = alt.Legend(title=None, orient="top") if first else None
    inks = [ink.light for ink in CHANCE.values()]
    base = alt.Chart(long).encode(y=y)
    wide = alt.Chart(own[["name", "observed", "expected", "said"]]).encode(y=y)
    return alt.layer(
        wide.mark_rule(strokeWidth=3, color=BAND.light).encode(
            x=alt.X("expected:Q", title=title, scale=unit, axis=axis), x2="observed:Q"
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x,
            color=alt.Color("kind:N", scale=alt.Scale(domain=[observed, expected], range=inks), legend=legend),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=[observed, expected], range=["triangle-up", "circle"]), legend=legend
            ),
            tooltip=["name:N", "kind:N", "median:Q", "said:N"],
        ),
        wide.mark_text(align="left", fontSize=11, color=TEXT.light).encode(x=alt.value(358), text="said:N"),
    ).properties(width=350, height=22 * max(len(order), 1), title=arrow(name))
