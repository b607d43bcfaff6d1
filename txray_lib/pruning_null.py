"""Chance beside pruning: random sets of neurons, drawn like a set of the paper's, and where it lies among them.

May touch: nothing but numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE, VARIANCE, MASS = "size", "variance", "mass"
TOLERANCE = 0.05
_RESAMPLES = 200


@dataclass(frozen=True)
class Match:
    """Random sets of as many neurons as a set of the paper's, alike in `on`; none, and `why`, where such do not exist."""

    on: str
    sets: list[np.ndarray]
    why: str = ""


def equal_size(neurons: np.ndarray, units: int, count: int, seed: int) -> Match:
    """Sets of the same size. Equal sizes give equal sets: B and C are laid beside the same ones."""
    size = len(neurons)
    if not 0 < size < units:
        return Match(SIZE, [], "the set is empty" if size == 0 else "the set is all neurons")
    random = np.random.default_rng([seed, size])
    return Match(SIZE, [random.choice(units, size, replace=False) for _ in range(count)])


def equal_weight(on: str, weights: np.ndarray, neurons: np.ndarray, count: int, seed: int) -> Match:
    """Sets of the same size whose `weights` (units,) sum to within `TOLERANCE` of those of `neurons`.

    A random set exchanges neurons at random, each time for one that brings it nearer. It counts as found where it is not
    mostly the given set over again: its overlap may be no more than halfway between chance's and all.
    """
    size, units = len(neurons), len(weights)
    if not 0 < size < units:
        return Match(on, [], equal_size(neurons, units, 0, seed).why)
    random = np.random.default_rng([seed, size, *np.sort(neurons)])
    goal, most_alike = weights[neurons].sum(), (1 + size / units) / 2
    found: list[np.ndarray] = []
    for attempt in range(3 * count):
        drawn = _towards(goal, weights, random.permutation(units), size, random)
        if drawn is not None and len(np.intersect1d(drawn, neurons)) <= most_alike * size:
            found.append(drawn)
        if len(found) == count or (attempt >= 20 and not found):
            break
    if len(found) < count:
        return Match(
            on, [], f"too few other sets of as many neurons have its {on}, if they are not mostly the same ones"
        )
    return Match(on, found)


def percentile(change: float, random: np.ndarray) -> float:
    """Where a change lies among random ones, 0 to 100, by mid-ranks: equal ones count half. Missing without any."""
    if not len(random) or np.isnan(change):
        return np.nan
    return float(100 * ((random < change).mean() + (random == change).mean() / 2))


def sampling_error(base: np.ndarray, pruned: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Standard error of the relative change of F1 that follows from which reviews were read.

    From ŷ before and after pruning, (reviews,), by a bootstrap over reviews within each label.
    """
    random, true = np.random.default_rng([seed, len(labels)]), labels == 1
    weights = np.empty((_RESAMPLES, len(labels)), np.float32)
    for label in (False, True):
        if of_label := int((true == label).sum()):
            weights[:, true == label] = random.multinomial(of_label, np.full(of_label, 1 / of_label), _RESAMPLES)
    before, after = (_f1(predictions > 0.5, true, weights) for predictions in (base, pruned))
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = (after - before) / before
    return float(np.std(changes, ddof=1)) if np.isfinite(changes).all() else np.nan


def _f1(positive: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, called = weights @ (positive & true), weights @ positive
    return 2 * hits / np.maximum(called + true.sum(), 1)


def _towards(
    goal: float, weights: np.ndarray, order: np.ndarray, size: int, random: np.random.Generator
) -> np.ndarray | None:
    """The first `size` neurons of `order`, exchanged until their weights sum to the goal; None where that fails."""
    inside, outside = order[:size].copy(), order[size:].copy()
    missing = goal - weights[inside].sum()
    near = TOLERANCE * abs(goal) + 1e-9 * np.abs(weights).sum()
    for _ in range(200 + 20 * size):
        if abs(missing) <= near:
            return inside
        leaving = random.integers(size)
        left = missing - (weights[outside] - weights[inside[leaving]])
        nearer = np.flatnonzero(np.abs(left) < abs(missing))
        if len(nearer):
            entering = random.choice(nearer)
            missing = left[entering]
            inside[leaving], outside[entering] = outside[entering], inside[leaving]
    return None
