"""Sums of more rows than fit in memory: distinct rows, every second one given twice, in tables of a million in mixed order."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from txray_lib.spilling import SpillingSum

NEURONS, WORDS, TABLE = 1500, 50_000, 1_000_000


def summed(rows: int, budget: int) -> dict[str, float]:
    """seconds, rows, runs and file_mb of the sum of `rows` distinct rows."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, SpillingSum(Path(name), budget) as total:
        for table in _tables(rows):
            total.add(table)
        path, runs = Path(name) / "preferences.parquet", total.runs
        written = total.write(path)
        size = path.stat().st_size / 1e6
    if written != rows:
        raise RuntimeError(f"{written} rows were written, {rows} are distinct")
    return {"seconds": time.perf_counter() - began, "rows": written, "runs": runs, "file_mb": size}


def _tables(rows: int) -> Iterator[pd.DataFrame]:
    """Rows numbered from 0 spread by a prime over neurons and words; then every second one again."""
    words = pd.Index([f"w{i}" for i in range(WORDS)], dtype=object)
    for step in (1, 2):
        for start in range(0, rows, TABLE * step):
            number = np.arange(start, min(start + TABLE * step, rows), step, dtype=np.int64) * 15_485_863 % rows
            yield pd.DataFrame(
                {
                    "layer": np.int8(0),
                    "neuron": (number % NEURONS).astype(np.int32),
                    "feature": pd.Categorical.from_codes(number // NEURONS % WORDS, words),
                    "tag": pd.Categorical.from_codes(np.zeros(len(number), np.int8), ["NN"]),
                    "y": (number // (NEURONS * WORDS)).astype(np.int8),
                    "count": np.int64(1),
                    "activation_sum": 0.5,
                    "prediction_sum": np.nan,
                }
            )
