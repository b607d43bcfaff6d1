"""Records summed by cell, a distinct (neuron, feature), and block; and arrangements of blocks on two sides.

An arrangement is a column of signs, 1 where a block's records (before) are on the first side. Rows of uniform numbers, one a
block, become arrangements: the stream of numbers alone, never how many are drawn side by side, decides what the i-th is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from txray_lib.errors import TxrayError
from txray_lib.measures import Side, owners
from txray_lib.preferences import NOBODY

COLUMNS = ["block", "neuron", "feature", "activation"]


class Swaps:
    """Each block's records before and after change sides with probability 1/2."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.observed = np.ones((blocks, 1))

    def signs(self, uniform: np.ndarray) -> np.ndarray:
        """Signs (blocks, k) of k arrangements from uniform numbers (k, blocks)."""
        return np.ascontiguousarray((uniform < 0.5).T, dtype=np.float64)


class Splits:
    """Blocks in random order, the first of them to the first side: as many as come nearest to the observed tokens there.

    No side is left without a block. The observed arrangement is one of these: its own blocks first, and the total is met.
    `tokens` and `is_before` are of each block, (blocks,).
    """

    def __init__(self, tokens: np.ndarray, is_before: np.ndarray) -> None:
        self.blocks = len(tokens)
        self.tokens = tokens
        self.target = tokens[is_before].sum()
        self.observed = is_before[:, None].astype(np.float64)

    def signs(self, uniform: np.ndarray) -> np.ndarray:
        """Signs (blocks, k) of k arrangements from uniform numbers (k, blocks)."""
        order = np.argsort(uniform, axis=1, kind="stable")
        filled = np.cumsum(self.tokens[order], axis=1)[:, :-1]
        taken = np.abs(filled - self.target).argmin(axis=1) + 1
        signs = np.empty(uniform.shape)
        np.put_along_axis(signs, order, np.arange(self.blocks) < taken[:, None], axis=1)
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

    def of(self, chosen: np.ndarray) -> Cells:
        """The cells of some neurons, chosen by their rising positions in `neurons`."""
        sizes = np.diff(self.owner.indptr)
        rows = np.flatnonzero(np.repeat(np.isin(np.arange(len(sizes)), chosen), sizes))
        owner = owners(np.repeat(np.arange(len(chosen)), sizes[chosen]), len(chosen))
        both = np.concatenate([rows, rows + sizes.sum()])
        return Cells(self.neurons[chosen], owner, self.moved[both], self.fixed[both], self.total[both])


def read_one_text(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[Cells, Swaps]:
    """Two stages that read one text: a block's sign is 1 where the first side has its records before.

    Raises TxrayError where a block has not as many tokens before as after, or a neuron is not the encoder's.
    """
    _check(before, after, units)
    blocks = _present(before["block"], after["block"])
    tokens = [_tokens(side, blocks) for side in (before, after)]
    if len(others := blocks[tokens[0] != tokens[1]]):
        raise TxrayError(
            f"the block {others[0]!r} has other tokens after than before: these stages did not read one text. "
            "The null of two texts is 'split'."
        )
    neurons, owner, (first, second) = _summed((before, after), (blocks, blocks))
    totals = [side.sum(axis=1)[:, None] for side in (first, second)]
    return Cells(neurons, owner, first - second, totals[1], totals[0] + totals[1]), Swaps(len(blocks))


def read_two_texts(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[Cells, Splits]:
    """One encoder on two texts: a block's sign is 1 where it is dealt to the first side.

    Blocks of one name in two texts are two blocks. Raises TxrayError where a text has no block or a neuron is not the
    encoder's.
    """
    _check(before, after, units)
    for name, side in (("before", before), ("after", after)):
        if not len(side):
            raise TxrayError(f"the text {name} has no token: a distance needs two texts")
    blocks = [_present(side["block"], side["block"]) for side in (before, after)]
    neurons, owner, (first, second) = _summed((before, after), blocks)
    moved = sparse.csr_array(sparse.hstack([first, second]))
    total = first.sum(axis=1)[:, None] + second.sum(axis=1)[:, None]
    tokens = np.concatenate([_tokens(side, its) for side, its in zip((before, after), blocks, strict=True)])
    is_before = np.repeat([True, False], [len(its) for its in blocks])
    return Cells(neurons, owner, moved, np.zeros_like(total), total), Splits(tokens, is_before)


def _summed(
    sides: tuple[pd.DataFrame, pd.DataFrame], blocks: tuple[pd.Index, pd.Index]
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


def _present(before: pd.Series, after: pd.Series) -> pd.Index:
    """The distinct values of two categorical columns: in their order where both have the same, else sorted."""
    first, second = (
        pd.Index(side.cat.remove_unused_categories().cat.categories.astype(object)) for side in (before, after)
    )
    return first.union(second)


def _codes(column: pd.Series, values: pd.Index) -> np.ndarray:
    """The position in `values` of each row's value, (rows,)."""
    return values.get_indexer(column.cat.categories.astype(object))[column.cat.codes.to_numpy()].astype(np.int64)


def _tokens(records: pd.DataFrame, blocks: pd.Index) -> np.ndarray:
    """The tokens of each block, (blocks,), those that are nobody's with them."""
    return np.bincount(_codes(records["block"], blocks), minlength=len(blocks))


def _check(before: pd.DataFrame, after: pd.DataFrame, units: int) -> None:
    for name, records in (("before", before), ("after", after)):
        if missing := [column for column in COLUMNS if column not in records]:
            raise TxrayError(f"the records {name} have no column {missing[0]!r}: a null needs records, not preferences")
        if len(records) and (highest := records["neuron"].max()) >= units:
            raise TxrayError(f"the records {name} name neuron {highest}, but the encoder has {units} neurons")
