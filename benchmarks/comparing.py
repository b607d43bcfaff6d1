"""From records to what changed: preferences, transfer, nulls, sums that spill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.measuring import Measured, Row, Sizes, in_new_process, seconds
from benchmarks.spilling import summed
from txray_lib.nulls import draw_null
from txray_lib.preferences import ROWS_IN_MEMORY, aggregate
from txray_lib.transfer import compare

_WIKI_BLOCKS, _FILMS = 126, 2000
_DRAWN = "Each arrangement goes through all cells of both stages, in one process."


def two_stages(sizes: Sizes) -> Measured:
    sides = [records(_WIKI_BLOCKS, sizes.units, sizes.tokens, 1, seed) for seed in (1, 2)]
    sums = [aggregate(side) for side in sides]
    best = seconds(
        {
            "sum": lambda: [aggregate(side) for side in sides],
            "transfer": lambda: compare(*sums, sizes.units),
        },
        sizes.rounds + 1,
    )
    return Measured(
        best["sum"] + best["transfer"],
        {"seconds of preferences, both stages": best["sum"], "seconds of transfer": best["transfer"]},
    )


def swapped(sizes: Sizes) -> Measured:
    return _null(sizes, "swap", _WIKI_BLOCKS, 1)


def dealt(sizes: Sizes) -> Measured:
    return _null(sizes, "split", _FILMS, 2)


def spilled(sizes: Sizes) -> Measured:
    held = min(ROWS_IN_MEMORY, max(2, sizes.distinct // 12))
    found, peak = in_new_process(summed, sizes.distinct, held)
    return Measured(peak / 1000, found)


def _null(sizes: Sizes, kind: str, blocks: int, other_text: int) -> Measured:
    taken, peak = in_new_process(_permuted, sizes, kind, blocks, other_text)
    fewer = replace(sizes, tokens=sizes.tokens // 4)
    _, peak_of_fewer = in_new_process(_permuted, fewer, kind, blocks, other_text)
    return Measured(
        taken,
        {
            "peak MB": peak,
            "blocks": blocks,
            "neurons": sizes.units,
            "tokens a side": sizes.tokens,
            "bytes a token of a side": 1e6 * (peak - peak_of_fewer) / (sizes.tokens - fewer.tokens),
        },
    )


def _permuted(sizes: Sizes, kind: str, blocks: int, other_text: int) -> float:
    before = records(blocks, sizes.units, sizes.tokens, 1, 1)
    after = records(blocks, sizes.units, sizes.tokens, other_text, 2)
    return seconds({"null": lambda: draw_null(kind, before, after, sizes.units, sizes.permutations)}, 1)["null"]


def records(blocks: int, units: int, tokens: int, text: int, seed: int, words: int = 30_000) -> pd.DataFrame:
    """A stage's records: `text` decides blocks and words, `seed` which neuron each token excites most.

    A word excites a few neurons most, more often the first of them, as a trained encoder's words do. Half of the words
    excite other neurons with another seed, so that half of what there is to find is true.
    """
    random = np.random.default_rng(text)
    block = np.sort(random.choice(blocks, tokens, p=random.dirichlet(np.full(blocks, 2.0))))
    frequency = 1 / (np.arange(words) + 2.7)
    word = random.choice(words, tokens, p=frequency / frequency.sum())
    random = np.random.default_rng(100 + seed)
    other = np.where(word % 2 == 1, seed, 0)
    neuron = (word * 7919 + other + np.minimum(random.zipf(1.3, tokens), units) * 104_729) % units
    return pd.DataFrame(
        {
            "document": block.astype(np.int32),
            "block": pd.Categorical.from_codes(block, [f"b{text}-{b}" for b in range(blocks)]),
            "layer": np.int8(0),
            "feature": pd.Categorical.from_codes(word, [f"w{w}" for w in range(words)]),
            "tag": pd.Categorical.from_codes(np.zeros(tokens, np.int8), ["NN"]),
            "neuron": neuron.astype(np.int32),
            "activation": random.random(tokens, dtype=np.float32) + np.float32(1e-3),
            "prediction": np.float32(np.nan),
            "y": np.int8(-1),
        }
    )


ROWS = (
    Row(
        "two-stages",
        "preferences of two stages of 400,000 records and 1,500 neurons, and their transfer",
        "seconds",
        "at most",
        1,
        two_stages,
        "The distributions of both sides are made anew for each pair.",
    ),
    Row(
        "null-swap",
        "null of a comparison on one text: 1,000 arrangements, with the refined tail",
        "seconds",
        "at most",
        600,
        swapped,
        _DRAWN,
    ),
    Row(
        "null-deal",
        "null of a comparison of two texts: 1,000 arrangements, with the refined tail",
        "seconds",
        "at most",
        600,
        dealt,
        _DRAWN,
    ),
    Row(
        "spilling",
        "peak of summing preferences of 50 million distinct rows, half of them given twice",
        "GB",
        "at most",
        4,
        spilled,
        "Some rows are held, and several times over while these are sorted; beyond them DuckDB has a limit of its own.",
    ),
)
