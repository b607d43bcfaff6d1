"""Distance against length, with the words of the neuron that is clicked (Fig. 4, 6, 8). May touch: errors, theme."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CHANCE, ON_BAR, TEXT, label_tokens, mark_stages, name_rows

WIDTH, HEIGHT, WORDS = 500, 270, 92
TICKS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000]
BINS, FEWEST = 2, 12
"""Neurons of like length share a bin, so many for each factor e; the median of fewer is not drawn."""
MAX_LETTERS = 18


def plane(
    shared: pd.DataFrame,
    words: pd.DataFrame,
    roles: Mapping[str, str],
    neuron: int = -1,
    min_length: int = 10,
    yardstick: float | None = None,
) -> alt.VConcatChart:
    """A point for each shared neuron of one comparison or more, and below them the words of the one that is clicked.

    shared      rows of a transfer table with `length`; points that are not `above` their null are hollow, where `q` is there
    words       of `preferences.strongest`, with a column `comparison` where there is more than one
    roles       role of each stage: a comparison has the colour of its stage after, and its mark where there are several
    neuron      the one shown first, -1 for the most changed with at least `min_length` features on both sides
    yardstick   a distance at which a dashed line is drawn

    Raises TxrayError for a neuron that is not shared.
    """
    points = shared.dropna(subset=["hellinger"]).reset_index(drop=True)
    if points.empty:
        says = alt.Chart(pd.DataFrame({"says": ["no neuron is shared between these stages"]}))
        return alt.vconcat(says.mark_text(fontSize=13).encode(text="says:N"))
    points = _with_words(points, words)
    start = points.loc[first_shown(points, neuron, min_length), "key"]
    order = list(roles)
    after = points.drop_duplicates("label").set_index("label")["after"].sort_values(key=lambda s: s.map(order.index))
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    ink = mark_stages("label", after.map(roles).to_dict(), legend)
    if len(after) == 1:
        ink["shape"] = alt.value("circle")
    pick = alt.selection_point(
        name="chosen", fields=["key"], value=[{"key": start}], on="click", nearest=True, clear=False, toggle=False
    )
    panels = _scatter(points, ink, pick, yardstick), _detail(points, roles, pick)
    return alt.vconcat(*panels, spacing=12).resolve_scale(color="independent", shape="independent")


def first_shown(points: pd.DataFrame, neuron: int, min_length: int) -> int:
    """The row that is shown first: that of `neuron`, or by rule (-1) the largest distance among neurons with at least
    `min_length` features on both sides, or among all if none is that long."""
    if neuron >= 0:
        points = points[points["neuron"] == neuron]
        if points.empty:
            raise TxrayError(
                f"neuron {neuron} is not shared here: take one of the points, or -1 for the most changed one"
            )
    long = points[points[["length_before", "length_after"]].min(axis=1) >= min_length]
    return int((points if long.empty else long)["hellinger"].idxmax())


def _with_words(points: pd.DataFrame, words: pd.DataFrame) -> pd.DataFrame:
    """A row a point with lists w, b, a: its words and their probabilities before and after."""
    by = ["comparison", "neuron"] if "comparison" in words else ["neuron"]
    short = label_tokens(words["feature"], MAX_LETTERS, [words[name] for name in by])
    told = words.assign(w=short, b=words["before"].round(4), a=words["after"].round(4))
    packed = told.groupby(by, sort=False)[["w", "b", "a"]].agg(list).reset_index()
    both = points.merge(packed, on=by, how="left")
    distances = both.groupby("comparison")["hellinger"]
    number, median = distances.transform("size"), distances.transform("median")
    arrow = both["before"].astype(str) + " → " + both["after"].astype(str)
    both["label"] = arrow + [f": {n:,} shared, median H {m:.2f}" for n, m in zip(number, median, strict=True)]
    both["key"] = both["after"].astype(str) + "/" + both["neuron"].astype(str)
    kept = ["key", "label", "before", "after", "neuron", "length", "length_before", "length_after", "hellinger"]
    if "q" in both and both["q"].notna().any():
        kept += ["expected", "q"]
    else:
        both["above"] = True
    return both[[*kept, "above", "w", "b", "a"]].round({"hellinger": 4, "expected": 4, "q": 4, "length": 1})


def lengths_axis(field: str, longest: float, **axis: object) -> alt.X:
    """Numbers of features on a logarithmic axis."""
    scale = alt.Scale(type="log", domain=[0.85, 1.15 * max(longest, 10.0)], nice=False)
    title = axis.pop("title", "features preferred, mean of both (log)")
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(values=TICKS, format="~s", **axis))


def _scatter(points: pd.DataFrame, ink: dict, pick: alt.Parameter, yardstick: float | None) -> alt.LayerChart:
    """The points; a band between the quartiles of neurons of like length, a line through their medians, and one, of short
    dashes, through those of what chance gives them."""
    tested, top = "q" in points, float(points["hellinger"].max())
    scale = alt.Scale(domain=[0, max(1.0, top)], nice=False) if top > 0.05 else alt.Scale(zero=True)
    x = lengths_axis("length", float(points["length"].max()))
    y = alt.Y("hellinger:Q", title="Hellinger distance H", scale=scale)
    base = alt.Chart(points).encode(x=x, y=y)
    like = base.transform_calculate(like=f"exp(round({BINS} * log(datum.length)) / {BINS})")
    like = like.transform_joinaggregate(neurons="count()", groupby=["label", "like"])
    like = like.transform_filter(f"datum.neurons >= {FEWEST}").encode(x=x.copy(), color=ink["color"])
    like.encoding.x.shorthand = "like:Q"
    line = like.encode(y="median(hellinger):Q")
    said = ["neuron", "hellinger", *(["expected", "q"] if tested else []), "length_before", "length_after"]
    tips = [alt.Tooltip(f"{name}:Q", title=name.replace("_", " ")) for name in said]
    rule = alt.Chart(pd.DataFrame({"hellinger": [yardstick]}).dropna())
    filled = base.transform_filter("datum.above").mark_point(filled=True, size=34, opacity=0.7)
    hollow = base.transform_filter("!datum.above").mark_point(filled=False, size=26, strokeWidth=1.1, opacity=0.6)
    grey, under = alt.value(CHANCE["not above its null"].light), alt.value(ON_BAR.light)
    by_chance = line.transform_filter("isValid(datum.expected)").encode(y="median(expected):Q")
    chart = alt.layer(
        like.mark_area(opacity=0.2).encode(y="q1(hellinger):Q", y2="q3(hellinger):Q"),
        filled.encode(**ink),
        hollow.encode(shape=ink["shape"], color=grey),
        *(each.mark_line(strokeWidth=5).encode(detail="label:N", color=under) for each in (line, by_chance)),
        line.mark_line(strokeWidth=2.5),
        by_chance.mark_line(strokeWidth=3, strokeDash=[3, 3]),
        rule.mark_rule(strokeDash=[6, 4], color=TEXT.light).encode(y="hellinger:Q"),
        base.transform_filter(pick).mark_point(size=190, strokeWidth=2.5, color=TEXT.light, opacity=1),
        base.mark_point(filled=True, size=60, opacity=0).encode(tooltip=tips).add_params(pick),
    ).properties(width=WIDTH, height=HEIGHT)
    dashed = "" if pd.isna(yardstick) else ", dashed: two halves"
    title = ["filled: above chance, hollow: not,", f"dotted: by chance{dashed}"]
    return chart.properties(title=title) if tested else chart


def _detail(points: pd.DataFrame, roles: Mapping[str, str], pick: alt.Parameter) -> alt.LayerChart:
    """The chosen neuron's words: their probability before and after, joined by a line."""
    pairs = set(points[["before", "after"]].to_numpy().ravel())
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal")
    ink = mark_stages("stage", {stage: role for stage, role in roles.items() if stage in pairs}, legend)
    own = alt.Chart(points).transform_filter(pick)
    words = own.transform_flatten(["w", "b", "a"], as_=["token", "p_before", "p_after"])
    words = words.transform_calculate(most="max(datum.p_before, datum.p_after)")
    order = alt.EncodingSortField("most", op="max", order="descending")
    axis = name_rows(WORDS, grid=True, labelPadding=8, minExtent=WORDS, maxExtent=WORDS)
    y = alt.Y("token:N", title=None, sort=order, axis=axis)
    title, ticks = "share of the neuron's preferences P", alt.Axis(tickCount=4, labelExpr="format(datum.value, '~g')")
    x = alt.X("p:Q", title=title, axis=ticks, scale=alt.Scale(zero=True))
    line = words.mark_rule(color=BAND.light, strokeWidth=2)
    line = line.encode(y=y, x=alt.X("p_before:Q", title=title, axis=ticks), x2="p_after:Q")
    folded = words.transform_fold(["p_before", "p_after"], as_=["side", "p"])
    folded = folded.transform_calculate(stage="datum.side === 'p_before' ? datum.before : datum.after")
    marks = folded.mark_point(filled=True, size=70, opacity=1)
    marks = marks.encode(x=x, y=y, tooltip=["stage:N", "token:N", "p:Q"], **ink)
    head = (
        "'neuron ' + datum.neuron + ': distance ' + format(datum.hellinger, '.2f')"
        " + (isValid(datum.expected) ? ', by chance ' + format(datum.expected, '.2f') : '')"
    )
    text = own.transform_calculate(head=head).mark_text(align="left", baseline="bottom", fontSize=13, dy=-6)
    heading = text.encode(text="head:N", x=alt.value(-WORDS), y=alt.value(0))
    return alt.layer(line, marks, heading).properties(width=WIDTH - WORDS + 20, height=190)
