"""F1, and what pruning does to it (§3.3). May touch: results, transfer, intervals, run, statistics.

The effect of a set is the change of F1 less the median change by random sets of as many neurons. Its interval holds both
sources of chance: which reviews were read (`sampling_error`), and which sets were drawn. Fewer than 20 random sets say too
little of their spread: no interval, and no place among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from txray_lib.audit.intervals import (
    LEVEL,
    Measured,
    Z,
    around,
    beside,
    combined,
    missing,
    plain,
    proportion,
    sample,
    wilson,
)
from txray_lib.audit.run import Run
from txray_lib.audit.statistics import STRONGEST, head, tail
from txray_lib.transfer import GAINED

FEWEST_SETS = 20
ENCODER, CLASSIFIER = ("out of the encoder", "before the classifier")
"""The paper's way of pruning (§3.3.2) and that of its released code (C21)."""
_REVIEWS = "reviews"


def score(run: Run) -> Measured:
    """S4: F1 on test reviews with its binomial interval; by chance that of calling every review positive.

    F1 is 2J / (1 + J) for J, the share of hits among the reviews that are positive, called so, or both.
    """
    rows = run.table("scores")
    rows = rows[(rows["split"] == "test") & (rows["shared_texts"] == "kept")]
    if rows.empty:
        return missing("this run scored no test reviews")
    row = rows.iloc[0]
    hits, either, positive = _counted(row)
    low, high = (2 * share / (1 + share) for share in wilson(hits, either))
    f1, everything = row["f1"], 2 * positive / (row["reviews"] + positive)
    return around(f1, f1 - low, high - f1, _REVIEWS, everything)


def effect(change: float, error: float, random: np.ndarray) -> Measured:
    """A change of F1 beside the median of those by random sets.

    change  a share of F1 before; `error`, its standard error that follows from which reviews were read
    random  the changes by random sets of as many neurons
    """
    if math.isnan(change):
        return missing("the change is not defined: the set is empty, or F1 is 0 before")
    chance = float(np.median(random)) if len(random) else math.nan
    if len(random) < FEWEST_SETS:
        few = "no random set was" if not len(random) else f"only {len(random)} random sets were"
        return plain(change, chance, f"{few} pruned, which tells no spread")
    if math.isnan(error):
        return plain(change, chance, "the sampling error of the reviews was not measured")
    low, high = np.quantile(random, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    below, above = math.hypot(Z * error, high - chance), math.hypot(Z * error, chance - low)
    return around(change, below, above, f"reviews and {len(random)} random sets", chance)


def effects(run: Run) -> dict[tuple[str, str, str], Measured]:
    """`effect` of every set, way and split that the run pruned."""
    if not run.results.has("pruning"):
        return {}
    random: dict[object, np.ndarray] = {}
    if run.results.has("pruning_random"):
        rows = run.table("pruning_random").query("match == 'size'")
        random = {key: part["change"].to_numpy() for key, part in rows.groupby(["set", "way", "split"], observed=True)}
    found = {}
    for row in run.table("pruning").to_dict("records"):
        key = (str(row["set"]), str(row["way"]), str(row["split"]))
        drawn = random.get(key, np.empty(0))
        found[key] = effect(row["change"], row.get("sampling_error", math.nan), drawn[np.isfinite(drawn)])
    return found


def of_set(run: Run, name: str, split: str, way: str = ENCODER) -> Measured:
    """The effect of a set on a split of the reviews, in the paper's way of pruning or in another."""
    found = run.once("effects", effects)
    return found.get((name, way, split), missing(f"this run did not prune {name} {way}"))


def generality(run: Run) -> Measured:
    """K26: the test change of A less its training change."""
    return combined([(1, of_set(run, "A", "test")), (-1, of_set(run, "A", "train"))])


def gained_beside_pretrained(run: Run) -> Measured:
    """K31: the test change of D less the mean of B's and C's."""
    return _contrast(run, D=1, B=-0.5, C=-0.5)


def kept_beside_lost(run: Run) -> Measured:
    """K54: the mean test change of A and B less that of C and D."""
    return _contrast(run, A=0.5, B=0.5, C=-0.5, D=-0.5)


def length_one(run: Run) -> Measured:
    """N15: neurons of B with one feature, as a share of B; by chance among all in use."""
    return _share_of_least(run, lambda rows: rows["length_after"] == 1)


def exposed(run: Run) -> Measured:
    """K53: neurons of B that were not gained, as a share of B; by chance among all in use."""
    return _share_of_least(run, lambda rows: rows["state"] != GAINED)


def least_mass(run: Run) -> Measured:
    """T2-B: the share of mass that the least preferred neurons hold."""
    return _mass(run, "B", tail)


def most_mass(run: Run) -> Measured:
    """T2-C: the share of mass that the most preferred neurons hold."""
    return _mass(run, "C", head)


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


def _contrast(run: Run, **weights: float) -> Measured:
    """A weighted sum of test changes of sets."""
    return combined([(weight, of_set(run, name, "test")) for name, weight in weights.items()])


def _size(run: Run, name: str) -> int:
    """Neurons of the run's set of this name, the paper's 20 where it pruned none."""
    rows = run.table("pruning") if run.results.has("pruning") else pd.DataFrame({"set": [], "neurons": []})
    sizes = rows.loc[rows["set"] == name, "neurons"]
    return int(sizes.iloc[0]) if len(sizes) else STRONGEST


def _share_of_least(run: Run, has) -> Measured:
    rows = run.pair("supervised")
    rows = rows[rows["length_after"] > 0].sort_values(["mass_after", "neuron"], kind="stable")
    least = rows.head(_size(run, "B"))
    return proportion(
        float(has(least).sum()), len(least), float(has(rows).mean()) if len(rows) else math.nan, "neurons"
    )


def _mass(run: Run, name: str, statistic) -> Measured:
    number, untrained = _size(run, name), run.untrained()["mass"]
    chance = sample(lambda masses: statistic(masses, number), untrained) if len(untrained) else math.nan
    return beside(sample(lambda masses: statistic(masses, number), run.pair("supervised")["mass_after"]), chance)


def _in(name: str, split: str, way: str) -> Callable[[Run], Measured]:
    return lambda run: of_set(run, name, split, way)


MEASURES = {
    "S4": score,
    "N15": length_one,
    **{f"T2-{name} {split}": _in(name, split, ENCODER) for name in "ABCD" for split in ("train", "test")},
    **{f"T2-{name} C21": _in(name, "test", CLASSIFIER) for name in "ABCD"},
    "T2-B mass": least_mass,
    "T2-C mass": most_mass,
    "T2-D mass": gained_mass,
    "K26": generality,
    "K31": gained_beside_pretrained,
    "K53": exposed,
    "K54": kept_beside_lost,
}
