"""The schedule's learning rate beside a constant one: what settles by itself (RQ1). May touch: errors, theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import BAND, CONTROL_SHAPES, CONTROLS, ROLES, SHAPES, finish

WIDTH = 520
RATES = {"schedule": "the schedule", "constant": "a constant rate"}
_INKS = (ROLES["last"].light, CONTROLS["constant"].light)
_DASHES = ([1, 0], [6, 3])
_SHAPES = (SHAPES["last"], CONTROL_SHAPES["constant"])


def constant(curves: pd.DataFrame, steps: pd.DataFrame) -> alt.VConcatChart:
    """Validation perplexity, learning rate and distances between neighbouring snapshots of two pretrainings over the epochs.

    curves  [rate, epoch, measure, value]; rate is "schedule" or "constant"
    steps   [rate, start, end, low, median, high]: a step's distances stand at the epoch where it ends
    """
    if steps.empty:
        raise TxrayError("no step is there to be drawn: the two pretrainings have none in common that has a distance")
    curves, steps = (table.assign(name=table["rate"].map(RATES)) for table in (curves, steps))
    last = float(max(curves["epoch"].max(), steps["end"].max()))
    perplexity = curves[curves["measure"] == "valid_perplexity"]
    rate = curves[curves["measure"] == "learning_rate"]
    panels = [_lines(perplexity, "perplexity on validation text (log)", last, True, 100)] if len(perplexity) else []
    panels += [_lines(rate, "learning rate", last, False, 50)] if len(rate) else []
    panels.append(_moved(steps, last))
    return finish(alt.vconcat(*panels, spacing=10), _describe(perplexity, steps))


def _x(field: str, last: float, named: bool) -> alt.X:
    axis = alt.Axis(tickMinStep=1, tickCount=8, format="~g", labels=named, ticks=named, domain=named)
    scale = alt.Scale(domain=[0, last], nice=False, padding=8)
    return alt.X(f"{field}:Q", title="epochs done" if named else None, scale=scale, axis=axis)


def _looks(legend: bool) -> dict[str, object]:
    names = list(RATES.values())
    shown = alt.Legend(title=None, orient="top", direction="horizontal") if legend else None
    return {
        "color": alt.Color("name:N", scale=alt.Scale(domain=names, range=list(_INKS)), legend=shown),
        "shape": alt.Shape("name:N", scale=alt.Scale(domain=names, range=list(_SHAPES)), legend=shown),
    }


def _drawn(base: alt.Chart, y: alt.Y, tooltip: list[object], legend: bool) -> list[alt.Chart]:
    looks = _looks(legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=list(RATES.values()), range=list(_DASHES)), legend=None)
    return [
        base.mark_line(strokeWidth=2).encode(y=y, color=looks["color"], strokeDash=dash),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=tooltip, **looks),
    ]


def _lines(table: pd.DataFrame, title: str, last: float, log: bool, height: int) -> alt.LayerChart:
    words = title.split(" on ")
    shown = [words[0], f"on {words[1]}"] if len(words) > 1 else title
    low, high = table["value"].min(), table["value"].max()
    scale = alt.Scale(type="log", domain=[low / 1.1, high * 1.1], nice=False) if log else alt.Scale(zero=True)
    ticks = [t for t in (n * 10**p for p in range(7) for n in (1, 2, 5)) if low / 1.1 <= t <= high * 1.1]
    axis = alt.Axis(format="~s", values=ticks) if log else alt.Axis(format="~g", tickCount=3)
    y = alt.Y("value:Q", title=shown, scale=scale, axis=axis)
    base = alt.Chart(table[["epoch", "name", "value"]].round(6)).encode(x=_x("epoch", last, False))
    tooltip = ["name:N", "epoch:Q", alt.Tooltip("value:Q", title=title, format=".4~g")]
    return alt.layer(*_drawn(base, y, tooltip, log)).properties(width=WIDTH, height=height)


def _moved(steps: pd.DataFrame, last: float) -> alt.LayerChart:
    columns = ["start", "end", "name", "low", "median", "high"]
    shift = 0.006 * last
    table = (
        steps[columns].assign(place=steps["end"] + steps["rate"].map({"schedule": -shift, "constant": shift})).round(5)
    )
    base = alt.Chart(table).encode(x=_x("place", last, True))
    title = ["Hellinger distance", "to the snapshot before"]
    y = alt.Y("median:Q", title=title, axis=alt.Axis(tickCount=5))
    tooltip = ["name:N", "start:Q", "end:Q", *(alt.Tooltip(f"{c}:Q", format=".3~f") for c in ("low", "median", "high"))]
    bars = base.mark_bar(width=5, color=BAND.light).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    return alt.layer(bars, *_drawn(base, y, tooltip, False)).properties(width=WIDTH, height=150)


def _describe(perplexity: pd.DataFrame, steps: pd.DataFrame) -> str:
    parts = []
    for rate, name in RATES.items():
        moved = steps[steps["rate"] == rate].sort_values("end")
        told = ", ".join(f"{row.start} to {row.end}: {row.median:.3f}" for row in moved.itertuples())
        own = perplexity[perplexity["rate"] == rate].sort_values("epoch")["value"]
        fell = f"validation perplexity from {own.iloc[0]:.4g} to {own.iloc[-1]:.4g}, " if len(own) else ""
        parts.append(f"{name}: {fell}median distances, epochs {told}")
    return f"Two pretrainings that differ in the learning rate alone. {'; '.join(parts)}. Bars span the middle half of the neurons."
