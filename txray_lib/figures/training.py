"""A measure over the epochs of training, with the snapshots that became stages. May touch: the theme."""

from __future__ import annotations

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError, nearest
from txray_lib.figures.theme import ROLES, SHAPES, TEXT, finish

NAMES = {
    "valid_perplexity": "perplexity on validation text (log)",
    "valid_f1": "F1 on validation reviews",
    "train_loss": "training loss",
    "learning_rate": "learning rate",
}


def training(table: pd.DataFrame, phase: str, measure: str, stages: pd.DataFrame | None = None) -> alt.LayerChart:
    """A measure of one phase ("pretraining", "finetuning") against epochs.

    stages  rows of the stages table whose snapshots are marked on the curve
    """
    rows = table[(table["phase"] == phase) & (table["measure"] == measure)].sort_values("epoch")
    if rows.empty:
        known = table.loc[table["phase"] == phase, "measure"].unique()
        raise TxrayError(f"the training table has no {measure!r} in the phase {phase!r}. {nearest(measure, known)}")
    title = NAMES.get(measure, measure.replace("_", " "))
    log = measure == "valid_perplexity"
    scale = (
        alt.Scale(type="log", nice=False, domain=_padded(rows["value"])) if log else alt.Scale(zero=False, nice=True)
    )
    x = alt.X(
        "epoch:Q",
        title="epochs done",
        scale=alt.Scale(nice=False),
        axis=alt.Axis(tickCount=8, tickMinStep=1 if rows["epoch"].max() > 3 else 0.5, format="~g"),
    )
    y = alt.Y(
        "value:Q",
        title=title,
        scale=scale,
        axis=alt.Axis(**(_log_ticks(rows["value"]) if log else {"format": ".2~f", "tickCount": 5})),
    )
    base = alt.Chart(rows[["epoch", "value"]].round(5)).encode(
        x=x, y=y, tooltip=["epoch:Q", alt.Tooltip("value:Q", title=measure)]
    )
    layers = [
        base.mark_line(color=TEXT.light, strokeWidth=1.5),
        base.mark_point(color=TEXT.light, filled=True, size=30, opacity=1),
    ]
    if stages is not None:
        layers += _snapshots(rows, stages, y)
    first, last = rows.iloc[0], rows.iloc[-1]
    description = (
        f"Line of the {title} during {phase}: {first['value']:.4g} after {first['epoch']:g} epochs, "
        f"{last['value']:.4g} after {last['epoch']:g}; lowest {rows['value'].min():.4g}, highest {rows['value'].max():.4g}."
    )
    return finish(alt.layer(*layers).properties(width=540, height=220), description)


def _padded(values: pd.Series) -> list[float]:
    return [0.9 * float(values.min()), 1.1 * float(values.max())]


def _log_ticks(values: pd.Series) -> dict[str, object]:
    """1, 2, 3, 5, 7 in each decade of the padded range."""
    low, high = _padded(values)
    ticks = [digit * 10**power for power in range(-3, 9) for digit in (1, 2, 3, 5, 7)]
    return {"values": [tick for tick in ticks if low <= tick <= high], "format": "~s"}


def _snapshots(rows: pd.DataFrame, stages: pd.DataFrame, y: alt.Y) -> list[alt.Chart]:
    """The stages whose epoch lies on the curve, in the colours and shapes of their roles."""
    values = rows.groupby("epoch")["value"].last()
    marks = stages[stages["epoch"].isin(values.index)]
    if marks.empty:
        return []
    marks = marks.assign(value=marks["epoch"].map(values))[["stage", "role", "epoch", "value"]]
    colour = alt.Scale(domain=list(marks["stage"]), range=[ROLES[role].light for role in marks["role"]])
    shape = alt.Scale(domain=list(marks["stage"]), range=[SHAPES[role] for role in marks["role"]])
    legend = alt.Legend(title="kept as", orient="top", columns=2)
    points = alt.Chart(marks).mark_point(filled=True, size=150, opacity=1)
    return [
        points.encode(
            x="epoch:Q",
            y=y,
            color=alt.Color("stage:N", scale=colour, legend=legend),
            shape=alt.Shape("stage:N", scale=shape, legend=legend),
            tooltip=["stage:N", "role:N", "epoch:Q", "value:Q"],
        )
    ]
