"""Collection: beside the bare pass, beside loops of a token at a time, beside the machine's peak; and its memory."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measuring import (
    Measured,
    Row,
    Sizes,
    best_threads,
    corpus,
    documents,
    in_new_process,
    paragraph_lengths,
    review_lengths,
    seconds,
    timed,
    vocabulary,
)
from txray_lib.collection import PART_TOKENS, collect, collect_parts
from txray_lib.corpora import Corpus, load_corpus_file, save_corpus
from txray_lib.corpora.documents import stream_corpus_file
from txray_lib.slots import WINDOW, windows
from txray_lib.tables import write_tables
from txray_lib.training.encoder import Encoder


def overhead(sizes: Sizes) -> Measured:
    text, encoder, known = corpus(paragraph_lengths(sizes.tokens), sizes), _encoder(sizes), vocabulary(sizes)
    ids = _in_parts([known.encode(d.tokens) for d in text])
    threads = best_threads(lambda: _pass(encoder, ids[:64], sizes))
    sides: dict[str, Callable[[], object]] = {
        "bare": lambda: _pass(encoder, ids, sizes),
        "collection": lambda: collect(encoder, text, known, sizes.slots, sizes.device).preferences,
    }
    best = seconds(sides, sizes.rounds)
    return Measured(
        best["collection"] / best["bare"],
        {
            "bare tokens a second": sizes.tokens / best["bare"],
            "collected tokens a second": sizes.tokens / best["collection"],
            "threads": threads,
        },
    )


def released_way(sizes: Sizes) -> Measured:
    return _against(
        sizes, lambda encoder, ids, path: _as_released(encoder, ids, path), lambda ours, theirs: theirs / ours
    )


def released_disk(sizes: Sizes) -> Measured:
    """Bytes a token: records as Parquet against the full activation vector as text."""
    text, encoder, known = corpus(paragraph_lengths(sizes.tokens), sizes), _encoder(sizes), vocabulary(sizes)
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


def lean_loop(sizes: Sizes) -> Measured:
    return _against(sizes, lambda encoder, ids, _: _cell_loop(encoder, ids), lambda ours, theirs: theirs / ours)


def share_of_peak(sizes: Sizes) -> Measured:
    """The pass over unequal documents, its operations a second beside those of the best matrix product."""
    encoder, lengths, random = _encoder(sizes), review_lengths(sizes.many), np.random.default_rng(2)
    ids = [random.integers(0, sizes.words, n) for n in lengths]
    threads = best_threads(lambda: _pass(encoder, ids[:64], sizes))
    before, used = peak(sizes), Counter[str]()
    taken = timed(lambda: _pass(encoder, _in_parts(ids), sizes, used))
    best = max(before, peak(sizes))
    rate = sizes.many * _operations(sizes) / taken
    sorted_alone = sum(batch.max() * len(batch) for batch in _batches(np.sort(lengths)[::-1], sizes.slots))
    as_they_come = sum(batch.max() * len(batch) for batch in _batches(lengths, sizes.slots))
    return Measured(
        100 * rate / best,
        {
            "tokens": sizes.many,
            "tokens a second": sizes.many / taken,
            "peak, GFLOP a second": best / 1e9,
            "slots used, per cent": 100 * sizes.many / used["slots"],
            "slots used in batches as documents come, per cent": 100 * sizes.many / as_they_come,
            "slots used in batches sorted over the whole text, per cent": 100 * sizes.many / sorted_alone,
            "threads": threads,
        },
        "Sorting the whole text needs all of it in memory; documents here are sorted within parts of "
        f"{PART_TOKENS:,} tokens.",
    )


def full_slots(sizes: Sizes) -> Measured:
    """The pass over documents of one length, with every slot in use."""
    encoder, random = _encoder(sizes), np.random.default_rng(2)
    ids = [random.integers(0, sizes.words, 8 * WINDOW) for _ in range(sizes.slots)]
    threads = best_threads(lambda: _pass(encoder, ids, sizes))
    taken, best = min(timed(lambda: _pass(encoder, ids, sizes)) for _ in range(2)), peak(sizes)
    rate = sum(map(len, ids)) * _operations(sizes) / taken
    return Measured(100 * rate / best, {"slots": sizes.slots, "peak, GFLOP a second": best / 1e9, "threads": threads})


def memory(sizes: Sizes) -> Measured:
    """The peak of a process that reads a corpus file and writes a file of records, for few tokens and for ten times as many."""
    collected, held, asked = [], [], (sizes.many // 10, sizes.many)
    with tempfile.TemporaryDirectory() as name:
        for tokens in asked:
            path = Path(name) / f"{tokens}.parquet"
            save_corpus(Corpus("text", tuple(documents(review_lengths(tokens), sizes.words))), path)
            collected.append(in_new_process(collect_file, path, sizes)[1])
            held.append(in_new_process(hold_file, path)[1])
    return Measured(
        100 * (collected[1] / collected[0] - 1),
        {
            **{f"MB at {tokens:,} tokens": peak_mb for tokens, peak_mb in zip(asked, collected, strict=True)},
            "bytes a token of a corpus held whole": 1e6 * (held[1] - held[0]) / (asked[1] - asked[0]),
        },
        f"{sizes.memory_units} units; weights and activations take the same for any number of tokens.",
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
    """Floating-point operations a second of the best float32 product (rows, units) × (units, 4 units), rows 256 to 2048."""
    b, best = torch.rand(sizes.units, 4 * sizes.units, device=sizes.device), 0.0
    for rows in (256, 512, 2048):
        operations = 8 * rows * sizes.units**2
        taken = _product(
            torch.rand(rows, sizes.units, device=sizes.device), b, max(1, min(100, int(2e11 / operations)))
        )
        best = max(best, operations / taken)
    return best


def _product(a: torch.Tensor, b: torch.Tensor, repeats: int) -> float:
    """Seconds of one product, the best of three times `repeats`."""

    def side() -> None:
        for _ in range(repeats):
            a @ b

    side()
    return min(timed(side) for _ in range(3)) / repeats


def _against(
    sizes: Sizes, peer: Callable[[Encoder, np.ndarray, Path], object], ratio: Callable[[float, float], float]
) -> Measured:
    """Seconds a token of a loop over few tokens, beside those of collection over many."""
    tokens = sizes.tokens
    text, encoder, known = corpus(paragraph_lengths(tokens), sizes), _encoder(sizes), vocabulary(sizes)
    few = np.concatenate([known.encode(d.tokens) for d in text])[: sizes.few]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "activations.csv"
        their_threads = best_threads(lambda: peer(encoder, few[: sizes.few // 10], path))
        theirs = min(timed(lambda: peer(encoder, few, path)) for _ in range(sizes.rounds)) / len(few)
        start = Corpus("text", text.documents[:64])
        our_threads = best_threads(lambda: collect(encoder, start, known, sizes.slots, sizes.device))
        ours = timed(lambda: collect(encoder, text, known, sizes.slots, sizes.device).preferences) / tokens
    return Measured(
        ratio(ours, theirs),
        {
            "ours, tokens a second": 1 / ours,
            "theirs, tokens a second": 1 / theirs,
            "tokens, theirs": len(few),
            "tokens, ours": tokens,
            "threads, ours": our_threads,
            "threads, theirs": their_threads,
        },
    )


@torch.no_grad()
def _as_released(encoder: Encoder, ids: np.ndarray, path: Path) -> None:
    """One token a call through nn.LSTM, batch 1; token, tag and the whole activation vector as a line of text."""
    state = None
    with path.open("w", encoding="utf-8") as file:
        for word in ids:
            activations, state = encoder(torch.tensor([[int(word)]]), state)
            numbers = ",".join(map(str, activations[0, 0].tolist()))
            file.write(f"w{word},NN,{numbers}\n")


@torch.no_grad()
def _cell_loop(encoder: Encoder, ids: np.ndarray) -> torch.Tensor:
    """One token a call through nn.LSTMCell, batch 1; the maximum and its neuron are kept, nothing else."""
    cell = nn.LSTMCell(encoder.lstm.input_size, encoder.units)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in encoder.lstm.state_dict().items()})
    embedded = encoder.embedding(torch.from_numpy(ids.astype(np.int64)))
    h, c, found = torch.zeros(1, encoder.units), torch.zeros(1, encoder.units), []
    for row in embedded:
        h, c = cell(row.unsqueeze(0), (h, c))
        found.append(torch.stack([part.squeeze().float() for part in h.max(dim=-1)]))
    return torch.stack(found)


def _encoder(sizes: Sizes) -> Encoder:
    torch.manual_seed(1)
    return Encoder(sizes.words, sizes.embedding, sizes.units).eval().to(sizes.device)


def _operations(sizes: Sizes) -> int:
    """Floating-point operations of the LSTM at one token."""
    return 8 * sizes.units * (sizes.embedding + sizes.units)


def _pass(encoder: Encoder, ids: Iterable[np.ndarray], sizes: Sizes, used: Counter[str] | None = None) -> None:
    for window in windows(encoder, ids, sizes.slots, sizes.device):
        if used is not None:
            used["slots"] += len(window.text) * WINDOW


def _in_parts(ids: list[np.ndarray]) -> list[np.ndarray]:
    """In the order in which collection reads them: longest first within a part."""
    part = np.cumsum([len(i) for i in ids]) // PART_TOKENS
    return [ids[i] for i in np.lexsort((-np.array([len(i) for i in ids]), part))]


def _batches(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]


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
        "released-way",
        "collect over the released code's way: nn.LSTM one token a call, batch 1, the full activation vector as text",
        "times as fast",
        "at least",
        50,
        released_way,
    ),
    Row(
        "released-disk",
        "records as Parquet over a line of text a token with the full activation vector, bytes a token",
        "times smaller",
        "at least",
        500,
        released_disk,
    ),
    Row(
        "cell-loop",
        "collect over a lean loop: nn.LSTMCell one token a call, batch 1, maximum and neuron kept",
        "times as fast",
        "at least",
        10,
        lean_loop,
    ),
    Row(
        "peak-unequal",
        "forward pass over documents as unequal as IMDB's, operations a second over the best matrix product",
        "% of peak",
        "at least",
        60,
        share_of_peak,
    ),
    Row(
        "peak-full",
        "forward pass with every slot in use, operations a second over the best matrix product",
        "% of peak",
        "at least",
        80,
        full_slots,
    ),
    Row(
        "memory",
        "peak of collecting ten times the text, file to file, over the peak of collecting once",
        "% more",
        "at most",
        5,
        memory,
    ),
)
