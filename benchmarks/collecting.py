"""Collection: beside the bare pass, beside loops of a token at a time, beside the machine's peak; and its memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.measuring import (
    Measured,
    Row,
    Sizes,
    best_threads,
    corpus,
    draw_lengths,
    in_new_process,
    on_threads,
    raced,
    timed,
    vocabulary,
)
from txray_lib.collection import PART_TOKENS, collect, collect_parts
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.corpora.documents import load_corpus_file, save_corpus, stream_corpus_file
from txray_lib.encoders.lstm import WINDOW, Encoder, windows
from txray_lib.tables import write_tables

_START = 64
"""Documents, or words of the loops, of a short call that finds the number of threads."""


def overhead(sizes: Sizes) -> Measured:
    text, encoder, known = _stage(sizes)
    ids = _in_parts([known.encode(d.tokens) for d in text])
    best, threads = raced(
        {
            "bare": lambda documents: _pass(encoder, ids[:documents], sizes),
            "collection": lambda documents: _collected(encoder, text.documents[:documents], known, sizes),
        },
        _START,
        sizes.rounds,
    )
    return Measured(
        best["collection"] / best["bare"],
        {
            "bare tokens a second": sizes.tokens / best["bare"],
            "collected tokens a second": sizes.tokens / best["collection"],
            **threads,
        },
    )


def overhead_on_gpu(sizes: Sizes) -> Measured | None:
    return overhead(replace(sizes, device="cuda", slots=4 * sizes.slots)) if torch.cuda.is_available() else None


def released_way(sizes: Sizes) -> Measured:
    """Seconds a token of the released code's loop over few tokens, beside those of collection over many."""
    text, encoder, known = _stage(sizes)
    few = np.concatenate([known.encode(d.tokens) for d in text])[: sizes.few]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "activations.csv"
        best, threads = raced(
            {
                "ours": lambda documents: _collected(encoder, text.documents[:documents], known, sizes),
                "theirs": lambda words: _as_released(encoder, few[:words], path),
            },
            _START,
            sizes.rounds,
        )
    ours, theirs = sizes.tokens / best["ours"], len(few) / best["theirs"]
    return Measured(
        ours / theirs,
        {"ours, tokens a second": ours, "theirs, tokens a second": theirs, **threads},
        f"The loop reads {len(few):,} tokens, collection {sizes.tokens:,}; tokens a second are compared.",
    )


def released_disk(sizes: Sizes) -> Measured:
    """Bytes a token: records as Parquet against the full activation vector as text."""
    text, encoder, known = _stage(sizes)
    with tempfile.TemporaryDirectory() as name:
        theirs, ours = Path(name) / "activations.csv", Path(name) / "records.parquet"
        _as_released(encoder, known.encode(text.documents[0].tokens)[: sizes.few // 10], theirs)
        rows = theirs.read_text(encoding="utf-8").count("\n")
        parts = collect_parts(encoder, text, known, sizes.slots, sizes.device)
        write_tables((part.records for part in parts), ours, {})
        bytes_theirs, bytes_ours = theirs.stat().st_size / rows, ours.stat().st_size / sizes.tokens
    return Measured(
        bytes_theirs / bytes_ours,
        {"released, bytes a token": bytes_theirs, "ours, bytes a token": bytes_ours},
        "Untrained weights, whose maxima are many more than a trained encoder's: its records compress better.",
    )


def share_of_peak(sizes: Sizes) -> Measured:
    """The pass over unequal documents, its operations a second beside those of the best matrix product."""
    encoder, random = _encoder(sizes), np.random.default_rng(2)
    lengths = draw_lengths("reviews", sizes.many)
    ids = _in_parts([random.integers(0, sizes.words, n) for n in lengths])
    threads = best_threads(lambda: _pass(encoder, ids[:_START], sizes))
    before = peak(sizes)
    used = []
    taken = timed(on_threads(threads, lambda: used.append(_pass(encoder, ids, sizes))))
    best = max(before, peak(sizes))
    batches = [lengths[i : i + sizes.slots] for i in range(0, len(lengths), sizes.slots)]
    padded = sum(int(batch.max()) * len(batch) for batch in batches)
    rate = sizes.many * 8 * sizes.units * (sizes.embedding + sizes.units) / taken
    return Measured(
        100 * rate / best,
        {
            "tokens a second": sizes.many / taken,
            "peak, GFLOP a second": best / 1e9,
            "slots used, per cent": 100 * sizes.many / used[0],
            "slots used in batches as documents come, per cent": 100 * sizes.many / padded,
            "threads": threads,
        },
        "Lengths of documents are drawn from a log-normal fitted to those of IMDB's reviews.",
    )


def memory(sizes: Sizes) -> Measured:
    """The peak of a process that reads a corpus file and writes a file of records, for few tokens and for ten times as many."""
    collected, held, asked = [], [], (sizes.many // 10, sizes.many)
    with tempfile.TemporaryDirectory() as name:
        for tokens in asked:
            path = Path(name) / f"{tokens}.parquet"
            save_corpus(corpus(draw_lengths("reviews", tokens), sizes.words), path)
            collected.append(min(in_new_process(collect_file, path, sizes)[1] for _ in range(sizes.rounds)))
            held.append(in_new_process(hold_file, path)[1])
    return Measured(
        100 * (collected[1] / collected[0] - 1),
        {
            **{f"MB at {tokens:,} tokens": peak_mb for tokens, peak_mb in zip(asked, collected, strict=True)},
            "bytes a token of a corpus held whole": 1e6 * (held[1] - held[0]) / (asked[1] - asked[0]),
        },
        f"{sizes.memory_units} units, the lowest peak in rounds: {sizes.rounds}. Weights and activations take the same for any "
        "number of tokens.",
    )


def collect_file(path: Path, sizes: Sizes) -> None:
    """Collect a corpus file into a file of records beside it, as the step collect does."""
    encoder = Encoder(sizes.words, sizes.embedding, sizes.memory_units)
    parts = collect_parts(encoder, stream_corpus_file(path), vocabulary(sizes), sizes.slots, sizes.device)
    write_tables((part.records for part in parts), path.with_suffix(".records"), {})


def hold_file(path: Path) -> int:
    """Hold a corpus file's documents in memory, as the steps before collection do; gives their number."""
    return len(load_corpus_file(path))


def peak(sizes: Sizes) -> float:
    """Floating-point operations a second of the best float32 product (rows, units) × (units, 4 units), rows 256 to 2048.

    On as many threads as suit it; their number is left set.
    """
    b, best = torch.rand(sizes.units, 4 * sizes.units, device=sizes.device), 0.0
    for rows in (256, 512, 2048):
        a, operations = torch.rand(rows, sizes.units, device=sizes.device), 8 * rows * sizes.units**2
        repeats = max(1, min(100, int(2e11 / operations)))
        best_threads(lambda a=a: a @ b)
        taken = min(timed(lambda a=a, repeats=repeats: [a @ b for _ in range(repeats)]) for _ in range(3))
        best = max(best, operations * repeats / taken)
    return best


@torch.no_grad()
def _as_released(encoder: Encoder, ids: np.ndarray, path: Path) -> None:
    """One token a call through nn.LSTM, batch 1; token, tag and the whole activation vector as a line of text."""
    state, device = None, encoder.embedding.weight.device
    with path.open("w", encoding="utf-8") as file:
        for word in ids:
            activations, state = encoder(torch.tensor([[int(word)]], device=device), state)
            numbers = ",".join(map(str, activations[0, 0].tolist()))
            file.write(f"w{word},NN,{numbers}\n")


def _stage(sizes: Sizes) -> tuple[Corpus, Encoder, Vocabulary]:
    """A text of paragraphs, an encoder, its words."""
    return corpus(draw_lengths("paragraphs", sizes.tokens), sizes.words), _encoder(sizes), vocabulary(sizes)


def _encoder(sizes: Sizes) -> Encoder:
    torch.manual_seed(1)
    return Encoder(sizes.words, sizes.embedding, sizes.units).eval().to(sizes.device)


def _collected(encoder: Encoder, text: tuple[Document, ...], known: Vocabulary, sizes: Sizes) -> pd.DataFrame:
    """The whole of collection: words to ids, the pass, records, their sum."""
    return collect(encoder, Corpus("text", text), known, sizes.slots, sizes.device).preferences


def _pass(encoder: Encoder, ids: Iterable[np.ndarray], sizes: Sizes) -> int:
    """The bare forward pass of the same windows; gives the number of their slots."""
    texts = ((0, text) for text in ids)
    return sum(len(window.size) * WINDOW for window in windows(encoder, texts, sizes.slots, sizes.device))


def _in_parts(ids: list[np.ndarray]) -> list[np.ndarray]:
    """In the order in which collection reads them: longest first within a part."""
    ends = np.cumsum([len(i) for i in ids])
    part = (ends - 1) // PART_TOKENS
    return [ids[i] for i in np.lexsort(([-len(i) for i in ids], part))]


ROWS = (
    Row(
        "overhead",
        "collect (encoder, argmax, records, their sum) over the bare forward pass of the same windows",
        "times",
        "at most",
        1.05,
        overhead,
        "What is left is the argmax and the count of near ties, each of which reads all activations once more, and the "
        "numbering of words.",
    ),
    Row(
        "overhead-gpu",
        "the same on a GPU, with four times as many slots",
        "times",
        "at most",
        1.25,
        overhead_on_gpu,
        "Words are numbered and records made on the CPU, while the GPU waits.",
    ),
    Row(
        "released-way",
        "collect over the released code's way: nn.LSTM one token a call, batch 1, the full activation vector as text",
        "times as fast",
        "at least",
        50,
        released_way,
        "The loop waits for memory and collection for arithmetic.",
    ),
    Row(
        "released-disk",
        "records as Parquet over a line of text a token with the full activation vector, bytes a token",
        "times smaller",
        "at least",
        500,
        released_disk,
        "A record is a word, a tag, a neuron and an activation; activations hardly compress.",
    ),
    Row(
        "peak-unequal",
        "forward pass over documents as unequal as IMDB's, operations a second over the best matrix product",
        "% of peak",
        "at least",
        60,
        share_of_peak,
        "The gates, the copies of states and the half window that a document wastes take time that the peak does not know.",
    ),
    Row(
        "memory",
        "peak of collecting ten times the text, file to file, over the peak of collecting once",
        "% more",
        "at most",
        5,
        memory,
        "Freed memory is not given back at once, so that the peak of one text differs by some per cent from run to run.",
    ),
)
