"""One neuron: its tags as bars, its tokens as marks at their probability, grouped by part of speech (Fig. 5, 7, 9).

May touch: the theme, definitions, errors, preferences, tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

import altair as alt
import pandas as pd

from txray_lib.definitions import CHOICES, PAPER
from txray_lib.errors import TxrayError, nearest
from txray_lib.figures.theme import BAND, ROLES, SHAPES
from txray_lib.preferences import distributions, grouped_by_tag
from txray_lib.tags import tag_class

MARKS = {
    ".": "sentence end",
    ",": "comma",
    ":": "dash, colon",
    "``": "quote opens",
    "''": "quote closes",
    "-LRB-": "bracket opens",
    "-RRB-": "bracket closes",
}
"""Names for tags that are punctuation, which a reader would not find on an axis."""

MAX_TAGS = 8
MAX_LETTERS = 28
TITLES = {
    "paper": ("probability, by tag", "probability, by token"),
    "released": ("tokens counted, by tag", "mean activation, by token"),
}
"""What the bars and the marks measure (C17, C18)."""


@dataclass(frozen=True)
class _Drawn:
    """What is drawn of one neuron.

    tokens  [stage, feature, class, value, p, count] of every token, tags [stage, tag, class, value] of every tag
    shown   the tokens that get marks, classes the parts of speech from the strongest down
    """

    stages: list[str]
    tokens: pd.DataFrame
    tags: pd.DataFrame
    shown: list[str]
    classes: list[str]
    titles: tuple[str, str]

    def share(self, stage: str) -> float:
        """How much of the stage's P the shown tokens hold together."""
        p = self.tokens[self.tokens["stage"] == stage].set_index("feature")["p"]
        return float(p[p.index.isin(self.shown)].sum() / p.sum())

    def length(self, stage: str) -> int:
        return int((self.tokens["stage"] == stage).sum())

    def label(self, stage: str) -> str:
        """A stage's line in the legend: its name, its length, and what the shown tokens hold."""
        features = self.length(stage)
        if not features:
            return f"{stage}: prefers nothing"
        if set(self.tokens.loc[self.tokens["stage"] == stage, "feature"]) <= set(self.shown):
            return f"{stage}: prefers {features:,} {'token' if features == 1 else 'tokens'}, all of them shown"
        return f"{stage}: prefers {features:,} tokens; those shown hold {_percent(self.share(stage))} of P"


def detail(
    preferences: Mapping[str, pd.DataFrame],
    roles: Mapping[str, str],
    neuron: int,
    layer: int = 0,
    top_tokens: int = 15,
    *,
    probability: str = PAPER,
    definition: str = PAPER,
) -> alt.HConcatChart:
    """One neuron in two or three stages, side by side in every row.

    preferences  of each stage to be shown, in the order of time; a stage that prefers nothing is said in the legend
    roles        role of each stage, which gives its colour and mark
    top_tokens   tokens shown: the strongest of each stage in turn; tags beyond the eight strongest are folded into one bar
    probability  "paper" or "released" (C2), see `preferences.distributions`
    definition   "paper": bars and marks are probabilities; "released": bars count tokens, marks are mean activations
                 (C17, C18)
    """
    own = {stage: rows[(rows["layer"] == layer) & (rows["neuron"] == neuron)] for stage, rows in preferences.items()}
    if top_tokens < 1:
        raise TxrayError(f"{top_tokens} tokens were asked for: at least 1 can be drawn")
    if definition not in CHOICES:
        raise TxrayError(
            f"the definition of the figure is {definition!r}, which is neither of the two. {nearest(definition, CHOICES)}"
        )
    if all(rows.empty for rows in own.values()):
        raise TxrayError(
            f"neuron {neuron} of layer {layer} prefers nothing in {', '.join(own)}: there is nothing to draw"
        )
    tokens, tags = _tokens(own, probability, definition), _tags(own, probability, definition)
    classes = tags.groupby(["stage", "class"])["value"].sum().groupby("class").max().sort_values(ascending=False)
    shown = strongest_in_turn(
        [
            list(its.sort_values("value", ascending=False, kind="stable")["feature"])
            for _, its in _by_stage(tokens, own)
        ],
        top_tokens,
    )
    ranked = [*classes.index, *sorted(set(tokens["class"]) - set(classes.index))]
    drawn = _Drawn(list(own), tokens, tags, shown, ranked, TITLES[definition])
    chart = alt.hconcat(_tag_bars(drawn, roles), _token_marks(drawn, roles), spacing=14)
    chart = chart.resolve_scale(color="shared", shape="shared", yOffset="independent")
    return chart


def strongest_in_turn(ranked: Iterable[list[str]], number: int) -> list[str]:
    """The first of each list, then the second of each, …: at most `number` different ones, so that no stage with few and
    therefore large probabilities crowds out the others."""
    order = dict.fromkeys(name for turn in zip_longest(*ranked) for name in turn if name is not None)
    return list(order)[:number]


def _by_stage(table: pd.DataFrame, stages: Iterable[str]) -> list[tuple[str, pd.DataFrame]]:
    return [(stage, table[table["stage"] == stage]) for stage in stages]


def _tokens(own: Mapping[str, pd.DataFrame], probability: str, definition: str) -> pd.DataFrame:
    parts = [distributions(rows, "feature", probability).assign(stage=s) for s, rows in own.items() if len(rows)]
    table = pd.concat([part.astype({"feature": str}) for part in parts], ignore_index=True)
    value = table["p"] if definition == PAPER else table["mass"] / table["count"]
    table = table.assign(value=value, **{"class": table["feature"].map(_classes(own))})
    return table[["stage", "feature", "class", "value", "p", "count"]]


def _tags(own: Mapping[str, pd.DataFrame], probability: str, definition: str) -> pd.DataFrame:
    """[stage, tag, class, value]: tags sum the p of their tokens (§3.1), or the released code's count of tokens."""
    parts = []
    for stage, rows in own.items():
        if rows.empty:
            continue
        if definition == PAPER:
            # The released P of a neuron is the paper's times a number, its sum.
            total = distributions(rows, "feature", probability)["p"].sum()
            part = grouped_by_tag(rows).assign(value=lambda table, total=total: table["p"] * total)
        else:
            part = rows.groupby("tag", observed=True)["count"].sum().rename("value").reset_index()
        parts.append(part.astype({"tag": str})[["tag", "value"]].assign(stage=stage))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{"class": table["tag"].map(tag_class)})


def _classes(own: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Each token's part of speech: that of the tag which holds most of its activation in this neuron."""
    rows = pd.concat(own.values(), ignore_index=True)
    rows = rows.assign(feature=rows["feature"].astype(str), tag=rows["tag"].astype(str))
    sums = (
        rows.groupby(["feature", "tag"])["activation_sum"]
        .sum()
        .sort_values(ascending=False, kind="stable")
        .reset_index()
    )
    best = sums.drop_duplicates("feature").set_index("feature")["tag"]
    return best.map(tag_class).to_dict()


def _fold(tags: pd.DataFrame) -> pd.DataFrame:
    """The strongest tags, the rest summed into one row called "N rarer tags" of no class; one tag alone keeps its name."""
    order = tags.groupby("tag")["value"].max().sort_values(ascending=False, kind="stable").index
    rare = set(order[MAX_TAGS:]) if len(order) > MAX_TAGS + 1 else set()
    is_rare = tags["tag"].isin(rare)
    name = tags["tag"].replace(MARKS) + " " + tags["class"]
    name = name.where(~tags["tag"].isin(list(MARKS)), tags["tag"].replace(MARKS))
    folded = tags.assign(
        tag=name.mask(is_rare, f"{len(rare)} rarer tags"), **{"class": tags["class"].mask(is_rare, "")}
    )
    return folded.groupby(["stage", "tag", "class"], as_index=False, sort=False)["value"].sum()


def _scales(drawn: _Drawn, roles: Mapping[str, str]) -> tuple[alt.Color, alt.Shape]:
    labels = [drawn.label(stage) for stage in drawn.stages]
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1, symbolSize=80)
    colour = alt.Scale(domain=labels, range=[ROLES[roles[stage]].light for stage in drawn.stages])
    shape = alt.Scale(domain=labels, range=[SHAPES[roles[stage]] for stage in drawn.stages])
    return (
        alt.Color("label:N", scale=colour, sort=labels, legend=legend),
        alt.Shape("label:N", scale=shape, sort=labels, legend=legend),
    )


def _rows(table: pd.DataFrame, name: str, classes: list[str]) -> pd.DataFrame:
    """[name, class]: what the rows of a panel are, class by class and the strongest first within a class."""
    rank = table.groupby([name, "class"], as_index=False, sort=False)["value"].max()
    place = rank["class"].map(lambda c: classes.index(c) if c in classes else len(classes))
    rank = rank.assign(place=place).sort_values(["place", "value"], ascending=[True, False], kind="stable")
    return rank[[name, "class"]]


def _stripes(rows: pd.DataFrame, name: str, y: alt.Y) -> list[alt.Chart]:
    """A band behind every second part of speech, as wide as the panel."""
    bands = rows.groupby("class", sort=False)[name].agg(first="first", last="last").reset_index().iloc[1::2]
    if bands.empty:
        return []
    first = y.copy()
    first.shorthand, first.bandPosition = "first:N", 0
    band = alt.Chart(bands).mark_rect(color=BAND.light, opacity=0.28)
    return [band.encode(y=first, y2=alt.Y2("last:N", bandPosition=1), x=alt.value(0), x2=alt.value("width"))]


def _y(name: str, order: list[str], limit: int) -> alt.Y:
    axis = alt.Axis(domain=False, ticks=False, labelLimit=limit, labelOverlap=False)
    return alt.Y(f"{name}:N", scale=alt.Scale(domain=order, paddingInner=0), title=None, axis=axis)


def _tag_bars(drawn: _Drawn, roles: Mapping[str, str]) -> alt.LayerChart:
    tags = _fold(drawn.tags)
    rows = _rows(tags, "tag", drawn.classes)
    colour, _ = _scales(drawn, roles)
    y = _y("tag", list(rows["tag"]), 130)
    bars = (
        alt.Chart(tags.assign(label=tags["stage"].map(drawn.label)).round(5))
        .mark_bar()
        .encode(
            y=y,
            yOffset=alt.YOffset("stage:N", sort=drawn.stages, scale=_offsets(drawn, 0.35)),
            x=alt.X("value:Q", title=drawn.titles[0], axis=alt.Axis(tickCount=3, labelFlush=False)),
            color=colour,
            tooltip=["stage:N", "tag:N", "class:N", alt.Tooltip("value:Q", title=drawn.titles[0])],
        )
    )
    height = len(rows) * max(18, 9 * len(drawn.stages) + 4)
    return alt.layer(*_stripes(rows, "tag", y), bars).properties(width=125, height=height)


def _offsets(drawn: _Drawn, padding: float) -> alt.Scale:
    return alt.Scale(domain=drawn.stages, paddingOuter=padding)


def _token_marks(drawn: _Drawn, roles: Mapping[str, str]) -> alt.LayerChart:
    marks = drawn.tokens[drawn.tokens["feature"].isin(drawn.shown)]
    marks = marks.assign(word=marks["feature"].map(_labels(drawn.shown)), label=marks["stage"].map(drawn.label))
    rows = _rows(marks, "word", drawn.classes)
    colour, shape = _scales(drawn, roles)
    y = _y("word", list(rows["word"]), 120)
    x = alt.X(
        "value:Q", title=drawn.titles[1], axis=alt.Axis(tickCount=3, labelFlush=False), scale=alt.Scale(zero=True)
    )
    tips = ["stage:N", "feature:N", "class:N", alt.Tooltip("value:Q", title=drawn.titles[1]), "count:Q"]
    height = len(rows) * max(17, 8 * len(drawn.stages))
    return alt.layer(
        *_stripes(rows, "word", y),
        alt.Chart(rows.drop_duplicates("class"))
        .mark_text(align="left", dx=7, fontStyle="italic", fontSize=11)
        .encode(y=y, x=alt.value("width"), text="class:N"),
        alt.Chart(marks.drop(columns="p").round(5))
        .mark_point(filled=True, size=48, opacity=1)
        .encode(
            y=y,
            yOffset=alt.YOffset("stage:N", sort=drawn.stages, scale=_offsets(drawn, 1.0)),
            x=x,
            color=colour,
            shape=shape,
            tooltip=tips,
        ),
    ).properties(width=165, height=height)


def _labels(features: Iterable[str]) -> dict[str, str]:
    """Tokens short enough for an axis, still told apart."""
    labels: dict[str, str] = {}
    for feature in features:
        label = feature if len(feature) <= MAX_LETTERS else f"{feature[: MAX_LETTERS - 1]}…"
        same = sum(taken == label or taken.startswith(f"{label} (") for taken in labels.values())
        labels[feature] = f"{label} ({same + 1})" if same else label
    return labels


def _percent(share: float) -> str:
    """A share as it can be read in a legend; never 100 % where something is left out."""
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"
