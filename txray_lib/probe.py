"""A linear probe: how much of a token's tag its activations hold (beside Fig. 3). May touch: corpora, encoders.

A multinomial logistic regression from the activations at a token to its tag, trained on some blocks of a text and tested
on others; beside it what the token's word alone gives, and what nothing at all gives.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Encoder, windows
from txray_lib.errors import TxrayError

L2 = 1e-4
_ITERATIONS = 200
_BATCH = 64


def split_by_block(corpus: Corpus, tokens: int, seed: int) -> tuple[Corpus, Corpus]:
    """Two parts of about `tokens` tokens with no block in common: blocks in a seeded order, the last document cut.

    Where the rest of the text is shorter the second part is all of it. Raises TxrayError where there is none.
    """
    blocks: dict[str, list[Document]] = {}
    for document in corpus.require_text():
        blocks.setdefault(document.block, []).append(document)
    order = [blocks[name] for name in np.random.default_rng([seed, tokens]).permutation(sorted(blocks))]
    ends = np.cumsum([sum(map(len, documents)) for documents in order])
    first = int(np.searchsorted(ends, tokens)) + 1
    if first >= len(order):
        raise TxrayError(
            f"a probe on {tokens:,} tokens leaves no block of {corpus.name!r} to test on: it has {len(order)} of "
            f"{int(ends[-1]):,} tokens in all. Lower controls.probe_tokens."
        )
    parts = [tuple(d for documents in part for d in documents) for part in (order[:first], order[first:])]
    train, test = (Corpus(corpus.name, part).head(tokens) for part in parts)
    return train, test


def read_activations(encoder: Encoder, corpus: Corpus, vocabulary: Vocabulary, device: str = "cpu") -> Tensor:
    """Activations of every token, (tokens, units), float32 on the CPU; the state starts from zero at each document."""
    ids = [vocabulary.encode(d.tokens) for d in corpus]
    starts = np.cumsum([0, *map(len, ids)])
    rows = torch.empty(int(starts[-1]), encoder.units)
    for window in windows(encoder, zip(starts[:-1], ids, strict=True), _BATCH, device):
        for first, size, activations in zip(window.place, window.size, window.activations.cpu(), strict=True):
            rows[first : first + size] = activations[:size]
    return rows


@dataclass(frozen=True)
class Fitted:
    """A fitted probe: names (tags,) by alphabet, what it standardises by (units,), weights (tags, units), biases (tags,)."""

    names: np.ndarray
    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, rows: Tensor) -> Tensor:
        """Of activations (tokens, units), (tokens, tags)."""
        return ((rows - self.mean) / self.deviation) @ self.weight.T + self.bias

    def probabilities(self, rows: Tensor) -> np.ndarray:
        """Of each tag at each token, (tokens, tags); a row sums to 1."""
        return self.logits(rows).double().softmax(dim=1).numpy()

    def tell(self, rows: Tensor) -> np.ndarray:
        """The most probable tag of each token, (tokens,)."""
        return self.names[self.logits(rows).argmax(dim=1).numpy()]


def fit(train: Tensor, train_tags: np.ndarray) -> Fitted:
    """A multinomial logistic regression from activations (tokens, units) to tags (tokens,).

    Activations are standardised by the training part's means and deviations. Minimised from weights of 0 is the mean
    cross-entropy plus `L2` / 2 times the sum of the squared weights, which has one minimum: no seed enters.
    """
    names, tags = np.unique(train_tags, return_inverse=True)
    mean, deviation = train.mean(dim=0), train.std(dim=0).clamp_min(1e-6)
    rows, targets = (train - mean) / deviation, torch.from_numpy(tags)
    weight = torch.zeros(len(names), train.shape[1], requires_grad=True)
    bias = torch.zeros(len(names), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(rows @ weight.T + bias, targets) + L2 / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return Fitted(names, mean, deviation, weight.detach(), bias.detach())


def random_tags(words: np.ndarray, tags: np.ndarray, seed: int) -> dict[int, str]:
    """A control task: for each word id that occurs in `words` (tokens,) a tag drawn as often as it occurs in `tags`
    (tokens,). What a probe tells of these it can only have learned word by word."""
    ids = np.unique(words)
    drawn = np.random.default_rng([seed, len(ids)]).choice(tags, len(ids))
    return dict(zip(ids.tolist(), drawn.tolist(), strict=True))


def by_word(train: np.ndarray, train_tags: np.ndarray, test: np.ndarray) -> np.ndarray:
    """For word ids (tokens,) the most frequent tag of each in the training part; the majority tag for words not in it."""
    names, tags = np.unique(train_tags, return_inverse=True)
    words = 1 + max(int(ids.max(initial=0)) for ids in (train, test))
    counts = np.bincount(train * len(names) + tags, minlength=words * len(names)).reshape(words, len(names))
    counts[counts.sum(axis=1) == 0] = counts.sum(axis=0)
    return names[counts.argmax(axis=1)[test]]


def majority(train_tags: np.ndarray, tokens: int) -> np.ndarray:
    """The most frequent tag of the training part, for every one of `tokens` tokens."""
    names, counts = np.unique(train_tags, return_counts=True)
    return np.full(tokens, names[counts.argmax()])


def accuracy(told: np.ndarray, tags: np.ndarray, blocks: np.ndarray) -> dict[str, float]:
    """The share of tokens whose told tag is the tag, from columns (tokens,), as `accuracy`, with `low` and `high` of a 95 %
    normal interval over blocks, whose tokens hang together (missing for fewer than two), and how many `tokens` and `blocks`."""
    right = (told == tags).astype(np.float64)
    share, (_, block) = float(right.mean()), np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    residual = np.bincount(block, weights=right - share)
    error = np.sqrt((residual**2).sum() * count / (count - 1)) / len(tags) if count > 1 else np.nan
    low, high = np.clip([share - 1.96 * error, share + 1.96 * error], 0, 1)
    return {"accuracy": share, "low": float(low), "high": float(high), "tokens": len(tags), "blocks": count}
