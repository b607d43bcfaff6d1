"""One look for every figure: colours that carry meaning, alt text, and a renderer that needs no network.

A chart leaves this room through `finish`, with a description made of its own numbers and the colours it takes on a dark
page. May touch: errors.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError

MIME = "application/vnd.vegalite.v6+json"
VEGA_LITE = "6.4"
PICTURES = "TXRAY_PICTURES"
WIDTH = 640
"""Pixels that a figure may take: what the text column of the book leaves."""


@dataclass(frozen=True)
class Ink:
    """A colour on a white and on a dark page."""

    light: str
    dark: str


ROLES = {
    "untrained": Ink("#949494", "#757575"),
    "early": Ink("#4d4d4d", "#e0e0e0"),
    "between": Ink("#060122", "#9a14ff"),
    "before-last": Ink("#d44fb0", "#f07fc9"),
    "last": Ink("#a50f15", "#f0483e"),
    "zero-shot": Ink("#2e9e4f", "#41c76a"),
    "supervised": Ink("#1f5fd0", "#5b9dff"),
}
"""The paper's colours (grey, pink, red, green, blue), moved until they differ for colour-blind eyes too."""

STATES = {
    "shared": Ink("#7b4fb0", "#b48ae0"),
    "avoided": Ink("#b85c00", "#f59a3c"),
    "gained": Ink("#00666c", "#2cc3cc"),
    "never preferred": Ink("#939393", "#767676"),
}

DIRECTIONS = {
    "longer": Ink("#0b62c4", "#62a9f7"),
    "shorter": Ink("#c8321a", "#ff7f66"),
    "unchanged": Ink("#1c1c1c", "#efefef"),
}
"""The paper's blue, red and black of lengths (Fig. 2, 10); lines differ by dash too."""

CHANCE = {
    "above its null": Ink("#94700a", "#f2c230"),
    "not above its null": Ink("#8e8e8e", "#8a8a8a"),
}
"""Neurons that exceed chance and those that do not; marks differ by shape too."""

SERIES = (
    Ink("#033b95", "#1cd2ff"),
    Ink("#c61c00", "#ff9734"),
    Ink("#00974c", "#7db368"),
    Ink("#693665", "#c579b7"),
    Ink("#828282", "#696969"),
)
"""Lines of one chart that have no colour of their own, in this order; they differ by mark and dash too."""

CONTROLS = {
    "shuffled": Ink("#3d1a06", "#f2e47a"),
    "seed": Ink("#463a85", "#c1d2f1"),
    "constant": Ink("#46587a", "#a9bbd6"),
}
"""What is trained beside the paper's models: on shuffled labels, from another seed, at a constant learning rate.
The first two differ from `ROLES` that they are drawn beside, the last from that of the last snapshot."""

CORPUS = Ink("#000001", "#fffffd")

SHAPES = {
    "untrained": "diamond",
    "early": "square",
    "between": "wedge",
    "before-last": "triangle-up",
    "last": "triangle-down",
    "zero-shot": "circle",
    "supervised": "cross",
    "shuffled": "triangle-right",
    "seed": "triangle-left",
    "constant": "diamond",
    "corpus": "stroke",
}
"""The mark of each role, of each control, and of the corpus beside them."""

TEXT = Ink("#212529", "#ced6dd")
GRID = Ink("#e3e3e3", "#3a3f44")
BAND = Ink("#c9c9c9", "#565b60")
ON_BAR = Ink("#fffffe", "#121213")

_PALETTES = (ROLES, STATES, DIRECTIONS, CHANCE, CONTROLS)
_INKS = (*(ink for palette in _PALETTES for ink in palette.values()), *SERIES, CORPUS, TEXT, GRID, BAND, ON_BAR)

_WORDS = {"labelFontSize": 12, "titleFontSize": 12, "labelColor": TEXT.light, "titleColor": TEXT.light}
_LINES = {"gridColor": GRID.light, "domainColor": GRID.light, "tickColor": GRID.light}
_CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif",
    "axis": {**_WORDS, **_LINES, "titleFontWeight": "normal"},
    "header": _WORDS,
    "legend": {**_WORDS, "titleFontWeight": "normal", "labelLimit": 600, "titleLimit": 600, "symbolOpacity": 1},
    "title": {
        "fontSize": 13,
        "color": TEXT.light,
        "subtitleColor": TEXT.light,
        "anchor": "start",
        "fontWeight": "normal",
    },
    "text": {"color": TEXT.light, "fontSize": 12},
    "view": {"stroke": None},
}


def finish(chart: Any, description: str, names: dict[str, str] | None = None) -> Any:
    """The chart with the house's look and its alt text; `names` says what short columns of its data are, for whoever downloads
    them. Raises TxrayError without a description."""
    if not description.strip():
        raise TxrayError("a chart needs a description: say in a sentence or two, with its numbers, what it shows")
    chart = chart.copy(deep=False)
    chart.description = description
    chart.config = _CONFIG
    chart.usermeta = {"txray": {"dark": {ink.light: ink.dark for ink in _INKS}, "width": WIDTH, "names": names or {}}}
    return chart


def mark_stages(field: str, roles: Mapping[str, str], legend: alt.Legend | None) -> dict[str, alt.Color | alt.Shape]:
    """The channels color and shape of a field that names stages: its values, with what each is: a role, a control, the corpus."""
    names, kinds, inks = list(roles), list(roles.values()), {**ROLES, **CONTROLS, "corpus": CORPUS}
    colour = alt.Scale(domain=names, range=[inks[kind].light for kind in kinds])
    shape = alt.Scale(domain=names, range=[SHAPES[kind] for kind in kinds])
    return {
        "color": alt.Color(f"{field}:N", scale=colour, sort=names, legend=legend),
        "shape": alt.Shape(f"{field}:N", scale=shape, sort=names, legend=legend),
    }


def name_rows(limit: int, **options: Any) -> alt.Axis:
    """The axis of a panel with a row per name, which may take `limit` pixels."""
    return alt.Axis(domain=False, ticks=False, labelLimit=limit, labelOverlap=False, **options)


def label_tokens(tokens: pd.Series, letters: int, within: Sequence[pd.Series] = ()) -> pd.Series:
    """Tokens cut to so many letters for an axis; those that would look alike (within equal values of other series) are numbered."""
    name = tokens.astype(str)
    label = name.where(name.str.len() <= letters, name.str.slice(0, letters - 1) + "…")
    same = label.groupby([*within, label]).cumcount()
    return label.where(same == 0, label + " (" + (same + 1).astype(str) + ")")


def png(spec: dict[str, Any], scale: float = 2.0) -> bytes:
    """A picture of a Vega-Lite spec on white, made without a browser or a network."""
    import vl_convert

    return vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=scale)


def enable() -> None:
    """Make charts render offline in any notebook: as a spec, and as a picture for programs that cannot draw it. The book draws
    every chart itself, and asks for no pictures by the environment variable TXRAY_PICTURES."""
    alt.data_transformers.disable_max_rows()
    alt.renderers.register("txray", _render)
    alt.renderers.enable("txray")


def _render(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    said = {MIME: spec, "text/plain": spec.get("description", "")}
    if os.environ.get(PICTURES) == "no":
        return said
    return {**said, "image/png": base64.b64encode(png(spec)).decode()}
