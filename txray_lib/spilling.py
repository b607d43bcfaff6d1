"""Preferences whose sums need not fit in memory: they spill to disk through Arrow. May touch: errors, places, tables, preferences.

Rows are held until there are `budget` of them, summed, and if they are still more than half of it written as one sorted
run. At the end neurons are taken a few at a time, from every run, summed and written in order; a neuron of more rows than
the budget is taken some words at a time. So memory is that of the budget, the words and the neurons, however many rows
there are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from txray_lib.errors import TxrayError
from txray_lib.places import full_disk_told
from txray_lib.preferences import KEYS, SUMS
from txray_lib.tables import write_tables

BUDGET = 2_000_000
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
        with full_disk_told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
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
        """Add a table of preferences: the records of a shard, or of a few documents, summed.

        Raises TxrayError for a row without feature or tag, and for a full disk.
        """
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
        """Write the sum as one table, that of `preferences.aggregate` of the whole; gives the number of its rows.

        Raises TxrayError for a full disk; then nothing is written.
        """
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
        codes = words.codes.to_numpy()
        if (codes < 0).any():
            raise TxrayError(
                f"{np.count_nonzero(codes < 0)} rows of the preferences have no {name}: give them one, or leave them out"
            )
        present = np.flatnonzero(np.bincount(codes, minlength=len(words.categories)))
        number = np.empty(len(words.categories), np.int32)
        number[present] = [known.setdefault(word, len(known)) for word in words.categories[present]]
        return number[codes]

    def _sum_held(self) -> None:
        if self._held:
            whole, self._held = _concatenated(self._held), []
            self._held = [_summed(whole)]
            self._rows = len(self._held[0]["count"])

    def _tables(self) -> Iterator[pd.DataFrame]:
        """The sum, some neurons at a time. A table without a row where there is nothing to sum."""
        alphabet = {name: np.array(sorted(words), dtype=object) for name, words in self._words.items()}
        place = {name: _places(words, alphabet[name]) for name, words in self._words.items()}
        sides = [*(_Held(held, _Index.of(held)) for held in self._held), *self._runs]
        neurons, counts = _counted([side.index for side in sides])
        if not len(neurons):
            yield _frame({name: np.empty(0, kind) for name, kind in _TYPES.items()}, alphabet)

        for start, stop in _neighbours(counts, self.budget):
            parts = partial(_between, sides, int(neurons[start]), int(neurons[stop - 1]), place)
            if counts[start:stop].sum() > self.budget:
                groups = _by_words(parts, len(alphabet["feature"]), self.budget)
            else:
                groups = iter([_concatenated([*parts()])])
            for columns in groups:
                yield _frame(_summed(columns), alphabet)


@dataclass(frozen=True)
class _Index:
    """Where the rows of each neuron are among rows sorted by it: those of neurons[i] start at starts[i], (neurons,)."""

    neurons: np.ndarray
    starts: np.ndarray
    rows: int

    @classmethod
    def of(cls, columns: Columns) -> _Index:
        of_row = _neuron(columns)
        return cls(*np.unique(of_row, return_index=True), len(of_row))

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Where the rows of the neurons from `first` to `last`, both included, start and stop."""
        start, stop = np.append(self.starts, self.rows)[np.searchsorted(self.neurons, [first, last + 1])]
        return int(start), int(stop)


@dataclass(frozen=True)
class _Held:
    """Summed rows in memory."""

    columns: Columns
    index: _Index

    def between(self, first: int, last: int) -> Iterator[Columns]:
        """The rows of the neurons from `first` to `last`, both included."""
        rows = slice(*self.index.between(first, last))
        yield {name: column[rows] for name, column in self.columns.items()}


@dataclass(frozen=True)
class _Run:
    """Summed rows on disk."""

    path: Path
    index: _Index

    def between(self, first: int, last: int) -> Iterator[Columns]:
        """As `_Held.between`, from the batches that hold such rows."""
        start, stop = self.index.between(first, last)
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_file(file) as reader:
            for batch in range(start // _BATCH, -(-stop // _BATCH)):
                rows = slice(max(start - batch * _BATCH, 0), stop - batch * _BATCH)
                read = reader.get_batch(batch)
                yield {name: read.column(name).to_numpy(zero_copy_only=False)[rows].copy() for name in _TYPES}


def _between(sides: Sequence[_Held | _Run], first: int, last: int, place: dict[str, np.ndarray]) -> Iterator[Columns]:
    """The rows of some neurons on all sides, words numbered by their `place` in the alphabet."""
    for side in sides:
        for part in side.between(first, last):
            yield part | {name: place[name][part[name]] for name in _WORDS}


def _write_run(columns: Columns, path: Path) -> _Run:
    batch = pa.record_batch(columns)
    with (
        full_disk_told(path.parent),
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, batch.schema) as writer,
    ):
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=_BATCH)
    return _Run(path, _Index.of(columns))


def _neuron(columns: Columns) -> np.ndarray:
    """Layer and neuron in one number, (rows,)."""
    return columns["layer"].astype(np.int64) << 32 | columns["neuron"].astype(np.int64)


def _counted(indices: Sequence[_Index]) -> tuple[np.ndarray, np.ndarray]:
    """The neurons of all, rising, and how many rows each has in all together."""
    if not indices:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    neurons, inverse = np.unique(np.concatenate([index.neurons for index in indices]), return_inverse=True)
    rows = np.concatenate([np.diff(index.starts, append=index.rows) for index in indices])
    return neurons, np.bincount(inverse, rows, len(neurons)).astype(np.int64)


def _neighbours(counts: np.ndarray, budget: int) -> Iterator[tuple[int, int]]:
    """Start and stop of neighbours that count at most `budget` together, or of one alone."""
    ends, start = np.cumsum(counts), 0
    while start < len(counts):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + budget, side="right")))
        yield start, stop
        start = stop


def _by_words(parts: Callable[[], Iterator[Columns]], words: int, budget: int) -> Iterator[Columns]:
    """The rows of one neuron, some words at a time; `parts` reads them from the start, features in their places."""
    counts = np.zeros(words, np.int64)
    for part in parts():
        counts += np.bincount(part["feature"], minlength=words)
    for start, stop in _neighbours(counts, budget):
        if counts[start:stop].any():
            kept = []
            for part in parts():
                here = (part["feature"] >= start) & (part["feature"] < stop)
                kept.append({name: column[here] for name, column in part.items()})
            yield _concatenated(kept)


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
    offsets = [columns[key].astype(np.int32) - low for key, low in zip(KEYS, lows, strict=True)]
    flat = np.ravel_multi_index(offsets, shape)
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    first = order[starts]
    summed = {key: columns[key][first] for key in KEYS}
    return summed | {name: np.add.reduceat(columns[name][order], starts) for name in SUMS}


def _frame(columns: Columns, alphabet: dict[str, np.ndarray]) -> pd.DataFrame:
    """Categories are the whole alphabet, so that those of every row group are the same."""
    table: dict[str, Any] = dict(columns)
    for name in _WORDS:
        table[name] = pd.Categorical.from_codes(columns[name], categories=pd.Index(alphabet[name], dtype=object))
    return pd.DataFrame(table)[[*KEYS, *SUMS]]
