"""Trainings of a moment: settings, texts that no encoder can learn, and an end from the inside, as a kill would make it."""

from typing import Any

import numpy as np
import torch

from txray_lib.encoders.encoded import Texts
from txray_lib.encoders.lstm import Encoder
from txray_lib.profiles import Finetuning, Pretraining, Reviews

WORDS = 11
PRETRAINING = Pretraining(
    embedding_size=5,
    units=6,
    dropout=0.3,
    epochs=3,
    snapshots=[0, 1, 2, 3],
    batch_size=4,
    window=5,
    learning_rate=0.02,
    weight_decay=0.01,
    schedule="one-cycle",
)
FINETUNING = Finetuning(
    reviews=Reviews(train=40, valid=20, test=20),
    max_tokens=20,
    epochs=3,
    evaluations_per_epoch=2,
    batch_size=8,
    learning_rate=0.02,
    target_f1=1.0,
)
PROFILE = """
base: tiny
about: An encoder of one's own on the world.
collection: {tokens: 3000, batch_size: 16}
finetuning: {reviews: {train: 40, valid: 20, test: 40}, max_tokens: 30, epochs: 1}
pruning: {set_size: 3, reviews: 20, random_sets: 0, recurrent_random_sets: 2}
nulls: {permutations: 10, measures: []}
"""
"""A run of a moment, whose encoder is still to be said."""


def an_encoder() -> Encoder:
    """Six units whose weights follow from a seed."""
    torch.manual_seed(5)
    return Encoder(WORDS, 5, 6)


class Killed(BaseException):
    """Ends a training from the inside, as a kill would."""


def texts(count: int, seed: int, shortest: int = 0) -> Texts:
    """Labels of chance: no encoder can learn them, so fine-tuning never reaches its target."""
    random = np.random.default_rng(seed)
    ids = tuple(random.integers(0, WORDS, n).astype(np.int32) for n in random.integers(shortest, 9, count))
    return Texts(tuple(f"t{i}" for i in range(count)), ids, np.arange(count) % 2)


def killing(function: Any, after: int) -> Any:
    """`function`, which kills instead of running once it has run `after` times."""
    calls = iter(range(after))

    def wrapper(*arguments: Any, **named: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **named)

    return wrapper


def same(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> bool:
    return before.keys() == after.keys() and all(torch.equal(v, after[k]) for k, v in before.items())
