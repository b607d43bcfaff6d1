"""What a null costs at the paper's size: `python benchmarks/nulls.py`.

1,000 arrangements of 400,000 tokens of Zipfian text for 1,500 neurons, in 126 blocks (the articles of WikiText-2's first
400,000 tokens) and in 2,000 (films): under 10 minutes on two cores and below 2 GB is asked. A word excites a few neurons
most, more often the first of them, as a trained encoder's words do. Each null runs in a process of its own, so that the
peak of memory is its own; it holds the records and pandas with it. The time includes the refined tail.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

from txray_lib.measures import MEASURES
from txray_lib.nulls import split_null, swap_null

MINUTES, GIGABYTES, WORDS = 10, 2, 30_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--units", type=int, default=1500)
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--blocks", type=int, nargs="+", default=[126, 2000])
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=["hellinger"])
    given = parser.parse_args()
    print(
        f"{given.permutations} arrangements, {given.units} neurons, {given.tokens} tokens a side, {os.cpu_count()} cores"
    )
    print(f"limits: {MINUTES * 60} s, {GIGABYTES * 1000} MB; load of the machine: {os.getloadavg()[0]:.1f}")
    for blocks in given.blocks:
        for null in ("swap", "split"):
            for measure in given.measures:
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    sizes = blocks, given.units, given.tokens, given.permutations
                    told = pool.submit(_measured, null, measure, *sizes).result()
                print(f"  {null:5} {measure:15} {blocks:5} blocks  {told}", flush=True)


def _measured(null: str, measure: str, blocks: int, units: int, tokens: int, permutations: int) -> str:
    before, after = (_stage(blocks, units, tokens, 1, seed) for seed in (1, 2))
    if null == "split":
        after = _stage(blocks, units, tokens, 2, 2)
    began, cpu = time.perf_counter(), time.process_time()
    found = {"swap": swap_null, "split": split_null}[null](before, after, units, permutations, measure=measure)
    seconds, busy = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    table = found.table
    cells = len(
        pd.concat([s[["neuron", "feature"]].astype({"feature": object}) for s in (before, after)]).drop_duplicates()
    )
    return (
        f"{seconds:6.1f} s ({busy:.1f} of a core)  {peak:6.0f} MB   {cells} cells, {int((table['q'] < 0.05).sum())} at q < 0.05, "
        f"{int(table['refined'].sum())} refined, up to {table['permutations'].max()} arrangements"
    )


def _stage(blocks: int, units: int, tokens: int, text: int, seed: int) -> pd.DataFrame:
    """A stage's records: `text` decides blocks and words, `seed` which neuron each token excites most.

    Half of the words excite other neurons with another seed, so that half of what there is to find is true.
    """
    random = np.random.default_rng(text)
    block = np.sort(random.choice(blocks, tokens, p=random.dirichlet(np.full(blocks, 2.0))))
    frequency = 1 / (np.arange(WORDS) + 2.7)
    word = random.choice(WORDS, tokens, p=frequency / frequency.sum())
    random = np.random.default_rng(100 + seed)
    other = np.where(word % 2 == 1, seed, 0)
    neuron = (word * 7919 + other + np.minimum(random.zipf(1.3, tokens), units) * 104_729) % units
    return pd.DataFrame(
        {
            "document": block.astype(np.int32),
            "block": pd.Categorical.from_codes(block, [f"b{text}-{b}" for b in range(blocks)]),
            "layer": np.int8(0),
            "feature": pd.Categorical.from_codes(word, [f"w{w}" for w in range(WORDS)]),
            "tag": pd.Categorical.from_codes(np.zeros(tokens, np.int8), ["NN"]),
            "neuron": neuron.astype(np.int32),
            "activation": random.random(tokens, dtype=np.float32) + np.float32(1e-3),
            "prediction": np.float32(np.nan),
            "y": np.int8(-1),
        }
    )


if __name__ == "__main__":
    main()
