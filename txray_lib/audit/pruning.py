"""Ours for F1, and for what pruning does to it (§3.3). May touch: results, transfer, intervals, measures.

The effect of a set is the change of F1 less the median change by random sets of as many neurons. Its interval holds both
sources of chance: which reviews were read (`sampling_error`), and which sets were drawn. Fewer than 20 random sets say too
little of their spread: no interval, and no place among them.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from txray_lib.audit.intervals import (
    ENDS,
    NEURONS,
    STRONGEST,
    Measured,
    Statistic,
    Z,
    around,
    beside,
    combined,
    head,
    plain,
    sample,
    tail,
)
from txray_lib.audit.measures import Run
from txray_lib.transfer import GAINED

FEWEST_SETS = 20
ENCODER, CLASSIFIER = ("out of the encoder", "before the classifier")
"""The paper's way of pruning (§3.3.2) and that of its released code (C21)."""


def score(run: Run) -> Measured:
    """S4: F1 on test reviews with its binomial interval; by chance that of calling every review positive.

    F1 is 2J / (1 + J) for J, the share of hits among the reviews that are positive, called so, or both.
    """
    rows = run.table("scores")
    rows = rows[(rows["split"] == "test") & (rows["shared_texts"] == "kept")]
    if rows.empty:
        return Measured(why="this run scored no test reviews")
    row = rows.iloc[0]
    hits, either, positive = _counted(row)
    counted = binomtest(round(hits), round(either)).proportion_ci(method="wilson")
    low, high = (2 * share / (1 + share) for share in counted)
    everything = 2 * positive / (row["reviews"] + positive)
    return around(row["f1"], row["f1"] - low, high - row["f1"], "reviews", everything)


def effect(change: float, error: float, random: np.ndarray) -> Measured:
    """A change of F1 beside the median of those by random sets.

    change  a share of F1 before; `error`, its standard error that follows from which reviews were read
    random  the changes by random sets of as many neurons
    """
    if math.isnan(change):
        return Measured(why="the change is not defined: the set is empty, or F1 is 0 before")
    chance = float(np.median(random)) if len(random) else math.nan
    if len(random) < FEWEST_SETS:
        few = "no random set was" if not len(random) else f"only {len(random)} random sets were"
        return plain(change, chance, f"{few} pruned, which tells no spread")
    if math.isnan(error):
        return plain(change, chance, "the sampling error of the reviews was not measured")
    low, high = np.quantile(random, ENDS)
    below, above = math.hypot(Z * error, high - chance), math.hypot(Z * error, chance - low)
    return around(change, below, above, f"reviews and {len(random)} random sets", chance)


def of_set(run: Run, name: str, split: str, way: str = ENCODER) -> Measured:
    """Tab. 2: the effect of a set on a split of the reviews, in the paper's way of pruning or in another."""
    asked = {"set": name, "way": way, "split": split}
    rows = _where(run, "pruning", **asked)
    if rows.empty:
        return Measured(why=f"this run did not prune {name} {way}")
    row = rows.iloc[0]
    random = _where(run, "pruning_random", match="size", **asked)
    drawn = random["change"].to_numpy() if len(random) else np.empty(0)
    return effect(row["change"], row.get("sampling_error", math.nan), drawn[np.isfinite(drawn)])


def contrast(run: Run, **weights: float) -> Measured:
    """K31, K54: a weighted sum of test changes of sets."""
    return combined([(weight, of_set(run, name, "test")) for name, weight in weights.items()])


def generality(run: Run) -> Measured:
    """K26: the test change of A less its training change."""
    return combined([(1, of_set(run, "A", "test")), (-1, of_set(run, "A", "train"))])


def share_of_least(run: Run, has: Callable[[pd.DataFrame], pd.Series]) -> Measured:
    """N15, K53: neurons of B that have something, as a share of B; by chance among all in use."""
    rows = run.pair("supervised")
    rows = rows[rows["length_after"] > 0].sort_values(["mass_after", "neuron"], kind="stable")
    if rows.empty:
        return Measured(why="there is nothing to count")
    least = has(rows.head(_size(run, "B")))
    share = float(least.mean())
    low, high = binomtest(int(least.sum()), len(least)).proportion_ci(method="wilson")
    return around(share, share - low, high - share, NEURONS, float(has(rows).mean()))


def share_of_mass(run: Run, name: str, statistic: Statistic) -> Measured:
    """T2-B, T2-C: the share of mass that the least or the most preferred neurons hold; by chance of an untrained encoder's."""
    held = partial(statistic, number=_size(run, name))
    untrained = run.untrained()["mass"]
    chance = sample(held, untrained) if len(untrained) else math.nan
    return beside(sample(held, run.pair("supervised")["mass_after"]), chance)


def gained_mass(run: Run) -> Measured:
    """T2-D: the share of mass that gained neurons hold."""
    rows = run.pair("supervised")
    gained = np.where(rows["state"] == GAINED, rows["mass_after"], 0.0)
    share = sample(lambda part, whole: part.sum(axis=-1) / whole.sum(axis=-1), gained, rows["mass_after"])
    return beside(share, math.nan)


def _counted(row: pd.Series) -> tuple[float, float, float]:
    """Hits, reviews that are positive or called so, and positive reviews, from the rates of a row of scores."""
    precision, recall = row["precision"], row["recall"]
    wrong_by_positive = recall * (1 / precision - 1) + (1 - recall) if precision else 1.0
    wrong = (1 - row["accuracy"]) * row["reviews"]
    positive = wrong / wrong_by_positive if wrong_by_positive else row["reviews"] / 2
    return recall * positive, recall * positive + wrong, positive


def _where(run: Run, table: str, **cells: str) -> pd.DataFrame:
    """The rows of a table that hold these cells; none where the run did not keep it."""
    if not run.results.has(table):
        return pd.DataFrame()
    rows = run.table(table)
    return rows[np.logical_and.reduce([rows[column] == cell for column, cell in cells.items()])]


def _size(run: Run, name: str) -> int:
    """Neurons of the run's set of this name, the paper's 20 where it pruned none."""
    rows = _where(run, "pruning", set=name)
    return int(rows["neurons"].iloc[0]) if len(rows) else STRONGEST


MEASURES = {
    "S4": score,
    "N15": partial(share_of_least, has=lambda rows: rows["length_after"] == 1),
    **{f"T2-{name} {split}": partial(of_set, name=name, split=split) for name in "ABCD" for split in ("train", "test")},
    **{f"T2-{name} C21": partial(of_set, name=name, split="test", way=CLASSIFIER) for name in "ABCD"},
    "T2-B mass": partial(share_of_mass, name="B", statistic=tail),
    "T2-C mass": partial(share_of_mass, name="C", statistic=head),
    "T2-D mass": gained_mass,
    "K26": generality,
    "K31": partial(contrast, D=1, B=-0.5, C=-0.5),
    "K53": partial(share_of_least, has=lambda rows: rows["state"] != GAINED),
    "K54": partial(contrast, A=0.5, B=0.5, C=-0.5, D=-0.5),
}
