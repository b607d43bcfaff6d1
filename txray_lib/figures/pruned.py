"""Each random set's change of F1 behind the paper's set (Tab. 2). May touch: errors, theme."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.figures.theme import ON_BAR, TEXT, WAYS, finish

PLACES = {"size": "percentile", "variance": "percentile_variance", "mass": "percentile_mass"}
"""What random sets share with a set, and the column of the pruning table that says where it lies among them."""
SPLITS = ("train", "test")
_WIDTH, _STEP = 232, 17


def random_sets(table: pd.DataFrame, draws: pd.DataFrame) -> alt.VConcatChart:
    """A row for each set and what random sets share with it: a tick per random set, above them the set's own mark with a
    line of one sampling error to each side.

    table  the pruning table
    draws  the table of random sets: [set, match, way, split, draw, change]
    """
    if draws.empty:
        raise TxrayError("no random set was drawn: there is nothing to lay behind the sets")
    table, draws = (rows.assign(percent=(100 * rows["change"]).round(3)) for rows in (table, draws))
    table = table.merge(pd.DataFrame({"match": list(PLACES)}), how="cross")
    matched = table.merge(draws[["set", "match", "way", "split"]].drop_duplicates(), how="left", indicator=True)
    matched = matched.assign(exists=matched.pop("_merge") == "both")
    matched, draws = (rows.assign(row=rows["set"] + " · " + rows["match"]) for rows in (matched, draws))
    ways = [way for way in WAYS if way in set(table["way"])]
    splits = [split for split in SPLITS if split in set(table["split"])]
    panels = [_way(matched, draws, way, splits) for way in ways]
    return finish(alt.vconcat(*panels, spacing=14), _describe(matched))


def _way(table: pd.DataFrame, draws: pd.DataFrame, way: str, splits: list[str]) -> alt.HConcatChart:
    own, random = (rows[rows["way"] == way] for rows in (table, draws))
    order = list(dict.fromkeys(own["row"]))
    error = 100 * own["sampling_error"].fillna(0) if "sampling_error" in own else 0
    values = pd.concat([own["percent"] - error, own["percent"] + error, random["percent"]]).dropna()
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    pad = 0.04 * max(high - low, 0.5)
    scale = alt.Scale(domain=[low - pad, high + pad], nice=False)
    panels = [
        _panel(*(rows[rows["split"] == split] for rows in (own, random)), order, scale, way, split, i == 0)
        for i, split in enumerate(splits)
    ]
    return alt.hconcat(*panels, spacing=14)


def _panel(
    own: pd.DataFrame, random: pd.DataFrame, order: list[str], scale: alt.Scale, way: str, split: str, named: bool
) -> alt.LayerChart:
    axis = alt.Axis(domain=False, ticks=False, labels=named, labelLimit=150, grid=True)
    y = alt.Y("row:N", sort=order, title=None, axis=axis, scale=alt.Scale(domain=order))
    x = alt.X("percent:Q", title="change of F1, %", scale=scale, axis=alt.Axis(tickCount=5))
    tips = ["set", "match", "way", "split", "neurons", alt.Tooltip("percent:Q", title="change of F1, %", format="+.2f")]
    placed = [name for name in PLACES.values() if name in own]
    columns = ["row", "set", "match", "way", "split", "neurons", "percent", *placed]
    ticks = alt.Chart(random[["row", "set", "draw", "percent", "overlap"]].round(3))
    ticks = ticks.mark_tick(color=TEXT.light, opacity=0.22, height=12, thickness=1.5)
    if "sampling_error" in own:
        own = own.assign(
            **{"from": own["percent"] - 100 * own["sampling_error"], "to": own["percent"] + 100 * own["sampling_error"]}
        )
        columns += ["from", "to"]
    base = alt.Chart(own.loc[own["exists"], columns].dropna(subset=["percent"])).encode(y=y, x=x)
    none = alt.Chart(own.loc[~own["exists"], ["row"]]).mark_text(align="left", fontSize=11, color=TEXT.light)
    shape = "circle" if way == "before the classifier" else "square"
    mark: Mapping[str, object] = {"filled": True, "opacity": 1, "shape": shape}
    error = base.mark_rule(color=WAYS[way].light, strokeWidth=2).encode(x=alt.X("from:Q", scale=scale), x2="to:Q")
    return alt.layer(
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=TEXT.light).encode(x=alt.X("zero:Q", scale=scale)),
        ticks.encode(y=y, x=x),
        *([error] if "from" in columns else []),
        base.mark_point(**mark, size=95, color=ON_BAR.light),
        base.mark_point(**mark, size=60, color=WAYS[way].light).encode(tooltip=[*tips, *(f"{n}:Q" for n in placed)]),
        none.encode(y=y, x=alt.value(6), text=alt.value("no such sets")),
    ).properties(
        width=_WIDTH,
        height=alt.Step(_STEP),
        title=[f"{way},", f"{split} reviews"] if named else ["", f"{split} reviews"],
    )


def _describe(table: pd.DataFrame) -> str:
    parts = []
    for (name, way, split), rows in table.groupby(["set", "way", "split"], sort=False):
        change = rows["percent"].iloc[0]
        known = [
            f"{row[PLACES[row['match']]]:g} of equal {row['match']}"
            for row in rows.to_dict("records")
            if row["exists"] and pd.notna(row.get(PLACES[row["match"]]))
        ]
        told = f", percentile {', '.join(known)}" if known else ""
        parts.append(f"{name}, {way}, {split}: " + ("not defined" if pd.isna(change) else f"{change:+.1f} %{told}"))
    return f"Change of F1 by each pruned set among random sets, a tick per random set. {'; '.join(parts)}."
