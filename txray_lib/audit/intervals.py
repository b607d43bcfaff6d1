"""A measured number beside what chance gives, with its interval: over neurons, over counts, over seeds. All are 95 %.

    sample        a statistic of neurons, drawn again and again with replacement (bootstrap)
    beside        ours and chance, drawn together
    over_seeds    one value a seed (Student)
    combined      a weighted sum of numbers whose errors are independent

A statistic takes arrays with neurons along the last axis, leaves NaN out, and gives one value for each of the other axes.
May touch: numpy and scipy alone.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy import stats

DRAWS = 1000
SEED = 20200712
FEWEST = 5
"""Fewer neurons give no interval: drawing them again and again says little about others."""
STRONGEST = 20
"""Neurons in the paper's sets of the most and the least preferred (Tab. 2)."""
ENDS = ((1 - 0.95) / 2, (1 + 0.95) / 2)
Z = float(stats.norm.ppf(ENDS[1]))
NEURONS, SEEDS = "neurons", "seeds"
Statistic = Callable[..., np.ndarray]

mean, median = partial(np.nanmean, axis=-1), partial(np.nanmedian, axis=-1)


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
        return not math.isnan(self.low)


def plain(value: float, chance: float, why: str) -> Measured:
    """A number without an interval, and why it has none."""
    return Measured(float(value), chance=float(chance), beyond=float(value - chance), why=why)


def around(value: float, below: float, above: float, basis: str, chance: float) -> Measured:
    """A number with an interval that reaches so far below and above it, beside a chance that has none of its own."""
    beyond = value - chance
    return Measured(value, value - below, value + above, basis, chance, beyond, beyond - below, beyond + above)


def sample(statistic: Statistic, *columns: Sequence[float] | np.ndarray) -> np.ndarray:
    """A statistic of neurons and its draws with replacement, (1 + DRAWS,); samples of as many neurons draw the same ones.

    columns  one value a neuron, all of the same length; NaN where a neuron does not count. Of too few neurons every draw
             is NaN, and of none the value too
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    made = np.full(1 + DRAWS, np.nan)
    if not len(arrays[0]):
        return made
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        made[0] = statistic(*arrays)
        if min(np.isfinite(array).sum() for array in arrays) >= FEWEST:
            drawn = _drawn(len(arrays[0]))
            made[1:] = statistic(*(array[drawn] for array in arrays))
    return made


def scattered(value: np.ndarray | float, spread: np.ndarray | float, shape: tuple[int, ...], stream: int) -> np.ndarray:
    """A value as chance scatters it: a draw each from a normal distribution of this standard deviation."""
    return value + spread * np.random.default_rng([SEED, stream]).standard_normal(shape)


def beside(ours: np.ndarray, chance: np.ndarray | float) -> Measured:
    """A sample beside that of chance, or beside a number: their difference is drawn with both."""
    beyond = ours - chance
    if math.isnan(ours[0]):
        return Measured(why="there are too few neurons to measure it")
    by_chance = float(np.ravel(chance)[0])
    low, high = _percentiles(ours[1:])
    if math.isnan(low):
        return plain(ours[0], by_chance, "too few neurons for an interval")
    ends = _percentiles(beyond[1:])
    return Measured(float(ours[0]), low, high, NEURONS, by_chance, float(beyond[0]), *ends)


def over_seeds(values: Sequence[float], chances: Sequence[float]) -> Measured:
    """The mean of one value a seed, and of its difference from chance, with Student's t intervals."""
    beyond = np.asarray(values) - np.asarray(chances)
    (value, half), (difference, width) = _student(np.asarray(values)), _student(beyond)
    ends = (difference - width, difference + width)
    return Measured(value, value - half, value + half, SEEDS, value - difference, difference, *ends)


def combined(parts: Sequence[tuple[float, Measured]]) -> Measured:
    """A weighted sum of numbers, and of what chance gives them, where their errors are independent."""
    if absent := [its for _, its in parts if math.isnan(its.value)]:
        return Measured(why=absent[0].why)
    value, chance = (sum(weight * getattr(its, key) for weight, its in parts) for key in ("value", "chance"))
    if without := [its for _, its in parts if not its.has_interval]:
        return plain(value, chance, without[0].why)
    reaches = [sorted((weight * (its.low - its.value), weight * (its.high - its.value))) for weight, its in parts]
    below, above = (math.hypot(*side) for side in zip(*reaches, strict=True))
    return around(value, below, above, parts[0][1].basis, chance)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """One sample by another; not a number where that is 0 by 0."""
    with np.errstate(all="ignore"):
        return part / whole


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's over neurons; NaN for fewer than three or without spread. No NaN may be in the columns."""
    if first.shape[-1] < 3:
        return np.full(first.shape[:-1], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return stats.spearmanrho(first, second, axis=-1).statistic


def head(masses: np.ndarray, number: int = STRONGEST) -> np.ndarray:
    """The share of mass that the strongest neurons hold (all, if there are no more)."""
    ordered = np.sort(masses, axis=-1)
    return ordered[..., -number:].sum(axis=-1) / ordered.sum(axis=-1)


def tail(masses: np.ndarray, number: int = STRONGEST) -> np.ndarray:
    """The share of mass that the weakest of the neurons with any hold."""
    ordered = np.sort(np.where(masses > 0, masses, np.nan), axis=-1)
    return np.nansum(ordered[..., :number], axis=-1) / np.nansum(ordered, axis=-1)


def _percentiles(draws: np.ndarray) -> tuple[float, float]:
    """The interval of draws; NaN where fewer than half of them are numbers."""
    known = draws[np.isfinite(draws)]
    if len(known) < DRAWS / 2:
        return math.nan, math.nan
    low, high = np.quantile(known, ENDS)
    return float(low), float(high)


def _student(values: np.ndarray) -> tuple[float, float]:
    """The mean and half the width of its interval."""
    quantile = stats.t.ppf(ENDS[1], len(values) - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) / math.sqrt(len(values)))


@lru_cache(maxsize=64)
def _drawn(size: int) -> np.ndarray:
    """Which neurons each draw holds, (DRAWS, size): the same for every sample of as many neurons."""
    return np.random.default_rng([SEED, size]).integers(0, size, (DRAWS, size), dtype=np.int32)
