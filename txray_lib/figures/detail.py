"""One neuron: its tags as bars, its tokens as marks at their probability, grouped by part of speech (Fig. 5, 7, 9).

May touch: the theme, errors, preferences.
"""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, label_tokens, mark_stages, name_rows
from txray_lib.preferences import distributions, grouped_by_tag, tag_class

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


def detail(
    preferences: Mapping[str, pd.DataFrame],
    roles: Mapping[str, str],
    neuron: int,
    top_tokens: int = 15,
) -> alt.HConcatChart:
    """One neuron in two or three stages: left its parts of speech, right its strongest tokens.

    preferences  of each stage to be shown, in the order of time; a stage that prefers nothing is said in the legend
    roles        role of each stage, which gives its colour and mark
    top_tokens   tokens shown: the strongest of each stage in turn, so that no stage with few and therefore large probabilities
                 crowds out the others; tags beyond the eight strongest are folded into one bar

    A token without a stage's mark is one that the neuron does not prefer there. Raises TxrayError where there is nothing to
    draw.
    """
    stages = list(preferences)
    own = {stage: rows[rows["neuron"] == neuron] for stage, rows in preferences.items()}
    own = {stage: rows for stage, rows in own.items() if len(rows)}
    if not own:
        raise TxrayError(f"neuron {neuron} prefers nothing in {', '.join(stages)}: there is nothing to draw")
    tokens, tags = _tokens(own), _tags(own)
    turn = tokens.groupby("stage")["p"].rank(ascending=False, method="first").sort_values(kind="stable").index
    shown = tokens["feature"].loc[turn].unique()[:top_tokens]
    labels = {}
    for stage in stages:
        its = tokens[tokens["stage"] == stage]
        held = its.loc[its["feature"].isin(shown), "p"].sum()
        labels[stage] = f"{stage}: {len(its):,} tokens, those shown hold {held:.0%} of P"
    by_class = tags.groupby(["stage", "class"])["p"].sum().groupby("class").max().sort_values(ascending=False)
    tokens, tags = (table.assign(label=table["stage"].map(labels)) for table in (tokens, _fold(tags)))
    marks = tokens[tokens["feature"].isin(shown)]
    marks = marks.assign(word=marks["feature"].map(label_tokens(pd.Series(shown, index=shown), MAX_LETTERS)))
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1, symbolSize=80)
    ink = mark_stages("label", {labels[stage]: roles[stage] for stage in stages}, legend)
    classes = list(by_class.index)
    panels = _bars(tags, classes, stages, ink), _points(marks, classes, ink)
    chart = alt.hconcat(*panels, spacing=14, title=f"Neuron {neuron} in {', '.join(stages)}")
    return chart.resolve_scale(color="shared", shape="shared", yOffset="independent")


def _tokens(own: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """[stage, feature, class, p, count] of every token; its class is that of the tag which holds most of its activation
    in this neuron."""
    rows = pd.concat(own.values(), ignore_index=True).astype({"feature": str, "tag": str})
    sums = rows.groupby(["feature", "tag"])["activation_sum"].sum().sort_values(ascending=False, kind="stable")
    best = sums.reset_index().drop_duplicates("feature").set_index("feature")["tag"].map(tag_class)
    parts = [distributions(rows).assign(stage=stage) for stage, rows in own.items()]
    table = pd.concat([part.astype({"feature": str}) for part in parts], ignore_index=True)
    table["class"] = table["feature"].map(best)
    return table[["stage", "feature", "class", "p", "count"]]


def _tags(own: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """[stage, tag, class, p]: a tag sums the p of its tokens (§3.1)."""
    parts = [grouped_by_tag(rows).astype({"tag": str})[["tag", "p"]].assign(stage=stage) for stage, rows in own.items()]
    table = pd.concat(parts, ignore_index=True)
    table["class"] = table["tag"].map(tag_class)
    return table


def _fold(tags: pd.DataFrame) -> pd.DataFrame:
    """The strongest tags, the rest summed into one row called "N rarer tags" of no class; one tag alone keeps its name."""
    order = tags.groupby("tag")["p"].max().sort_values(ascending=False, kind="stable").index
    rare = order[MAX_TAGS:] if len(order) > MAX_TAGS + 1 else []
    is_rare = tags["tag"].isin(rare)
    name = tags["tag"].map(MARKS).fillna(tags["tag"] + " " + tags["class"])
    named = {"tag": name.mask(is_rare, f"{len(rare)} rarer tags"), "class": tags["class"].mask(is_rare, "")}
    return tags.assign(**named).groupby(["stage", "tag", "class"], as_index=False, sort=False)["p"].sum()


def _rows(table: pd.DataFrame, name: str, classes: list[str], limit: int) -> tuple[pd.DataFrame, alt.Y]:
    """The rows of a panel, [name, class], class by class and the strongest first within a class; and their axis."""
    rank = table.groupby([name, "class"], as_index=False, sort=False)["p"].max()
    place = rank["class"].map({own: i for i, own in enumerate(classes)}).fillna(len(classes))
    rows = rank.assign(place=place).sort_values(["place", "p"], ascending=[True, False], kind="stable")
    scale = alt.Scale(domain=list(rows[name]), paddingInner=0)
    return rows[[name, "class"]], alt.Y(f"{name}:N", scale=scale, title=None, axis=name_rows(limit, grid=True))


def _bars(tags: pd.DataFrame, classes: list[str], stages: list[str], ink: dict) -> alt.Chart:
    """A row per part of speech, in it a bar per stage."""
    rows, y = _rows(tags, "tag", classes, 130)
    offset = alt.YOffset("stage:N", sort=stages, scale=alt.Scale(domain=stages, paddingOuter=0.35))
    x = alt.X("p:Q", title="probability, by tag", axis=alt.Axis(tickCount=3))
    bars = alt.Chart(tags.round({"p": 5}), width=125, height=len(rows) * max(18, 9 * len(stages) + 4)).mark_bar()
    return bars.encode(y=y, yOffset=offset, x=x, color=ink["color"], tooltip=["stage:N", "tag:N", "p:Q"])


def _points(marks: pd.DataFrame, classes: list[str], ink: dict) -> alt.LayerChart:
    """A row per token, in it a mark per stage that prefers it, joined where there are several."""
    rows, y = _rows(marks, "word", classes, 120)
    title = "probability, by token"
    x = alt.X("p:Q", title=title, axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=True))
    span = marks.groupby("word", as_index=False, sort=False)["p"].agg(["min", "max"])
    tips = ["stage:N", "feature:N", "class:N", alt.Tooltip("p:Q", title=title), "count:Q"]
    names = alt.Chart(rows.drop_duplicates("class")).mark_text(align="left", dx=7, fontStyle="italic", fontSize=11)
    spans = alt.Chart(span).mark_rule(color=BAND.light, strokeWidth=2)
    points = alt.Chart(marks.round({"p": 5})).mark_point(filled=True, size=60, opacity=1)
    return alt.layer(
        names.encode(y=y, x=alt.value("width"), text="class:N"),
        spans.encode(y=y, x=alt.X("min:Q", title=title), x2="max:Q"),
        points.encode(y=y, x=x, tooltip=tips, **ink),
    ).properties(width=165, height=20 * len(rows))
