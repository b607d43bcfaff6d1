"""Statistics of neurons: one value for each row of arrays with neurons along the last axis, NaN left out. Touches numpy and
scipy alone."""

from __future__ import annotations

import numpy as np
from scipy import stats

STRONGEST = 20
"""Neurons in the paper's sets of the most and the least preferred (Tab. 2)."""


def mean(values: np.ndarray) -> np.ndarray:
    return np.nanmean(values, axis=-1)


def median(values: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=-1)


def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change of the mean, as a share of the mean before."""
    return np.nanmean(after, axis=-1) / np.nanmean(before, axis=-1) - 1


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's over neurons; NaN for fewer than three or without spread. No NaN may be in the columns."""
    if first.shape[-1] < 3:
        return np.full(first.shape[:-1], np.nan)
    ranks = [stats.rankdata(column, axis=-1) for column in (first, second)]
    centred = [rank - rank.mean(axis=-1, keepdims=True) for rank in ranks]
    scale = np.sqrt(np.prod([np.square(rank).sum(axis=-1) for rank in centred], axis=0))
    return (centred[0] * centred[1]).sum(axis=-1) / np.where(scale > 0, scale, np.nan)


def moved_by(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By what share a length changes, in either direction: the longer by the shorter − 1."""
    return np.expm1(np.abs(np.log(after / before)))


def head(masses: np.ndarray, number: int = STRONGEST) -> np.ndarray:
    """The share of mass that the strongest neurons hold (all, if there are no more)."""
    ordered = np.sort(masses, axis=-1)
    return ordered[..., -number:].sum(axis=-1) / ordered.sum(axis=-1)


def tail(masses: np.ndarray, number: int = STRONGEST) -> np.ndarray:
    """The share of mass that the weakest of the neurons with any hold."""
    ordered = np.sort(np.where(masses > 0, masses, np.nan), axis=-1)
    return np.nansum(ordered[..., :number], axis=-1) / np.nansum(ordered, axis=-1)
