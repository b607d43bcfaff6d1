"""Sums of more rows than fit in memory: distinct rows, every second one given twice, in tables of a million in mixed order."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from txray_lib.preferences import write_sum

NEURONS, WORDS, TABLE = 1500, 50_000, 1_000_000


def summed(rows: int, held: int) -> dict[str, float]:
    """seconds, rows and file_mb of the sum of `rows` distinct rows, of which `held` are held in memory at a time."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "preferences.parquet"
        write_sum(_tables(rows), path, held)
        written, size = parquet.read_metadata(path).num_rows, path.stat().st_size / 1e6
    if written != rows:
        raise RuntimeError(f"{written} rows were written, {rows} are distinct")
    return {"seconds": time.perf_counter() - began, "rows": written, "file_mb": size}


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
