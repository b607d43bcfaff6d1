"""Do distance and length converge as perplexity does (RQ1, §3.1)? May touch: errors, results, telling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.telling import compared, count, distance, paragraph, percent, plural, table

FEW = 4
"""Fewer steps than this have no rank correlation worth its name."""


@dataclass(frozen=True)
class Neighbours:
    """Transfer rows of snapshots that follow each other; `every` says whether they are those of every epoch."""

    rows: pd.DataFrame
    every: bool


def neighbours(results: Results) -> Neighbours:
    """Every snapshot compared with the next; for an older run, which lacks them, the comparisons of RQ1."""
    try:
        return Neighbours(results.transfer("epochs"), True)
    except TxrayError:
        return Neighbours(results.transfer("rq1"), False)


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
    length_start, length_end, preferred_start, preferred_end, shared].

    fall  share by which validation perplexity falls over the step; rate  learning rate of the epoch where it ends;
    lengths are medians over preferred neurons
    """
    epochs = results.stages.set_index("stage")["epoch"]
    curve, rates = (_curve(results, measure) for measure in ("valid_perplexity", "learning_rate"))
    found = []
    for _, part in rows.groupby("comparison", sort=False):
        start, end = (int(epochs[part[side].iloc[0]]) for side in ("before", "after"))
        shared = part.loc[part["state"] == "shared", "hellinger"]
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
                "median": shared.median(),
                "mean": shared.mean(),
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
            "falls by": [percent(fall) for fall in steps["fall"]],
            "learning rate": ["not kept" if math.isnan(rate) else f"{rate:.2g}" for rate in steps["rate"]],
            "median H": [distance(h) for h in steps["median"]],
            "mean H": [distance(h) for h in steps["mean"]],
            "median length": [_number(length) for length in steps["length_end"]],
            "preferred": [count(n) for n in steps["preferred_end"]],
            "shared": [count(n) for n in steps["shared"]],
        }
    )
    return table(frame, "Each step from a snapshot to the next: perplexity, length and preferred are those at its end")


def converges(results: Results, found: Neighbours) -> Markdown:
    """Whether distances fall where perplexity falls less, and whether both settle."""
    steps = epoch_steps(results, found.rows)
    known = steps.dropna(subset=["fall", "median"])
    if len(known) < 2:
        return paragraph(
            "Fewer than two steps have both a perplexity and a distance: the question cannot be answered here."
        )
    first, last = known.iloc[0], known.iloc[-1]
    settled = {
        "perplexity": abs(last["fall"]) <= known["fall"].abs().min(),
        "distance": last["median"] <= known["median"].min(),
    }
    both = [name for name, is_smallest in settled.items() if is_smallest]
    smallest = {
        2: "In the last step both move least",
        1: f"In the last step {both[0] if both else ''} moves least, the other does not",
        0: "In the last step neither moves least",
    }[len(both)]
    return paragraph(
        f"Over {plural(len(known), 'step')}, {_correlated(known, 'fall', 'the fall of validation perplexity')}.",
        f"{smallest}: perplexity falls by {percent(last['fall'])} there and by {percent(first['fall'])} in the first,"
        f" the median distance is {distance(last['median'])} there and {distance(first['median'])} in the first"
        f" ({compared(first['median'], last['median'])}).",
        f"The median length goes from {_number(last['length_start'])} to {_number(last['length_end'])} in the last step"
        f" and from {_number(first['length_start'])} to {_number(first['length_end'])} in the first;"
        f" preferred neurons from {count(last['preferred_start'])} to {count(last['preferred_end'])} and from"
        f" {count(first['preferred_start'])} to {count(first['preferred_end'])}.",
        f"With {plural(len(known), 'step')} of one run this is a description, not a test.",
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
        f"The learning rate at the end of the last step is {percent(ratio)} of its largest;"
        f" {_correlated(known, 'rate', 'the learning rate')}.",
        "Because the schedule makes it fall, distances and perplexity must both come to rest, whatever the encoder knows:"
        " agreement between the two curves is what this schedule would give in any case. A run with a constant learning"
        " rate would part the two."
        if falls
        else "It does not fall throughout, so the schedule alone does not force the distances to shrink.",
    )


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
