"""One sentence drawn token by token, a line a token: what TX-Ray, attribution, probing and model diffing find at each, beside
its control. May touch: errors, figures.theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CHANCE, CONTROLS, ROLES, Ink, name_rows

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
