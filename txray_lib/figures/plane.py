"""Distance against length, with the words of the neuron that is clicked (Fig. 4, 6, 8). May touch: results, theme."""

from __future__ import annotations

import math
from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, ON_BAR, ROLES, SHAPES, TEXT

WIDTH, HEIGHT, WORDS = 500, 270, 92
TICKS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000]
MAX_BINS, MIN_IN_BIN = 12, 12
MAX_LETTERS = 18
CHOSEN = "chosen"
KEY = "● above chance   ○ not above chance"
KEY_OF_SEVERAL = "filled: above chance, hollow: not"


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
        return alt.vconcat(_empty())
    points = _with_words(points, words)
    start = points.loc[first_shown(points, neuron, min_length), "key"]
    names = list(points.sort_values("after", key=lambda s: s.map(list(roles).index))["label"].unique())
    after = points.drop_duplicates("label").set_index("label")["after"].reindex(names).map(roles)
    colour = alt.Scale(domain=names, range=[ROLES[role].light for role in after])
    marks = [SHAPES[role] for role in after] if len(names) > 1 else ["circle"]
    shape = alt.Scale(domain=names, range=marks)
    legend = alt.Legend(title=None, orient="top", direction="vertical", columns=1)
    ink = {"color": alt.Color("label:N", scale=colour, legend=legend), "shape": alt.Shape("label:N", scale=shape)}
    pick = alt.selection_point(
        name=CHOSEN, fields=["key"], value=[{"key": start}], on="click", nearest=True, clear=False, toggle=False
    )
    panels = [_scatter(points, ink, pick, yardstick), _histogram(points, colour), _detail(points, roles, pick)]
    return alt.vconcat(*panels, spacing=12).resolve_scale(color="independent", shape="independent")


def first_shown(points: pd.DataFrame, neuron: int, min_length: int) -> int:
    """The row that is shown first: that of `neuron`, or by rule (-1) the largest distance among neurons with at least
    `min_length` features on both sides, or among all if none is that long."""
    if neuron >= 0:
        if not (points["neuron"] == neuron).any():
            raise TxrayError(
                f"neuron {neuron} is not shared here: take one of the points, or -1 for the most changed one"
            )
        points = points[points["neuron"] == neuron]
    else:
        long = points[points[["length_before", "length_after"]].min(axis=1) >= min_length]
        points = long if len(long) else points
    return int(points["hellinger"].idxmax())


def _with_words(points: pd.DataFrame, words: pd.DataFrame) -> pd.DataFrame:
    """A row a point with lists w, b, a: its words and their probabilities before and after."""
    by = ["comparison", "neuron"] if "comparison" in words else ["neuron"]
    told = words.assign(w=_labels(words), b=words["before"].round(4), a=words["after"].round(4))
    packed = told.groupby(by, sort=False)[["w", "b", "a"]].agg(list).reset_index()
    both = points.merge(packed, on=by, how="left")
    median = both.groupby("comparison")["hellinger"].transform("median")
    number = both.groupby("comparison")["neuron"].transform("size")
    arrow = both["before"].astype(str) + " → " + both["after"].astype(str)
    both["label"] = arrow + [f": {n:,} shared, median H {m:.2f}" for n, m in zip(number, median, strict=True)]
    both["key"] = both["after"].astype(str) + "/" + both["neuron"].astype(str)
    kept = ["key", "label", "before", "after", "neuron", "length", "length_before", "length_after", "hellinger"]
    kept += [name for name in ("expected", "q", "above") if name in both]
    return both[[*kept, "w", "b", "a"]].round({"hellinger": 4, "expected": 4, "length": 1})


def _labels(words: pd.DataFrame) -> pd.Series:
    """Words short enough for an axis; two of one neuron that would look alike are numbered."""
    name = words["feature"].astype(str)
    label = name.where(name.str.len() <= MAX_LETTERS, name.str.slice(0, MAX_LETTERS - 1) + "…")
    same = label.groupby([words[c] for c in words if c in ("comparison", "neuron")] + [label]).cumcount()
    return label.where(same == 0, label + " (" + (same + 1).astype(str) + ")")


def _x(field: str, longest: float, **axis: object) -> alt.X:
    scale = alt.Scale(type="log", domain=[0.85, 1.15 * max(longest, 10.0)], nice=False)
    title = axis.pop("title", "features preferred, mean of both (log)")
    return alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(values=TICKS, format="~s", **axis))


def _scatter(points: pd.DataFrame, ink: dict, pick: alt.Parameter, yardstick: float | None) -> alt.LayerChart:
    longest = float(points["length"].max())
    highest = max(1.0, float(points["hellinger"].max())) if points["hellinger"].max() > 0.05 else None
    scale = alt.Scale(domain=[0, highest], nice=False) if highest else alt.Scale(zero=True)
    x, y = _x("length", longest), alt.Y("hellinger:Q", title="Hellinger distance H", scale=scale)
    base = alt.Chart(points).encode(x=x, y=y)
    tested = "q" in points and points["q"].notna().any()
    filled = base.transform_filter("datum.above") if tested else base
    hollow = base.transform_filter("!datum.above").mark_point(filled=False, size=26, strokeWidth=1.1, opacity=0.6)
    band, line = _running(points, x)
    target = base.mark_point(filled=True, size=60, opacity=0).encode(tooltip=_tooltip(tested)).add_params(pick)
    layers = [
        *[chart.encode(color=ink["color"]) for chart in band],
        filled.mark_point(filled=True, size=30, opacity=0.55 if tested else 0.4).encode(**ink),
        *([hollow.encode(**ink)] if tested else []),
        *[chart.encode(color=ink["color"]) if i else chart for i, chart in enumerate(line)],
        *_yardstick(yardstick),
        base.transform_filter(pick).mark_point(size=190, strokeWidth=2.5, color=TEXT.light, opacity=1),
        target,
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    if not tested:
        return chart
    return chart.properties(title=KEY if points["label"].nunique() == 1 else KEY_OF_SEVERAL)


def _tooltip(tested: bool) -> list[alt.Tooltip]:
    said = {"neuron": "neuron", "hellinger": "distance"}
    said |= {"expected": "distance by chance", "q": "q"} if tested else {}
    said |= {"length_before": "length before", "length_after": "length after"}
    return [alt.Tooltip(f"{name}:Q", title=title) for name, title in said.items()]


def _yardstick(distance: float | None) -> list[alt.Chart]:
    if distance is None or math.isnan(distance):
        return []
    rule = alt.Chart(pd.DataFrame({"hellinger": [distance], "says": ["two halves of one text"]})).encode(
        y="hellinger:Q"
    )
    words = rule.mark_text(align="right", baseline="bottom", dx=-3, dy=-2, fontSize=11)
    return [rule.mark_rule(strokeDash=[6, 4], color=TEXT.light), words.encode(x=alt.value("width"), text="says:N")]


def _running(points: pd.DataFrame, x: alt.X) -> tuple[list[alt.Chart], list[alt.Chart]]:
    """A band between the quartiles of neurons of like length, and a line with a halo through their medians."""
    binned = []
    for label, own in points.groupby("label", sort=False):
        bins = min(MAX_BINS, len(own) // MIN_IN_BIN)
        if bins < 2:
            continue
        place = ((own["length"].rank(method="average") - 1) * bins / len(own)).astype(int)
        means = own.groupby(place)["hellinger"].quantile([0.25, 0.5, 0.75]).unstack()
        means.columns = ["low", "middle", "high"]
        binned.append(means.assign(length=own.groupby(place)["length"].median(), label=label))
    if not binned:
        return [], []
    base = alt.Chart(pd.concat(binned).round(4)).encode(x=x, detail="label:N")
    line = base.encode(y="middle:Q")
    halo = line.mark_line(color=ON_BAR.light, strokeWidth=5)
    return [base.mark_area(opacity=0.2).encode(y="low:Q", y2="high:Q")], [halo, line.mark_line(strokeWidth=2.5)]


def _histogram(points: pd.DataFrame, colour: alt.Scale) -> alt.Chart:
    """How many neurons have which length, eight bins a decade."""
    decade = (points["length"].clip(lower=1).map(math.log10) * 8 + 1e-9).map(math.floor)
    counts = points.assign(bin=decade).groupby(["label", "bin"]).size().reset_index(name="neurons")
    counts = counts.assign(low=10 ** (counts["bin"] / 8), high=10 ** ((counts["bin"] + 1) / 8)).round(2)
    x = _x("low", float(points["length"].max()), labels=False, ticks=False, domain=False, title=None)
    y = alt.Y("neurons:Q", title="neurons", axis=alt.Axis(tickCount=2))
    bars = alt.Chart(counts).mark_rect(opacity=0.5, clip=True).encode(
        x=x, x2="high:Q", y=y, y2=alt.datum(0), color=alt.Color("label:N", scale=colour, legend=None)
    )  # fmt: skip
    return bars.properties(width=WIDTH, height=48)


def _detail(points: pd.DataFrame, roles: Mapping[str, str], pick: alt.Parameter) -> alt.LayerChart:
    """The chosen neuron's words: their probability before and after, joined by a line."""
    pairs = points[["before", "after"]].drop_duplicates().to_numpy().ravel()
    stages = list(dict.fromkeys(sorted(pairs, key=list(roles).index)))
    colour = alt.Scale(domain=stages, range=[ROLES[roles[stage]].light for stage in stages])
    shape = alt.Scale(domain=stages, range=[SHAPES[roles[stage]] for stage in stages])
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal")
    own = alt.Chart(points).transform_filter(pick)
    words = own.transform_flatten(["w", "b", "a"], as_=["token", "p_before", "p_after"])
    words = words.transform_calculate(most="max(datum.p_before, datum.p_after)")
    order = alt.EncodingSortField("most", op="max", order="descending")
    extent = {"labelLimit": WORDS, "minExtent": WORDS, "maxExtent": WORDS}
    axis = alt.Axis(domain=False, ticks=False, grid=True, labelPadding=8, **extent)
    y = alt.Y("token:N", title=None, sort=order, axis=axis)
    title, ticks = "share of the neuron's preferences P", alt.Axis(tickCount=4, labelExpr="format(datum.value, '~g')")
    x = alt.X("p:Q", title=title, axis=ticks, scale=alt.Scale(zero=True))
    line = words.mark_rule(color=BAND.light, strokeWidth=2).encode(
        y=y, x=alt.X("p_before:Q", title=title, axis=ticks), x2="p_after:Q"
    )
    folded = words.transform_fold(["p_before", "p_after"], as_=["side", "p"])
    folded = folded.transform_calculate(stage="datum.side === 'p_before' ? datum.before : datum.after")
    marks = folded.mark_point(filled=True, size=70, opacity=1).encode(
        x=x, y=y, tooltip=["stage:N", "token:N", "p:Q"],
        color=alt.Color("stage:N", scale=colour, legend=legend), shape=alt.Shape("stage:N", scale=shape, legend=legend),
    )  # fmt: skip
    return alt.layer(line, marks, _heading(own)).properties(width=WIDTH - WORDS + 20, height=190)


def _heading(own: alt.Chart) -> alt.Chart:
    head = (
        "'neuron ' + datum.neuron + ': distance ' + format(datum.hellinger, '.2f')"
        " + (isValid(datum.expected) ? ', by chance ' + format(datum.expected, '.2f') : '')"
    )
    text = own.transform_calculate(head=head).mark_text(align="left", baseline="bottom", fontSize=13, dy=-6)
    return text.encode(text="head:N", x=alt.value(-WORDS), y=alt.value(0))


def _empty() -> alt.Chart:
    says = pd.DataFrame({"says": ["no neuron is shared between these stages"]})
    return alt.Chart(says).mark_text(fontSize=13).encode(text="says:N")
