"""How many arrangements are as far apart as the stages are: for all neurons, then more for those that none has reached.

**The tail.** A p cannot be below 1 / (1 + arrangements), and with 1,000 of them Benjamini-Hochberg at 0.05 rejects 30 of
1,500 neurons or none. So arrangements are doubled, up to a cap, for the neurons that none has reached yet (g = 0). A p is
(1 + g) / (1 + m) over all m arrangements drawn for the neuron, and valid whenever the doubling ends: take a level a, and the
first round whose m gives 1 / (1 + m) ≤ a. What left or ended before has p > a; so p ≤ a needs (1 + g) / (1 + m) ≤ a in that
round, which is one test with m fixed beforehand. The doubling ends where the neurons left have q ≤ 0.001 whatever follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from txray_lib.measures import Side, between
from txray_lib.nulls.blocks import Cells, Splits, Swaps
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, SHARED

SETTLED = 0.001
"""More arrangements are not drawn for neurons whose q cannot be above this."""
TIE = 1e-7
"""Distances nearer than this are ties: rounding must not make an equal arrangement a nearer one."""
CHANGED = "avoided or gained"
_CHUNK, _ENTRIES = 64, 1 << 18
"""Arrangements, and cells times arrangements, that are held side by side: it costs memory and changes no result."""


@dataclass(frozen=True)
class Plan:
    """What is drawn: see `nulls.swap_null`."""

    measure: str
    permutations: int
    seed: int
    cap: int
    what: str


def permute(cells: Cells, deals: Swaps | Splits, plan: Plan, units: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of neurons and the table of states, as `NullResult` describes them."""
    random, neurons = np.random.default_rng(plan.seed), len(cells.neurons)
    sides = cells.sides(deals.observed)
    observed, states = between(plan.measure, *sides, cells.owner)[:, 0], _count_changed(cells, sides)[:, 0]
    null = np.empty((neurons, plan.permutations))
    changed = np.empty((2, plan.permutations), np.int64)
    reached, drawn = np.zeros((2, neurons), np.int64)
    done, until, chosen = 0, plan.permutations, np.arange(neurons)
    while done < until and (len(chosen) or not done):
        own = cells.of(chosen)
        for here, signs in _arrangements(deals, random, plan, done, until, own.owner.shape[1]):
            sides = own.sides(signs)
            distances = between(plan.measure, *sides, own.owner)
            reached[chosen] += _as_far(distances, observed[chosen]).sum(axis=1)
            if not done:
                null[:, here], changed[:, here] = distances, _count_changed(own, sides)
        drawn[chosen] = done = until
        until, chosen = min(2 * done, plan.cap), np.flatnonzero(_is_open(reached, observed, done))
    table = _table(cells.neurons, observed, null, reached, drawn, plan.measure, units)
    return table, _states(states, changed, neurons)


def adjust(p: np.ndarray) -> np.ndarray:
    """q of Benjamini-Hochberg over the p that are there, (neurons,); NaN where p is.

    It holds the share of false discoveries where neurons are independent or positively dependent. They share blocks, and
    tokens go to one neuron each, so neither is exact; the counts in `states` do not depend on it.
    """
    q, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known], method="bh")
    return q


def _arrangements(
    deals: Swaps | Splits, random: np.random.Generator, plan: Plan, done: int, until: int, cells: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (which arrangements, their signs (blocks, some)) until so many are drawn."""
    tail = ", refined" if done else ""
    with bar(until, plan.what and plan.what + tail, "permutation", done) as ticker:
        chunk = max(1, min(_CHUNK, _ENTRIES // max(cells, 1)))
        for first in range(done, until, chunk):
            size = min(chunk, until - first)
            yield slice(first, first + size), deals.signs(random.random((size, deals.blocks)))
            ticker.update(size)


def _count_changed(cells: Cells, sides: tuple[Side, Side]) -> np.ndarray:
    """How many neurons are avoided, and how many gained, in each of k arrangements, (2, k)."""
    return np.stack([(cells.owner @ side.counts == 0).sum(axis=0) for side in sides[::-1]])


def _as_far(null: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Whether each arrangement is as far apart as observed, (neurons, k): an empty side is further than any distance.

    A neuron whose observed distance is missing (avoided, gained) is reached by empty sides only.
    """
    return np.isnan(null) | (null >= observed[:, None] - TIE)


def _is_open(reached: np.ndarray, observed: np.ndarray, done: int) -> np.ndarray:
    """Which neurons need more arrangements, (neurons,): unreached, and of a family whose q is not settled.

    Neurons with a distance are one family; avoided and gained ones are tested among all that are preferred.
    """
    unreached, has_distance = reached == 0, ~np.isnan(observed)
    result = np.zeros(len(reached), bool)
    for family, size in ((has_distance, has_distance.sum()), (~has_distance, len(observed))):
        left = unreached & family
        if left.any() and size / (left.sum() * (1 + done)) > SETTLED:
            result |= left
    return result


def _states(observed: np.ndarray, null: np.ndarray, preferred: int) -> pd.DataFrame:
    """Observed (2,) and null (2, permutations) counts of avoided and gained neurons, as a table."""
    changed = observed.sum(), null.sum(axis=0)
    counts = {
        SHARED: (preferred - changed[0], preferred - changed[1]),
        AVOIDED: (observed[0], null[0]),
        GAINED: (observed[1], null[1]),
        CHANGED: changed,
    }
    rows = []
    for state, (here, there) in counts.items():
        few = state == SHARED
        reached = (there <= here if few else there >= here).sum()
        low, high = np.quantile(there, [0.05, 0.95])
        p = (1 + reached) / (1 + len(there))
        rows.append((state, int(here), there.mean(), low, high, "as few" if few else "as many", p))
    return pd.DataFrame(rows, columns=["state", "observed", "expected", "null_05", "null_95", "tail", "p"])


def _table(
    neurons: np.ndarray,
    observed: np.ndarray,
    null: np.ndarray,
    reached: np.ndarray,
    drawn: np.ndarray,
    measure: str,
    units: int,
) -> pd.DataFrame:
    """A row for each of `units` neurons from those of the preferred ones, (neurons,)."""
    has_distance, p = ~np.isnan(observed), (1 + reached) / (1 + drawn)
    expected, low, high = np.where(has_distance, _summary(null), np.nan)
    table = pd.DataFrame(
        {
            measure: observed,
            "expected": expected,
            "null_05": low,
            "null_95": high,
            "excess": observed - expected,
            "permutations": drawn,
            "reached": reached,
            "p": np.where(has_distance, p, np.nan),
            "p_state": np.where(has_distance, 1.0, p),
        },
        index=neurons,
    )
    table.insert(8, "q", adjust(table["p"].to_numpy()))
    table["q_state"] = adjust(table["p_state"].to_numpy())
    table = table.reindex(np.arange(units))
    table = table.fillna({"permutations": 0, "reached": 0}).astype({"permutations": np.int64, "reached": np.int64})
    table.insert(0, "layer", np.int8(0))
    table.insert(1, "neuron", np.arange(units, dtype=np.int32))
    return table.reset_index(drop=True)


def _summary(null: np.ndarray) -> np.ndarray:
    """Mean, 5 % and 95 % quantile of each row's defined distances, (3, neurons); NaN where none is."""
    result = np.full((3, len(null)), np.nan)
    for i, row in enumerate(null):
        known = row[~np.isnan(row)]
        if len(known):
            result[:, i] = known.mean(), *np.quantile(known, [0.05, 0.95])
    return result
