"""Records summed by cell, a distinct (neuron, feature), and block: what an arrangement of blocks is made of."""

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


@dataclass(frozen=True)
class Cells:
    """All that two stages' neurons preferred, and what each block adds to the first side.

    neurons        whose cells these are, (neurons,), rising; each is preferred on one side at least
    owner          (neurons, cells), 1 where the cell is the neuron's
    counts, sums   what a block adds to the first side where its sign is 1 instead of 0, (cells, blocks)
    fixed_*        what the first side has where all signs are 0, (cells, 1)
    total_*        what both sides have together, however the blocks are arranged, (cells, 1)
    """

    neurons: np.ndarray
    owner: sparse.csr_array
    counts: sparse.csr_array
    sums: sparse.csr_array
    fixed_counts: np.ndarray
    fixed_sums: np.ndarray
    total_counts: np.ndarray
    total_sums: np.ndarray

    @property
    def blocks(self) -> int:
        return self.counts.shape[1]

    def sides(self, signs: np.ndarray) -> tuple[Side, Side]:
        """Both sides of k arrangements, from signs (blocks, k). A count of 0 has a sum of exactly 0."""
        counts = self.counts @ signs + self.fixed_counts
        sums = self.sums @ signs + self.fixed_sums
        others = self.total_counts - counts
        other_sums = self.total_sums - sums
        sums *= counts > 0
        other_sums *= others > 0
        return Side(counts, sums), Side(others, other_sums)

    def of(self, chosen: np.ndarray) -> Cells:
        """The cells of some neurons, chosen by their positions in `neurons`."""
        starts = self.owner.indptr
        ranges = [np.arange(starts[i], starts[i + 1]) for i in chosen]
        rows = np.concatenate(ranges) if ranges else np.empty(0, np.int64)
        owner = owners(np.repeat(np.arange(len(chosen)), [len(r) for r in ranges]), len(chosen))
        matrices = [matrix[rows] for matrix in (self.counts, self.sums)]
        columns = (self.fixed_counts, self.fixed_sums, self.total_counts, self.total_sums)
        return Cells(self.neurons[chosen], owner, *matrices, *(column[rows] for column in columns))

    def pieces(self, size: int) -> Iterator[tuple[slice, Cells]]:
        """Whole neurons in pieces of at most `size` cells, or of one neuron: (positions in `neurons`, cells)."""
        ends, first = self.owner.indptr, 0
        while first < len(self.neurons):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + size, side="right")) - 1)
            yield slice(first, last), self.of(np.arange(first, last))
            first = last

    def by_neuron(self) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
        """Counts of whole neurons: of blocks (neurons, blocks), fixed and total, each (neurons, 1)."""
        return self.owner @ self.counts, self.owner @ self.fixed_counts, self.owner @ self.total_counts


def of_one_text(before: pd.DataFrame, after: pd.DataFrame, units: int) -> Cells:
    """Two stages that read one text: a block's sign is 1 where the first side has its records before.

    Raises TxrayError where a block has not as many tokens before as after, or a neuron is not the encoder's.
    """
    _check(before, after, units)
    blocks = pd.Index(_present(before["block"]).union(_present(after["block"])), dtype=object)
    tokens = [_tokens(side, blocks) for side in (before, after)]
    if not np.array_equal(*tokens):
        block = blocks[np.flatnonzero(tokens[0] != tokens[1])[0]]
        raise TxrayError(
            f"the block {block!r} has other tokens after than before: these stages did not read one text. "
            "Compare two texts with `split_null`."
        )
    cells, features = _cells(before, after)
    first, second = (_by_block(side, cells, features, blocks) for side in (before, after))
    totals = [matrix.sum(axis=1)[:, None] for matrix in (*first, *second)]
    moved = [_without_zeros(one - other) for one, other in zip(first, second, strict=True)]
    both = totals[0] + totals[2], totals[1] + totals[3]
    return _assembled(cells, len(features), moved, (totals[2], totals[3]), both)


def of_two_texts(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[Cells, np.ndarray, np.ndarray]:
    """One encoder on two texts: a block's sign is 1 where it is dealt to the first side.

    Besides the cells: the tokens of each block, and which blocks are of the text before, each (blocks,). Blocks of one name
    in two texts are two blocks. Raises TxrayError where a text has no block or a neuron is not the encoder's.
    """
    _check(before, after, units)
    named = [pd.Index(_present(side["block"]), dtype=object) for side in (before, after)]
    for name, blocks in zip(("before", "after"), named, strict=True):
        if not len(blocks):
            raise TxrayError(f"the text {name} has no token: a distance needs two texts")
    cells, features = _cells(before, after)
    parts = [_by_block(s, cells, features, blocks) for s, blocks in zip((before, after), named, strict=True)]
    counts, sums = (sparse.csr_array(sparse.hstack([p[i] for p in parts])) for i in (0, 1))
    none = np.zeros((len(cells), 1))
    totals = counts.sum(axis=1)[:, None], sums.sum(axis=1)[:, None]
    tokens = np.concatenate([_tokens(s, blocks) for s, blocks in zip((before, after), named, strict=True)])
    is_before = np.repeat([True, False], [len(blocks) for blocks in named])
    return _assembled(cells, len(features), (counts, sums), (none, none), totals), tokens, is_before


def _assembled(cells: np.ndarray, features: int, moved, fixed, totals) -> Cells:
    neuron = cells // max(features, 1)
    neurons, position = np.unique(neuron, return_inverse=True)
    return Cells(neurons, owners(position, len(neurons)), *moved, *fixed, *totals)


def _cells(before: pd.DataFrame, after: pd.DataFrame) -> tuple[np.ndarray, pd.Index]:
    """The distinct cells of both sides as neuron × features + feature, rising, and the features that number counts."""
    features = pd.Index(_present(before["feature"]).union(_present(after["feature"])), dtype=object)
    keys = [_keys(side[side["neuron"] != NOBODY], features) for side in (before, after)]
    return np.unique(np.concatenate(keys)), features


def _keys(records: pd.DataFrame, features: pd.Index) -> np.ndarray:
    return records["neuron"].to_numpy(np.int64) * len(features) + _codes(records["feature"], features)


def _by_block(
    records: pd.DataFrame, cells: np.ndarray, features: pd.Index, blocks: pd.Index
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Counts and activation sums of a stage, (cells, blocks). Equal records give equal sums, to the last bit."""
    somebodys = records[records["neuron"] != NOBODY]
    cell = np.searchsorted(cells, _keys(somebodys, features))
    present, place = np.unique(cell * len(blocks) + _codes(somebodys["block"], blocks), return_inverse=True)
    shape, where = (len(cells), len(blocks)), np.divmod(present, max(len(blocks), 1))
    sums = np.bincount(place, somebodys["activation"].to_numpy(np.float64), len(present))
    counts = np.bincount(place, minlength=len(present)).astype(np.float64)
    counted, summed = (sparse.csr_array((values, where), shape=shape) for values in (counts, sums))
    return counted, summed


def _present(column: pd.Series) -> pd.Index:
    """The distinct values of a categorical column, as objects, sorted."""
    return pd.Index(column.cat.categories.astype(object)[np.unique(column.cat.codes.to_numpy())])


def _codes(column: pd.Series, values: pd.Index) -> np.ndarray:
    """The position in `values` of each row's value, (rows,)."""
    return values.get_indexer(column.cat.categories.astype(object))[column.cat.codes.to_numpy()].astype(np.int64)


def _tokens(records: pd.DataFrame, blocks: pd.Index) -> np.ndarray:
    """The tokens of each block, (blocks,), those that are nobody's with them."""
    return np.bincount(_codes(records["block"], blocks), minlength=len(blocks))


def _without_zeros(matrix: sparse.csr_array) -> sparse.csr_array:
    matrix.eliminate_zeros()
    return matrix


def _check(before: pd.DataFrame, after: pd.DataFrame, units: int) -> None:
    for name, records in (("before", before), ("after", after)):
        missing = [column for column in COLUMNS if column not in records]
        if missing:
            raise TxrayError(f"the records {name} have no column {missing[0]!r}: a null needs records, not preferences")
        if len(records) and records["neuron"].max() >= units:
            raise TxrayError(
                f"the records {name} name neuron {records['neuron'].max()}, but the encoder has {units} neurons"
            )
