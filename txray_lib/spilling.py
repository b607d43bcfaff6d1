"""Preferences whose sums need not fit in memory: they spill to disk through Arrow. May touch: errors, tables, preferences.

Rows are held until there are `budget` of them, summed, and if they are still more than half of it written as one sorted
run. At the end neurons are taken a few at a time, from every run, summed and written in order. So memory is that of the
budget and of the words, however many rows there are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from txray_lib.errors import TxrayError
from txray_lib.preferences import KEYS, SUMS
from txray_lib.tables import write_tables

BUDGET = 4_000_000
"""Rows that are held at a time, about 40 bytes each, and as much again while they are summed."""

_TYPES = {
    "layer": np.int8,
    "neuron": np.int32,
    "feature": np.int32,
    "tag": np.int32,
    "y": np.int8,
    "count": np.int64,
    "activation_sum": np.float64,
    "prediction_sum": np.float64,
}
_WORDS = ("feature", "tag")
_BATCH = 2**16
_SPILL = ".spill-"

Columns = dict[str, np.ndarray]


class SpillingSum:
    """A sum of preference tables. `with SpillingSum(folder) as total: total.add(table) …; total.write(path)`.

    folder  where runs are spilled to, in a folder of their own that is gone after the `with`
    budget  rows that are held in memory at a time
    """

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        if budget < 2:
            raise TxrayError(
                f"a sum of preferences that may hold {budget} rows at a time cannot be made: give it 2 or more"
            )
        self.folder, self.budget = folder, budget
        self._words: dict[str, dict[str, int]] = {name: {} for name in _WORDS}
        self._held: list[Columns] = []
        self._rows = 0
        self._runs: list[_Run] = []

    def __enter__(self) -> SpillingSum:
        self._spilled = Path(tempfile.mkdtemp(prefix=_SPILL, dir=self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._spilled, ignore_errors=True)

    @property
    def runs(self) -> int:
        """How often memory was full."""
        return len(self._runs)

    def add(self, preferences: pd.DataFrame) -> None:
        """Add a table of preferences: the records of a shard, or of a few documents, summed."""
        columns = {name: preferences[name].to_numpy(kind) for name, kind in _TYPES.items() if name not in _WORDS}
        columns |= {name: self._codes(name, preferences[name]) for name in _WORDS}
        self._held.append(columns)
        self._rows += len(preferences)
        if self._rows > self.budget:
            self._sum_held()
            if self._rows > self.budget // 2:
                self._runs.append(_write_run(self._held.pop(), self._spilled / f"{self.runs}.arrow"))
                self._rows = 0

    def write(self, path: Path, source: dict[str, Any] | None = None) -> int:
        """Write the sum as one table, in the order of `preferences.aggregate`; gives the number of its rows."""
        self._sum_held()
        rows = 0

        def counted() -> Iterator[pd.DataFrame]:
            nonlocal rows
            for table in self._tables():
                rows += len(table)
                yield table

        write_tables(counted(), path, source or {})
        return rows

    def _codes(self, name: str, column: pd.Series) -> np.ndarray:
        known, words = self._words[name], column.astype("category").cat
        codes = np.array([known.setdefault(word, len(known)) for word in words.categories], np.int32)
        return codes[words.codes.to_numpy()] if len(column) else np.empty(0, np.int32)

    def _sum_held(self) -> None:
        if self._held:
            whole, self._held = _concatenated(self._held), []
            self._held = [_summed(whole)]
            self._rows = len(self._held[0]["count"])

    def _tables(self) -> Iterator[pd.DataFrame]:
        """The sum, some neurons at a time. A table without a row where there is nothing to sum."""
        held = self._held[0] if self._held else {name: np.empty(0, kind) for name, kind in _TYPES.items()}
        alphabet = {name: np.array(sorted(words), dtype=object) for name, words in self._words.items()}
        place = {name: _places(words, alphabet[name]) for name, words in self._words.items()}
        neurons = _neuron(held)
        sides = [_Held(held, neurons), *self._runs]
        for first, last in _ranges([side.neurons for side in sides], self.budget):
            columns = _concatenated([part for side in sides for part in side.between(first, last)])
            columns |= {name: place[name][columns[name]] for name in _WORDS}
            yield _frame(_summed(columns), alphabet)


def remove_spilled(folder: Path) -> None:
    """Delete what a sum that was killed left in `folder`."""
    for spilled in folder.glob(f"{_SPILL}*"):
        shutil.rmtree(spilled, ignore_errors=True)


@dataclass(frozen=True)
class _Held:
    """Summed rows in memory; neurons: the neuron of each, rising."""

    columns: Columns
    neurons: np.ndarray

    def between(self, first: int, last: int) -> Iterator[Columns]:
        """The rows of the neurons from `first` to `last`, both included."""
        start, stop = np.searchsorted(self.neurons, [first, last + 1])
        yield {name: column[start:stop] for name, column in self.columns.items()}


@dataclass(frozen=True)
class _Run:
    """Summed rows on disk; neurons: the neuron of each, rising."""

    path: Path
    neurons: np.ndarray

    def between(self, first: int, last: int) -> Iterator[Columns]:
        """As `_Held.between`, from the batches that hold such rows."""
        start, stop = np.searchsorted(self.neurons, [first, last + 1])
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_file(file) as reader:
            for batch in range(start // _BATCH, -(-stop // _BATCH)):
                rows = slice(max(start - batch * _BATCH, 0), stop - batch * _BATCH)
                read = reader.get_batch(batch)
                yield {name: read.column(name).to_numpy(zero_copy_only=False)[rows] for name in _TYPES}


def _write_run(columns: Columns, path: Path) -> _Run:
    batch = pa.record_batch(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=_BATCH)
    return _Run(path, _neuron(columns))


def _neuron(columns: Columns) -> np.ndarray:
    """Layer and neuron in one number, (rows,)."""
    return columns["layer"].astype(np.int64) << 32 | columns["neuron"].astype(np.int64)


def _ranges(neurons: Sequence[np.ndarray], budget: int) -> Iterator[tuple[int, int]]:
    """Neurons in a row, from the first to the last, of at most `budget` rows together or of one neuron alone."""
    counted = [np.unique(each, return_counts=True) for each in neurons]
    every, inverse = np.unique(np.concatenate([values for values, _ in counted]), return_inverse=True)
    ends = np.cumsum(np.bincount(inverse, np.concatenate([counts for _, counts in counted]), len(every)))
    if not len(every):
        yield 0, -1
    first, before = 0, 0.0
    while first < len(every):
        last = max(first, int(np.searchsorted(ends, before + budget, side="right")) - 1)
        yield int(every[first]), int(every[last])
        first, before = last + 1, ends[last]


def _places(words: dict[str, int], alphabet: np.ndarray) -> np.ndarray:
    """The place in the alphabet of each word's number, (words,)."""
    place = np.empty(len(words), np.int32)
    place[[words[word] for word in alphabet]] = np.arange(len(words), dtype=np.int32)
    return place


def _concatenated(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in _TYPES}


def _summed(columns: Columns) -> Columns:
    """One row for each key, sorted by it."""
    rows = len(columns["count"])
    if not rows:
        return columns
    lows = [int(columns[key].min()) for key in KEYS]
    shape = [int(columns[key].max()) - low + 1 for key, low in zip(KEYS, lows, strict=True)]
    offsets = [columns[key].astype(np.int64) - low for key, low in zip(KEYS, lows, strict=True)]
    flat = np.ravel_multi_index(offsets, shape)
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    first = order[starts]
    summed = {key: columns[key][first] for key in KEYS}
    return summed | {name: np.add.reduceat(columns[name][order], starts) for name in SUMS}


def _frame(columns: Columns, alphabet: dict[str, np.ndarray]) -> pd.DataFrame:
    table: dict[str, Any] = dict(columns)
    for name in _WORDS:
        present, code = np.unique(columns[name], return_inverse=True)
        table[name] = pd.Categorical.from_codes(code, categories=pd.Index(alphabet[name][present], dtype=object))
    return pd.DataFrame(table)[[*KEYS, *SUMS]]
