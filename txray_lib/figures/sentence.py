"""One sentence drawn token by token, a line a token from the first to the last. May touch: errors, figures.theme.

winners    the largest activations of each token before and after, the winner filled and named (§2.1)
four_ways  what TX-Ray, attribution, probing and model diffing find at each token, each with its control
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CHANCE, CONTROLS, ROLES, TEXT, Ink, mark_stages, name_rows

SIDES = {"before": "zero-shot", "after": "supervised"}
"""What a side of the tables is called on a page: its role."""
MAX_LETTERS = 14
ROW = 25
"""Pixels of a token's line."""
SHUFFLED = CONTROLS["shuffled"]
PANELS: Mapping[str, tuple[list[str], list[str], Ink]] = {
    "TX-Ray": (["TX-Ray:", "neuron moved?"], ["distance H", "mark: by chance"], CHANCE["not above its null"]),
    "attribution": (["Attribution:", "output needs it?"], ["share of the logit", "mark: shuffled labels"], SHUFFLED),
    "probing": (["Probing:", "tag readable?"], ["P of its tag", "mark: before"], ROLES["zero-shot"]),
    "diffing": (["Model diffing:", "state moved?"], ["distance of states", "mark: shuffled labels"], SHUFFLED),
}
"""Of each method: its question, what a bar is and what a mark is, the ink of its marks."""


def winners(tokens: pd.DataFrame, activations: pd.DataFrame) -> alt.LayerChart:
    """The largest activations of each token at two stages; the winner is filled and bears its neuron's number.

    tokens       the table `sentence`
    activations  the table `sentence_activations`: side, token (from 0), rank, neuron, activation
    """
    names = lines(tokens)
    rows = activations[activations["side"].isin(list(SIDES))]
    rows = rows.assign(line=[names[i] for i in rows["token"]], stage=rows["side"].map(SIDES))
    stages = list(SIDES.values())
    low, high = float(rows["activation"].min()), float(rows["activation"].max())
    scale = alt.Scale(domain=[low - 0.02 * (1 - low), high + 0.09 * (1 - low)], nice=False)
    ink = mark_stages("stage", {name: name for name in stages}, alt.Legend(title=None, orient="top", symbolSize=80))
    base = alt.Chart(rows).encode(
        _y(names),
        alt.X("activation:Q", title="activation", scale=scale, axis=alt.Axis(tickCount=6)),
        yOffset=alt.YOffset("stage:N", sort=stages, scale=alt.Scale(domain=stages, paddingOuter=0.6)),
        color=ink["color"],
        tooltip=["line:N", "stage:N", "rank:Q", "neuron:Q", alt.Tooltip("activation:Q", format=".3f")],
    )
    first = base.transform_filter("datum.rank == 1")
    return alt.layer(
        _stripes(names),
        base.transform_filter("datum.rank > 1").mark_tick(thickness=2, height=9, opacity=0.75),
        first.mark_point(filled=True, size=64, opacity=1).encode(shape=ink["shape"]),
        first.mark_text(align="left", dx=8, fontSize=11, color=TEXT.light).encode(text="neuron:N", color=alt.Color()),
    ).properties(width=460, height=(ROW + 7) * len(names))


def four_ways(tokens: pd.DataFrame, found: pd.DataFrame, control: pd.DataFrame) -> alt.HConcatChart:
    """A panel for each of PANELS, a line a token: a bar for what the method finds, a mark for its control.

    tokens          the table `sentence`
    found, control  a row a token, a column a method; missing where there is nothing to say
    """
    names = lines(tokens)
    panels = [_panel(names, method, found[method], control[method]) for method in PANELS]
    return alt.hconcat(*panels, spacing=12)


def lines(tokens: pd.DataFrame) -> list[str]:
    """A name for each token's line: the token, its number, so that no two are alike, and the sign of an evaluative word."""
    if tokens.empty:
        raise TxrayError("the sentence has no token: there is nothing to draw")
    short = [t if len(t) <= MAX_LETTERS else f"{t[: MAX_LETTERS - 1]}…" for t in tokens["token"]]
    signs = tokens["sentiment"].map({1: " (+)", -1: " (−)"}).fillna("")
    return [f"{word} {number}{sign}" for number, (word, sign) in enumerate(zip(short, signs, strict=True), 1)]


def _panel(names: Sequence[str], method: str, found: pd.Series, control: pd.Series) -> alt.LayerChart:
    """One method; the first names the tokens, the others number them."""
    (question, axis, ink), named = PANELS[method], method == "TX-Ray"
    rows = pd.DataFrame({"found": found.to_numpy(float), "control": control.to_numpy(float)}).round(4)
    rows = rows.assign(line=names, number=range(1, len(names) + 1))
    scale = alt.Scale(domain=[0, 1]) if method in ("TX-Ray", "probing") else alt.Scale()
    bar, mark = (alt.X(f"{of}:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=3)) for of in ("found", "control"))
    base = alt.Chart(rows).encode(_y(names, named), tooltip=["line:N", "found:Q", "control:Q"])
    return alt.layer(
        _stripes(names, named),
        base.mark_bar(height=11, color=ROLES["supervised"].light).encode(bar),
        base.mark_tick(thickness=3, height=19, color=ink.light, opacity=1).encode(mark),
    ).properties(width=96, height=ROW * len(names), title=alt.TitleParams(question, fontSize=12))


def _y(names: Sequence[str], named: bool = True) -> alt.Y:
    """A line a token, by its name or by its number."""
    field, rows = ("line:N", list(names)) if named else ("number:O", list(range(1, len(names) + 1)))
    return alt.Y(field, sort=rows, scale=alt.Scale(domain=rows), title=None, axis=name_rows(118, grid=False))


def _stripes(names: Sequence[str], named: bool = True) -> alt.Chart:
    """A band behind every second line, so that the eye stays on a token across panels."""
    data = pd.DataFrame({"line": list(names), "number": range(1, len(names) + 1)})[1::2]
    return alt.Chart(data).mark_rect(color=BAND.light, opacity=0.22).encode(_y(names, named))
