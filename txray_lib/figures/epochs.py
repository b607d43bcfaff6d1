"""Do distance and length converge as perplexity does? Panels over the epochs of pretraining, linked by the epoch under the
pointer (RQ1, §3.1). May touch: errors, theme.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import ON_BAR, ROLES, STATES, TEXT, finish

WIDTH = 520
DECADES = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
POINTED = "pointed_epoch"
PERPLEXITIES = {"train_perplexity": "training text", "valid_perplexity": "validation text"}
LINES = {
    "training text": (ROLES["untrained"].light, [1, 0]),
    "validation text": (TEXT.light, [1, 0]),
    "preferred": (STATES["gained"].light, [1, 0]),
    "shared with the snapshot before": (STATES["shared"].light, [5, 3]),
}


def steps(neighbours: pd.DataFrame, epochs: pd.Series) -> pd.DataFrame:
    """Distances between neighbouring snapshots, a row per step: [start, epoch, comparison, low, median, high, mean, shared].

    neighbours  transfer rows of snapshots that follow each other
    epochs      the epoch of each stage; a step stands at the epoch where it ends
    """
    rows = []
    for comparison, part in neighbours.groupby("comparison", sort=False):
        shared = part.loc[part["state"] == "shared", "hellinger"]
        low, median, high = shared.quantile([0.25, 0.5, 0.75])
        start, end = (int(epochs[part[side].iloc[0]]) for side in ("before", "after"))
        rows.append((start, end, comparison, low, median, high, shared.mean(), len(shared)))
    columns = ["start", "epoch", "comparison", "low", "median", "high", "mean", "shared"]
    return pd.DataFrame(rows, columns=columns).sort_values("epoch", ignore_index=True)


def snapshot_lengths(neighbours: pd.DataFrame, epochs: pd.Series) -> pd.DataFrame:
    """Lengths of preferred neurons, a row per snapshot: [epoch, stage, low, median, high, mean, preferred]."""
    rows: dict[str, tuple[Any, ...]] = {}
    for _, part in neighbours.groupby("comparison", sort=False):
        for side in ("before", "after"):
            stage = part[side].iloc[0]
            lengths = part.loc[part[f"length_{side}"] > 0, f"length_{side}"]
            rows[stage] = (
                int(epochs[stage]),
                stage,
                *lengths.quantile([0.25, 0.5, 0.75]),
                lengths.mean(),
                len(lengths),
            )
    columns = ["epoch", "stage", "low", "median", "high", "mean", "preferred"]
    return pd.DataFrame(list(rows.values()), columns=columns).sort_values("epoch", ignore_index=True)


def epochs(
    training: pd.DataFrame, neighbours: pd.DataFrame, stages: pd.DataFrame, control: float | None = None
) -> alt.VConcatChart:
    """Perplexity, learning rate, distances between neighbouring snapshots, lengths and counts over the epochs.

    training    the training table; its phase "pretraining" is drawn, where the run has one
    neighbours  transfer rows of snapshots that follow each other
    stages      rows of the stages table, for the epoch of each
    control     median distance between two halves of one text under the same weights, a dashed line
    """
    curves = training[training["phase"] == "pretraining"]
    if neighbours.empty:
        raise TxrayError("epochs need snapshots that were compared: the transfer table has none")
    epoch_of = stages.set_index("stage")["epoch"]
    moved, sizes = steps(neighbours, epoch_of), snapshot_lengths(neighbours, epoch_of)
    last = float(max([*curves["epoch"], *sizes["epoch"]]))
    panel = _Panel(last)
    lines = curves[curves["measure"].isin(PERPLEXITIES)]
    perplexity = lines.assign(name=lines["measure"].map(PERPLEXITIES))[["epoch", "name", "value"]].round(3)
    rate = curves.loc[curves["measure"] == "learning_rate", ["epoch", "value"]].assign(name="learning rate")
    counted = pd.concat(
        [
            sizes[["epoch", "preferred"]].rename(columns={"preferred": "value"}).assign(name="preferred"),
            moved[["epoch", "shared"]]
            .rename(columns={"shared": "value"})
            .assign(name="shared with the snapshot before"),
        ]
    )
    panels = [panel.lines(perplexity, "perplexity (log)", "~s", log=True)] if len(perplexity) else []
    if len(rate):
        panels.append(panel.lines(rate, "learning rate", height=45))
    panels += [
        panel.band(moved.round(5), "Hellinger distance to the snapshot before", control),
        panel.band(sizes.round(2), "length of preferred neurons (log)", log=True),
        panel.lines(counted, "neurons", "~s", last=True),
    ]
    chart = alt.vconcat(*panels, spacing=10, params=[panel.hover()])
    chart = chart.resolve_scale(color="independent", strokeDash="independent")
    return finish(chart, _describe(perplexity, moved, sizes, control))


class _Panel:
    """One panel of the column: all have the same axis of epochs and the same rule under the pointer."""

    def __init__(self, last: float) -> None:
        self.last = last
        self.targets: list[str] = []

    def hover(self) -> alt.TopLevelSelectionParameter:
        """The epoch under the pointer in any of the panels made so far."""
        select = alt.PointSelectionConfig(
            type="point", fields=["epoch"], on="pointerover", nearest=True, clear="pointerout"
        )
        return alt.TopLevelSelectionParameter(name=POINTED, select=select, views=self.targets)

    def _x(self, named: bool) -> alt.X:
        axis = alt.Axis(tickMinStep=1, tickCount=8, format="~g", labels=named, ticks=named, domain=named)
        scale = alt.Scale(domain=[0, self.last], nice=False, padding=8)
        return alt.X("epoch:Q", title="epochs done" if named else None, scale=scale, axis=axis)

    def _pointer(self, table: pd.DataFrame, x: alt.X, tooltip: list[alt.Tooltip]) -> list[alt.Chart]:
        """The line at the epoch that is pointed at in any panel, and above all marks the place where one can point."""
        self.targets.append(f"target_{len(self.targets)}")
        base = alt.Chart(table).encode(x=x)
        return [
            base.transform_filter({"param": POINTED, "empty": False}).mark_rule(color=TEXT.light, strokeWidth=1),
            base.mark_rule(opacity=0).encode(tooltip=tooltip).properties(name=self.targets[-1]),
        ]

    def lines(
        self,
        table: pd.DataFrame,
        title: str,
        format: str = "~g",
        log: bool = False,
        height: int = 85,
        last: bool = False,
    ) -> alt.LayerChart:
        """A line for each name; columns epoch, name, value."""
        names = list(dict.fromkeys(table["name"]))
        looks = [LINES.get(name, (TEXT.light, [1, 0])) for name in names]
        legend = alt.Legend(title=None, orient="top", direction="horizontal", columns=2) if len(names) > 1 else None
        x = self._x(last)
        base = alt.Chart(table).encode(
            x=x,
            y=_y("value", title, format, log),
            color=alt.Color("name:N", scale=alt.Scale(domain=names, range=[look[0] for look in looks]), legend=legend),
        )
        dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=names, range=[look[1] for look in looks]), legend=None)
        layers = [
            base.mark_line(strokeWidth=2).encode(strokeDash=dash),
            base.mark_point(filled=True, size=40, opacity=1),
        ]
        wide = table.pivot_table(index="epoch", columns="name", values="value").reset_index()
        tooltip = ["epoch:Q", *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in names)]
        return alt.layer(*layers, *self._pointer(wide, x, tooltip)).properties(width=WIDTH, height=height)

    def band(self, table: pd.DataFrame, title: str, control: float | None = None, log: bool = False) -> alt.LayerChart:
        """Median with quartiles; columns epoch, low, median, high, mean."""
        x, colour = self._x(False), ROLES["last"].light
        base = alt.Chart(table).encode(x=x)
        low, median = (_y(field, title, "~s" if log else "~g", log) for field in ("low", "median"))
        layers = [
            base.mark_area(opacity=0.22, color=colour).encode(y=low, y2="high:Q"),
            base.mark_bar(opacity=0.35, color=colour, width=4).encode(y=low, y2="high:Q"),
            base.mark_line(color=ON_BAR.light, strokeWidth=4).encode(y=median),
            base.mark_line(color=colour, strokeWidth=2).encode(y=median),
            base.mark_point(filled=True, size=50, opacity=1, color=colour).encode(y=median),
        ]
        if control is not None:
            says = pd.DataFrame({"control": [control], "says": ["same weights, other half of the text (median)"]})
            line = alt.Chart(says).encode(y=_y("control", title, "~g", log))
            words = line.mark_text(align="left", baseline="top", dy=3, fontSize=11)
            layers += [
                line.mark_rule(strokeDash=[6, 4], strokeWidth=1.5, color=TEXT.light),
                words.encode(x=alt.value(6), text="says:N"),
            ]
        named = {"low": "lower quartile", "median": "median", "high": "upper quartile", "mean": "mean"}
        tooltip = ["epoch:Q", *(alt.Tooltip(f"{c}:Q", title=t, format=".4~g") for c, t in named.items())]
        return alt.layer(*layers, *self._pointer(table, x, tooltip)).properties(width=WIDTH, height=110)


def _y(field: str, title: str, format: str, log: bool) -> alt.Y:
    scale = alt.Scale(type="log", nice=True) if log else alt.Scale(zero=True, nice=True)
    words = title.split()
    half = (len(words) + 1) // 2
    shown = [" ".join(words[:half]), " ".join(words[half:])] if len(title) > 11 else title
    ticks = {"values": DECADES} if log else {"tickCount": 4}
    return alt.Y(f"{field}:Q", title=shown, scale=scale, axis=alt.Axis(format=format, **ticks))


def _known(number: float, format: str) -> str:
    return "none" if pd.isna(number) else f"{number:{format}}"


def _describe(perplexity: pd.DataFrame, moved: pd.DataFrame, sizes: pd.DataFrame, control: float | None) -> str:
    valid = perplexity[perplexity["name"] == "validation text"].sort_values("epoch")
    curve = (
        f"validation perplexity from {valid['value'].iloc[0]:.4g} to {valid['value'].iloc[-1]:.4g}"
        if len(valid)
        else "no perplexity"
    )
    distances = ", ".join(f"{row.start} to {row.epoch}: {_known(row.median, '.2f')}" for row in moved.itertuples())
    lengths = ", ".join(f"{row.epoch}: {_known(row.median, 'g')}" for row in sizes.itertuples())
    counts = ", ".join(f"{row.epoch}: {row.preferred}" for row in sizes.itertuples())
    line = f" A dashed line marks the distance between two halves of one text, {control:.2f}." if control else ""
    return (
        f"Panels over the epochs of pretraining: {curve}; median Hellinger distance between neighbouring snapshots, epochs "
        f"{distances}; median length of preferred neurons by epoch, {lengths}; preferred neurons by epoch, {counts}.{line}"
    )
