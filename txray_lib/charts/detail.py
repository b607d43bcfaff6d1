"""One neuron: its tags as bars, its tokens as marks at their probability (Fig. 5, 7, 9). May touch: theme, preferences, tags."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.charts.theme import ROLES, SHAPES, finish
from txray_lib.errors import TxrayError
from txray_lib.preferences import distributions, grouped_by_tag
from txray_lib.tags import TAG_CLASSES, tag_class

MARKS = {".": "sentence end", ",": "comma", ":": "dash, colon", "``": "quote opens", "''": "quote closes"}
"""Names for tags that are punctuation, which a reader would not find on an axis."""

MAX_TAGS = 8
MAX_LETTERS = 28


def detail(
    preferences: Mapping[str, pd.DataFrame], roles: Mapping[str, str], neuron: int, layer: int = 0, top_n: int = 15
) -> alt.HConcatChart:
    """One neuron in two or three stages, side by side.

    preferences  of each stage to be shown, in the order of time
    roles        role of each stage, which gives its colour and mark
    top_n        tokens shown: those with the largest probability in any of the stages; tags beyond the eight most
                 probable are folded into one bar
    """
    own = {stage: rows[(rows["layer"] == layer) & (rows["neuron"] == neuron)] for stage, rows in preferences.items()}
    if top_n < 1:
        raise TxrayError(f"{top_n} tokens were asked for: at least 1 can be drawn")
    if all(rows.empty for rows in own.values()):
        raise TxrayError(
            f"neuron {neuron} of layer {layer} prefers nothing in {', '.join(own)}: there is nothing to draw"
        )
    tokens = _probabilities(own, "feature")
    tags = _probabilities(own, "tag")
    shown = tokens.groupby("feature")["p"].max().nlargest(top_n).index
    chart = alt.hconcat(
        _tag_bars(_fold(tags), list(own), roles),
        _token_marks(tokens[tokens["feature"].isin(shown)], _classes(own), list(own), roles),
        spacing=14,
    ).resolve_scale(color="independent", shape="independent", yOffset="independent")
    return finish(chart, _describe(tokens, tags, list(own), neuron))


def _probabilities(own: Mapping[str, pd.DataFrame], by: str) -> pd.DataFrame:
    """[stage, feature or tag, p] for every stage in which the neuron prefers anything; tags sum the tokens' p (§3.1)."""
    read = grouped_by_tag if by == "tag" else distributions
    parts = [read(rows).assign(stage=stage) for stage, rows in own.items() if len(rows)]
    table = pd.concat(parts, ignore_index=True)
    names = table[by].astype(str)
    return table.assign(**{by: names.replace(MARKS) if by == "tag" else names})[["stage", by, "p"]]


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
    """The most probable tags, the rest summed into one row called "N rarer tags"; one tag alone keeps its name."""
    order = tags.groupby("tag")["p"].max().sort_values(ascending=False, kind="stable").index
    rare = set(order[MAX_TAGS:]) if len(order) > MAX_TAGS + 1 else set()
    name = f"{len(rare)} rarer tags"
    return (
        tags.assign(tag=tags["tag"].where(~tags["tag"].isin(rare), name))
        .groupby(["stage", "tag"], as_index=False)["p"]
        .sum()
    )


def _scales(stages: list[str], roles: Mapping[str, str]) -> tuple[alt.Scale, alt.Scale]:
    colour = alt.Scale(domain=stages, range=[ROLES[roles[stage]].light for stage in stages])
    return colour, alt.Scale(domain=stages, range=[SHAPES[roles[stage]] for stage in stages])


def _tag_bars(tags: pd.DataFrame, stages: list[str], roles: Mapping[str, str]) -> alt.Chart:
    colour, _ = _scales(stages, roles)
    order = tags.groupby("tag")["p"].max().sort_values(ascending=False, kind="stable").index
    folded = [tag for tag in order if tag.endswith(" rarer tags")]
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    return (
        alt.Chart(tags.round(5))
        .mark_bar()
        .encode(
            y=alt.Y(
                "tag:N",
                sort=[*(t for t in order if t not in folded), *folded],
                title=None,
                axis=alt.Axis(domain=False, ticks=False),
            ),
            yOffset=alt.YOffset("stage:N", sort=stages),
            x=alt.X("p:Q", title="probability, by tag", axis=alt.Axis(tickCount=3)),
            color=alt.Color("stage:N", scale=colour, legend=legend),
            tooltip=["stage:N", "tag:N", "p:Q"],
        )
        .properties(width=150, height=alt.Step(9))
    )


def _token_marks(
    tokens: pd.DataFrame, classes: Mapping[str, str], stages: list[str], roles: Mapping[str, str]
) -> alt.LayerChart:
    colour, shape = _scales(stages, roles)
    marks = tokens.assign(
        word=tokens["feature"].map(_labels(tokens["feature"].unique())), pos=tokens["feature"].map(classes)
    ).round(5)
    order = [*dict.fromkeys(TAG_CLASSES.values())]
    rank = marks.groupby("word").agg(p=("p", "max"), pos=("pos", "first")).reset_index()
    rank = rank.assign(order=rank["pos"].map(order.index)).sort_values(
        ["order", "p"], ascending=[True, False], kind="stable"
    )
    first = rank.drop_duplicates("pos")
    y = alt.Y(
        "word:N",
        sort=list(rank["word"]),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelLimit=125, grid=True),
    )
    x = alt.X("p:Q", title="probability, by token", axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=True))
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    return alt.layer(
        alt.Chart(first[["word", "pos"]])
        .mark_text(align="left", dx=7, fontStyle="italic", fontSize=11)
        .encode(y=y, x=alt.value("width"), text="pos:N"),
        alt.Chart(marks)
        .mark_point(filled=True, size=48, opacity=1)
        .encode(
            y=y,
            yOffset=alt.YOffset("stage:N", sort=stages, scale=alt.Scale(paddingOuter=1)),
            x=x,
            color=alt.Color("stage:N", scale=colour, legend=legend),
            shape=alt.Shape("stage:N", scale=shape, legend=legend),
            tooltip=["stage:N", "feature:N", "pos:N", "p:Q"],
        ),
    ).properties(width=190, height=len(rank) * max(16, 8 * len(stages)))


def _labels(features: list[str]) -> dict[str, str]:
    """Tokens short enough for an axis, still told apart."""
    labels: dict[str, str] = {}
    for feature in features:
        label = feature if len(feature) <= MAX_LETTERS else f"{feature[: MAX_LETTERS - 1]}…"
        same = sum(taken == label or taken.startswith(f"{label} (") for taken in labels.values())
        labels[feature] = f"{label} ({same + 1})" if same else label
    return labels


def _describe(tokens: pd.DataFrame, tags: pd.DataFrame, stages: list[str], neuron: int) -> str:
    parts = []
    for stage in stages:
        words = tokens[tokens["stage"] == stage].nlargest(3, "p")
        if words.empty:
            parts.append(f"{stage}: prefers nothing")
            continue
        named = ", ".join(f"{_labels([w])[w]} {p:.2f}" for w, p in zip(words["feature"], words["p"], strict=True))
        tag = tags[tags["stage"] == stage].nlargest(1, "p").iloc[0]
        count = int((tokens["stage"] == stage).sum())
        parts.append(f"{stage}: {count} features, most probable {named}; tag {tag['tag']} {tag['p']:.2f}")
    return f"Neuron {neuron}: probabilities of its tags as bars and of its tokens as marks. {'. '.join(parts)}."
