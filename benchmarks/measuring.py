"""How sides are timed, how memory is measured, and what a row of the table is."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.corpora.published import load_imdb


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `units` and `tokens` are the paper's; `many` tokens are ten times a stage."""

    units: int = 1500
    embedding: int = 200
    words: int = 10_000
    tokens: int = 400_000
    many: int = 4_000_000
    few: int = 2_000
    memory_units: int = 256
    rounds: int = 2
    slots: int = 256
    permutations: int = 1000
    distinct: int = 50_000_000
    device: str = "cpu"


QUICK = Sizes(64, 16, 500, 4_000, 20_000, 100, 16, 1, 16, 20, 20_000)
"""Sizes at which a test sees that every row can be measured; its figures say nothing."""


@dataclass(frozen=True)
class Measured:
    """What came out: the figure that the limit is for, others beside it by name, and what one should know of it."""

    value: float
    beside: dict[str, float | str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    what   both sides, named exactly; limit: the largest ("at most") or the smallest ("at least") figure that is asked for
    short  why the figure falls short of its limit, where it does
    """

    name: str
    what: str
    unit: str
    sense: Literal["at most", "at least"]
    limit: float
    measure: Callable[[Sizes], Measured | None]
    short: str = ""

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.sense == "at most" else value >= self.limit


def seconds(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The best time of each side over `rounds` rounds, in each of which all run in turn.

    Their ratio holds on a machine that is busy with other things too.
    """
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(rounds):
        for name, side in sides.items():
            best[name] = min(best[name], timed(side))
    return best


def timed(side: Callable[[], object]) -> float:
    """Seconds that a call takes, until the device has done its work."""
    began = time.perf_counter()
    side()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def best_threads(side: Callable[[], object]) -> int:
    """The number of threads (1, 2, 4, … up to that of the cores) with which a short call is fastest; it is left set."""
    cores, found = os.cpu_count() or 1, {}
    for threads in sorted({*(2**i for i in range(cores.bit_length()) if 2**i < cores), cores}):
        torch.set_num_threads(threads)
        side()
        found[threads] = min(timed(side) for _ in range(2))
    threads = min(found, key=found.__getitem__)
    torch.set_num_threads(threads)
    return threads


def on_threads(threads: int, side: Callable[[], object]) -> Callable[[], object]:
    """The same call, on that many threads."""

    def set_and_call() -> object:
        torch.set_num_threads(threads)
        return side()

    return set_and_call


def in_new_process(side: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """What a call gives in a process of its own, and the peak of that process's memory in MB."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_with_peak, side, given).result()


def _with_peak(side: Callable[..., Any], given: tuple[Any, ...]) -> tuple[Any, float]:
    made = side(*given)
    return made, _peak_megabytes()


def _peak_megabytes() -> float:
    """Linux's `VmHWM`: unlike `ru_maxrss` it is not inherited from the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def machine() -> str:
    """The machine in words: processor, cores, memory, versions."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GB{gpu}; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def vocabulary(sizes: Sizes) -> Vocabulary:
    """Words `w0` to the most frequent but two, `<unk>`, `<eos>`."""
    return Vocabulary((*(f"w{i}" for i in range(sizes.words - 2)), "<unk>", "<eos>"))


def documents(lengths: np.ndarray, words: int, seed: int = 1) -> list[Document]:
    """Tagged documents of these lengths, (documents,), whose words follow Zipf's law."""
    random = np.random.default_rng(seed)
    frequency = 1 / (np.arange(words - 2) + 2.7)
    drawn = random.choice(words - 2, int(lengths.sum()), p=frequency / frequency.sum())
    names = np.array([f"w{i}" for i in range(words - 2)], dtype=object)[drawn]
    parts = np.split(names, np.cumsum(lengths)[:-1])
    return [
        Document(f"d{i}", "train", f"b{i // 8}", tuple(part), label=i % 2, tags=("NN",) * len(part))
        for i, part in enumerate(parts)
    ]


def corpus(lengths: np.ndarray, sizes: Sizes) -> Corpus:
    """`documents` under a name."""
    return Corpus("text", tuple(documents(lengths, sizes.words)))


def paragraph_lengths(tokens: int) -> np.ndarray:
    """Lengths of documents like WikiText-2's paragraphs and headings, `tokens` in all, (documents,).

    A log-normal with the mean (3.72) and the deviation (1.44) of the logarithms of their 26,228 lengths, cut at the longest.
    """
    return _lengths(tokens, 3.72, 1.44, 700)


def review_lengths(tokens: int) -> np.ndarray:
    """Lengths of documents as unequal as IMDB's reviews, `tokens` in all, (documents,).

    Those of the reviews where `TXRAY_DATA` is set, one after the other, from the first again where they do not suffice.
    Elsewhere a log-normal with the mean (5.38) and the deviation (0.64) of the logarithms of the lengths of 12,000 of them,
    cut at about the longest.
    """
    if os.environ.get("TXRAY_DATA"):
        known = _imdb_lengths()
        return _cut(np.tile(known, 1 + tokens // int(known.sum())), tokens)
    return _lengths(tokens, 5.38, 0.64, 2000)


def review_source() -> str:
    """Whose lengths `review_lengths` gives, in words."""
    if os.environ.get("TXRAY_DATA"):
        return "Lengths of documents are those of IMDB's reviews."
    return "Lengths of documents are drawn from a log-normal fitted to those of IMDB's reviews."


@cache
def _imdb_lengths() -> np.ndarray:
    return np.array([len(document) for document in load_imdb() if len(document)])


def _lengths(tokens: int, mean: float, deviation: float, longest: int) -> np.ndarray:
    random = np.random.default_rng(1)
    drawn = random.lognormal(mean, deviation, 2 + int(2 * tokens / np.exp(mean))).astype(np.int64) + 1
    return _cut(np.minimum(drawn, longest), tokens)


def _cut(lengths: np.ndarray, tokens: int) -> np.ndarray:
    """The first of them that make `tokens`, the last of these shortened."""
    ends = np.cumsum(lengths)
    count = int(np.searchsorted(ends, tokens)) + 1
    kept = lengths[:count].copy()
    kept[-1] -= ends[count - 1] - tokens
    return kept


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
