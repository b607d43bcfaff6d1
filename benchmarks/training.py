"""Tagging, and pretraining: beside a plain PyTorch loop, and with products rounded to bfloat16."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.measuring import Measured, Row, Sizes, raced
from txray_lib.encoders.lstm import Encoder, LanguageModel, has_bfloat16
from txray_lib.encoders.training import pretrain
from txray_lib.profiles import Pretraining

_LANES, _WINDOW, _UPDATES = 128, 35, 10


def tagging(sizes: Sizes) -> Measured:
    from txray_lib.tagging import load_tagger, tag_corpus
    from txray_lib.worlds import encyclopedia

    tokens = min(sizes.tokens, 100_000)
    text = encyclopedia(2 * tokens, 2500, 1, "text").head(tokens)
    tagger = load_tagger()
    tag_corpus(text.head(tokens // 10), tagger)
    began = time.perf_counter()
    tag_corpus(text, tagger)
    return Measured(text.token_count / (time.perf_counter() - began), {"tokens": text.token_count})


def pretraining(sizes: Sizes) -> Measured:
    """Tokens a second of a few updates of `pretrain`, its validation included, over those of the plain loop."""
    lanes, updates, stream, valid = _texts(sizes)
    best, threads = raced(
        {
            "plain": lambda tokens: _plain(sizes, stream[:tokens], lanes),
            "ours": lambda tokens: _ours(sizes, stream[:tokens], valid, lanes),
        },
        3 * _WINDOW * lanes,
        sizes.rounds,
    )
    return Measured(
        best["plain"] / best["ours"],
        {
            "ours, tokens a second": updates / best["ours"],
            "plain, tokens a second": updates / best["plain"],
            "lanes": lanes,
            "window": _WINDOW,
            **threads,
        },
    )


def rounding(sizes: Sizes) -> Measured | None:
    """Tokens a second of `pretrain` with products rounded to bfloat16 over float32's, where the processor has such products."""
    if not has_bfloat16(sizes.device):
        return None
    lanes, updates, stream, valid = _texts(sizes)
    best, threads = raced(
        {
            "float32": lambda tokens: _ours(sizes, stream[:tokens], valid, lanes),
            "bfloat16": lambda tokens: _ours(sizes, stream[:tokens], valid, lanes, precision="bfloat16"),
        },
        3 * _WINDOW * lanes,
        sizes.rounds,
    )
    rates = {f"{side}, tokens a second": updates / seconds for side, seconds in best.items()}
    return Measured(best["float32"] / best["bfloat16"], {**rates, **threads})


def _texts(sizes: Sizes) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Lanes, the tokens of all updates, and ids to train and to validate on."""
    lanes = min(_LANES, sizes.few // 10)
    updates = _UPDATES * _WINDOW * lanes
    stream = np.random.default_rng(1).integers(0, sizes.words, updates + lanes).astype(np.int32)
    return lanes, updates, stream, stream[: 4 * _WINDOW]


def _ours(sizes: Sizes, stream: np.ndarray, valid: np.ndarray, lanes: int, precision: str = "float32") -> None:
    third = len(stream) // 3
    settings = Pretraining(
        embedding_size=sizes.embedding,
        units=sizes.units,
        dropout=0.2,
        epochs=3,
        snapshots=[0, 1, 2, 3],
        batch_size=lanes,
        window=_WINDOW,
        learning_rate=0.002,
        weight_decay=0.01,
        schedule="one-cycle",
        precision=precision,
    )
    pretrain(settings, sizes.words, stream[:third], valid, 1, lambda epoch, encoder: None, device=sizes.device)


def _plain(sizes: Sizes, stream: np.ndarray, lanes: int) -> None:
    """The textbook loop on the same model: cross-entropy, AdamW, the state cut at each window."""
    torch.manual_seed(1)
    model = LanguageModel(Encoder(sizes.words, sizes.embedding, sizes.units), 0.2).to(sizes.device)
    optimiser = torch.optim.AdamW(model.parameters(), 0.002)
    length = len(stream) // lanes
    rows = torch.from_numpy(stream[: length * lanes].astype(np.int64)).view(lanes, length).to(sizes.device)
    state = None
    for start in range(0, length - 1, _WINDOW):
        end = min(start + _WINDOW, length - 1)
        logits, state = model(rows[:, start:end], state)
        state = tuple(part.detach() for part in state)
        loss = functional.cross_entropy(logits.flatten(0, 1), rows[:, start + 1 : end + 1].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimiser.step()


ROWS = (
    Row(
        "tagging",
        "the tagger of our own on generated articles: a stage of 400,000 tokens within half a minute",
        "tokens a second",
        "at least",
        400_000 / 30,
        tagging,
        "Sentences of one length share a batch, and a word's vector is made once; the rest is the tagger's own LSTM.",
    ),
    Row(
        "pretraining",
        "pretrain, with its validation and checks, over a plain PyTorch loop of the same shape",
        "times as fast",
        "at least",
        0.95,
        pretraining,
        "Beside the plain loop stand two evaluations of the validation text, which short runs feel, and dropout.",
    ),
    Row(
        "bfloat16",
        "pretraining with products rounded to bfloat16, where the processor has such products, over float32",
        "times as fast",
        "at least",
        1.3,
        rounding,
        "Softmax and updates are in float32 in either case.",
    ),
)
