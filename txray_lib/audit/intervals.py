"""Intervals: over neurons of one run (bootstrap), and over seeds. All are 95 %. May touch: numpy and scipy alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import stats

DRAWS = 1000
SEED = 20200712
FEWEST = 5
"""Fewer neurons give no interval: drawing them again and again says little about others."""
LEVEL = 0.95
NEURONS, SETS, SEEDS = "neurons", "random sets", "seeds"
Statistic = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Measured:
    """One measured number.

    low, high  of its interval, NaN without one; `basis` is what the interval is over: "neurons", "random sets", "seeds"
    why        why there is no number, or no interval
    draws      of the bootstrap, (draws,), over `neurons` neurons: two numbers over all neurons of a run are drawn together
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    basis: str = ""
    why: str = ""
    neurons: int = 0
    draws: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))


def missing(why: str) -> Measured:
    """A number that cannot be measured, and why."""
    return Measured(why=why)


def plain(value: float, why: str = "one run gives this number without an interval") -> Measured:
    """A number without an interval."""
    return Measured(float(value), why=why) if not math.isnan(value) else missing("there is nothing to average")


def bootstrap(statistic: Statistic, *columns: Sequence[float] | np.ndarray) -> Measured:
    """A statistic of neurons with its percentile interval over neurons drawn with replacement.

    statistic  takes each column with neurons along the last axis and gives one value for each of the others
    columns    one value a neuron, all of the same length; NaN where a neuron does not count
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    if not len(arrays[0]):
        return missing("no neuron is there to be measured")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        value = float(statistic(*arrays))
        if math.isnan(value):
            return missing("there are too few neurons to measure it")
        if min(np.isfinite(array).sum() for array in arrays) < FEWEST:
            return Measured(value, why="fewer than five neurons give no interval")
        drawn = _drawn(len(arrays[0]))
        draws = statistic(*(array[drawn] for array in arrays))
    return spread(value, draws, len(arrays[0]))


def spread(value: float, draws: np.ndarray, neurons: int) -> Measured:
    """A value with the percentiles of its draws; without an interval where fewer than half of them are numbers."""
    known = draws[np.isfinite(draws)]
    if len(known) < DRAWS / 2:
        return Measured(value, why="too few neurons for an interval")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(value, float(low), float(high), NEURONS, "", neurons, draws)


def effect(first: Measured, second: Measured, units: int) -> Measured:
    """first − second: drawn together where both are over all `units` neurons of the run, else `difference`."""
    if first.draws is None or second.draws is None or not first.neurons == second.neurons == units:
        return difference(first, second)
    return spread(first.value - second.value, first.draws - second.draws, units)


def difference(first: Measured, second: Measured) -> Measured:
    """first − second with an interval that holds the difference if both intervals hold theirs (wider than needed)."""
    return Measured(
        first.value - second.value,
        first.low - second.high,
        first.high - second.low,
        first.basis or second.basis,
        first.why or second.why,
    )


def over_seeds(values: Sequence[float]) -> Measured:
    """The mean of one value a seed with Student's t interval; without one for fewer than two seeds."""
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    if len(known) < 2:
        return Measured(float(known.mean()) if len(known) else math.nan)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Measured(float(known.mean()), float(known.mean() - half), float(known.mean() + half), SEEDS)


def share(flags: np.ndarray) -> np.ndarray:
    """The mean of flags of 0 and 1, NaN left out."""
    return np.nanmean(flags, axis=-1)


def mean(values: np.ndarray) -> np.ndarray:
    return np.nanmean(values, axis=-1)


def median(values: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=-1)


def fall(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """1 − mean after / mean before."""
    return 1 - np.nanmean(after, axis=-1) / np.nanmean(before, axis=-1)


def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change of the mean, as a share of the mean before."""
    return -fall(before, after)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's over neurons; NaN for fewer than three or without spread. No NaN may be in the columns."""
    if first.shape[-1] < 3:
        return np.full(first.shape[:-1], np.nan)
    ranks = [stats.rankdata(column, axis=-1) for column in (first, second)]
    centred = [rank - rank.mean(axis=-1, keepdims=True) for rank in ranks]
    scale = np.sqrt(np.prod([np.square(rank).sum(axis=-1) for rank in centred], axis=0))
    return (centred[0] * centred[1]).sum(axis=-1) / np.where(scale > 0, scale, np.nan)


@lru_cache(maxsize=64)
def _drawn(size: int) -> np.ndarray:
    """Which neurons each draw holds, (draws, size): the same for every column of as many neurons."""
    return np.random.default_rng(SEED).integers(0, size, (DRAWS, size), dtype=np.int32)
