"""How far the activation mass per tag lies from the tags' frequencies in the corpus (Fig. 3). May touch: errors, theme, tags."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import CORPUS, ROLES, SHAPES, TEXT
from txray_lib.tags import tag_class

NAME = "corpus"
ROW = 32
PUNCTUATION = {
    ".": ". (sentence end)",
    ",": ", (comma)",
    ":": ": (dash, colon)",
    "``": "quote opens",
    "''": "quote closes",
}


def tag_shares(shares: pd.DataFrame, roles: Mapping[str, str], tags: int = 10) -> alt.VConcatChart:
    """Above, how far each stage is from the corpus; below, the paper's bars, and by how many points each tag is off.

    shares  a row per tag; a column "corpus" with the tags' frequencies, and one per stage with their share of its mass, each
            summing to 1
    tags    how many tags get bars of their own, the most frequent first; the rest is folded into one
    """
    if tags < 1:
        raise TxrayError(f"{tags} tags were asked for: at least 1 can be drawn")
    stages = [str(name) for name in shares if name != NAME]
    folded = _fold(shares, tags)
    rows = folded.melt(ignore_index=False, var_name="series", value_name="share").reset_index()
    rows = rows.assign(points=100 * (rows["share"] - rows["tag"].map(folded[NAME])), percent=100 * rows["share"])
    rows = rows.assign(name=rows["tag"].replace(PUNCTUATION), **{"class": rows["tag"].map(tag_class)}).round(4)
    inks = {NAME: CORPUS.light, **{stage: ROLES[roles[stage]].light for stage in stages}}
    panels = alt.hconcat(_bars(rows, inks), _offsets(rows, inks, roles), spacing=10)
    panels = panels.resolve_scale(yOffset="independent")
    return alt.vconcat(_distances(shares, stages, inks, roles), panels, spacing=18)


def _fold(shares: pd.DataFrame, tags: int) -> pd.DataFrame:
    """The most frequent tags in order, then "N rarer tags"; one tag alone keeps its name."""
    ordered = shares.rename_axis("tag").sort_values(NAME, ascending=False, kind="stable")
    kept = len(ordered) if len(ordered) <= tags + 1 else tags
    rest = ordered.iloc[kept:].sum().to_frame(f"{len(ordered) - kept} rarer tags").T
    return pd.concat([ordered.iloc[:kept], rest if kept < len(ordered) else rest.iloc[:0]]).rename_axis("tag")


def _distances(shares: pd.DataFrame, stages: list[str], inks: Mapping[str, str], roles: Mapping[str, str]) -> alt.Chart:
    """Total variation, half the sum of absolute differences over all tags, folded or not: a bar per stage."""
    moved = shares[stages].sub(shares[NAME], axis=0).abs().sum() / 2
    names = [f"{stage}, {roles[stage]}" for stage in stages]
    rows = pd.DataFrame({"series": stages, "name": names, "distance": moved.to_numpy().round(5)})
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=170))
    x = alt.X("distance:Q", title="share of its mass that would have to move", axis=alt.Axis(tickCount=4))
    base = alt.Chart(rows).encode(y=y, x=x)
    bars = base.mark_bar(height=18).encode(color=_colour(inks), tooltip=["series:N", "distance:Q"])
    text = base.mark_text(align="left", dx=5, fontWeight="bold").encode(text=alt.Text("distance:Q", format=".3f"))
    title = alt.Title(["How far each encoder's mass is from", "the corpus's tag frequencies"])
    return alt.layer(bars, text).properties(width=330, height=26 * max(len(stages), 1), title=title)


def _bars(rows: pd.DataFrame, inks: Mapping[str, str]) -> alt.Chart:
    bars = alt.Chart(rows).mark_bar()
    bars = bars.encode(
        y=_y(rows),
        yOffset=_offset(inks),
        x=alt.X("percent:Q", title="share, %", axis=alt.Axis(tickCount=5)),
        color=_colour(inks),
        tooltip=["series:N", "tag:N", "class:N", "percent:Q", "points:Q"],
    )
    title = alt.Title(["The paper's bars: the corpus on top,", "below it mass in the colours above"])
    return bars.properties(width=205, height=ROW * rows["name"].nunique(), title=title)


def _offsets(rows: pd.DataFrame, inks: Mapping[str, str], roles: Mapping[str, str]) -> alt.LayerChart:
    """By how many percentage points each stage's share lies off the corpus's: what bars of such length cannot show."""
    y = _y(rows)
    x = alt.X("points:Q", title="percentage points", axis=alt.Axis(tickCount=5))
    zero = alt.Chart(pd.DataFrame({"points": [0]})).mark_rule(color=TEXT.light).encode(x=x)
    marks = [
        alt.Chart(rows[rows["series"] == stage])
        .mark_point(filled=True, size=48, opacity=1, shape=SHAPES[roles[stage]])
        .encode(y=y, x=x, color=_colour(inks), tooltip=["series:N", "tag:N", "percent:Q", "points:Q"])
        for stage in inks
        if stage != NAME
    ]
    title = alt.Title(["How far each tag is off", "the corpus (the line)"])
    return alt.layer(zero, *marks).properties(width=165, height=ROW * rows["name"].nunique(), title=title)


def _y(rows: pd.DataFrame) -> alt.Y:
    """Equal rows in both panels, with a gap between tags."""
    axis = alt.Axis(domain=False, ticks=False, grid=True, labelLimit=110)
    scale = alt.Scale(domain=list(rows["name"].unique()), paddingInner=0.2, paddingOuter=0.1)
    return alt.Y("name:N", scale=scale, title=None, axis=axis)


def _offset(inks: Mapping[str, str]) -> alt.YOffset:
    return alt.YOffset("series:N", sort=list(inks), scale=alt.Scale(domain=list(inks)))


def _colour(inks: Mapping[str, str]) -> alt.Color:
    scale = alt.Scale(domain=list(inks), range=list(inks.values()))
    return alt.Color("series:N", scale=scale, legend=None)
