"""Do distance and length converge as perplexity does (RQ1, §3.1)? May touch: definitions, errors, results, telling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.telling import compared, count, distance, paragraph, percent, plural, signed, table

FEW = 4
"""Fewer steps than this have no rank correlation worth its name."""


@dataclass(frozen=True)
class Neighbours:
    """Transfer rows of snapshots that follow each other; `every` says whether they are those of every epoch."""

    rows: pd.DataFrame
    every: bool


def neighbours(
    results: Results, definitions: Definitions | None = None, min_length: int = 1, untrained: bool = True
) -> Neighbours:
    """Every snapshot compared with the next; for an older run, which lacks them, the comparisons of RQ1.

    min_length  neurons with fewer features on either side are counted, and their distances left out
    untrained   False leaves out the step from the untrained encoder

    Raises TxrayError where that leaves nothing.
    """
    every = "epochs" in set(results.table("transfer")["question"])
    rows = results.compared("epochs" if every else "rq1", definitions)
    if not untrained:
        rows = rows[rows["before"].map(results.roles) != "untrained"]
    long = rows[["length_before", "length_after"]].min(axis=1) >= min_length
    rows = rows.assign(hellinger=rows["hellinger"].where(long))
    if rows["hellinger"].isna().all():
        raise TxrayError(
            f"no step of {results.profile} has a shared neuron of at least {min_length} features on both sides, so there is no"
            " distance to show: choose a smaller min_length"
        )
    return Neighbours(rows.reset_index(drop=True), every)


def halves_median(results: Results, min_length: int = 1) -> float | None:
    """The median distance of two halves of the text under the last snapshot's weights; None where that was not computed."""
    rows = results.control(results.stage("last"))
    long = rows[rows[["length_before", "length_after"]].min(axis=1) >= min_length]
    median = long["hellinger"].median()
    return None if pd.isna(median) else float(median)


def kept(results: Results, found: Neighbours) -> Markdown:
    """Which snapshots are compared."""
    steps = epoch_steps(results, found.rows)
    listed = ", ".join(f"{row.start} → {row.end}" for row in steps.itertuples())
    wide = steps[steps["end"] - steps["start"] > 1]
    return paragraph(
        f"{plural(len(steps), 'step')} between neighbouring snapshots: epochs {listed}.",
        ""
        if found.every
        else "These tables are of an older run, which did not compare every epoch with the next; what it compared for RQ1 is shown.",
        f"{plural(len(wide), 'step spans', 'steps span')} more than one epoch, so distances of different steps compare unequal"
        " amounts of training."
        if len(wide)
        else "",
    )


def epoch_steps(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    """A row per step in the order of training: [start, end, perplexity_start, perplexity_end, fall, rate, median, mean,
    factor, length_start, length_end, preferred_start, preferred_end, shared].

    fall    share by which validation perplexity falls over the step
    rate    learning rate of the epoch where it ends
    factor  by which the length of the median shared neuron grows or shrinks, from 1 up
    lengths are medians over preferred neurons
    """
    epochs = results.stages.set_index("stage")["epoch"]
    curve, rates = (_curve(results, measure) for measure in ("valid_perplexity", "learning_rate"))
    found = []
    for _, part in rows.groupby("comparison", sort=False):
        start, end = (int(epochs[part[side].iloc[0]]) for side in ("before", "after"))
        shared = part[part["state"] == "shared"]
        ratio = np.log(shared["length_after"] / shared["length_before"]).abs()
        preferred = [part.loc[part[f"length_{side}"] > 0, f"length_{side}"] for side in ("before", "after")]
        from_, to = (float(curve.get(float(epoch), math.nan)) for epoch in (start, end))
        found.append(
            {
                "start": start,
                "end": end,
                "perplexity_start": from_,
                "perplexity_end": to,
                "fall": 1 - to / from_,
                "rate": float(rates.get(float(end), math.nan)),
                "median": shared["hellinger"].median(),
                "mean": shared["hellinger"].mean(),
                "factor": math.exp(ratio.median()),
                "length_start": preferred[0].median(),
                "length_end": preferred[1].median(),
                "preferred_start": len(preferred[0]),
                "preferred_end": len(preferred[1]),
                "shared": len(shared),
            }
        )
    return pd.DataFrame(found).sort_values("end", ignore_index=True)


def epoch_table(results: Results, found: Neighbours) -> HTML:
    """The numbers of the chart, a row per step."""
    steps = epoch_steps(results, found.rows)
    frame = pd.DataFrame(
        {
            "epochs": [f"{row.start} → {row.end}" for row in steps.itertuples()],
            "validation perplexity": [_number(p) for p in steps["perplexity_end"]],
            "change": [signed(-fall) for fall in steps["fall"]],
            "learning rate": ["not kept" if math.isnan(rate) else f"{rate:.2g}" for rate in steps["rate"]],
            "median H": [distance(h) for h in steps["median"]],
            "mean H": [distance(h) for h in steps["mean"]],
            "length × or ÷": ["none" if math.isnan(f) else f"{f:.2f}" for f in steps["factor"]],
            "median length": [_number(length) for length in steps["length_end"]],
            "preferred": [count(n) for n in steps["preferred_end"]],
            "shared": [count(n) for n in steps["shared"]],
        }
    )
    return table(
        frame,
        "Each step from a snapshot to the next. Perplexity, median length and preferred are those at its end; “length × or ÷” is"
        " the factor by which the length of the median shared neuron grows or shrinks",
        words=["epochs"],
    )


def converges(results: Results, found: Neighbours) -> Markdown:
    """Whether distances shrink as perplexity falls less, and how much of each is left in the last step."""
    known = epoch_steps(results, found.rows).dropna(subset=["fall", "median"])
    if len(known) < 2:
        return paragraph(
            "Fewer than two steps have both a perplexity and a distance: the question cannot be answered here."
        )
    first, last = known.iloc[0], known.iloc[-1]
    least = {
        "perplexity": abs(last["fall"]) <= known["fall"].abs().min(),
        "distance": last["median"] <= known["median"].min(),
    }
    both = [name for name, is_smallest in least.items() if is_smallest]
    smallest = [
        "In the last step neither moves least",
        f"In the last step only {''.join(both)} moves least",
        "In the last step both move least",
    ]
    return paragraph(
        f"**Distance.** Over {plural(len(known), 'step')}, {_correlated(known, 'fall', 'the fall of validation perplexity')}.",
        f"{smallest[len(both)]}: perplexity changes by {signed(-last['fall'])} there and by {signed(-first['fall'])} in the first,"
        f" the median distance is {distance(last['median'])} there and {distance(first['median'])} in the first"
        f" ({compared(first['median'], last['median'])}).",
        _left(first, last),
        f"With {plural(len(known), 'step')} of one run this is a description, not a test.",
    )


def _left(first: pd.Series, last: pd.Series) -> str:
    """Which of the two has come to rest further, as shares of the first step."""
    falls = [-math.log1p(-step["fall"]) for step in (first, last)]
    if min(*falls, first["median"], last["median"]) <= 0:
        return ""
    perplexity, moved = falls[1] / falls[0], last["median"] / first["median"]
    slower = "distances are slower to settle" if moved > perplexity else "distances settle at least as far"
    return (
        f"Of the first step's fall of log perplexity the last has {percent(perplexity)}, of its median distance"
        f" {percent(moved)}: {slower}."
    )


def lengths_settle(results: Results, found: Neighbours) -> Markdown:
    """Whether lengths and the number of neurons in use come to rest too."""
    known = epoch_steps(results, found.rows).dropna(subset=["factor"])
    if known.empty:
        return paragraph("No neuron is shared in any step, so it cannot be said how lengths change.")
    first, last = known.iloc[0], known.iloc[-1]
    settles = last["factor"] <= known["factor"].min()
    said = (
        "in no step does it change less than in the last"
        if settles
        else "in another step it changes less than in the last"
    )
    return paragraph(
        f"**Length.** The length of the median shared neuron changes by a factor of {last['factor']:.2f} in the last step and of"
        f" {first['factor']:.2f} in the first; {said}.",
        f"The median over the neurons in use goes from {last['length_start']:g} to {last['length_end']:g} features in the last step"
        f" and from {first['length_start']:g} to {first['length_end']:g} in the first: a median can stand still while neurons"
        " move past each other, which is why both are given.",
        f"**Neurons in use.** Their number goes from {count(last['preferred_start'])} to {count(last['preferred_end'])} in the last"
        f" step, with {count(last['shared'])} in use on both sides, and from {count(first['preferred_start'])} to"
        f" {count(first['preferred_end'])} in the first, with {count(first['shared'])}.",
    )


def optimiser(results: Results, found: Neighbours) -> Markdown:
    """What the learning rate alone explains."""
    known = epoch_steps(results, found.rows).dropna(subset=["rate", "median"])
    if len(known) < 2:
        return paragraph("The learning rate was not kept, so it cannot be said how far it explains the distances.")
    first, last = known.iloc[0], known.iloc[-1]
    ratio = last["rate"] / known["rate"].max() if known["rate"].max() else math.nan
    falls = known["rate"].is_monotonic_decreasing and last["rate"] < first["rate"]
    return paragraph(
        f"The learning rate at the end of the last step is {_ratio(ratio)} of its largest;"
        f" {_correlated(known, 'rate', 'the learning rate')}.",
        _forced(falls, ratio),
    )


def _forced(falls: bool, ratio: float) -> str:
    """What a schedule that ends at this share of its largest rate does by itself."""
    if not falls:
        return "It does not fall throughout, so the schedule alone does not force the distances to shrink."
    if not ratio < 0.1:
        return "It falls throughout, which makes late steps smaller by itself, though it does not bring them to rest."
    return (
        "Because the schedule makes it fall so far, distances and perplexity must both come to rest, whatever the encoder knows:"
        " agreement between the two curves is what this schedule would give in any case. A run with a constant learning"
        " rate would part the two."
    )


def _ratio(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.001 else percent(share)


def _correlated(known: pd.DataFrame, column: str, name: str) -> str:
    if len(known) < FEW or known[column].nunique() < 2 or known["median"].nunique() < 2:
        larger = [int(known[field].abs().argmax()) for field in (column, "median")]
        agree = "the same step" if larger[0] == larger[1] else "different steps"
        return (
            f"{name} and the median distance are largest in {agree} (n = {len(known)}, too few for a rank correlation)"
        )
    rho = float(stats.spearmanr(known[column], known["median"]).statistic)
    return f"the rank correlation of {name} with the median distance is {rho:+.2f} (n = {len(known)})".replace("-", "−")


def _curve(results: Results, measure: str) -> pd.Series:
    rows = results.table("training")
    rows = rows[(rows["phase"] == "pretraining") & (rows["measure"] == measure)]
    return rows.groupby("epoch")["value"].last()


def _number(number: float) -> str:
    return "none" if np.isnan(number) else f"{number:,.1f}"
