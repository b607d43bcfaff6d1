"""A measured number beside what chance gives, with its interval: over neurons, over counts, over seeds. All are 95 %.

    sample        a statistic of neurons, drawn again and again with replacement (bootstrap)
    beside        ours and chance, drawn together
    proportion    a share of things that were counted (Wilson)
    over_seeds    one value a seed (Student)
    combined      a weighted sum of numbers whose errors are independent

May touch: numpy and scipy alone.
"""

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
Z = float(stats.norm.ppf((1 + LEVEL) / 2))
NEURONS, SEEDS = "neurons", "seeds"
TOO_FEW = "too few neurons for an interval"
Statistic = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Measured:
    """One number of a run beside what chance gives.

    value, low, high   the number and its interval, NaN without one; `basis` is what the interval is over
    chance             the same number where there is no effect; NaN where nothing says what chance gives
    beyond             value − chance, with the interval of this difference: beyond_low, beyond_high
    why                why there is no number, or no interval
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    basis: str = ""
    chance: float = math.nan
    beyond: float = math.nan
    beyond_low: float = math.nan
    beyond_high: float = math.nan
    why: str = ""

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclass(frozen=True)
class Sample:
    """A statistic of neurons. draws: of it, (DRAWS,), None where there are too few neurons."""

    value: float
    draws: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __sub__(self, other: Sample) -> Sample:
        known = self.draws is not None and other.draws is not None
        return Sample(self.value - other.value, self.draws - other.draws if known else None)

    def scaled(self, by: float) -> Sample:
        return Sample(self.value * by, None if self.draws is None else self.draws * by)


def missing(why: str) -> Measured:
    """A number that cannot be measured, and why."""
    return Measured(why=why)


def plain(value: float, chance: float, why: str) -> Measured:
    """A number without an interval, and why it has none."""
    return Measured(float(value), chance=float(chance), beyond=float(value - chance), why=why)


def around(value: float, below: float, above: float, basis: str, chance: float) -> Measured:
    """A number with an interval that reaches so far below and above it, beside a chance that has none of its own."""
    beyond = value - chance
    return Measured(value, value - below, value + above, basis, chance, beyond, beyond - below, beyond + above)


def sample(statistic: Statistic, *columns: Sequence[float] | np.ndarray) -> Sample:
    """A statistic of neurons and its draws with replacement. Samples of as many neurons draw the same ones.

    statistic  takes each column with neurons along the last axis and gives one value for each of the others
    columns    one value a neuron, all of the same length; NaN where a neuron does not count
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    if not len(arrays[0]):
        return Sample(math.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        value = float(statistic(*arrays))
        if min(np.isfinite(array).sum() for array in arrays) < FEWEST:
            return Sample(value)
        drawn = _drawn(len(arrays[0]))
        return Sample(value, statistic(*(array[drawn] for array in arrays)))


def beside(ours: Sample, chance: Sample | float) -> Measured:
    """Ours beside chance: their difference is drawn with both, where chance is a statistic of neurons too."""
    if math.isnan(ours.value):
        return missing("there are too few neurons to measure it")
    other = chance if isinstance(chance, Sample) else Sample(float(chance), np.full(DRAWS, float(chance)))
    low, high = _percentiles(ours.draws)
    if math.isnan(low):
        return plain(ours.value, other.value, TOO_FEW)
    beyond = (math.nan, math.nan)
    if ours.draws is not None and other.draws is not None:
        beyond = _percentiles(ours.draws - other.draws)
    return Measured(ours.value, low, high, NEURONS, other.value, ours.value - other.value, *beyond)


def scattered(values: np.ndarray, spread: np.ndarray | float, stream: int = 0) -> np.ndarray:
    """Values as chance scatters them: a draw each from a normal distribution of this standard deviation."""
    return values + spread * np.random.default_rng([SEED, stream]).standard_normal(values.shape)


def proportion(hits: float, of: float, chance: float, basis: str) -> Measured:
    """A share of things that were counted, with Wilson's interval, which has a width at 0 and 1 too."""
    if not of:
        return missing("there is nothing to count")
    low, high = wilson(hits, of)
    return around(hits / of, hits / of - low, high - hits / of, basis, chance)


def wilson(hits: float, of: float) -> tuple[float, float]:
    """Wilson's interval of a binomial share."""
    share, weight = hits / of, Z**2 / of
    middle = (share + weight / 2) / (1 + weight)
    half = Z * math.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)


def over_seeds(values: Sequence[float], chances: Sequence[float]) -> Measured:
    """The mean of one value a seed, and of its difference from chance, with Student's t intervals."""
    beyond = np.asarray(values) - np.asarray(chances)
    (value, half), (difference, width) = _student(np.asarray(values)), _student(beyond)
    return Measured(
        value,
        value - half,
        value + half,
        SEEDS,
        value - difference,
        difference,
        difference - width,
        difference + width,
    )


def combined(parts: Sequence[tuple[float, Measured]]) -> Measured:
    """A weighted sum of numbers, and of what chance gives them, where their errors are independent."""
    if absent := [its for _, its in parts if math.isnan(its.value)]:
        return missing(absent[0].why)
    value, chance = (sum(weight * getattr(its, key) for weight, its in parts) for key in ("value", "chance"))
    if without := [its for _, its in parts if not its.has_interval]:
        return plain(value, chance, without[0].why)
    ends = [(weight * (its.value - its.low), weight * (its.high - its.value)) for weight, its in parts]
    below = math.hypot(*(low if low > 0 else -high for low, high in ends))
    above = math.hypot(*(high if high > 0 else -low for low, high in ends))
    return around(value, below, above, parts[0][1].basis, chance)


def _percentiles(draws: np.ndarray | None) -> tuple[float, float]:
    """The interval of draws; NaN where fewer than half of them are numbers."""
    known = draws[np.isfinite(draws)] if draws is not None else np.empty(0)
    if len(known) < DRAWS / 2:
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _student(values: np.ndarray) -> tuple[float, float]:
    """The mean and half the width of its interval."""
    quantile = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) / math.sqrt(len(values)))


@lru_cache(maxsize=64)
def _drawn(size: int) -> np.ndarray:
    """Which neurons each draw holds, (DRAWS, size): the same for every sample of as many neurons."""
    return np.random.default_rng([SEED, size]).integers(0, size, (DRAWS, size), dtype=np.int32)
