"""Records summed by cell, a distinct (neuron, feature), and block; and arrangements of blocks on two sides.

An arrangement is a column of signs, 1 where a block's records (before) are on the first side. Rows of uniform numbers, one a
block, become arrangements: the stream of numbers alone, never how many are drawn side by side, decides what the i-th is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from txray_lib.errors import TxrayError
from txray_lib.measures import Side, owners
from txray_lib.preferences import NOBODY

COLUMNS = ["block", "neuron", "feature", "activation"]


class Swaps:
    """Each block's records before and after change sides with probability 1/2. `sides`: the blocks of each, the same ones."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.sides = blocks, blocks
        self.observed = np.ones((blocks, 1))

    def signs(self, uniform: np.ndarray) -> np.ndarray:
        """Signs (blocks, k) of k arrangements from uniform numbers (k, blocks)."""
        return np.ascontiguousarray((uniform < 0.5).T, dtype=np.float64)


class Splits:
    """Blocks in random order, the first of them to the first side: as many as come nearest to the observed tokens there.

    No side is left without a block. The observed arrangement is one of these: its own blocks first, and the total is met.
    `tokens` and `is_before` are of each block, (blocks,); `sides` is how many blocks the text before and after have.
    """

    def __init__(self, tokens: np.ndarray, is_before: np.ndarray) -> None:
        self.blocks = len(tokens)
        self.sides = int(is_before.sum()), int((~is_before).sum())
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


Matrices = tuple[sparse.csr_array, sparse.csr_array]
Columns = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """All that two stages' neurons preferred, and what each block adds to the first side; counts and activation sums in pairs.

    neurons  whose cells these are, (neurons,), rising; each is preferred on one side at least
    owner    (neurons, cells), 1 where the cell is the neuron's
    moved    what a block adds to the first side where its sign is 1 instead of 0, (cells, blocks)
    fixed    what the first side has where all signs are 0, (cells, 1)
    total    what both sides have together, however the blocks are arranged, (cells, 1)
    """

    neurons: np.ndarray
    owner: sparse.csr_array
    moved: Matrices
    fixed: Columns
    total: Columns

    def sides(self, signs: np.ndarray) -> tuple[Side, Side]:
        """Both sides of k arrangements, from signs (blocks, k). A count of 0 has a sum of exactly 0."""
        counts, sums = (moved @ signs + fixed for moved, fixed in zip(self.moved, self.fixed, strict=True))
        others, other_sums = self.total[0] - counts, self.total[1] - sums
        return Side(counts, sums * (counts > 0)), Side(others, other_sums * (others > 0))

    def of(self, chosen: np.ndarray) -> Cells:
        """The cells of some neurons, chosen by their rising positions in `neurons`."""
        sizes = np.diff(self.owner.indptr)
        rows = np.flatnonzero(np.repeat(np.isin(np.arange(len(sizes)), chosen), sizes))
        owner = owners(np.repeat(np.arange(len(chosen)), sizes[chosen]), len(chosen))
        pairs = [tuple(each[rows] for each in pair) for pair in (self.moved, self.fixed, self.total)]
        return Cells(self.neurons[chosen], owner, *pairs)

    def pieces(self, size: int) -> Iterator[tuple[np.ndarray, Cells]]:
        """Whole neurons in pieces of about `size` cells: (positions in `neurons`, cells)."""
        piece = self.owner.indptr[1:] // size
        for number in np.unique(piece):
            positions = np.flatnonzero(piece == number)
            yield positions, self.of(positions)

    def avoided_and_gained(self, signs: np.ndarray) -> np.ndarray:
        """How many neurons only the first side prefers, and only the second, in k arrangements, (2, k)."""
        moved, fixed, total = (self.owner @ pair[0] for pair in (self.moved, self.fixed, self.total))
        first = moved @ signs + fixed
        return np.stack([(first == total).sum(axis=0), (first == 0).sum(axis=0)])


def read_one_text(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[Cells, Swaps]:
    """Two stages that read one text: a block's sign is 1 where the first side has its records before.

    Raises TxrayError where a block has not as many tokens before as after, or a neuron is not the encoder's.
    """
    _check(before, after, units)
    blocks = _present(before, after, column="block")
    tokens = [_tokens(side, blocks) for side in (before, after)]
    if other := next((block for block, *both in zip(blocks, *tokens, strict=True) if both[0] != both[1]), None):
        raise TxrayError(
            f"the block {other!r} has other tokens after than before: these stages did not read one text. "
            "Compare two texts with `split_null`."
        )
    neurons, owner, (first, second) = _summed((before, after), (blocks, blocks))
    moved = tuple(one - other for one, other in zip(first, second, strict=True))
    return Cells(neurons, owner, moved, _totals(second), _both(first, second)), Swaps(len(blocks))


def read_two_texts(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[Cells, Splits]:
    """One encoder on two texts: a block's sign is 1 where it is dealt to the first side.

    Blocks of one name in two texts are two blocks. Raises TxrayError where a text has no block or a neuron is not the
    encoder's.
    """
    _check(before, after, units)
    blocks = [_present(side, column="block") for side in (before, after)]
    for name, its in zip(("before", "after"), blocks, strict=True):
        if not len(its):
            raise TxrayError(f"the text {name} has no token: a distance needs two texts")
    neurons, owner, (first, second) = _summed((before, after), blocks)
    moved = tuple(sparse.csr_array(sparse.hstack(pair)) for pair in zip(first, second, strict=True))
    none = np.zeros((moved[0].shape[0], 1))
    tokens = np.concatenate([_tokens(side, its) for side, its in zip((before, after), blocks, strict=True)])
    is_before = np.repeat([True, False], [len(its) for its in blocks])
    return Cells(neurons, owner, moved, (none, none), _both(first, second)), Splits(tokens, is_before)


def _summed(
    sides: tuple[pd.DataFrame, pd.DataFrame], blocks: tuple[pd.Index, pd.Index]
) -> tuple[np.ndarray, sparse.csr_array, list[Matrices]]:
    """The preferred neurons, whose each cell is, and counts and activation sums of each side, (cells, blocks)."""
    features = _present(*sides, column="feature")
    rows = [side[side["neuron"] != NOBODY] for side in sides]
    keys = [r["neuron"].to_numpy(np.int64) * len(features) + _codes(r["feature"], features) for r in rows]
    cells, place = np.unique(np.concatenate(keys), return_inverse=True)
    neurons, position = np.unique(cells // max(len(features), 1), return_inverse=True)
    summed = []
    for side, cell, its in zip(rows, np.split(place, [len(keys[0])]), blocks, strict=True):
        where, shape = (cell, _codes(side["block"], its)), (len(cells), len(its))
        values = np.ones(len(side)), side["activation"].to_numpy(np.float64)
        summed.append(tuple(sparse.coo_array((each, where), shape=shape).tocsr() for each in values))
    return neurons, owners(position, len(neurons)), summed


def _totals(side: Matrices) -> Columns:
    return tuple(matrix.sum(axis=1)[:, None] for matrix in side)


def _both(first: Matrices, second: Matrices) -> Columns:
    return tuple(one + other for one, other in zip(_totals(first), _totals(second), strict=True))


def _present(*sides: pd.DataFrame, column: str) -> pd.Index:
    """The distinct values of a column of records, sorted."""
    return pd.Index(sorted({value for side in sides for value in side[column].unique()}), dtype=object)


def _codes(column: pd.Series, values: pd.Index) -> np.ndarray:
    """The position in `values` of each row's value, (rows,)."""
    return values.get_indexer(column.cat.categories.astype(object))[column.cat.codes.to_numpy()].astype(np.int64)


def _tokens(records: pd.DataFrame, blocks: pd.Index) -> np.ndarray:
    """The tokens of each block, (blocks,), those that are nobody's with them."""
    return np.bincount(_codes(records["block"], blocks), minlength=len(blocks))


def _check(before: pd.DataFrame, after: pd.DataFrame, units: int) -> None:
    for name, records in (("before", before), ("after", after)):
        missing = [column for column in COLUMNS if column not in records]
        if missing:
            raise TxrayError(f"the records {name} have no column {missing[0]!r}: a null needs records, not preferences")
        if len(records) and (highest := records["neuron"].max()) >= units:
            raise TxrayError(f"the records {name} name neuron {highest}, but the encoder has {units} neurons")
