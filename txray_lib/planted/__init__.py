"""A planted encoder: its neurons are assigned to words by construction, so that what changes between a before and an after is
known (design, "A world whose truth is known"). May touch: errors, profiles, corpora, worlds, preferences … nulls.

Each word excites `depth` neurons, the strongest by as much as the word's strength, each further one by `DECAY` of the one
before; all others stay below zero. After, some neurons have exchanged words. What an endless text would show follows from the
assignment and the words' frequencies; nothing is counted in a sample. The plan and the noise are a profile's (group `truth`).

    planted = plant(word_frequencies(text), plan, seed=1)
    collect_way(planted.activations("before", text, seed=1, noise=noise), text, "argmax"), planted.truth("argmax")

In here: `study`, how much of what is known the method recovers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.profiles import TruthNoise, TruthPlan
from txray_lib.transfer import MEASURES, Side, between, owners, preference_states

UNCHANGED, REPLACED, LOST = "unchanged", "replaced", "lost"
REVIVED, SILENCED, UNUSED = "revived", "silenced", "unused"
DECAY = 0.7
MUTE = -0.1
FEWEST_WORDS = 4


def list_kinds(plan: TruthPlan) -> np.ndarray:
    """The kind of each neuron of a plan, before they are shuffled, (units,).

    The replaced, even in number, exchange words pair by pair; each lost one loses a share of its text and each silenced one all
    of its words to a revived one; the unused never prefer anything; the rest are unchanged.
    """
    counts = {REPLACED: 2 * round(plan.units * plan.replaced / 2), UNUSED: round(plan.units * plan.unused)}
    counts |= {LOST: round(plan.units * plan.lost), SILENCED: round(plan.units * plan.silenced)}
    counts[REVIVED] = counts[LOST] + counts[SILENCED]
    kinds = np.repeat(list(counts), list(counts.values()))
    return np.append(kinds, np.repeat(UNCHANGED, plan.units - len(kinds)))


def read_depth(way: str) -> int | None:
    """How many neurons of a token a way of collecting (`profiles.Way`) takes; None for all that are positive."""
    if way == "positive":
        return None
    return 1 if way == "argmax" else int(way.removeprefix("top-"))


@dataclass(frozen=True)
class Planted:
    """Two assignments of words to neurons, and what was planted between them.

    kind           of each neuron, (units,)
    before, after  the neurons that each word excites, strongest first, (words, depth)
    strength       of the strongest, (words,)
    frequencies    of the words in an endless text, (words,)
    """

    kind: np.ndarray
    before: np.ndarray
    after: np.ndarray
    strength: np.ndarray
    frequencies: np.ndarray

    def activations(self, side: str, text: pd.DataFrame, seed: int, noise: TruthNoise | None = None) -> np.ndarray:
        """What the encoder "before" or "after" answers to a text (`study.list_tokens`), (tokens, units).

        noise  jitter: an activation is its level times 1 + jitter · u, u uniform from −1 to 1; flips: the share of tokens at
               which the strongest neuron and the second change places; strays: that excite neurons drawn from all
        """
        words, owners = text["feature"].cat.codes.to_numpy(), {"before": self.before, "after": self.after}[side]
        neurons, levels = owners[words], self.strength[words, None] * DECAY ** np.arange(owners.shape[1])
        if noise is not None:
            levels = self._disturb(neurons, levels, noise, np.random.default_rng([seed, 1]))
        answers = np.full((len(text), len(self.kind)), MUTE, np.float32)
        np.put_along_axis(answers, neurons, levels.astype(np.float32), axis=1)
        return answers

    def _disturb(
        self, neurons: np.ndarray, levels: np.ndarray, noise: TruthNoise, rng: np.random.Generator
    ) -> np.ndarray:
        """Exchange some of the neurons that tokens excite, (tokens, depth), in place; how much they do now."""
        tokens, depth = neurons.shape
        flipped = rng.random(tokens) < noise.flips
        neurons[flipped, :2] = neurons[flipped, 1::-1]
        stray = np.flatnonzero(rng.random(tokens) < noise.strays)
        steps = rng.integers(1, len(self.kind) // depth, (len(stray), depth), endpoint=True)
        steps[:, 0] = rng.integers(0, len(self.kind), len(stray))
        neurons[stray] = steps.cumsum(axis=1) % len(self.kind)
        return levels * (1 + noise.jitter * rng.uniform(-1, 1, (tokens, depth)))

    def truth(self, way: str) -> pd.DataFrame:
        """What is known of each neuron when records are collected in this way, a row a neuron: kind, the preference state that
        follows, the planted distances by every measure (missing where a side is empty), and the size of the change: the share
        of their words for the replaced, of their text for the lost, 1 for the revived and silenced, 0 for others."""
        assigned = [side[:, : read_depth(way)] for side in (self.before, self.after)]
        shares = [self._assigned(side, np.ones(side.shape[1])) for side in assigned]
        words = [(share > 0).sum(axis=1) for share in shares]
        kept_words, kept_text = ((shares[0] > 0) & (shares[1] > 0)).sum(axis=1), np.minimum(*shares).sum(axis=1)
        sizes = {
            REPLACED: _missing_share(kept_words, words[0]),
            LOST: _missing_share(kept_text, shares[0].sum(axis=1)),
            REVIVED: np.ones(len(self.kind)),
            SILENCED: np.ones(len(self.kind)),
        }
        table = pd.DataFrame({"kind": self.kind, "state": preference_states(*words)})
        table["size"] = np.select([self.kind == kind for kind in sizes], list(sizes.values()), 0.0)
        rarest = self.frequencies[self.frequencies > 0].min()  # of this word, one token is read
        sums = [self._assigned(side, DECAY ** np.arange(side.shape[1])) * self.strength for side in assigned]
        sides = [Side(*(each.reshape(-1, 1) / rarest for each in side)) for side in zip(shares, sums, strict=True)]
        owner = owners(np.repeat(np.arange(len(self.kind)), len(self.frequencies)), len(self.kind))
        return table.assign(**{measure: between(measure, *sides, owner)[:, 0] for measure in MEASURES})

    def _assigned(self, side: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """The words' frequencies where a neuron has them, times the level of its rank, (units, words)."""
        found = np.zeros((len(self.kind), len(self.frequencies)))
        for neurons, level in zip(side.T, levels, strict=True):
            found[neurons, np.arange(len(neurons))] = self.frequencies * level
        return found


def plant(frequencies: np.ndarray, plan: TruthPlan, seed: int) -> Planted:
    """Assign words of these frequencies, (words,), to neurons, then plant the changes of a plan; all randomness is from the seed.

    Raises TxrayError where there are too few words for each neuron to have some.
    """
    rng = np.random.default_rng([seed, 2])
    kind = rng.permutation(list_kinds(plan))
    before = _assign(np.flatnonzero(~np.isin(kind, [REVIVED, UNUSED])), len(frequencies), plan.depth, rng)
    after = before.copy()
    replaced, revived = np.flatnonzero(kind == REPLACED), iter(np.flatnonzero(kind == REVIVED))
    for number, (one, other) in enumerate(zip(replaced[::2], replaced[1::2], strict=True)):
        size = plan.sizes[number % len(plan.sizes)]
        words = [_some_words(held, size, rng) for neuron in (one, other) for held in _held(before, neuron)]
        _exchange(after, np.unique(np.concatenate(words)), one, other)
    partial = [size for size in plan.sizes if size < 1]
    for number, neuron in enumerate(np.flatnonzero(kind == LOST)):
        size = partial[number % len(partial)]
        words = [_some_text(held, frequencies, size, rng) for held in _held(before, neuron)]
        _exchange(after, np.concatenate(words), neuron, next(revived))
    for neuron in np.flatnonzero(kind == SILENCED):
        _exchange(after, np.concatenate(_held(before, neuron)), neuron, next(revived))
    return Planted(kind, before, after, rng.uniform(0.6, 1.0, len(frequencies)), frequencies)


def _missing_share(kept: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return 1 - np.divide(kept, whole, out=np.ones(len(whole)), where=whole > 0)


def _assign(neurons: np.ndarray, words: int, depth: int, rng: np.random.Generator) -> np.ndarray:
    """The neurons that each word excites, (words, depth): some words strongest for every neuron, the others unevenly."""
    if words < FEWEST_WORDS * len(neurons):
        raise TxrayError(
            f"{words:,} distinct words are too few for {len(neurons)} preferred neurons: each wants {FEWEST_WORDS}. "
            "Read more text, or plant fewer neurons."
        )
    weights = rng.lognormal(0.0, 1.0, len(neurons))
    assigned = rng.choice(neurons, (words, depth), p=weights / weights.sum())
    assigned[rng.permutation(words)[: FEWEST_WORDS * len(neurons)], 0] = np.repeat(neurons, FEWEST_WORDS)
    for rank in range(1, depth):
        while (again := (assigned[:, :rank] == assigned[:, rank, None]).any(axis=1)).any():
            assigned[again, rank] = rng.choice(neurons, again.sum())
    return assigned


def _held(assigned: np.ndarray, neuron: int) -> list[np.ndarray]:
    """The words that excite a neuron, at each rank."""
    return [np.flatnonzero(assigned[:, rank] == neuron) for rank in range(assigned.shape[1])]


def _some_words(words: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """A share of the words: at least one, and not all unless the share is 1."""
    most = len(words) - (size < 1)
    return rng.permutation(words)[: min(max(round(size * len(words)), 1), most)]


def _some_text(words: np.ndarray, frequencies: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Words that hold about a share of the text of all of them: at least one word, and not all unless the share is 1."""
    words = rng.permutation(words)
    total = frequencies[words].cumsum()
    taken = np.abs(total - size * total[-1]).argmin() + 1 if len(words) else 0
    return words[: min(taken, len(words) - (size < 1))]


def _exchange(assigned: np.ndarray, words: np.ndarray, one: int, other: int) -> None:
    """Let two neurons take each other's place at these words."""
    rows = assigned[words]
    assigned[words] = np.where(rows == one, other, np.where(rows == other, one, rows))
