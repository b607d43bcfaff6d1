"""Activation mass per tag beside the tags' frequencies in the corpus (Fig. 3). May touch: errors, theme, tags."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import CORPUS, ROLES, SHAPES, TEXT
from txray_lib.tags import tag_class

NAME = "corpus"
ROW = 34
PUNCTUATION = {
    ".": ". (sentence end)",
    ",": ", (comma)",
    ":": ": (dash, colon)",
    "``": "quote opens",
    "''": "quote closes",
}


def tag_shares(shares: pd.DataFrame, roles: Mapping[str, str], tags: int = 15) -> alt.HConcatChart:
    """Bars of each tag's share of the corpus and of the mass of each stage; beside them by how many points each stage is off.

    shares  [series, tag, share], each series summing to 1; the series "corpus" holds the frequencies, the others are stages
    tags    how many tags get bars of their own, the most frequent first; the rest is folded into one
    """
    if tags < 1:
        raise TxrayError(f"{tags} tags were asked for: at least 1 can be drawn")
    stages = [name for name in shares["series"].unique() if name != NAME]
    distance = {stage: _distance(shares, stage) for stage in stages}
    folded = _fold(shares, tags)
    labels = {NAME: f"{NAME}: frequency of the tag"} | {
        stage: f"{stage} ({roles[stage]}): {distance[stage]:.3f} from the corpus" for stage in stages
    }
    folded["label"] = folded["series"].map(labels)
    folded["class"] = folded["tag"].map(tag_class)
    order = list(dict.fromkeys(folded["name"]))
    chart = alt.hconcat(_bars(folded, order, labels, roles), _offsets(folded, order, labels, roles), spacing=10)
    chart = chart.resolve_scale(color="shared", yOffset="independent")
    return chart


def _distance(shares: pd.DataFrame, stage: str) -> float:
    """Total variation: half the sum of absolute differences over all tags, folded or not."""
    wide = shares.pivot(index="tag", columns="series", values="share").fillna(0.0)
    return float((wide[stage] - wide[NAME]).abs().sum() / 2)


def _fold(shares: pd.DataFrame, tags: int) -> pd.DataFrame:
    """[series, tag, name, share, points]: the most frequent tags in order, then "N rarer tags"; one tag alone keeps its name."""
    frequency = shares[shares["series"] == NAME].set_index("tag")["share"].sort_values(ascending=False, kind="stable")
    kept = list(frequency.index if len(frequency) <= tags + 1 else frequency.index[:tags])
    rest = f"{len(frequency) - len(kept)} rarer tags"
    rows = shares.assign(tag=shares["tag"].where(shares["tag"].isin(kept), rest))
    rows = rows.groupby(["series", "tag"], sort=False)["share"].sum().reset_index()
    rank = {tag: i for i, tag in enumerate([*kept, rest])}
    rows = rows.sort_values("tag", key=lambda column: column.map(rank), kind="stable")
    own = rows[rows["series"] == NAME].set_index("tag")["share"]
    name = rows["tag"].replace(PUNCTUATION)
    return rows.assign(name=name, points=100 * (rows["share"] - rows["tag"].map(own)), percent=100 * rows["share"])


def _inks(labels: Mapping[str, str], roles: Mapping[str, str]) -> list[str]:
    return [CORPUS.light if series == NAME else ROLES[roles[series]].light for series in labels]


def _bars(rows: pd.DataFrame, order: list[str], labels: Mapping[str, str], roles: Mapping[str, str]) -> alt.Chart:
    names = list(labels.values())
    legend = alt.Legend(
        title=["total variation distance: 0 has the", "corpus's shares, 1 no tag in common"],
        orient="top",
        direction="vertical",
        columns=1,
    )
    return (
        alt.Chart(_rounded(rows))
        .mark_bar()
        .encode(
            y=alt.Y(
                "name:N",
                sort=order,
                scale=_bands(order),
                title=None,
                axis=alt.Axis(domain=False, ticks=False, labelLimit=120),
            ),
            yOffset=_offset(names),
            x=alt.X("percent:Q", title="share of tokens or mass, %", axis=alt.Axis(tickCount=5)),
            color=alt.Color(
                "label:N", sort=names, scale=alt.Scale(domain=names, range=_inks(labels, roles)), legend=legend
            ),
            tooltip=_tooltip(),
        )
        .properties(width=260, height=ROW * len(order))
    )


def _offsets(
    rows: pd.DataFrame, order: list[str], labels: Mapping[str, str], roles: Mapping[str, str]
) -> alt.LayerChart:
    """By how many percentage points each stage's share lies off the corpus's: what bars of such length cannot show."""
    names = list(labels.values())
    stages = [series for series in labels if series != NAME]
    y = alt.Y(
        "name:N",
        sort=order,
        scale=_bands(order),
        title=None,
        axis=alt.Axis(labels=False, domain=False, ticks=False, grid=True),
    )
    x = alt.X("points:Q", title="off the corpus, percentage points", axis=alt.Axis(tickCount=5))
    marks = [
        alt.Chart(_rounded(rows[rows["series"] == stage]))
        .mark_point(filled=True, size=38, opacity=1, shape=SHAPES[roles[stage]])
        .encode(
            y=y,
            yOffset=_offset(names),
            x=x,
            color=alt.Color("label:N", sort=names, scale=alt.Scale(domain=names, range=_inks(labels, roles))),
            tooltip=_tooltip(),
        )
        for stage in stages
    ]
    zero = alt.Chart(pd.DataFrame({"points": [0]})).mark_rule(color=TEXT.light).encode(x=x)
    return alt.layer(zero, *marks).properties(width=200, height=ROW * len(order))


def _bands(order: list[str]) -> alt.Scale:
    """Equal rows in both panels, with a gap between tags."""
    return alt.Scale(domain=order, paddingInner=0.2, paddingOuter=0.1)


def _offset(names: list[str]) -> alt.YOffset:
    return alt.YOffset("label:N", sort=names, scale=alt.Scale(domain=names))


def _rounded(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["series", "label", "tag", "name", "class", "percent", "points"]].round(4)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("tag:N"),
        alt.Tooltip("class:N"),
        alt.Tooltip("series:N"),
        alt.Tooltip("percent:Q", title="share, %", format=".2f"),
        alt.Tooltip("points:Q", title="off the corpus, points", format="+.2f"),
    ]
