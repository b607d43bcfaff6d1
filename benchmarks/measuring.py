"""How sides are timed, how memory is measured, and what a row of the table is."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from txray_lib.corpora import Corpus, Document, Vocabulary


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


@dataclass(frozen=True)
class Measured:
    """What came out: the figure that the limit is for, others beside it by name, and what one should know of it."""

    value: float | None
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
    """The best time of each side over some rounds, in which all run in turn, there and back: it holds on a busy machine too."""
    best = dict.fromkeys(sides, float("inf"))
    for number in range(rounds):
        for name in [*sides][:: -1 if number % 2 else 1]:
            best[name] = min(best[name], timed(sides[name]))
    return best


def raced(
    sides: dict[str, Callable[[int | None], object]], short: int, rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """`seconds` of sides, each on as many threads as suit it, which a shorter call finds; and what these threads are.

    sides  are given how much to read, `short` of it or None for all
    """
    threads = {name: best_threads(partial(side, short)) for name, side in sides.items()}
    best = seconds({name: on_threads(threads[name], partial(side, None)) for name, side in sides.items()}, rounds)
    return best, {f"threads, {name}": number for name, number in threads.items()}


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
    """Linux's `VmHWM` is, unlike `ru_maxrss`, not inherited from the process that started this one."""
    made = side(*given)
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return made, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def machine() -> str:
    """The machine in words: processor, cores, memory, versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    hardware = f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {gigabytes:.0f} GB{gpu}"
    return f"{hardware}; Python {platform.python_version()}, torch {torch.__version__}"


def vocabulary(sizes: Sizes) -> Vocabulary:
    """Words `w0` to the most frequent but two, `<unk>`, `<eos>`."""
    return Vocabulary((*(f"w{i}" for i in range(sizes.words - 2)), "<unk>", "<eos>"))


def corpus(lengths: np.ndarray, words: int) -> Corpus:
    """Tagged documents of these lengths, (documents,), whose words follow Zipf's law."""
    random = np.random.default_rng(1)
    frequency = 1 / (np.arange(words - 2) + 2.7)
    drawn = random.choice(words - 2, int(lengths.sum()), p=frequency / frequency.sum())
    names = np.array([f"w{i}" for i in range(words - 2)], dtype=object)[drawn]
    documents = []
    for i, tokens in enumerate(np.split(names, np.cumsum(lengths)[:-1])):
        tags = ("NN",) * len(tokens)
        documents.append(Document(f"d{i}", "train", f"b{i // 8}", tuple(tokens), label=i % 2, tags=tags))
    return Corpus("text", tuple(documents))


def draw_lengths(like: Literal["paragraphs", "reviews"], tokens: int) -> np.ndarray:
    """Lengths of documents like WikiText-2's paragraphs and headings, or IMDB's reviews, `tokens` in all, (documents,).

    A log-normal with the mean and the deviation of the logarithms of 26,228 and of 12,000 of them, cut at the longest.
    """
    mean, deviation, longest = (3.72, 1.44, 700) if like == "paragraphs" else (5.38, 0.64, 2000)
    drawn = np.random.default_rng(1).lognormal(mean, deviation, 2 + int(2 * tokens / np.exp(mean)))
    lengths = np.minimum(drawn.astype(np.int64) + 1, longest)
    lengths = lengths[: np.searchsorted(np.cumsum(lengths), tokens) + 1]
    lengths[-1] -= lengths.sum() - tokens
    return lengths
