"""The length of each neuron over stages, a line per neuron (Fig. 2, Fig. 10). May touch: errors, theme, transfer.

Longer is blue and solid, shorter red and dashed, unchanged dark and dotted. Under a thousand lines a pattern is only seen in a
summary, so medians and quartiles lie on top and the counts of each direction stand above; the scatter beside it is where a
reader picks the neurons whose lines light up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError, nearest
from txray_lib.figures.theme import DIRECTIONS, ROLES, TEXT
from txray_lib.transfer import STATES, preference_states

LENGTHS = {"token": ("length", "distinct tokens preferred"), "tag": ("tag_length", "distinct tags preferred")}
DASHES = {"longer": [1, 0], "shorter": [7, 2], "unchanged": [1, 3]}
TICKS = [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000]
NAMED = "datum.value == 0 ? 'none' : datum.value >= 1000 ? format(datum.value, '~s') : format(datum.value, 'd')"
KEY = ["layer", "neuron"]
WIDTH, LETTER = 330, 6.8
"""Pixels of the lines' panel, and of a letter under it."""
Top = Mapping[str, Mapping[tuple[int, int], Sequence[str]]]


def lengths(
    table: pd.DataFrame,
    stages: Sequence[str],
    roles: Mapping[str, str],
    by: str = "token",
    state: str = "all",
    top: Top | None = None,
) -> alt.HConcatChart:
    """The lengths of every neuron over two or more stages.

    table   a row per stage, layer and neuron with length, tag_length and mass (0 where it prefers nothing)
    stages  in the order of time; roles gives each stage's colour
    by      "token": features preferred, as the paper's figures; "tag": tags preferred
    state   "all", or a preference state: only neurons that have it in at least one step
    top     for each stage, the strongest tokens of a (layer, neuron), shown on hovering
    """
    if len(stages) < 2:
        raise TxrayError("lengths are drawn over at least two stages")
    if by not in LENGTHS:
        raise TxrayError(f"lengths are counted by token or by tag, not by {by!r}. {nearest(by, LENGTHS)}")
    if state not in ("all", *STATES):
        raise TxrayError(f"there is no preference state {state!r}. {nearest(state, ('all', *STATES))}")
    wide = _wide(table, list(stages), LENGTHS[by][0], top or {})
    steps = range(len(stages) - 1)
    used = wide[[f"length {i}" for i in range(len(stages))]].max(axis=1) > 0
    wanted = used if state == "all" else (wide[[f"state {i}" for i in steps]] == state).any(axis=1)
    wide = wide[wanted].reset_index(drop=True)
    summary = _summary(wide, list(stages))
    counts = [wide[f"direction {i}"].value_counts().reindex(list(DIRECTIONS), fill_value=0) for i in steps]
    brush = alt.selection_interval(name="picked")
    hover = alt.selection_point(name="hovered", fields=KEY, on="pointerover", clear="pointerout", empty=False)
    chart = alt.hconcat(
        _lines(wide, summary, counts, list(stages), roles, by, brush, hover),
        _scatter(wide, list(stages), brush, hover),
        spacing=16,
    )
    return chart


def _wide(table: pd.DataFrame, stages: list[str], column: str, top: Top) -> pd.DataFrame:
    """A row per neuron: its length, mass and strongest tokens at every stage, its direction and state in every step."""
    index = table[table["stage"].isin(stages)].set_index(KEY).index.unique().sort_values()
    wide = pd.DataFrame(index=index)
    for i, stage in enumerate(stages):
        own = table[table["stage"] == stage].set_index(KEY)
        wide[f"length {i}"] = own[column].reindex(index, fill_value=0).astype(int)
        wide[f"mass {i}"] = own["mass"].reindex(index, fill_value=0).astype(float).round(2)
        wide[f"tokens {i}"] = [", ".join(top.get(stage, {}).get((int(a), int(b)), ())) for a, b in index]
    for i, j in pairwise(range(len(stages))):
        before, after = wide[f"length {i}"].to_numpy(), wide[f"length {j}"].to_numpy()
        wide[f"state {i}"] = preference_states(before, after)
        wide[f"direction {i}"] = _direction(before, after)
    wide["direction"] = _direction(wide["length 0"].to_numpy(), wide[f"length {len(stages) - 1}"].to_numpy())
    return wide.reset_index()


def _direction(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """longer, shorter, unchanged; "not in use" where both lengths are 0, which is no line."""
    ways = [(before == 0) & (after == 0), after > before, after < before]
    return np.select(ways, ["not in use", "longer", "shorter"], "unchanged")


def _summary(wide: pd.DataFrame, stages: list[str]) -> pd.DataFrame:
    """A row per stage: median and quartiles of length over the drawn neurons that prefer anything there."""
    rows = []
    for i, stage in enumerate(stages):
        own = wide[f"length {i}"]
        own = own[own > 0]
        low, median, high = (own.quantile(q) if len(own) else 0.0 for q in (0.25, 0.5, 0.75))
        rows.append({"place": i, "stage": stage, "low": low, "median": median, "high": high, "preferred": len(own)})
    return pd.DataFrame(rows)


def _lines(
    wide: pd.DataFrame,
    summary: pd.DataFrame,
    counts: list[pd.Series],
    stages: list[str],
    roles: Mapping[str, str],
    by: str,
    brush: alt.Parameter,
    hover: alt.Parameter,
) -> alt.LayerChart:
    y_scale = _scale(wide, len(stages))
    x_scale = alt.Scale(domain=[-0.25, len(stages) - 0.75], nice=False)
    letters = int(WIDTH / (len(stages) - 0.5) / LETTER)
    axis = alt.Axis(
        values=list(range(len(stages))),
        labelExpr=f"{json.dumps([_label(row, letters) for row in summary.itertuples()])}[datum.value]",
        grid=False,
        labelOverlap=False,
        labelLineHeight=14,
    )
    y_axis = alt.Axis(values=TICKS, labelExpr=NAMED, grid=True)
    y_title = f"length: {LENGTHS[by][1]} (log)"

    def x(place: float) -> alt.XDatum:
        return alt.XDatum(place, type="quantitative", scale=x_scale, axis=axis, title=None)

    faint = float(np.clip(80 / max(len(wide), 1), 0.12, 0.6))
    names = list(DIRECTIONS)
    colour = alt.Scale(domain=names, range=[DIRECTIONS[name].light for name in names])
    dash = alt.Scale(domain=names, range=[DASHES[name] for name in names])
    legend = alt.Legend(title=None, orient="top", columns=3, symbolType="stroke", symbolSize=300, symbolStrokeWidth=2)
    layers = [
        alt.Chart(wide)
        .transform_filter(f"datum['direction {i}'] != 'not in use'")
        .mark_rule()
        .encode(
            x=x(i),
            x2=alt.X2Datum(i + 1),
            y=alt.Y(f"length {i}:Q", scale=y_scale, axis=y_axis, title=y_title),
            y2=f"length {i + 1}:Q",
            color=alt.Color(f"direction {i}:N", scale=colour, legend=legend),
            strokeDash=alt.StrokeDash(f"direction {i}:N", scale=dash, legend=legend),
            opacity=_opacity(brush, hover, faint, 0.02),
            strokeWidth=alt.condition(hover, alt.value(3), alt.value(1)),
            tooltip=_tooltip(stages),
        )
        for i in range(len(stages) - 1)
    ]
    place = alt.X("place:Q", scale=x_scale, axis=axis, title=None)
    base = alt.Chart(summary).encode(x=place)
    middle = alt.Y("median:Q", scale=y_scale)
    stage_colour = [ROLES[roles[stage]].light for stage in stages]
    layers += [
        base.mark_line(color=TEXT.light, strokeWidth=2.5).encode(y=middle),
        *(
            alt.Chart(summary[summary["stage"] == stage])
            .mark_bar(width=11, color=colour_, stroke=TEXT.light, strokeWidth=1)
            .encode(x=place, y=alt.Y("low:Q", scale=y_scale), y2="high:Q", tooltip=_of_summary())
            for stage, colour_ in zip(stages, stage_colour, strict=True)
        ),
        base.mark_tick(color=TEXT.light, opacity=1, thickness=3, width=24, orient="horizontal").encode(
            y=middle, tooltip=_of_summary()
        ),
        *_counted(counts, x),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=380)


def _opacity(brush: alt.Parameter, hover: alt.Parameter, faint: float, away: float) -> dict[str, object]:
    """1 for the neuron under the pointer, `faint` for those in the brush (all when there is none), `away` for the rest."""
    return {
        "condition": [
            {"param": hover.name, "empty": False, "value": 1},
            {"param": brush.name, "value": faint},
        ],
        "value": away,
    }


def _counted(counts: list[pd.Series], x: object) -> list[alt.Chart]:
    """How many lines go which way in each step, in rows above the plot and in the colours of the lines."""
    rows = [
        alt.Chart(pd.DataFrame({"said": [f"{number:,} {name}"]}))
        .mark_text(color=DIRECTIONS[name].light, fontWeight="bold", baseline="bottom")
        .encode(x=x(i + 0.5), y=alt.value(-8 - 15 * (len(DIRECTIONS) - 1 - row)), text="said:N")  # type: ignore[operator]
        for i, step in enumerate(counts)
        for row, (name, number) in enumerate(step.items())
    ]
    return rows


def _scatter(wide: pd.DataFrame, stages: list[str], brush: alt.Parameter, hover: alt.Parameter) -> alt.LayerChart:
    last = len(stages) - 1
    scale = _scale(wide, len(stages))
    axis = alt.Axis(values=[0, 1, 10, 100, 1000, 10000], labelExpr=NAMED)
    top = scale.domain[1]
    names = list(DIRECTIONS)
    colour = alt.Scale(domain=names, range=[DIRECTIONS[name].light for name in names])
    x = alt.X("length 0:Q", scale=scale, axis=axis, title=f"length in {stages[0]}")
    y = alt.Y(f"length {last}:Q", scale=scale, axis=axis, title=f"length in {stages[-1]}")
    diagonal = pd.DataFrame({"length 0": [0, top], f"length {last}": [0, top]})
    return alt.layer(
        alt.Chart(diagonal).mark_line(color=TEXT.light, strokeWidth=1, strokeDash=[1, 3]).encode(x=x, y=y),
        alt.Chart(wide)
        .transform_filter("datum.direction != 'not in use'")
        .mark_point(filled=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("direction:N", scale=colour, legend=None),
            opacity=_opacity(brush, hover, 0.45, 0.08),
            size=alt.condition(hover, alt.value(90), alt.value(16)),
            tooltip=_tooltip(stages),
        )
        .add_params(brush, hover),
    ).properties(width=165, height=165, title=["Each neuron, first and last", "stage: drag to pick lines"])


def _scale(wide: pd.DataFrame, stages: int) -> alt.Scale:
    """Logarithmic from 1 upwards and with a place for 0: the symmetric logarithm, log(1 + length)."""
    longest = wide[[f"length {i}" for i in range(stages)]].max().max() if len(wide) else 1
    return alt.Scale(type="symlog", constant=1, domain=[0, float(max(longest, 1)) * 1.1], nice=False)


def _tooltip(stages: list[str]) -> list[alt.Tooltip]:
    places = range(len(stages))
    return [
        alt.Tooltip("neuron:N"),
        *(alt.Tooltip(f"state {i}:N", title=f"{stages[i]} → {stages[i + 1]}") for i in range(len(stages) - 1)),
        *(alt.Tooltip(f"length {i}:Q", title=f"length, {stages[i]}", format=",") for i in places),
        *(alt.Tooltip(f"mass {i}:Q", title=f"mass, {stages[i]}", format=",.2f") for i in places),
        *(alt.Tooltip(f"tokens {i}:N", title=f"strongest, {stages[i]}") for i in places),
    ]


def _of_summary() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("stage:N"),
        alt.Tooltip("preferred:Q", title="neurons in use", format=","),
        alt.Tooltip("low:Q", title="lower quartile", format=",.1f"),
        alt.Tooltip("median:Q", format=",.1f"),
        alt.Tooltip("high:Q", title="upper quartile", format=",.1f"),
    ]


def _label(row: object, letters: int) -> list[str]:
    """Lines under a stage on the axis: its name, broken at its first hyphen where it has more letters than there is room
    for, and what the summary marks."""
    name, hyphen, rest = row.stage.partition("-")  # type: ignore[attr-defined]
    first = [f"{name}{hyphen}", rest] if len(row.stage) > letters and rest else [row.stage]  # type: ignore[attr-defined]
    return [*first, f"median {row.median:,.4g}", f"({row.low:,.4g}–{row.high:,.4g})"]  # type: ignore[attr-defined]
