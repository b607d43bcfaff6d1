"""What the overviews of distance against length say (Fig. 4, 6, 8; §2.2, §3.1), for any definition of distance and length.

May touch: paper, results, telling.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from txray_lib.paper import value
from txray_lib.results import Results
from txray_lib.telling import compared, count, distance, paragraph, percent, plural, table

CONCENTRATION = (10, 200)
"""Lengths between which the paper says that neurons concentrate (N4)."""
FEW = 10
"""Fewer neurons than this carry no rank correlation worth a sentence."""


def lengths(rows: pd.DataFrame, length: str = "paper") -> pd.Series:
    """A shared neuron's place on the x-axis: the mean of its two lengths; "released" the size of their union (C3)."""
    return rows["union"].astype(float) if length == "released" else rows[["length_before", "length_after"]].mean(axis=1)


def rank_correlation(rows: pd.DataFrame, length: str = "paper") -> float:
    """Spearman's correlation of distance with length over shared neurons; NaN for fewer than ten or without spread."""
    shared = rows[(rows["state"] == "shared") & rows["hellinger"].notna()]
    x = lengths(shared, length)
    if len(shared) < FEW or x.nunique() < 2 or shared["hellinger"].nunique() < 2:
        return math.nan
    return float(stats.spearmanr(x, shared["hellinger"]).statistic)


def concentration_share(rows: pd.DataFrame, length: str = "paper", span: tuple[float, float] = CONCENTRATION) -> float:
    """The share of shared neurons whose length lies in `span`, both ends included; NaN without a shared neuron."""
    shared = rows[rows["state"] == "shared"]
    return float(lengths(shared, length).between(*span).mean()) if len(shared) else math.nan


def spread(results: Results, transfer: pd.DataFrame, definitions: object | None = None) -> HTML:
    """A row per comparison, and one per control where the paper's definitions are used: shared neurons, distances with
    their quartiles, lengths, and how the two go together."""
    length = getattr(definitions, "length", "paper")
    parts = [(name, rows) for name, rows in transfer.groupby("comparison", sort=False)]
    if _is_papers(definitions):
        for stage in dict.fromkeys([*transfer["before"], *transfer["after"]]):
            if len(rows := results.control(stage)):
                parts.append((f"control: halves of {stage}", rows))
    frame = pd.DataFrame([_row(name, rows, length) for name, rows in parts])
    low, high = CONCENTRATION
    caption = (
        f"Distance H and length over shared neurons; the last columns say which share of them has a length from {low} to"
        f" {high} and how H and length correlate by rank"
    )
    return table(frame, caption, words=["comparison"])


def _row(name: str, rows: pd.DataFrame, length: str) -> dict[str, str]:
    shared = rows[rows["state"] == "shared"]
    low, median, high = shared["hellinger"].quantile([0.25, 0.5, 0.75])
    x = lengths(shared, length)
    rho = rank_correlation(rows, length)
    return {
        "comparison": name if name.startswith("control") else name.replace(":", " → "),
        "shared": f"{count(len(shared))} ({percent(len(shared) / len(rows))})",
        "mean H": distance(shared["hellinger"].mean()),
        "median H (quartiles)": f"{distance(median)} ({distance(low)}–{distance(high)})" if len(shared) else "none",
        "median length": "none" if x.empty else f"{x.median():,.1f}",
        "in the paper's range": percent(concentration_share(rows, length)),
        "rank correlation": "too few" if math.isnan(rho) else f"{rho:+.2f}".replace("-", "−"),
    }


def fell(results: Results, transfer: pd.DataFrame) -> Markdown:
    """By how much distances fall from the early to the late comparison, as means and as medians (N3)."""
    middle = results.stage("before-last")
    names = f"{results.stage('early')}:{middle}", f"{middle}:{results.stage('last')}"
    early, late = (
        transfer.loc[(transfer["comparison"] == name) & (transfer["state"] == "shared"), "hellinger"] for name in names
    )
    paper = f"the paper reports {100 * value('N3', 'share'):.2f} % less"
    if early.empty or late.empty:
        return paragraph(f"One of the two comparisons has no shared neuron, so no fall can be given; {paper}.")
    ratio = late.median() / early.median() if early.median() else math.nan
    times = "" if math.isnan(ratio) else f" The ratio of the medians is {ratio:.3f}."
    return paragraph(
        f"The mean distance goes from {distance(early.mean())} ({_arrow(names[0])}) to {distance(late.mean())}"
        f" ({_arrow(names[1])}), {compared(early.mean(), late.mean())}; the median from {distance(early.median())} to"
        f" {distance(late.median())}, {compared(early.median(), late.median())}; {paper}, as a mean.{times}"
    )


def short_neurons(results: Results, transfer: pd.DataFrame, definitions: object | None = None) -> Markdown:
    """Whether short neurons have higher distances (§3.1), beside the same correlation where nothing was learned."""
    length = getattr(definitions, "length", "paper")
    found = {name: rank_correlation(rows, length) for name, rows in transfer.groupby("comparison", sort=False)}
    known = {name: rho for name, rho in found.items() if not math.isnan(rho)}
    claim = "The paper says that short neurons seem to have higher distances than long ones (§3.1)."
    if not known:
        return paragraph(claim, f"With fewer than {FEW} shared neurons, or no spread, that cannot be told here.")
    said = " and ".join(f"{_rho(rho)} in {_arrow(name)}" for name, rho in known.items())
    holds = all(rho < 0 for rho in known.values())
    verdict = "So it is here" if holds else "Here that does not hold throughout"
    if getattr(definitions, "distance", "paper") == "released":
        verdict += (
            "; but this distance is divided by the size of the union, which by itself makes short neurons look changed"
        )
    return paragraph(
        claim,
        f"{verdict}: the rank correlation of distance with length is {said}.",
        _null(results, transfer, definitions),
    )


def _null(results: Results, transfer: pd.DataFrame, definitions: object | None) -> str:
    """The same correlation between halves of one text under the same weights."""
    if not _is_papers(definitions):
        return "The control was computed for the paper's definitions alone, so none stands beside this."
    for stage in reversed(dict.fromkeys([*transfer["before"], *transfer["after"]])):
        rows = results.control(stage)
        rho = rank_correlation(rows) if len(rows) else math.nan
        if math.isnan(rho):
            continue
        same = (
            "what the comparisons share with it says nothing about learning, since few occurrences alone make a distribution"
            " differ from one reading to the next"
            if rho < 0
            else "having few occurrences does not make it by itself"
        )
        return f"Between two halves of the text of {stage}, read with the same weights, it is {_rho(rho)}: {same}."
    return "No control with enough shared neurons was computed to set beside it."


def concentrated(transfer: pd.DataFrame, definitions: object | None = None) -> Markdown:
    """Whether lengths concentrate where the paper says (N4)."""
    length = getattr(definitions, "length", "paper")
    low, high = CONCENTRATION
    shares = {name: concentration_share(rows, length) for name, rows in transfer.groupby("comparison", sort=False)}
    said = ", ".join(f"{percent(share)} in {_arrow(name)}" for name, share in shares.items() if not math.isnan(share))
    shared = transfer[transfer["state"] == "shared"]
    if not said:
        return paragraph("No neuron is shared, so there are no lengths to speak of.")
    x = lengths(shared, length)
    return paragraph(
        f"Of the shared neurons {said} have a length from {low} to {high}, the range in which the paper sees them concentrate;"
        f" the mean length of all points is {x.mean():,.1f}, their median {x.median():,.1f}.",
        "A mean that far above its median describes few neurons (I7)." if x.mean() > 1.5 * x.median() else "",
    )


def without_distance(transfer: pd.DataFrame) -> Markdown:
    """How many neurons have no point because one side is empty."""
    parts = []
    for name, rows in transfer.groupby("comparison", sort=False):
        counts = rows["state"].value_counts()
        parts.append(
            f"in {_arrow(name)} {count(counts.get('avoided', 0))} avoided and {plural(int(counts.get('gained', 0)), 'gained neuron')}"
        )
    return paragraph(
        f"A neuron that only one of the stages prefers has no distance (“ill-defined”, §2.2) and no point: {'; '.join(parts)}."
        " The ticks below the figure show their lengths."
    )


def beside_control(results: Results, transfer: pd.DataFrame, definitions: object | None = None) -> Markdown:
    """How the medians stand to the distance between halves of one text."""
    if not _is_papers(definitions):
        return paragraph(
            "The control of halves was computed for the paper's definitions alone, so it is not drawn here."
        )
    for stage in dict.fromkeys([*transfer["before"], *transfer["after"]]):
        rows = results.control(stage)
        halves = rows.loc[rows["state"] == "shared", "hellinger"] if len(rows) else pd.Series(dtype=float)
        if len(halves):
            break
    else:
        return paragraph(
            "No control was computed, so it cannot be said how much of these distances the text alone makes."
        )
    shares = []
    for name, part in transfer[transfer["state"] == "shared"].groupby("comparison", sort=False):
        above = float(np.mean(part["hellinger"] > halves.median()))
        shares.append(f"{percent(above)} of those in {_arrow(name)}")
    return paragraph(
        f"Two halves of the text of {stage} under the same weights are {distance(halves.median())} apart in the median neuron;"
        f" {' and '.join(shares) or 'no distance'} lie above that."
    )


def _is_papers(definitions: object | None) -> bool:
    names = ("distance", "probability", "length")
    return all(getattr(definitions, name, "paper") == "paper" for name in names)


def _rho(rho: float) -> str:
    return f"{rho:+.2f}".replace("-", "−")


def _arrow(comparison: str) -> str:
    return comparison.replace(":", " → ")
