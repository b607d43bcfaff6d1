"""What a choice of definition or of reading moves: numbers, the ranking of neurons, preference states.

A filled cell is a number that moved: blue up, red down, the further the stronger. May touch: the theme.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from txray_lib.figures.theme import DIRECTIONS, ON_BAR, ROLES, STATES, TEXT, finish

FULL = 0.5
"""A change by half, or by 50 points, has the strongest fill."""
COMPARISONS = {
    "early": "early",
    "late": "last",
    "zero-shot": "zero-shot",
    "supervised": "supervised",
}
"""The stage whose colour and shape a comparison takes."""
SHAPES = {"early": "square", "late": "triangle-down", "zero-shot": "circle", "supervised": "cross"}
MEASURES = {"rho": "rank correlation of distances", "top": "share of the ten most distant kept"}
_CELL, _ROW = 55, 19
_COUNTED = ("avoided", "gained", "shared", "never preferred")


def moved(effects: pd.DataFrame, switches: Mapping[str, Sequence[str]]) -> alt.HConcatChart:
    """A row per quantity, a column per choice, in each cell by how much the choice moves the number.

    effects   rows of `answers.effects`: label, switch, before, after, said, effect, moved
    switches  the columns: lines of their heading by switch, those of the first panel up to "length"
    """
    rows = effects[effects["switch"].isin(list(switches))]
    labels = list(dict.fromkeys(rows["label"]))
    cells = pd.DataFrame(
        {
            "quantity": rows["label"],
            "choice": rows["switch"],
            "said": rows["said"],
            "way": ["up" if e > 0 else "down" for e in rows["effect"].fillna(0)],
            "moved": rows["moved"],
            "size": rows["effect"].abs().fillna(FULL).clip(upper=FULL) * rows["moved"],
            "before": rows["before"],
            "after": rows["after"],
        }
    )
    ours = cells.drop_duplicates("quantity").assign(choice="ours", said=lambda f: f["before"])
    ours = ours.assign(moved=False, size=0.0)
    formulas = [s for s in switches if s in ("distance", "probability", "length")]
    others = [s for s in switches if s not in formulas]
    heads = {"ours": ["by the", "paper"], **switches}
    panels = [_cells(pd.concat([ours, cells]), labels, ["ours", *formulas], heads, True)]
    if others:
        panels.append(_cells(cells, labels, others, heads, False))
    return finish(alt.hconcat(*panels, spacing=10), _describe(rows, list(switches)))


def _cells(
    cells: pd.DataFrame, labels: list[str], columns: list[str], heads: Mapping[str, Sequence[str]], first: bool
) -> alt.LayerChart:
    """One panel. The second names its rows by their ids alone: on a phone it stands below the first."""
    own = cells[cells["choice"].isin(columns)]
    head = f"{json.dumps({name: list(heads[name]) for name in columns})}[datum.value]"
    name = {} if first else {"labelExpr": "split(datum.label, ' ')[0]"}
    y = alt.Y(
        "quantity:N",
        sort=labels,
        title=None,
        scale=alt.Scale(domain=labels),
        axis=alt.Axis(labelLimit=170, domain=False, ticks=False, labelFontSize=11, **name),
    )
    x = alt.X(
        "choice:N",
        sort=columns,
        title=None,
        scale=alt.Scale(domain=columns),
        axis=alt.Axis(
            orient="top",
            labelAngle=0,
            labelExpr=head,
            labelFontSize=11,
            labelLineHeight=13,
            labelOverlap=False,
            domain=False,
            ticks=False,
            labelLimit=90,
            labelPadding=18,
        ),
    )
    fill = alt.Scale(domain=["up", "down"], range=[DIRECTIONS["longer"].light, DIRECTIONS["shorter"].light])
    legend = alt.Legend(
        title=None,
        orient="bottom",
        labelExpr="datum.label == 'up' ? 'the choice makes it larger' : 'the choice makes it smaller'",
        symbolType="square",
        symbolOpacity=0.55,
    )
    titles = {
        "quantity": "quantity",
        "choice": "choice",
        "before": "by the paper",
        "after": "by the choice",
        "said": "change",
    }
    tips = [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]
    base = alt.Chart(own).encode(x=x, y=y)
    return alt.layer(
        base.transform_filter("datum.moved")
        .mark_rect()
        .encode(
            color=alt.Color("way:N", scale=fill, legend=legend if first else None),
            opacity=alt.Opacity(
                "size:Q", scale=alt.Scale(type="sqrt", domain=[0, FULL], range=[0.12, 0.6]), legend=None
            ),
            tooltip=tips,
        ),
        base.transform_filter("!datum.moved && datum.choice != 'ours'")
        .mark_text(fontSize=11, color=TEXT.light, opacity=0.45)
        .encode(text="said:N", tooltip=tips),
        base.transform_filter("datum.moved || datum.choice == 'ours'")
        .mark_text(fontSize=11, color=TEXT.light)
        .encode(text="said:N", tooltip=tips),
    ).properties(width=_CELL * len(columns), height=_ROW * len(labels))


def _describe(rows: pd.DataFrame, switches: list[str]) -> str:
    said = []
    for name in switches:
        own = rows[(rows["switch"] == name)]
        listed = [f"{row.label} {row.said}" for row in own[own["moved"]].itertuples()]
        said.append(f"{name}: {', '.join(listed) or 'nothing moves'} (of {len(own)})")
    return (
        "A table of quantities by choices of definition; each cell says by how much the choice alone moves the number. "
        + "; ".join(said)
        + "."
    )


def rankings(ranks: pd.DataFrame, names: Mapping[str, str]) -> alt.HConcatChart:
    """How alike both ways rank neurons by distance: 1 is the same order.

    ranks  [switch, comparison, measure, value] with measure "rho" or "top"
    names  of the switches, in the order of the rows
    """
    rows = ranks[ranks["switch"].isin(list(names))].dropna(subset=["value"])
    rows = rows.assign(choice=rows["switch"].map(names))
    low = min(0.0, float(rows.loc[rows["measure"] == "rho", "value"].min())) if len(rows) else 0.0
    panels = [_ranks(rows, m, list(names.values()), low if m == "rho" else 0.0, m == "rho") for m in MEASURES]
    each = "; ".join(
        f"{choice}: " + ", ".join(f"{r.comparison} {r.value:.2f}" for r in own.itertuples())
        for choice, own in rows[rows["measure"] == "rho"].groupby("choice", sort=False)
    )
    return finish(
        alt.hconcat(*panels, spacing=18),
        "How alike the paper's definition and each choice rank neurons by distance, four comparisons each, with the share of"
        f" the ten most distant neurons that both name. Rank correlations: {each or 'none is defined'}.",
    )


def _ranks(rows: pd.DataFrame, measure: str, names: list[str], low: float, first: bool) -> alt.LayerChart:
    comparisons = list(COMPARISONS)
    colour = alt.Scale(domain=comparisons, range=[ROLES[role].light for role in COMPARISONS.values()])
    shape = alt.Scale(domain=comparisons, range=[SHAPES[name] for name in comparisons])
    legend = alt.Legend(title="comparison", orient="top", columns=4)
    x = alt.X(
        "value:Q",
        title=MEASURES[measure],
        scale=alt.Scale(domain=[low, 1], nice=False, padding=6),
        axis=alt.Axis(tickCount=4),
    )
    axis = alt.Axis(labelLimit=170, domain=False, ticks=False, grid=True)
    return alt.layer(
        alt.Chart(pd.DataFrame({"value": [1.0]})).mark_rule(color=TEXT.light, strokeDash=[3, 3]).encode(x=x),
        alt.Chart(rows[rows["measure"] == measure])
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            x=x,
            y=alt.Y("choice:N", sort=names, title=None, scale=alt.Scale(domain=names), axis=axis),
            yOffset=alt.YOffset("comparison:N", sort=comparisons, scale=alt.Scale(domain=comparisons)),
            color=alt.Color("comparison:N", scale=colour, sort=comparisons, legend=legend),
            shape=alt.Shape("comparison:N", scale=shape, sort=comparisons, legend=legend),
            tooltip=["choice:N", "comparison:N", alt.Tooltip("value:Q", format=".3f")],
        ),
    ).properties(width=220 if first else 180, height=38 * len(names))


def readings(rows: pd.DataFrame) -> alt.HConcatChart:
    """Preference states between two readings of one text by the same weights, and below them what fine-tuning gives.

    rows  of `answers.readings`: label, kind, stage, shared, avoided, gained, never, mean
    """
    rows = rows.assign(
        row=[f"{r.label}|{r.stage}: {r.avoided:,} avoided, {r.gained:,} gained" for r in rows.itertuples()],
    )
    order = rows["row"].tolist()
    long = rows.rename(columns={"never": "never preferred"}).melt(
        ["row", "label", "stage", "kind", "mean"], list(_COUNTED), var_name="state", value_name="neurons"
    )
    long["rank"] = long["state"].map(_COUNTED.index)
    long = long.sort_values(["row", "rank"], kind="stable")
    long["middle"] = long.groupby("row")["neurons"].cumsum() - long["neurons"] / 2
    axis = alt.Axis(
        labelExpr="split(datum.label, '|')",
        labelLimit=260,
        labelLineHeight=13,
        labelOffset=-6,
        domain=False,
        ticks=False,
    )
    y = alt.Y("row:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=axis)
    scale = alt.Scale(domain=list(_COUNTED), range=[STATES[name].light for name in _COUNTED])
    base = alt.Chart(long).encode(y=y)
    x = alt.X("neurons:Q", title="neurons", stack="zero", axis=alt.Axis(tickCount=5))
    total = max(int(long.groupby("row")["neurons"].sum().max()), 1) if len(long) else 1
    bars = alt.layer(
        base.mark_bar(height=20).encode(
            x=x,
            order="rank:Q",
            color=alt.Color(
                "state:N", scale=scale, sort=list(_COUNTED), legend=alt.Legend(title=None, orient="top", columns=4)
            ),
            tooltip=["label:N", "stage:N", "state:N", "neurons:Q"],
        ),
        base.transform_filter(f"datum.neurons >= {0.09 * total}")
        .mark_text(color=ON_BAR.light, fontWeight="bold", fontSize=11)
        .encode(x=alt.X("middle:Q", title="neurons"), text="neurons:Q"),
    ).properties(width=245, height=34 * len(order))
    side = alt.Y("row:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=None)
    span = alt.X("mean:Q", title="mean distance", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1]))
    means = alt.Chart(rows).encode(y=side, x=span, tooltip=["label", "stage", alt.Tooltip("mean", format=".3f")])
    dots = alt.layer(
        means.mark_rule(color=TEXT.light, opacity=0.4).encode(x2=alt.datum(0)),
        means.mark_point(filled=True, size=60, opacity=1, color=TEXT.light),
        means.mark_text(dx=8, align="left", fontSize=11).encode(text=alt.Text("mean:Q", format=".2f")),
    ).properties(width=105, height=34 * len(order))
    return finish(alt.hconcat(bars, dots, spacing=12), _describe_readings(rows))


def _describe_readings(rows: pd.DataFrame) -> str:
    each = "; ".join(
        f"{r.label}, {r.stage}: {r.avoided} avoided, {r.gained} gained, {r.shared} shared, mean distance {r.mean:.2f}"
        for r in rows.itertuples()
    )
    return (
        "Stacked bars of preference states between two readings of the same text by the same weights, where nothing should"
        f" change, and last what fine-tuning changes. {each}."
    )
