"""One look for every figure: colours that carry meaning (`colours.yaml`), alt text, and a renderer that needs no network.

A chart leaves this room through `finish`, with a description made of its own numbers and the colours it takes on a dark
page. May touch: errors.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import yaml

from txray_lib.errors import TxrayError

MIME = "application/vnd.vegalite.v6+json"
VEGA_LITE = "6.4"
PICTURES = "TXRAY_PICTURES"
WIDTH = 640
"""Pixels that a figure may take: what the text column of the book leaves."""


@dataclass(frozen=True)
class Ink:
    """A colour on a white and on a dark page; the mark of a role, of a control, and of the corpus beside them."""

    light: str
    dark: str
    mark: str = ""


_DATA = yaml.safe_load(Path(__file__).with_name("colours.yaml").read_text(encoding="utf-8"))
_PALETTES = {
    palette: {name: Ink(*pair) for name, pair in _DATA[palette].items()}
    for palette in ("roles", "states", "directions", "chance", "series", "controls", "page")
}
ROLES, STATES, DIRECTIONS = _PALETTES["roles"], _PALETTES["states"], _PALETTES["directions"]
CHANCE, CONTROLS, SERIES = _PALETTES["chance"], _PALETTES["controls"], tuple(_PALETTES["series"].values())
CORPUS, TEXT, BAND, ON_BAR = (_PALETTES["page"][name] for name in ("corpus", "text", "band", "on bar"))


def finish(chart: Any, description: str, names: dict[str, str] | None = None) -> Any:
    """The chart with the house's look and its alt text; `names` says what short columns of its data are, for whoever downloads
    them. Raises TxrayError without a description."""
    if not description.strip():
        raise TxrayError("a chart needs a description: say in a sentence or two, with its numbers, what it shows")
    chart = chart.copy(deep=False)
    chart.description = description
    chart.config = _DATA["vega"]
    dark = {ink.light: ink.dark for palette in _PALETTES.values() for ink in palette.values()}
    chart.usermeta = {"txray": {"dark": dark, "width": WIDTH, "names": names or {}}}
    return chart


def mark_stages(field: str, roles: Mapping[str, str], legend: alt.Legend | None) -> dict[str, alt.Color | alt.Shape]:
    """The channels color and shape of a field that names stages: its values, with what each is: a role, a control, the corpus."""
    names, kinds, inks = list(roles), list(roles.values()), {**ROLES, **CONTROLS, "corpus": CORPUS}
    colour = alt.Scale(domain=names, range=[inks[kind].light for kind in kinds])
    shape = alt.Scale(domain=names, range=[inks[kind].mark for kind in kinds])
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
