"""Pretraining: what neurons prefer from epoch to epoch (§3.1). May touch: errors, paper, results, transfer, intervals, run,
statistics.

A share of activation mass is of all tokens that were read: its units are blocks of text, which are not in the tables, so one
run gives it no interval. Epochs of one run are no sample of epochs, so their correlations have none either.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import Measured, Sample, Statistic, beside, missing, plain, sample, scattered
from txray_lib.audit.run import Run
from txray_lib.audit.statistics import change, mean, median, moved_by, rank_correlation
from txray_lib.paper import value as paper
from txray_lib.transfer import SHARED

_ALWAYS = 1.0
"""The rank correlation of two series that only fall."""
FEWEST_STEPS = 3


def end_perplexity(run: Run) -> Measured:
    """S2: perplexity on validation text after the last epoch."""
    perplexity = _perplexity(run)
    if perplexity.empty:
        return missing("this run kept no perplexity of pretraining")
    return plain(perplexity.iloc[-1], math.nan, "it is one number of one run")


def fall_of_distance(run: Run) -> Measured:
    """N3: 1 − mean late distance / mean early distance; by chance the same of the distances of rearranged blocks."""

    def fall(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return -change(before, after)

    def by_chance(*sides: np.ndarray) -> np.ndarray:
        return fall(among_rearranged(*sides[:2]), among_rearranged(*sides[2:], stream=1))

    observed = [run.column(name, "hellinger") for name in ("early", "late")]
    null = [run.column(name, column) for name in ("early", "late") for column in ("expected", "spread")]
    return beside(sample(fall, *observed), sample(by_chance, *null))


def share_in_range(run: Run) -> Measured:
    """N4: shared neurons whose mean length of the last two epochs is 10 to 200 features."""
    size = (run.column("late", "length_before") + run.column("late", "length_after")) / 2
    return beside(sample(mean, _in_range(size)), sample(mean, _in_range(run.untrained()["length"].to_numpy(float))))


def tags_followed(run: Run) -> Measured:
    """F3: correlation over tags of shares of mass and of tokens, last epoch; by chance that of the untrained encoder."""
    found = {}
    for role in ("untrained", "last"):
        sides = {"mass": _mass(run, role), "tokens": _tokens(run, role)}
        wide = pd.DataFrame(sides).fillna(0.0)
        found[role] = wide["mass"].corr(wide["tokens"])
    return plain(found["last"], found["untrained"], "the tables hold no blocks of text to draw again")


def distance_and_length(run: Run) -> Measured:
    """K1: rank correlation over shared neurons; by chance that of the distances that rearranged blocks give."""
    rows = run.shared("late")
    size = (rows["length_before"] + rows["length_after"]) / 2
    return beside(sample(rank_correlation, rows["hellinger"], size), by_rearranging(rank_correlation, rows, size))


def share_longer(run: Run) -> Measured:
    """K5: longer neurons among those whose length changes."""
    rows = run.pair("early")
    moved = np.sign(rows["length_after"] - rows["length_before"]).to_numpy()
    return beside(sample(mean, np.where(moved == 0, np.nan, moved > 0)), 0.5)


def settling_of_length(run: Run) -> Measured:
    """K6: late less early median change of length."""
    moved = [run.column(name, f"length_{side}") for name in ("late", "early") for side in ("before", "after")]

    def difference(*sides: np.ndarray) -> np.ndarray:
        return median(moved_by(*sides[:2])) - median(moved_by(*sides[2:]))

    return beside(sample(difference, *moved), 0.0)


def convergence(run: Run) -> Measured:
    """K15: over neighbouring epochs, rank correlation of the median distance and the fall of log perplexity."""
    perplexity, rows = _perplexity(run), run.results.transfer("epochs")
    epochs = run.results.stages.set_index("stage")["epoch"]
    steps = []
    for (before, after), part in rows[rows["state"] == SHARED].groupby(["before", "after"], sort=False, observed=True):
        ends = perplexity.reindex([float(epochs[stage]) for stage in (before, after)]).to_numpy()
        steps.append((-np.diff(np.log(ends))[0], part["hellinger"].median()))
    found = np.array(steps)
    if len(found) < FEWEST_STEPS or not np.isfinite(found).all():
        return missing("fewer than three steps between epochs can be compared")
    return plain(float(rank_correlation(*found.T)), _ALWAYS, "a few epochs of one run are no sample of epochs")


def by_rearranging(statistic: Statistic, shared: pd.DataFrame, size: pd.Series) -> Sample | float:
    """A statistic of distances and lengths, of the distances that rearranged blocks give; NaN where there are none."""
    if shared["expected"].isna().any():
        return math.nan
    return sample(
        lambda e, s, sizes: statistic(among_rearranged(e, s), sizes), *(shared[c] for c in ("expected", "spread")), size
    )


def more_shared(run: Run, first: str, second: str) -> Measured:
    """Neurons shared in one comparison less those shared in another, as a share of all."""
    chance = run.expected(first, SHARED) - run.expected(second, SHARED)
    return beside(sample(mean, run.has_state(first, SHARED) - run.has_state(second, SHARED)), chance)


def among_rearranged(expected: np.ndarray, spread: np.ndarray, stream: int = 0) -> np.ndarray:
    """Distances by chance: their means, and in draws of neurons one of their distribution each."""
    return expected if expected.ndim == 1 else scattered(expected, spread, stream)


def _in_range(size: np.ndarray) -> np.ndarray:
    low, high = paper("N4", "low"), paper("N4", "high")
    return np.where(np.isnan(size), np.nan, (size >= low) & (size <= high))


def _mass(run: Run, role: str) -> pd.Series:
    rows = run.preferences(role)
    return rows.groupby(rows["tag"].astype(str))["activation_sum"].sum()


def _tokens(run: Run, role: str) -> pd.Series:
    """Tokens by tag in the text of a stage."""
    counts, corpora = run.table("tag_counts"), run.results.stages.set_index("role")["corpus"]
    rows = counts[counts["corpus"] == corpora[role]]
    return rows.groupby(rows["tag"].astype(str))["tokens"].sum()


def _perplexity(run: Run) -> pd.Series:
    """Validation perplexity of pretraining by epoch."""
    rows = run.table("training")
    rows = rows[(rows["phase"] == "pretraining") & (rows["measure"] == "valid_perplexity")]
    return rows.drop_duplicates("epoch", keep="last").set_index("epoch")["value"].sort_index()


MEASURES = {
    "S2": end_perplexity,
    "N1": lambda run: more_shared(run, "late", "early"),
    "N2": lambda run: beside(sample(mean, run.column("early", "length_before")), math.nan),
    "N3": fall_of_distance,
    "N4": share_in_range,
    "F3": tags_followed,
    "K1": distance_and_length,
    "K5": share_longer,
    "K6": settling_of_length,
    "K8": lambda run: beside(
        sample(change, run.column("early", "length_before"), run.column("late", "length_after")), 0.0
    ),
    "K15": convergence,
}
