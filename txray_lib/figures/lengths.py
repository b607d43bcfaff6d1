"""How long each neuron is from stage to stage (Fig. 2, Fig. 10). May touch: errors, theme.

A panel for each step sets the length before against the length after, and says how many neurons lie on either side of the
diagonal. Below them the paper's drawing: a line per neuron, faint, behind medians and quartiles.
"""

import json
from collections.abc import Mapping
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import DIRECTIONS, TEXT

WIDTH, WIDEST, HEIGHT = 490, 300, 210
BETWEEN = 70
"""Pixels that the axis of a further panel takes."""
LENGTHS = alt.Axis(values=[0, 1, 10, 100, 1000, 10000, 100000], labelExpr="format(datum.value, '~s')")


def lengths(table: pd.DataFrame, words: Mapping[int, str]) -> alt.VConcatChart:
    """The length of every neuron over two or more stages.

    table  a row per neuron, a column per stage in the order of time: how many features it prefers, 0 for none
    words  what is told of a neuron on hovering besides its lengths, such as its strongest tokens

    A neuron that is empty on both sides of a step has no point and no line there.
    """
    if len(table.columns) < 2:
        raise TxrayError("lengths are drawn over at least two stages")
    stages, moves = list(table.columns.astype(str)), _moves(table, words)
    top = 1.1 * max(float(table.to_numpy().max(initial=0)), 1.0)
    scale = alt.Scale(type="symlog", constant=1, domain=[0, top], nice=False)
    number = len(stages) - 1
    size = min(WIDEST, (WIDTH - BETWEEN * (number - 1)) / number)
    hover = {"fields": ["neuron"], "on": "pointerover", "clear": "pointerout", "empty": False}
    hovers = [alt.selection_point(name=f"hovered_{step}", **hover) for step in range(number)]
    own = [moves[moves["step"] == step] for step in range(number)]
    steps = [_step(*each, size, scale) for each in zip(own, hovers, stages[:-1], stages[1:], strict=True)]
    title = alt.Title(["Above the diagonal a neuron becomes", "longer, below it shorter"])
    above = alt.hconcat(*steps, spacing=16, title=title).resolve_scale(color="independent")
    return alt.vconcat(above, _lines(moves, table, scale, hovers), spacing=16).resolve_scale(color="independent")


def _moves(table: pd.DataFrame, words: Mapping[int, str]) -> pd.DataFrame:
    """A row per step and neuron that is in use before or after: step, end, neuron, before, after, direction, words."""
    parts = []
    for step, (before, after) in enumerate(pairwise(table.columns)):
        sides = table[[before, after]].set_axis(["before", "after"], axis=1).astype(int)
        parts.append(sides[sides.max(axis=1) > 0].rename_axis("neuron").reset_index().assign(step=step, end=step + 1))
    moves = pd.concat(parts, ignore_index=True)
    ways = [moves["after"] > moves["before"], moves["after"] < moves["before"]]
    told = [words.get(neuron, "") for neuron in moves["neuron"]]
    return moves.assign(direction=np.select(ways, ["longer", "shorter"], "unchanged"), words=told)


def _colour(legend: alt.Legend | None) -> alt.Color:
    scale = alt.Scale(domain=list(DIRECTIONS), range=[ink.light for ink in DIRECTIONS.values()])
    return alt.Color("direction:N", scale=scale, legend=legend)


def _step(
    own: pd.DataFrame, hover: alt.Parameter, before: str, after: str, size: float, scale: alt.Scale
) -> alt.LayerChart:
    """Length before against length after, with the diagonal and how many neurons lie on each side of it."""
    x = alt.X("before:Q", scale=scale, axis=LENGTHS, title=f"length in {before}")
    y = alt.Y("after:Q", scale=scale, axis=LENGTHS, title=f"length in {after}")
    counts = own["direction"].value_counts().to_dict()
    told = f"format({json.dumps(counts)}[datum.label] || 0, ',') + ' ' + datum.label"
    legend = alt.Legend(title=None, orient="top", direction="vertical", labelExpr=told)
    tips = ["neuron:N", *(alt.Tooltip(f"{side}:Q", format=",") for side in ("before", "after")), "words:N"]
    points = alt.Chart(own).encode(x=x, y=y, color=_colour(legend), tooltip=tips)
    corners = alt.Chart(pd.DataFrame({"before": scale.domain, "after": scale.domain})).encode(x=x, y=y)
    return alt.layer(
        corners.mark_line(color=TEXT.light, strokeWidth=1, strokeDash=[2, 3]),
        points.mark_point(filled=True, size=22, opacity=0.45),
        points.mark_point(filled=True, size=110, opacity=1).transform_filter(hover),
        points.mark_point(filled=True, size=60, opacity=0).add_params(hover),
    ).properties(width=size, height=size)


def _lines(moves: pd.DataFrame, table: pd.DataFrame, scale: alt.Scale, hovers: list[alt.Parameter]) -> alt.LayerChart:
    """A line per neuron and step, and on them the median and the middle half of the neurons in use at each stage."""
    stages = list(table.columns.astype(str))
    names = alt.Axis(values=list(range(len(stages))), labelExpr=f"{json.dumps(stages)}[datum.value]", grid=False)
    x = alt.X("step:Q", scale=alt.Scale(domain=[-0.2, len(stages) - 0.55], nice=False), axis=names, title=None)
    y = alt.Y("before:Q", scale=scale, axis=LENGTHS, title="length")
    lines = alt.Chart(moves).encode(x=x, x2="end:Q", y=y, y2="after:Q", color=_colour(None))
    faint = float(np.clip(40 / max(len(table), 1), 0.05, 0.5))
    used = table.where(table > 0)
    parts = {name: used.quantile(q) for name, q in (("median", 0.5), ("low", 0.25), ("high", 0.75))}
    middle = pd.DataFrame(parts).fillna(0.0).round(1).assign(used=used.notna().sum(), step=range(len(stages)))
    middle = middle.rename_axis("stage").reset_index().astype({"stage": str})
    base = alt.Chart(middle).encode(x=x, tooltip=["stage:N", "median:Q", "low:Q", "high:Q", "used:Q"])
    median = base.encode(y=alt.Y("median:Q", scale=scale))
    title = alt.Title(["A line per neuron; bars: the middle half of", "the neurons in use, with their median"])
    return alt.layer(
        lines.mark_rule(opacity=faint),
        *(lines.mark_rule(strokeWidth=3).transform_filter(hover) for hover in hovers),
        base.mark_bar(size=10, color=TEXT.light).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        median.mark_line(color=TEXT.light, strokeWidth=2),
        median.mark_text(align="left", dx=9, dy=-9, fontWeight="bold").encode(
            text=alt.Text("median:Q", format=",.3~r")
        ),
    ).properties(width=WIDTH, height=HEIGHT, title=title)
