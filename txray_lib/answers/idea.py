"""One neuron through the three uses of the method: what its page says (Fig. 1; §1).

May touch: errors, transfer, results, telling.
"""

from __future__ import annotations

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.telling import count, distance, paragraph, percent, plural, table
from txray_lib.transfer import compare

USES = {
    "pretraining": ("early", "last"),
    "zero-shot": ("last", "zero-shot"),
    "supervision": ("zero-shot", "supervised"),
}
"""The roles of the two stages that each use of the method compares."""


def three_uses(results: Results) -> pd.DataFrame:
    """The transfer table of the three uses: a row per use and neuron, with the column `use`."""
    units = int(results.stages["neurons"].max())
    parts = []
    for use, roles in USES.items():
        pair = results.stage(roles[0]), results.stage(roles[1])
        rows = compare(*(results.preferences(stage) for stage in pair), units, pair)
        parts.append(rows.assign(use=use))
    return pd.concat(parts, ignore_index=True)


def followed(uses: pd.DataFrame, neuron: int = -1, min_length: int = 5, max_length: int = 50) -> pd.DataFrame:
    """The three rows of one neuron, in the order of the uses.

    By rule (-1) the neuron whose three distances have the smallest sum, among those with `min_length` to `max_length`
    features at all four stages; if there is none, among those shared three times; if there is none, the neuron in use at
    the most stages. Of equals the lowest index. Raises TxrayError for a neuron that prefers nothing at any of them.
    """
    if min_length > max_length:
        raise TxrayError(f"no length lies from {min_length} to {max_length}: min_length must not be above max_length")
    if neuron < 0:
        neuron = _by_rule(uses, min_length, max_length)
    own = uses[uses["neuron"] == neuron]
    if not own[["length_before", "length_after"]].to_numpy().any():
        raise TxrayError(
            f"neuron {neuron} prefers nothing at any of the four stages: choose another, or -1 for the one that the page"
            " picks by its rule"
        )
    return own.reset_index(drop=True)


def _by_rule(uses: pd.DataFrame, min_length: int, max_length: int) -> int:
    sides = uses[["length_before", "length_after"]]
    sizes = uses.assign(shortest=sides.min(axis=1), longest=sides.max(axis=1), used=(sides > 0).sum(axis=1))
    summed = sizes.groupby("neuron").agg(
        distance=("hellinger", lambda its: its.sum(skipna=False)),
        shortest=("shortest", "min"),
        longest=("longest", "max"),
        used=("used", "sum"),
    )
    shared = summed[summed["distance"].notna()]
    for its in (shared[(shared["shortest"] >= min_length) & (shared["longest"] <= max_length)], shared):
        if len(its):
            return int(its["distance"].idxmin())
    return int(summed["used"].idxmax())


def most_typical(uses: pd.DataFrame) -> int | None:
    """The neuron, of those shared three times, whose distances lie nearest to the medians of the three comparisons."""
    wide = uses.pivot(index="neuron", columns="use", values="hellinger").dropna()
    return int((wide - wide.median()).abs().sum(axis=1).idxmin()) if len(wide) else None


def followed_table(results: Results, uses: pd.DataFrame, own: pd.DataFrame) -> HTML:
    """The neuron's three comparisons beside the median neuron's, and beside its own distance between halves of one text."""
    rows = []
    for row in own.itertuples():
        shared = uses[(uses["use"] == row.use) & (uses["state"] == "shared")]
        rows.append(
            {
                "use": row.use,
                "comparison": f"{row.before} → {row.after}",
                "state": row.state,
                "length": f"{count(row.length_before)} → {count(row.length_after)}",
                "tokens in both": count(row.length_before + row.length_after - row.union),
                "distance": distance(row.hellinger),
                "median neuron": distance(shared["hellinger"].median()),
                "its halves": distance(_halves(results, row)),
            }
        )
    caption = (
        f"Neuron {own['neuron'].iloc[0]} in three comparisons; “its halves” is its distance between two halves of one text"
        " under the same weights, those of the stage before"
    )
    return table(pd.DataFrame(rows), caption, words=["use", "comparison", "state"])


def _halves(results: Results, row: object) -> float:
    rows = results.control(row.before)
    own = rows.loc[(rows["layer"] == row.layer) & (rows["neuron"] == row.neuron), "hellinger"]
    return float(own.iloc[0]) if len(own) else float("nan")


def followed_said(uses: pd.DataFrame, own: pd.DataFrame) -> Markdown:
    """How the neuron stands among all others, so that no one takes it for a typical one unseen."""
    neuron = int(own["neuron"].iloc[0])
    wide = uses.pivot(index="neuron", columns="use", values="hellinger").dropna().sum(axis=1)
    if neuron not in wide.index:
        return paragraph(f"Neuron {neuron} is not shared in all three comparisons, so its distances have no sum.")
    typical = most_typical(uses)
    further = float((wide > wide[neuron]).mean())
    return paragraph(
        f"{plural(len(wide), 'neuron')} {'is' if len(wide) == 1 else 'are'} shared in all three comparisons; the three"
        f" distances of neuron {neuron} sum to {wide[neuron]:.2f}, those of the median neuron to {wide.median():.2f}, and"
        f" {percent(further)} of these neurons have a larger sum.",
        f"The most typical, with distances nearest to the three medians, is neuron {typical}."
        if typical != neuron
        else "No other neuron's distances lie nearer to the three medians.",
    )
