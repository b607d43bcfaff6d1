"""How long each neuron is from stage to stage (Fig. 2, Fig. 10). May touch: errors, theme.

A panel for each step sets the length before against the length after, and says how many neurons lie on either side of the
diagonal. Below them the paper's drawing: a line per neuron, faint, behind medians and quartiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import DIRECTIONS, TEXT, mark_stages

WIDTH, WIDEST, HEIGHT = 490, 300, 210
BETWEEN = 70
"""Pixels that the axis of a further panel takes."""
LENGTHS = alt.Axis(values=[0, 1, 10, 100, 1000, 10000, 100000], labelExpr="format(datum.value, '~s')")
HOVERED = "hovered"
POINTED = {"param": HOVERED, "empty": False}
PLACES = {
    "longer": {"x": 0, "y": 0, "align": "left", "dx": 6, "dy": 13},
    "unchanged": {"x": "width", "y": "height", "align": "right", "dx": -6, "dy": -29},
    "shorter": {"x": "width", "y": "height", "align": "right", "dx": -6, "dy": -13},
}
"""Where the count of each direction stands: in the corner where its points are."""


def lengths(
    table: pd.DataFrame, roles: Mapping[str, str], words: Mapping[int, str] | pd.Series | None = None
) -> alt.VConcatChart:
    """The length of every neuron over two or more stages.

    table  a row per neuron, a column per stage in the order of time: how many features it prefers, 0 for none
    roles  role of each stage, which gives its colour
    words  what is told of a neuron on hovering besides its lengths, such as its strongest tokens

    A neuron that is empty on both sides of a step has no point and no line there.
    """
    if len(table.columns) < 2:
        raise TxrayError("lengths are drawn over at least two stages")
    moves = _moves(table, dict(words) if words is not None else {})
    top = 1.1 * max(float(table.to_numpy().max(initial=0)), 1.0)
    scale = alt.Scale(type="symlog", constant=1, domain=[0, top], nice=False)
    stages = list(table.columns.astype(str))
    steps = [_step(moves, i, *pair, len(stages) - 1, scale) for i, pair in enumerate(pairwise(stages))]
    title = alt.Title(["Above the diagonal a neuron becomes", "longer, below it shorter"])
    select = alt.PointSelectionConfig(type="point", fields=["neuron"], on="pointerover", clear="pointerout")
    hover = alt.TopLevelSelectionParameter(name=HOVERED, select=select, views=[f"step_{i}" for i in range(len(steps))])
    panels = alt.hconcat(*steps, spacing=16, title=title), _lines(moves, table, roles, scale)
    return alt.vconcat(*panels, spacing=16, params=[hover])


def _moves(table: pd.DataFrame, words: dict[int, str]) -> pd.DataFrame:
    """A row per step and neuron that is in use before or after: step, end, neuron, before, after, direction, words."""
    parts = []
    for step, (before, after) in enumerate(pairwise(table.columns)):
        sides = table[[before, after]].set_axis(["before", "after"], axis=1).astype(int)
        parts.append(sides[sides.max(axis=1) > 0].rename_axis("neuron").reset_index().assign(step=step, end=step + 1))
    moves = pd.concat(parts, ignore_index=True)
    ways = [moves["after"] > moves["before"], moves["after"] < moves["before"]]
    told = [words.get(neuron, "") for neuron in moves["neuron"]]
    return moves.assign(direction=np.select(ways, ["longer", "shorter"], "unchanged"), words=told)


def _colour() -> alt.Color:
    scale = alt.Scale(domain=list(DIRECTIONS), range=[ink.light for ink in DIRECTIONS.values()])
    return alt.Color("direction:N", scale=scale, legend=None)


def _step(moves: pd.DataFrame, step: int, before: str, after: str, steps: int, scale: alt.Scale) -> alt.LayerChart:
    """Length before against length after, with the diagonal and how many neurons lie on each side of it."""
    size = min(WIDEST, (WIDTH - BETWEEN * (steps - 1)) / steps)
    x = alt.X("before:Q", scale=scale, axis=LENGTHS, title=f"length in {before}")
    y = alt.Y("after:Q", scale=scale, axis=LENGTHS, title=f"length in {after}")
    said = {"before": f"length, {before}", "after": f"length, {after}"}
    sizes = [alt.Tooltip(f"{side}:Q", title=title, format=",") for side, title in said.items()]
    own = moves[moves["step"] == step]
    points = alt.Chart(own).encode(x=x, y=y, color=_colour(), tooltip=["neuron:N", *sizes, "words:N"])
    corners = pd.DataFrame({"before": scale.domain, "after": scale.domain})
    counts = own["direction"].value_counts()
    layers = [
        alt.Chart(corners).mark_line(color=TEXT.light, strokeWidth=1, strokeDash=[2, 3]).encode(x=x, y=y),
        points.mark_point(filled=True, size=22, opacity=0.45),
        points.mark_point(filled=True, size=110, opacity=1).transform_filter(POINTED),
        points.mark_point(filled=True, size=60, opacity=0).properties(name=f"step_{step}"),
        *(_count(counts.get(way, 0), way) for way in PLACES),
    ]
    return alt.layer(*layers).properties(width=size, height=size)


def _count(number: int, way: str) -> alt.Chart:
    place = dict(PLACES[way])
    at = {axis: alt.value(place.pop(axis)) for axis in ("x", "y")}
    text = alt.Chart(pd.DataFrame({"says": [f"{number:,} {way}"]})).encode(text="says:N", **at)
    return text.mark_text(**place, color=DIRECTIONS[way].light, fontWeight="bold", fontSize=13)


def _lines(moves: pd.DataFrame, table: pd.DataFrame, roles: Mapping[str, str], scale: alt.Scale) -> alt.LayerChart:
    """A line per neuron and step, and on them the median and the middle half of the neurons in use at each stage."""
    stages = list(table.columns.astype(str))
    names = alt.Axis(values=list(range(len(stages))), labelExpr=f"{json.dumps(stages)}[datum.value]", grid=False)
    x = alt.X("step:Q", scale=alt.Scale(domain=[-0.2, len(stages) - 0.55], nice=False), axis=names, title=None)
    y = alt.Y("before:Q", scale=scale, axis=LENGTHS, title="length")
    lines = alt.Chart(moves).encode(x=x, x2="end:Q", y=y, y2="after:Q", color=_colour())
    faint = float(np.clip(40 / max(len(table), 1), 0.05, 0.5))
    used = table.where(table > 0)
    parts = {name: used.quantile(q) for name, q in (("median", 0.5), ("low", 0.25), ("high", 0.75))}
    middle = pd.DataFrame(parts).fillna(0.0).round(1).assign(used=used.notna().sum())
    middle = middle.rename_axis("stage").reset_index().astype({"stage": str})
    base = alt.Chart(middle.assign(step=range(len(stages)))).encode(x=x, tooltip=[f"{name}:N" for name in middle])
    quartiles = base.mark_bar(size=10).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    colour = mark_stages("stage", {stage: roles[stage] for stage in stages}, None)["color"]
    median = base.encode(y=alt.Y("median:Q", scale=scale))
    told = median.transform_calculate(says="format(datum.median, ',.3~r')").encode(text="says:N")
    layers = [
        lines.mark_rule(opacity=faint),
        lines.mark_rule(strokeWidth=3).transform_filter(POINTED),
        median.mark_line(color=TEXT.light, strokeWidth=2),
        quartiles.encode(color=colour),
        median.mark_tick(color=TEXT.light, thickness=3, size=22, orient="horizontal", opacity=1),
        told.mark_text(align="left", dx=9, dy=-9, fontWeight="bold"),
    ]
    title = alt.Title(["A line per neuron; bars: the middle half of", "the neurons in use, with their median"])
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)
    return chart.resolve_scale(color="independent")
