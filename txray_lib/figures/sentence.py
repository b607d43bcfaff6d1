"""One sentence drawn token by token, a line per token from the first to the last.

 winners    the largest activations of each token before and after, the winner filled and named (§2.1)
 four_ways  TX-Ray, attribution, probing and model diffing side by side

May touch: errors, theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CONTROL_SHAPES, CONTROLS, DIRECTIONS, ROLES, SHAPES, TEXT, finish

MAX_LETTERS = 16
SIDES = {"before": "zero-shot", "after": "supervised", "shuffled": "shuffled labels"}
"""What a side of the tables is called on a page."""
COLOURS = {"before": ROLES["zero-shot"], "after": ROLES["supervised"], "shuffled": CONTROLS["shuffled"]}
MARKS = {"before": SHAPES["zero-shot"], "after": SHAPES["supervised"], "shuffled": CONTROL_SHAPES["shuffled"]}
SIGNS = {"towards positive": DIRECTIONS["longer"], "towards negative": DIRECTIONS["shorter"]}
ROW = 27
"""Pixels of a token's line."""


def winners(tokens: pd.DataFrame, activations: pd.DataFrame) -> alt.LayerChart:
    """The largest activations of each token at two stages; the winner is filled and bears its neuron's number.

    tokens       the table `sentence`
    activations  the table `sentence_activations`: side, token (from 0), rank, neuron, activation
    """
    names = _lines(tokens)
    rows = activations[activations["side"].isin(["before", "after"])]
    rows = rows.assign(
        line=[names[i] for i in rows["token"]], stage=rows["side"].map(SIDES), activation=rows["activation"].round(4)
    )
    stages = [SIDES["before"], SIDES["after"]]
    y = _y(names)
    offset = alt.YOffset("stage:N", sort=stages, scale=alt.Scale(domain=stages, paddingOuter=0.6))
    low = float(rows["activation"].min())
    x = alt.X(
        "activation:Q",
        title="activation",
        scale=alt.Scale(
            domain=[low - 0.02 * (1 - low), float(rows["activation"].max()) + 0.09 * (1 - low)], nice=False
        ),
        axis=alt.Axis(tickCount=6),
    )
    colour, shape = _scales(["before", "after"])
    tip = ["line:N", "stage:N", "rank:Q", "neuron:Q", "activation:Q"]
    base = alt.Chart(rows).encode(y=y, yOffset=offset, x=x, color=colour, tooltip=tip)
    first = base.transform_filter("datum.rank == 1")
    chart = alt.layer(
        _stripes(names, y),
        base.transform_filter("datum.rank > 1").mark_tick(thickness=2, height=9, opacity=0.75),
        first.mark_point(filled=True, size=64, opacity=1).encode(shape=shape),
        first.mark_text(align="left", dx=8, fontSize=11, color=TEXT.light).encode(text="neuron:N", color=alt.Color()),
    ).properties(width=470, height=(ROW + 7) * len(names))
    said = "; ".join(
        f"{name}: neuron {row.neuron_before} ({row.activation_before:.3f}) before, {row.neuron_after} ({row.activation_after:.3f}) after"
        for name, row in zip(names, tokens.itertuples(), strict=True)
    )
    kept = int(rows["rank"].max())
    return finish(
        chart,
        f"The {kept} largest activations of each of {len(names)} tokens, zero-shot and supervised; the winning neuron is marked. {said}.",
    )


def four_ways(tokens: pd.DataFrame, usual: Mapping[str, float]) -> alt.HConcatChart:
    """Four methods on one sentence, a line per token: which neuron wins; what of the logit the token accounts for; how
    probable a probe finds its tag; how far its hidden state moved.

    tokens  the table `sentence`
    usual   of the tokens of other reviews: "low", "middle" and "high" of that distance
    """
    names, sides = _lines(tokens), [side for side in SIDES if f"neuron_{side}" in tokens]
    panels = [
        _neurons(tokens, names, sides),
        _attributions(tokens, names),
        _probed(tokens, names),
        _changes(tokens, names, sides, usual),
    ]
    chart = alt.hconcat(*panels, spacing=10).resolve_scale(color="independent", shape="independent")
    return finish(chart, _describe(tokens, names, sides))


def _lines(tokens: pd.DataFrame) -> list[str]:
    """A name for each token's line: the token, its number, so that no two are alike, and the sign of an evaluative word."""
    if tokens.empty:
        raise TxrayError("the sentence has no token: there is nothing to draw")
    short = [t if len(t) <= MAX_LETTERS else f"{t[: MAX_LETTERS - 1]}…" for t in tokens["token"]]
    signs = tokens["sentiment"].map({1: " (+)", -1: " (−)"}).fillna("")
    return [f"{word} {number}{sign}" for number, (word, sign) in enumerate(zip(short, signs, strict=True), 1)]


def _y(names: Sequence[str]) -> alt.Y:
    axis = alt.Axis(domain=False, ticks=False, labelLimit=118, labelOverlap=False, grid=False)
    return alt.Y("line:N", sort=list(names), scale=alt.Scale(domain=list(names)), title=None, axis=axis)


def _y_numbers(names: Sequence[str]) -> alt.Y:
    """The same lines by their numbers, for a panel that stands beside one with tokens, or on a small screen below it."""
    axis = alt.Axis(domain=False, ticks=False, labelOverlap=False, grid=False)
    return alt.Y("number:O", scale=alt.Scale(domain=list(_numbers(names))), title=None, axis=axis)


def _numbers(names: Sequence[str]) -> range:
    return range(1, len(names) + 1)


def _stripes(names: Sequence[str], y: alt.Y) -> alt.Chart:
    """A band behind every second line, so that the eye stays on a token across panels."""
    data = pd.DataFrame({"line": list(names)[1::2], "number": list(_numbers(names))[1::2]}, dtype=object)
    return alt.Chart(data).mark_rect(color=BAND.light, opacity=0.22).encode(y=y)


def _scales(sides: Sequence[str], orient: str = "top") -> tuple[alt.Color, alt.Shape]:
    stages = [SIDES[side] for side in sides]
    legend = _legend() if orient == "bottom" else alt.Legend(title=None, orient="top", symbolSize=80)
    colour = alt.Scale(domain=stages, range=[COLOURS[side].light for side in sides])
    shape = alt.Scale(domain=stages, range=[MARKS[side] for side in sides])
    return (
        alt.Color("stage:N", scale=colour, sort=stages, legend=legend),
        alt.Shape("stage:N", scale=shape, sort=stages, legend=legend),
    )


def _legend() -> alt.Legend:
    """Below a panel, an entry a line."""
    return alt.Legend(title=None, orient="bottom", direction="vertical", columns=1, symbolSize=70, labelFontSize=11)


def _panel(names: Sequence[str], y: alt.Y, layers: list[alt.Chart], width: int, title: str) -> alt.LayerChart:
    drawn = alt.layer(_stripes(names, y), *layers)
    return drawn.properties(width=width, height=ROW * len(names), title=alt.TitleParams(title, fontSize=12))


def _neurons(tokens: pd.DataFrame, names: Sequence[str], sides: Sequence[str]) -> alt.LayerChart:
    """The winning neurons as numbers, a column per encoder; a number that is not the one before is bold."""
    short = {"before": "before", "after": "after", "shuffled": "shuffled"}
    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "line": list(names),
                    "encoder": short[side],
                    "neuron": tokens[f"neuron_{side}"].astype(str).replace("-1", "nobody"),
                    "changed": tokens[f"neuron_{side}"] != tokens["neuron_before"],
                }
            )
            for side in sides
        ],
        ignore_index=True,
    )
    order = [short[side] for side in sides]
    axis = alt.Axis(orient="bottom", labelAngle=0, domain=False, ticks=False, labelFontSize=11)
    x = alt.X("encoder:N", sort=order, scale=alt.Scale(domain=order), title="winning neuron", axis=axis)
    base = alt.Chart(rows).encode(x=x, y=_y(names), text="neuron:N", tooltip=["line:N", "encoder:N", "neuron:N"])
    layers = [
        base.transform_filter("!datum.changed").mark_text(fontSize=12, color=TEXT.light),
        base.transform_filter("datum.changed").mark_text(fontSize=12, fontWeight="bold", color=COLOURS["after"].light),
    ]
    return _panel(names, _y(names), layers, 42 * len(order), "TX-Ray")


def _attributions(tokens: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """Integrated gradients as bars, occlusion as marks."""
    rows = pd.DataFrame(
        {
            "line": list(names),
            "number": _numbers(names),
            "integrated": tokens["integrated_after"].round(4),
            "occluded": tokens["occluded_after"].round(4),
        }
    )
    rows = rows.assign(sign=["towards positive" if value >= 0 else "towards negative" for value in rows["integrated"]])
    scale = alt.Scale(domain=list(SIGNS), range=[ink.light for ink in SIGNS.values()])
    base = alt.Chart(rows).encode(y=_y_numbers(names), tooltip=["line:N", "integrated:Q", "occluded:Q"])
    axis, title = alt.Axis(tickCount=4), ["share of the logit;", "◇ by occlusion"]
    layers = [
        base.mark_bar(height=11).encode(
            x=alt.X("integrated:Q", title=title, axis=axis),
            color=alt.Color("sign:N", scale=scale, sort=list(SIGNS), legend=_legend()),
        ),
        base.mark_point(filled=False, shape="diamond", size=46, strokeWidth=1.8, color=TEXT.light, opacity=1).encode(
            x=alt.X("occluded:Q", title=title, axis=axis)
        ),
    ]
    return _panel(names, _y_numbers(names), layers, 108, "Attribution")


def _probed(tokens: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """The probability that a probe gives to the token's tag before and after; hollow where it tells another tag."""
    told = {
        side: {
            "p": tokens[f"right_p_{side}"].astype(float).round(4),
            "told": tokens[f"told_{side}"],
            "tag": tokens["tag"],
            "right": tokens[f"told_{side}"] == tokens["tag"],
        }
        for side in ("before", "after")
    }
    rows = _by_side(names, told)
    colour, shape = _scales(["before", "after"], "bottom")
    x = alt.X(
        "p:Q", title="P of its tag", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1], format=".1f")
    )
    base = alt.Chart(rows).encode(
        y=_y_numbers(names), x=x, color=colour, shape=shape, tooltip=["line:N", "stage:N", "p:Q", "told:N", "tag:N"]
    )
    layers = [
        base.transform_filter("datum.right").mark_point(filled=True, size=52, opacity=0.9),
        base.transform_filter("!datum.right").mark_point(filled=False, size=52, strokeWidth=1.6),
    ]
    return _panel(names, _y_numbers(names), layers, 75, "Probing")


def _changes(
    tokens: pd.DataFrame, names: Sequence[str], sides: Sequence[str], usual: Mapping[str, float]
) -> alt.LayerChart:
    """The distance of the hidden states from those before, over the middle 90 % of other reviews' tokens."""
    tuned = [side for side in sides if side != "before"]
    moved = {
        side: {"distance": tokens[f"change_{side}"].astype(float).round(3), "most": tokens[f"moved_{side}"]}
        for side in tuned
    }
    rows = _by_side(names, moved)
    colour, shape = _scales(tuned, "bottom")
    top = max(float(rows["distance"].max()), usual["high"]) * 1.06
    x = alt.X("distance:Q", title="distance", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=4))
    band = pd.DataFrame([{"distance": usual["low"], "high": usual["high"]}])
    layers = [
        alt.Chart(band).mark_rect(color=BAND.light, opacity=0.55).encode(x=x, x2="high:Q"),
        alt.Chart(pd.DataFrame([{"distance": usual["middle"]}]))
        .mark_rule(color=TEXT.light, strokeDash=[4, 3])
        .encode(x=x),
        alt.Chart(rows)
        .mark_point(filled=True, size=52, opacity=1)
        .encode(
            y=_y_numbers(names), x=x, color=colour, shape=shape, tooltip=["line:N", "stage:N", "distance:Q", "most:Q"]
        ),
    ]
    return _panel(names, _y_numbers(names), layers, 100, "Model diffing")


def _by_side(names: Sequence[str], columns: Mapping[str, Mapping[str, pd.Series]]) -> pd.DataFrame:
    """A row for each token and side, with the columns that are given for that side."""
    parts = [
        pd.DataFrame({"line": list(names), "number": _numbers(names), "stage": SIDES[side], **own})
        for side, own in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _describe(tokens: pd.DataFrame, names: Sequence[str], sides: Sequence[str]) -> str:
    lines = []
    for name, row in zip(names, tokens.itertuples(), strict=True):
        neurons = " to ".join(str(getattr(row, f"neuron_{side}")) for side in ("before", "after"))
        lines.append(
            f"{name}: neuron {neurons}; {row.integrated_after:+.2f} by integrated gradients, {row.occluded_after:+.2f} by occlusion;"
            f" its tag at {row.right_p_before:.2f} and {row.right_p_after:.2f}; state moved by {row.change_after:.1f}"
        )
    control = ", with a fine-tuning on shuffled labels beside it" if "shuffled" in sides else ""
    return f"Four panels with a line for each of {len(names)} tokens{control}. {'. '.join(lines)}."
