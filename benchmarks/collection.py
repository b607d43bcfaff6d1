"""What collecting records costs over the bare forward pass of the same batches: `python benchmarks/collection.py`.

Both sides run in turn on the same machine, and only their ratio is the result: it holds on a machine that is busy with
other things too. The text is random ids in documents of unequal length; the encoder is untrained, which changes no time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from txray_lib.collection import _windows, collect
from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.training.encoder import Encoder
from txray_lib.training.texts import batches_by_length, padded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    given = parser.parse_args()
    vocabulary = Vocabulary((*(f"w{i}" for i in range(9_999)), "<unk>", "<eos>"))
    corpus, encoder = _text(vocabulary, given.tokens), Encoder(len(vocabulary), 200, given.units)
    sides: dict[str, Callable[[], object]] = {
        "bare forward pass": lambda: _forward(encoder, corpus, vocabulary, given.batch_size),
        "collection": lambda: collect(encoder, corpus, vocabulary, given.batch_size),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - began)
    best = {name: min(each) for name, each in seconds.items()}
    print(f"{given.units} units, {given.tokens} tokens, {torch.get_num_threads()} threads, best of {given.rounds}")
    for name, each in best.items():
        print(f"  {name:18} {each:6.2f} s  {given.tokens / each:10,.0f} tokens a second")
    print(f"  ratio              {best['collection'] / best['bare forward pass']:6.2f}")


def _text(vocabulary: Vocabulary, tokens: int) -> Corpus:
    random, documents, left = np.random.default_rng(1), [], tokens
    while left > 0:
        size = min(left, int(random.lognormal(4.5, 0.8)) + 1)
        words = tuple(vocabulary.words[i] for i in random.integers(0, 9_999, size))
        documents.append(Document(f"d{len(documents)}", "train", "b", words, tags=("NN",) * size))
        left -= size
    return Corpus("random", tuple(documents))


@torch.no_grad()
def _forward(encoder: Encoder, corpus: Corpus, vocabulary: Vocabulary, batch_size: int) -> None:
    encoder.eval()
    ids = [vocabulary.encode(d.tokens) for d in corpus]
    for batch in batches_by_length(np.array([len(i) for i in ids]), batch_size):
        for _ in _windows(encoder, *padded([ids[i] for i in batch]), "cpu"):
            pass


if __name__ == "__main__":
    main()
