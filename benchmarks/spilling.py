"""What summing preferences of more rows than fit in memory costs: `python benchmarks/spilling.py`.

50 million distinct rows, every second one given twice, in tables of a million in mixed order, summed within 4 GB. The sum
runs in a process of its own, so that the peak of memory is its own; it holds pandas and Arrow too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from txray_lib.spilling import BUDGET, SpillingSum

GIGABYTES, NEURONS, WORDS, TABLE = 4, 1500, 50_000, 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--budget", type=int, default=BUDGET)
    given = parser.parse_args()
    for name, value in measure(given.rows, given.budget).items():
        print(f"  {name:10} {value:12,.1f}")
    print(f"  limit      {GIGABYTES * 1000:12,.1f} peak_mb")


def measure(rows: int, budget: int = BUDGET) -> dict[str, float]:
    """seconds, peak_mb, rows, runs and file_mb of the sum of `rows` distinct rows."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, rows, budget).result()


def _measured(rows: int, budget: int) -> dict[str, float]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, SpillingSum(Path(name), budget) as total:
        for table in _tables(rows):
            total.add(table)
        path, runs = Path(name) / "preferences.parquet", total.runs
        written = total.write(path)
        size = path.stat().st_size / 1e6
    if written != rows:
        raise RuntimeError(f"{written} rows were written, {rows} are distinct")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {
        "seconds": time.perf_counter() - began,
        "peak_mb": peak,
        "rows": written,
        "runs": runs,
        "file_mb": size,
    }


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


if __name__ == "__main__":
    main()
