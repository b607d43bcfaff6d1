"""Fig. 1, a drawing of our own: one neuron through the three uses of the method, a panel for each.

Left, which text meets which weights at the two stages; right, the neuron's strongest tokens at both, in one order of rows
for all panels, so that a token can be followed from panel to panel. May touch: errors, preferences, theme.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, ROLES, TEXT, label_tokens
from txray_lib.preferences import distributions

WIDTH = 176
BARS = 260
ROW = 19
HEAD = 124
MAX_LETTERS = 18
BOXES = {"corpus": (0, 78), "snapshot": (94, WIDTH)}
CHANGES = {(True, False): "same text, other weights", (False, True): "other text, same weights"}


@dataclass(frozen=True)
class _Drawn:
    """What the panels show: the three comparisons, the stages' texts and weights, the tokens' probabilities."""

    own: pd.DataFrame
    stages: pd.DataFrame
    tokens: pd.DataFrame

    def says(self, stage: str, column: str) -> str:
        return str(self.stages.loc[stage, column])

    def changes(self, row: Any) -> str:
        same = tuple(self.says(row.before, c) == self.says(row.after, c) for c in ("corpus", "snapshot"))
        return CHANGES.get(same, "")


def idea(
    own: pd.DataFrame, stages: pd.DataFrame, preferences: Mapping[str, pd.DataFrame], top_tokens: int = 4
) -> alt.VConcatChart:
    """One neuron in each comparison of `own`, one below the other.

    own          rows of the transfer table of one neuron, with the column `use`, a panel each
    stages       a row per stage: [stage, role, corpus, snapshot]
    preferences  of every stage in `own`
    top_tokens   tokens shown of each stage; one that is among the strongest of several has one row

    Raises TxrayError for fewer than one token, and for a neuron that is not there or prefers nothing at any stage.
    """
    if top_tokens < 1:
        raise TxrayError(f"{top_tokens} tokens were asked for: at least 1 can be drawn")
    if not own[["length_before", "length_after"]].to_numpy().any():
        raise TxrayError(
            "this neuron is not there or prefers nothing at any stage: choose another, or -1 for the rule's"
        )
    names = list(dict.fromkeys(name for row in own.itertuples() for name in (row.before, row.after)))
    key = int(own["layer"].iloc[0]), int(own["neuron"].iloc[0])
    table = _tokens({name: preferences[name] for name in names}, key, top_tokens)
    drawn = _Drawn(own, stages.set_index("stage"), table)
    order = list(dict.fromkeys(table["word"]))
    highest = 1.05 * float(table["p"].max())
    panels = [
        alt.hconcat(_head(drawn, row, i), _bars(drawn, row, order, highest), spacing=24)
        for i, row in enumerate(own.itertuples(), start=1)
    ]
    chart = alt.vconcat(*panels, spacing=20)
    return chart.resolve_scale(color="independent", stroke="independent", yOffset="independent")


def _tokens(preferences: Mapping[str, pd.DataFrame], key: tuple[int, int], top: int) -> pd.DataFrame:
    """[stage, feature, word, p, count] of the tokens shown; rows ordered by the first stage that has a token among its
    `top` strongest, then by its probability there."""
    parts = []
    for stage, rows in preferences.items():
        own = rows[(rows["layer"] == key[0]) & (rows["neuron"] == key[1])]
        if len(own):
            part = distributions(own).astype({"feature": str})
            parts.append(part.sort_values(["p", "feature"], ascending=[False, True], kind="stable").assign(stage=stage))
    every = pd.concat(parts, ignore_index=True)
    shown = every.groupby("stage", sort=False).head(top).drop_duplicates("feature").reset_index(drop=True)
    words = label_tokens(shown["feature"], MAX_LETTERS)
    kept = every[every["feature"].isin(list(words))]
    place = kept["feature"].map({feature: i for i, feature in enumerate(words)})
    kept = kept.assign(word=kept["feature"].map(words), place=place).sort_values("place", kind="stable")
    return kept[["stage", "feature", "word", "p", "count"]]


def _head(drawn: _Drawn, row: Any, number: int) -> alt.LayerChart:
    """Which text meets which weights, before and after, and what comes of it for this neuron."""
    boxes = pd.DataFrame(
        [
            {"stage": stage, "text": drawn.says(stage, column), "x": x, "x2": x2, "y": y, "y2": y + 20}
            for stage, y in ((row.before, 38), (row.after, 64))
            for column, (x, x2) in BOXES.items()
        ]
    ).assign(mx=lambda t: (t["x"] + t["x2"]) / 2, my=lambda t: (t["y"] + t["y2"]) / 2)
    lines = pd.DataFrame(
        [
            (2, f"{number}  {row.use}", True),
            (19, drawn.changes(row), False),
            (91, _lengths(row), False),
            (107, _distance(row), False),
        ],
        columns=["y", "text", "strong"],
    )
    base = alt.Chart(boxes)
    text = alt.Chart(lines).mark_text(align="left", baseline="top")
    place = {"x": _pixels("x", WIDTH), "y": _pixels("y", HEAD)}
    middle = {"x": _pixels("mx", WIDTH), "y": _pixels("my", HEAD)}
    arrow = base.transform_filter("datum.x === 0").mark_text(text="→", fontSize=13)
    return alt.layer(
        base.mark_rect(filled=False, strokeWidth=2, cornerRadius=3).encode(
            **place, x2="x2:Q", y2="y2:Q", stroke=_colour(drawn, row, "stroke")
        ),
        base.mark_text(fontSize=11, limit=82).encode(**middle, text="text:N"),
        arrow.encode(x=alt.datum((BOXES["corpus"][1] + BOXES["snapshot"][0]) / 2), y=_pixels("my", HEAD)),
        text.transform_filter("datum.strong")
        .mark_text(align="left", baseline="top", fontSize=14, fontWeight="bold")
        .encode(x=alt.datum(0), y=place["y"], text="text:N"),
        text.transform_filter("!datum.strong").encode(x=alt.datum(0), y=place["y"], text="text:N"),
    ).properties(width=WIDTH, height=HEAD)


def _pixels(field: str, size: int) -> alt.X | alt.Y:
    channel = alt.Y if field.endswith("y") else alt.X
    reverse = channel is alt.Y
    return channel(f"{field}:Q", scale=alt.Scale(domain=[0, size], nice=False, zero=False, reverse=reverse), axis=None)


def _colour(drawn: _Drawn, row: Any, channel: str) -> alt.Color | alt.Stroke:
    """The colours of the two stages' roles; the boxes above the bars are their legend."""
    pair = [row.before, row.after]
    scale = alt.Scale(domain=pair, range=[ROLES[drawn.says(stage, "role")].light for stage in pair])
    return (alt.Stroke if channel == "stroke" else alt.Color)("stage:N", scale=scale, legend=None)


def _bars(drawn: _Drawn, row: Any, order: list[str], highest: float) -> alt.LayerChart:
    """The tokens' probabilities at both stages; a token that neither prefers keeps its empty row."""
    pair = [row.before, row.after]
    rows = drawn.tokens[drawn.tokens["stage"].isin(pair)].round({"p": 5})
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelLimit=100, labelPadding=8)
    y = alt.Y("word:N", scale=alt.Scale(domain=order, paddingInner=0), title=None, axis=axis)
    x_axis = alt.Axis(tickCount=3, format="~g", grid=False)
    x = alt.X("p:Q", title="probability P", axis=x_axis, scale=alt.Scale(domain=[0, highest], nice=False))
    stripes = alt.Chart(pd.DataFrame({"word": order[1::2]})).mark_rect(color=BAND.light, opacity=0.28)
    bars = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            y=y,
            yOffset=alt.YOffset("stage:N", sort=pair, scale=alt.Scale(domain=pair, paddingOuter=0.3)),
            x=x,
            color=_colour(drawn, row, "color"),
            tooltip=["stage:N", alt.Tooltip("feature:N", title="token"), alt.Tooltip("p:Q", format=".3~g"), "count:Q"],
        )
    )
    layers = [stripes.encode(y=y, x=alt.value(0), x2=alt.value(BARS))] if len(order) > 1 else []
    rule = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=TEXT.light, opacity=0.5).encode(x="zero:Q")
    return alt.layer(*layers, bars, rule).properties(width=BARS, height=ROW * len(order))


def _lengths(row: Any) -> str:
    both = row.length_before + row.length_after - row.union
    return f"{row.length_before:,} → {row.length_after:,} tokens, {both:,} in both"


def _distance(row: Any) -> str:
    return f"{row.state}: no distance" if math.isnan(row.hellinger) else f"{row.state}, distance {row.hellinger:.2f}"
