"""A null for every distance (law 6). May touch: errors, progress, preferences, transfer, measures.

 swap   two encoders on one text (RQ1, RQ3): "no systematic change"
 split  one encoder on two texts (RQ2, and the halves of one text): "which text it was does not matter"

In here: `blocks` sums records by neuron, feature and block, and draws arrangements of blocks on two sides.

The units are blocks: a Wikipedia article, the reviews of a film. Tokens and documents of one block are not independent.
A p is (1 + arrangements as far apart as observed) / (1 + arrangements drawn). Ties count as "as far", and so does an
arrangement that leaves a neuron with an empty side, where its distance is undefined: **an empty side is further than
any distance**. Both can only raise a p.

**The tail.** A p cannot be below 1 / (1 + arrangements), and with 1,000 of them Benjamini-Hochberg at 0.05 rejects 30 of
1,500 neurons or none. So arrangements are doubled, up to a cap, for the neurons that none has reached yet (g = 0). A p is
(1 + g) / (1 + m) over all m arrangements drawn for the neuron, and valid whenever the doubling ends: take a level a, and the
first round whose m gives 1 / (1 + m) ≤ a. What left or ended before has p > a; so p ≤ a needs (1 + g) / (1 + m) ≤ a in that
round, which is one test with m fixed beforehand. The doubling ends where the neurons left have q ≤ 0.001 whatever follows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from txray_lib.errors import TxrayError, nearest
from txray_lib.measures import Side, between, named
from txray_lib.nulls.blocks import Cells, read_one_text, read_two_texts
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, SHARED

SEED = 20200712
PERMUTATIONS = 1000
CAP = 50_000
KINDS = {"swap": read_one_text, "split": read_two_texts}
SETTLED = 0.001
"""More arrangements are not drawn for neurons whose q cannot be above this."""
TIE = 1e-7
"""Distances nearer than this are ties: rounding must not make an equal arrangement a nearer one."""
_CHUNK, _ENTRIES = 64, 1 << 18
"""Arrangements, and cells times arrangements, that are held side by side: it costs memory and changes no result."""


def draw_null(
    kind: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    measure: str = "hellinger",
    cap: int = CAP,
    what: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What chance makes of the comparison of two stages: a table of neurons and one of preference states.

    kind           "swap": each block's records before and after change sides with probability 1/2, so each side keeps every
                   document once; the same weights on both sides give distance 0 and p = 1. "split": the blocks of both are
                   dealt anew in random order; the first side gets blocks until it has as many tokens as the text before,
                   within half a block. Between two corpora this null is false from the start, since their vocabularies differ
                   (`measures.vocabulary_shift`). It is exact where texts were sampled that way; where one text has a handful
                   of blocks, longer than those of the other, it is liberal: arrangements mix long and short, the texts do not
    before, after  records (columns in `preferences`), for "swap" of one text: as many tokens in every block
    permutations   for every neuron; those that no arrangement reaches get more, up to `cap`
    what           names the progress bar; none without it

    The first table has a row a neuron: layer, neuron, the observed distance (under the measure's name, missing where a side is
    empty), expected (mean null distance), null_05, null_95 (its quantiles), excess (observed − expected), permutations (drawn
    for this neuron), reached (how many of them were as far apart), p, q (Benjamini-Hochberg over neurons with a distance),
    p_state, q_state (of being avoided or gained: how often an arrangement leaves a side empty; 1 for shared ones; over all
    preferred neurons). The second has a row for each of shared, avoided, gained, avoided or gained: observed (neurons),
    expected, null_05, null_95, tail ("as few" for shared, else "as many"), p.

    Raises TxrayError for an unknown kind or measure, fewer than one permutation, records of one text for "split" or of two for
    "swap", and a neuron that is not the encoder's.
    """
    if kind not in KINDS:
        raise TxrayError(f"there is no null {kind!r}. {nearest(kind, KINDS)}")
    if permutations < 1:
        raise TxrayError(f"permutations is {permutations}: a null needs at least 1")
    named(measure)
    cells, deals = KINDS[kind](before, after, units)
    random, neurons = np.random.default_rng(seed), len(cells.neurons)
    sides = cells.sides(deals.observed)
    observed, states = between(measure, *sides, cells.owner)[:, 0], _count_changed(cells, sides)[:, 0]
    null = np.empty((neurons, permutations))
    changed = np.empty((2, permutations), np.int64)
    reached, drawn = np.zeros((2, neurons), np.int64)
    done, until, chosen = 0, permutations, np.arange(neurons)
    while done < until and (len(chosen) or not done):
        own, tail = cells.of(chosen), ", refined" if done else ""
        chunk = max(1, min(_CHUNK, _ENTRIES // max(own.owner.shape[1], 1)))
        with bar(until, what and what + tail, "permutation", done) as ticker:
            for first in range(done, until, chunk):
                size = min(chunk, until - first)
                sides = own.sides(deals.signs(random.random((size, deals.blocks))))
                distances = between(measure, *sides, own.owner)
                is_as_far = np.isnan(distances) | (distances >= observed[chosen, None] - TIE)
                reached[chosen] += is_as_far.sum(axis=1)
                if not done:
                    null[:, first : first + size] = distances
                    changed[:, first : first + size] = _count_changed(own, sides)
                ticker.update(size)
        drawn[chosen] = done = until
        until, chosen = min(2 * done, cap), np.flatnonzero(_is_open(reached, observed, done))
    table = _tabulate(observed, null, reached, drawn, cells.neurons, units)
    return table.rename(columns={"observed": measure}), _tabulate_states(states, changed, neurons)


def adjust(p: np.ndarray) -> np.ndarray:
    """q of Benjamini-Hochberg over the p that are there, (neurons,); NaN where p is.

    It holds the share of false discoveries where neurons are independent or positively dependent. They share blocks, and
    tokens go to one neuron each, so neither is exact; the counts of states do not depend on it.
    """
    q, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known], method="bh")
    return q


def _count_changed(cells: Cells, sides: tuple[Side, Side]) -> np.ndarray:
    """How many neurons are avoided, and how many gained, in each of k arrangements, (2, k)."""
    return np.stack([(cells.owner @ side.counts == 0).sum(axis=0) for side in sides[::-1]])


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


def _tabulate(
    observed: np.ndarray, null: np.ndarray, reached: np.ndarray, drawn: np.ndarray, neurons: np.ndarray, units: int
) -> pd.DataFrame:
    """A row for each of `units` neurons from those of the preferred ones, (neurons,)."""
    has_distance, p = ~np.isnan(observed), (1 + reached) / (1 + drawn)
    expected, low, high = np.full((3, len(observed)), np.nan)
    for i in np.flatnonzero(has_distance):
        known = null[i][~np.isnan(null[i])]
        if len(known):
            expected[i], (low[i], high[i]) = known.mean(), np.quantile(known, [0.05, 0.95])
    table = pd.DataFrame(
        {
            "observed": observed,
            "expected": expected,
            "null_05": low,
            "null_95": high,
            "excess": observed - expected,
            "permutations": drawn,
            "reached": reached,
            "p": np.where(has_distance, p, np.nan),
            "q": adjust(np.where(has_distance, p, np.nan)),
            "p_state": np.where(has_distance, 1.0, p),
            "q_state": adjust(np.where(has_distance, 1.0, p)),
        },
        index=neurons,
    )
    table = table.reindex(np.arange(units))
    table = table.fillna({"permutations": 0, "reached": 0}).astype({"permutations": np.int64, "reached": np.int64})
    table.insert(0, "layer", np.int8(0))
    table.insert(1, "neuron", np.arange(units, dtype=np.int32))
    return table.reset_index(drop=True)


def _tabulate_states(observed: np.ndarray, null: np.ndarray, preferred: int) -> pd.DataFrame:
    """Observed (2,) and null (2, permutations) counts of avoided and gained neurons, as a table."""
    changed = observed.sum(), null.sum(axis=0)
    counts = {
        SHARED: (preferred - changed[0], preferred - changed[1]),
        AVOIDED: (observed[0], null[0]),
        GAINED: (observed[1], null[1]),
        "avoided or gained": changed,
    }
    rows = []
    for state, (here, there) in counts.items():
        few = state == SHARED
        reached = (there <= here if few else there >= here).sum()
        low, high = np.quantile(there, [0.05, 0.95])
        p = (1 + reached) / (1 + len(there))
        rows.append((state, int(here), there.mean(), low, high, "as few" if few else "as many", p))
    return pd.DataFrame(rows, columns=["state", "observed", "expected", "null_05", "null_95", "tail", "p"])
