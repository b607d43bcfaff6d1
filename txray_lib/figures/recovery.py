"""What a study of planted encoders recovers, against the amount of text: preference states, the ranking of distances, what
a null finds and what it finds wrongly. A line is the mean over seeds, its band reaches from the lowest to the highest.

May touch: errors, theme, telling.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError, nearest
from txray_lib.figures.theme import SERIES, TEXT, finish
from txray_lib.telling import LEVEL

MEASURES = {
    "hellinger": "Hellinger (the paper's)",
    "mass_hellinger": "Hellinger by mass",
    "jensen_shannon": "Jensen-Shannon",
    "ochiai": "Ochiai (features alone)",
    "rarefied": "change of length",
}
"""How each measure of a study is named on a page."""
RULES = {"one token": "one token (the paper's)", "a tenth": "a tenth of an even share", "tested": "tested (q)"}
TEXTS = {"one": "one text", "two": "two texts"}
_NAMES = {"measure": MEASURES, "rule": RULES, "texts": TEXTS}
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4])
_STATES = ("shared", "avoided", "gained")
_ROOM = 590


def recovered_states(states: pd.DataFrame, by: str) -> alt.VConcatChart:
    """Precision and recall of shared, avoided and gained, a line for each value of `by`: "rule", "way", "noise" or "texts".

    states  rows of `truth_states` that differ in tokens, seed, state and `by` alone
    """
    _require(by, ("rule", "way", "noise", "texts"))
    lines = _lines(states, "state", by, ("precision", "recall"))
    present = [state for state in _STATES if state in set(lines["panel"])]
    rows = [
        alt.hconcat(
            *(
                _panel(lines, state, part, _title(part, i == 0), _SHARE, state if top else "")
                for i, state in enumerate(present)
            ),
            spacing=12,
        )
        for top, part in ((True, "precision"), (False, "recall"))
    ]
    chart = alt.vconcat(*rows, spacing=8)
    told = "; ".join(f"{part}, {_told(lines, part)}" for part in ("precision", "recall"))
    return finish(chart, f"Precision and recall of preference states over tokens a neuron, lines by {by}. {told}.")


def rank_correlations(measures: pd.DataFrame) -> alt.HConcatChart:
    """Spearman's rank correlation of each measure with the size of the planted change, a panel for each way and texts.

    measures  rows of `truth_measures` that differ in tokens, seed, way, texts and measure alone
    """
    lines = _lines(_in_panels(measures), "panel", "measure", ("rho",))
    low = min(0.0, float(lines["low"].min())) if lines["low"].notna().any() else 0.0
    scale = alt.Scale(domain=[float(np.floor(low * 10) / 10), 1])
    return _row(lines, "rho", "rank correlation", scale, "Rank correlation of distances with the planted change")


def detected(detection: pd.DataFrame, by: str = "measure") -> alt.HConcatChart:
    """The share of changed neurons that a null finds, a line for each "measure" or for each "size" of the change.

    detection  rows of `truth_detection` that differ in tokens, seed, way, texts and `by` alone
    """
    _require(by, ("measure", "size"))
    lines = _lines(_in_panels(detection), "panel", by, ("power",))
    return _row(lines, "power", "share found", _SHARE, f"Share of the changed neurons that are found, lines by {by}")


def false_alarms(detection: pd.DataFrame) -> alt.VConcatChart:
    """What a null finds that did not change, a line a measure: as a share of all it finds, with what q promises of that at most
    on average (dotted), and as a share of all that did not change, unused neurons included.

    detection  rows of `truth_detection` that differ in tokens, seed, way, texts and measure alone
    """
    parts = {"false_discoveries": "share of the found", "false_positives": "share of the unchanged"}
    lines = _lines(_in_panels(detection), "panel", "measure", list(parts))
    high = lines.groupby("value_of")["high"].max()
    rows = [
        _panels(lines, part, title, alt.Scale(domain=[0, float(np.ceil(max(high[part], 2 * LEVEL) * 20) / 20)]), rule)
        for (part, title), rule in zip(parts.items(), (LEVEL, None), strict=True)
    ]
    told = (
        f"Share of what is found that did not change, a dotted line at {LEVEL:g}: {_told(lines, 'false_discoveries')}. Share of the"
        f" neurons that did not change, unused ones included, that is found: {_told(lines, 'false_positives')}"
    )
    return finish(alt.vconcat(*rows, spacing=8), f"{told}. Over tokens a neuron.")


_SHARE = alt.Scale(domain=[0, 1])


def _require(by: str, known: Sequence[str]) -> None:
    if by not in known:
        raise TxrayError(f"lines cannot be drawn by {by!r}. {nearest(by, known)}")


def _title(text: str, first: bool) -> str | None:
    return text if first else None


def _in_panels(table: pd.DataFrame) -> pd.DataFrame:
    several = table["texts"].nunique() > 1
    names = table["way"] + (", " + table["texts"].map(TEXTS) if several else "")
    return table.assign(panel=names)


def _lines(table: pd.DataFrame, panel: str, by: str, values: Sequence[str]) -> pd.DataFrame:
    """[panel, series, tokens_a_neuron, value_of, mean, low, high, seeds], in the order of the table."""
    if table.empty:
        raise TxrayError(
            "the study has no rows of this kind: there is nothing to draw. Choose a noise or a way that it has."
        )
    named = table[by].map(_NAMES[by]).fillna(table[by]) if by in _NAMES else table[by].astype(str)
    long = table.assign(series=named, panel=table[panel]).melt(
        ["panel", "series", "tokens_a_neuron"], list(values), var_name="value_of"
    )
    keys = ["value_of", "panel", "series", "tokens_a_neuron"]
    return (
        long.groupby(keys, sort=False)["value"]
        .agg(mean="mean", low="min", high="max", seeds="count")
        .round(5)
        .reset_index()
    )


def _row(lines: pd.DataFrame, part: str, title: str, scale: alt.Scale, about: str) -> alt.HConcatChart:
    return finish(_panels(lines, part, title, scale), f"{about}, over tokens a neuron. {_told(lines, part)}.")


def _panels(
    lines: pd.DataFrame, part: str, title: str, scale: alt.Scale, rule: float | None = None
) -> alt.HConcatChart:
    names = list(dict.fromkeys(lines["panel"]))
    panels = [_panel(lines, name, part, _title(title, i == 0), scale, name, rule) for i, name in enumerate(names)]
    return alt.hconcat(*panels, spacing=12)


def _panel(
    lines: pd.DataFrame,
    panel: str,
    part: str,
    title: str | None,
    scale: alt.Scale,
    heading: str,
    rule: float | None = None,
) -> alt.LayerChart:
    names, texts = list(dict.fromkeys(lines["series"])), sorted(set(lines["tokens_a_neuron"]))
    rows = lines[(lines["panel"] == panel) & (lines["value_of"] == part)].dropna(subset=["mean"])
    x = alt.X(
        "tokens_a_neuron:Q",
        title="tokens a neuron (log)",
        scale=alt.Scale(type="log", domain=[texts[0] / 1.15, texts[-1] * 1.15], nice=False),
        axis=alt.Axis(values=texts, format="~g", grid=False, labelOverlap=True),
    )
    y = alt.Y("mean:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, labels=title is not None, ticks=False))
    legend = alt.Legend(title=None, orient="top", columns=3)
    colour, shape, dash = (
        channel("series:N", sort=names, scale=alt.Scale(domain=names, range=list(marks[: len(names)])), legend=shown)
        for channel, marks, shown in (
            (alt.Color, [ink.light for ink in SERIES], legend),
            (alt.Shape, _SHAPES, legend),
            (alt.StrokeDash, _DASHES, None),
        )
    )
    tips = [
        alt.Tooltip("series:N", title="line"),
        alt.Tooltip("tokens_a_neuron:Q", title="tokens a neuron", format=",~g"),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("mean", "low", "high")),
        alt.Tooltip("seeds:Q"),
    ]
    base = alt.Chart(rows).encode(x=x, color=colour)
    layers = [
        base.mark_area(opacity=0.13).encode(y=alt.Y("low:Q", scale=scale, title=title), y2="high:Q", detail="series:N"),
        base.mark_line(strokeWidth=1.6).encode(y=y, strokeDash=dash),
        base.mark_point(filled=True, size=42, opacity=1).encode(y=y, shape=shape, tooltip=tips),
    ]
    if rule is not None:
        level = alt.Chart(pd.DataFrame({"level": [rule]}))
        layers.append(level.mark_rule(color=TEXT.light, strokeDash=[2, 3]).encode(y=alt.Y("level:Q", scale=scale)))
    count = lines["panel"].nunique()
    width = min(230, (_ROOM - 12 * (count - 1)) // count - 12)
    return alt.layer(*layers).properties(width=width, height=150, title=alt.TitleParams(heading, frame="group"))


def _told(lines: pd.DataFrame, part: str) -> str:
    """Each line from its first to its last text, in numbers."""
    said = []
    for (panel, series), own in lines[lines["value_of"] == part].groupby(["panel", "series"], sort=False):
        known = own.dropna(subset=["mean"]).sort_values("tokens_a_neuron")
        if known.empty:
            said.append(f"{panel}, {series}: not defined")
            continue
        first, last = known.iloc[0], known.iloc[-1]
        said.append(
            f"{panel}, {series}: {first['mean']:.2f} at {first['tokens_a_neuron']:g}"
            + (f", {last['mean']:.2f} at {last['tokens_a_neuron']:g}" if len(known) > 1 else "")
        )
    return "; ".join(said)
