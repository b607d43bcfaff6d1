"""A null for every distance (law 6). May touch: errors, progress, preferences, transfer.

 swap   two encoders on one text (RQ1, RQ3): "no systematic change"
 split  one encoder on two texts (RQ2, and the halves of one text): "which text it was does not matter"

The units are blocks: a Wikipedia article, the reviews of a film. Tokens and documents of one block are not independent.
Records are summed by cell, a distinct (neuron, feature), and block. An arrangement of blocks on two sides is a column of signs, 1
where a block's records (before) are on the first side. Rows of uniform numbers, one a block, become arrangements: the stream of
numbers alone, never how many are drawn side by side, decides what the i-th is.

A p is (1 + arrangements as far apart as observed) / (1 + arrangements drawn). Ties count as "as far", and so does an
arrangement that leaves a neuron with an empty side, where its distance is undefined: **an empty side is further than
any distance**. Both can only raise a p.

**The tail.** A p cannot be below 1 / (1 + arrangements), and with 1,000 of them Benjamini-Hochberg at 0.05 rejects 30 of
1,500 neurons or none. So arrangements are doubled, up to a cap, for the neurons that none has reached yet (g = 0). A p is
(1 + g) / (1 + m) over all m arrangements drawn for the neuron, and valid whenever the doubling ends: take a level a, and the
first round whose m gives 1 / (1 + m) ≤ a. What left or ended before has p > a; so p ≤ a needs (1 + g) / (1 + m) ≤ a in that
round, which is one test with m fixed beforehand. The doubling ends where the neurons left have q ≤ 0.001 whatever follows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import false_discovery_control

from txray_lib.errors import TxrayError, require_choice, require_number
from txray_lib.preferences import NOBODY, RECORDS, check_sides, pair_layers
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, MEASURES, SHARED, Side, between, owners

SEED = 20200712
PERMUTATIONS = 1000
CAP = 50_000
SETTLED = 0.001
"""More arrangements are not drawn for neurons whose q cannot be above this."""
TIE = 1e-7
"""Distances nearer than this are ties: rounding must not make an equal arrangement a nearer one."""
_CHUNK, _ENTRIES = 64, 1 << 18
"""Arrangements, and cells times arrangements, that are held side by side: it costs memory and changes no result."""


def swap(uniform: np.ndarray) -> np.ndarray:
    """Each block's records before and after change sides with probability 1/2.

    Signs (blocks, k) of k arrangements from uniform numbers (k, blocks).
    """
    return np.ascontiguousarray((uniform < 0.5).T, dtype=np.float64)


def split(uniform: np.ndarray, tokens: np.ndarray, is_before: np.ndarray) -> np.ndarray:
    """Blocks in random order, the first of them to the first side: as many as come nearest to the observed tokens there.

    Signs (blocks, k) of k arrangements from uniform numbers (k, blocks); `tokens` and `is_before` are of each block, (blocks,).
    No side is left without a block. The observed arrangement is one of these: its own blocks first, and the total is met.
    """
    order = np.argsort(uniform, axis=1, kind="stable")
    filled = np.cumsum(tokens[order], axis=1)[:, :-1]
    taken = np.abs(filled - tokens[is_before].sum()).argmin(axis=1) + 1
    signs = np.empty(uniform.shape)
    np.put_along_axis(signs, order, np.arange(len(tokens)) < taken[:, None], axis=1)
    return np.ascontiguousarray(signs.T)


@dataclass(frozen=True)
class Cells:
    """All that two stages' neurons preferred, and what each block adds to the first side: a row for the count of each cell,
    then one for the activation sum of each.

    neurons  whose cells these are, (neurons,), rising; each is preferred on one side at least
    owner    (neurons, cells), 1 where the cell is the neuron's
    moved    what a block adds to the first side where its sign is 1 instead of 0, (2 · cells, blocks)
    fixed    what the first side has where all signs are 0, (2 · cells, 1)
    total    what both sides have together, however the blocks are arranged, (2 · cells, 1)
    """

    neurons: np.ndarray
    owner: sparse.csr_array
    moved: sparse.csr_array
    fixed: np.ndarray
    total: np.ndarray

    def sides(self, signs: np.ndarray) -> tuple[Side, Side]:
        """Both sides of k arrangements, from signs (blocks, k). A count of 0 has a sum of exactly 0."""
        first = self.moved @ signs + self.fixed
        halves = (np.split(side, 2) for side in (first, self.total - first))
        before, after = (Side(counts, sums * (counts > 0)) for counts, sums in halves)
        return before, after

    def of(self, chosen: np.ndarray) -> "Cells":
        """The cells of some neurons, chosen by their rising positions in `neurons`."""
        sizes = np.diff(self.owner.indptr)
        rows = np.flatnonzero(np.repeat(np.isin(np.arange(len(sizes)), chosen), sizes))
        owner = owners(np.repeat(np.arange(len(chosen)), sizes[chosen]), len(chosen))
        both = np.concatenate([rows, rows + sizes.sum()])
        return Cells(self.neurons[chosen], owner, self.moved[both], self.fixed[both], self.total[both])


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
                   (`transfer.vocabulary_shift`). It is exact where texts were sampled that way; where one text has a handful
                   of blocks, longer than those of the other, it is liberal: arrangements mix long and short, the texts do not
    before, after  records (columns in `preferences`), for "swap" of one text: as many tokens in every block
    permutations   for every neuron; those that no arrangement reaches get more, up to `cap`
    what           names the progress bar; none without it

    The first table has a row a neuron: layer, neuron, the observed distance (under the measure's name, missing where a side is
    empty), expected (mean null distance), null_05, null_95 (its quantiles), all three of the first `permutations` alone, excess
    (observed − expected), permutations (drawn for this neuron), reached (how many of them were as far apart), p, q
    (Benjamini-Hochberg over neurons with a distance), p_state, q_state (of being avoided or gained: how often an arrangement
    leaves a side empty; 1 for shared ones; over all preferred neurons). The second has a row for each of shared, avoided, gained,
    avoided or gained: observed (neurons), expected, null_05, null_95, tail ("as few" for shared, else "as many"), p.

    Of several layers each has rows of its own, also in the second table, which then says which layer; both q are over the
    neurons of all of them, and arrangements are doubled layer by layer.

    Raises TxrayError for records of two texts for "swap", and for what are no records, no kind, no measure or no numbers.
    """
    require_choice(kind, "kind of null", ("swap", "split"))
    require_choice(measure, "measure", MEASURES)
    require_number(permutations, "permutations")
    check_sides(before, after, RECORDS, units)
    found = []
    for layer, *rows in pair_layers(before, after):
        sides = [side.astype({"block": "category", "feature": "category"}) for side in rows]
        null, counts = _draw_layer(kind, *sides, layer, units, permutations, seed, measure, cap, what)
        found.append((null, counts.assign(layer=layer)))
    tables, states = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    if len(found) == 1:
        return tables, states.drop(columns="layer")
    return tables.assign(q=adjust(tables["p"].to_numpy()), q_state=adjust(tables["p_state"].to_numpy())), states


def _draw_layer(
    kind: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    layer: int,
    units: int,
    permutations: int,
    seed: int,
    measure: str,
    cap: int,
    what: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`draw_null` of the records of one layer: its arrangements are those of every other."""
    cells, signs, deal = _read(kind, before, after)
    random, neurons = np.random.default_rng(seed), len(cells.neurons)
    sides = cells.sides(signs)
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
                sides = own.sides(deal(random.random((size, len(signs)))))
                distances = between(measure, *sides, own.owner)
                is_as_far = np.isnan(distances) | (distances >= observed[chosen, None] - TIE)
                reached[chosen] += is_as_far.sum(axis=1)
                if not done:
                    null[:, first : first + size] = distances
                    changed[:, first : first + size] = _count_changed(own, sides)
                ticker.update(size)
        drawn[chosen] = done = until
        until, chosen = min(2 * done, cap), np.flatnonzero(_is_open(reached, observed, done))
    table = _tabulate(observed, null, reached, drawn, cells.neurons, layer, units)
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
    observed: np.ndarray,
    null: np.ndarray,
    reached: np.ndarray,
    drawn: np.ndarray,
    neurons: np.ndarray,
    layer: int,
    units: int,
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
    table.insert(0, "layer", np.int8(layer))
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


def _read(
    kind: str, before: pd.DataFrame, after: pd.DataFrame
) -> tuple[Cells, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """What blocks add to the first side, the observed signs, (blocks, 1), and what gives those of other arrangements.

    A block's sign is 1 where the first side has its records before ("swap"), or where the block is dealt to it ("split", in which
    blocks of one name in two texts are two blocks). Raises TxrayError as `draw_null` does.
    """
    sides = before, after
    own = [_present(side["block"]) for side in sides]
    blocks = [_present(before["block"], after["block"])] * 2 if kind == "swap" else own
    tokens = [np.bincount(_codes(s["block"], b), minlength=len(b)) for s, b in zip(sides, blocks, strict=True)]
    neurons, owner, (first, second) = _summed(sides, blocks)
    totals = [side.sum(axis=1)[:, None] for side in (first, second)]
    if kind == "split":
        moved = sparse.csr_array(sparse.hstack([first, second]))
        cells = Cells(neurons, owner, moved, np.zeros_like(totals[0]), totals[0] + totals[1])
        is_before = np.repeat([True, False], list(map(len, blocks)))
        deal = partial(split, tokens=np.concatenate(tokens), is_before=is_before)
        return cells, is_before[:, None].astype(np.float64), deal
    if len(others := blocks[0][tokens[0] != tokens[1]]):
        raise TxrayError(
            f"the block {others[0]!r} has other tokens after than before: these stages did not read one text. "
            "The null of two texts is 'split'."
        )
    cells = Cells(neurons, owner, first - second, totals[1], totals[0] + totals[1])
    return cells, np.ones((len(blocks[0]), 1)), swap


def _summed(
    sides: tuple[pd.DataFrame, pd.DataFrame], blocks: list[pd.Index]
) -> tuple[np.ndarray, sparse.csr_array, list[sparse.csr_array]]:
    """The preferred neurons, whose each cell is, and counts and activation sums of each side, (2 · cells, blocks): equal
    records give equal sums, to the last bit."""
    features = _present(*(side["feature"] for side in sides))
    rows = [side[side["neuron"] != NOBODY] for side in sides]
    keys = [r["neuron"].to_numpy(np.int64) * len(features) + _codes(r["feature"], features) for r in rows]
    cells, place = np.unique(np.concatenate(keys), return_inverse=True)
    neurons, position = np.unique(cells // max(len(features), 1), return_inverse=True)
    summed = []
    for side, cell, its in zip(rows, np.split(place, [len(keys[0])]), blocks, strict=True):
        present, at = np.unique(cell * len(its) + _codes(side["block"], its), return_inverse=True)
        where, shape = np.divmod(present, max(len(its), 1)), (len(cells), len(its))
        sums = np.bincount(at, side["activation"].to_numpy(np.float64), len(present))
        counts = np.bincount(at, minlength=len(present)).astype(np.float64)
        summed.append(sparse.vstack([sparse.csr_array((each, where), shape=shape) for each in (counts, sums)], "csr"))
    return neurons, owners(position, len(neurons)), summed


def _present(*columns: pd.Series) -> pd.Index:
    """The distinct values of one or two categorical columns: in their order where both have the same, else sorted."""
    first, *second = (pd.Index(c.cat.remove_unused_categories().cat.categories.astype(object)) for c in columns)
    return first.union(second[0]) if second else first


def _codes(column: pd.Series, values: pd.Index) -> np.ndarray:
    """The position in `values` of each row's value, (rows,)."""
    return values.get_indexer(column.cat.categories.astype(object))[column.cat.codes.to_numpy()].astype(np.int64)
