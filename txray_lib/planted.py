"""A planted encoder: its neurons are assigned to words by construction, so that what changes between a before and an
after is known (design, "A world whose truth is known"). A room of the computing half; may touch: errors, transfer, ways.

Each word excites `depth` neurons, the strongest by as much as the word's strength, each further one by `DECAY` of the one
before; all others stay below zero. After, some neurons have exchanged words. Everything that an endless text would show
follows from the assignment, the noise and the words' frequencies; nothing is counted in a sample.

    planted = plant(text.frequencies, Plan(units=200), seed=1)
    before, after = planted.encoders(Noise(strays=0.02))
    collect_way(before.activations(text, seed=1), text, "argmax"), planted.truth("argmax", Noise(strays=0.02))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from txray_lib.errors import TxrayError
from txray_lib.transfer import preference_states
from txray_lib.ways import Text, depth_of

UNCHANGED, REPLACED, LOST, REVIVED, SILENCED, UNUSED = KINDS = (
    "unchanged",
    "replaced",
    "lost",
    "revived",
    "silenced",
    "unused",
)
DECAY = 0.7
MUTE = -0.1
FEWEST_WORDS = 4
_ROWS = 4096


@dataclass(frozen=True)
class Noise:
    """What stands between an assignment and the activations that are seen; all 0 is none.

    jitter  an activation is its level times 1 + jitter · u, u uniform from −1 to 1; never so large that the order of a
            token's neurons changes
    flips   share of tokens at which the strongest neuron and the second change places
    strays  share of tokens that excite neurons drawn at random from all
    """

    jitter: float = 0.0
    flips: float = 0.0
    strays: float = 0.0

    def __post_init__(self) -> None:
        most = (1 - DECAY) / (1 + DECAY)
        for name, limit in (("jitter", most), ("flips", 1.0), ("strays", 1.0)):
            if not 0 <= getattr(self, name) <= limit:
                raise TxrayError(f"the noise has {name} = {getattr(self, name)}. Give a number from 0 to {limit:.3g}.")


@dataclass(frozen=True)
class Plan:
    """How many neurons there are and what is planted in them; neurons that are nothing else are unchanged.

    replaced  share of neurons some of whose words are exchanged, pair by pair, by share of words in `sizes`
    lost      share that lose a share of their text, from `sizes` below 1, each to a revived neuron
    silenced  share that lose all words, each to a revived neuron; so `lost` + `silenced` of the neurons are revived
    unused    share that never prefer anything
    depth     how many neurons a word excites

    Raises TxrayError for shares that leave no neuron unchanged, sizes outside (0, 1], or more depth than neurons.
    """

    units: int = 200
    replaced: float = 0.2
    lost: float = 0.1
    silenced: float = 0.05
    unused: float = 0.05
    sizes: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    depth: int = 4

    def __post_init__(self) -> None:
        shares = (self.replaced, self.lost, self.silenced, self.unused)
        if min(shares) < 0 or self.replaced + 2 * (self.lost + self.silenced) + self.unused >= 1:
            raise TxrayError(
                "a plan must leave neurons unchanged: replaced + 2 · (lost + silenced) + unused below 1, none below 0."
            )
        if not self.sizes or not all(0 < size <= 1 for size in self.sizes) or min(self.sizes) == 1:
            raise TxrayError(f"a plan has sizes {self.sizes}. Give shares above 0 and up to 1, one of them below 1.")
        if not 2 <= self.depth <= self.units // 2:
            raise TxrayError(
                f"a plan has depth {self.depth}. Give a number from 2 to half of the {self.units} neurons."
            )

    def kinds(self) -> np.ndarray:
        """The kind of each neuron, before they are shuffled, (units,); the replaced are even in number."""
        counts = {REPLACED: 2 * round(self.units * self.replaced / 2), UNUSED: round(self.units * self.unused)}
        counts |= {LOST: round(self.units * self.lost), SILENCED: round(self.units * self.silenced)}
        counts[REVIVED] = counts[LOST] + counts[SILENCED]
        kinds = np.repeat(list(counts), list(counts.values()))
        return np.append(kinds, np.repeat(UNCHANGED, self.units - len(kinds)))


@dataclass(frozen=True)
class Population:
    """What an endless text shows of each neuron and word, (units, words): records a token, and mean activation (0 where
    there are none)."""

    share: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class PlantedEncoder:
    """owners: the neurons that each word excites, strongest first, (words, depth); strength: of the strongest, (words,)."""

    owners: np.ndarray
    strength: np.ndarray
    units: int
    noise: Noise = field(default_factory=Noise)

    def activations(self, text: Text, seed: int, rows: int = _ROWS) -> Iterator[np.ndarray]:
        """The activations of a text in chunks of up to `rows` tokens, (tokens, units); the same for any `rows`."""
        neurons, levels = self._excited(text, np.random.default_rng([seed, 1]))
        for start in range(0, len(text), rows):
            here = slice(start, start + rows)
            chunk = np.full((len(levels[here]), self.units), MUTE, np.float32)
            np.put_along_axis(chunk, neurons[here], levels[here], axis=1)
            yield chunk

    def population(self, frequencies: np.ndarray, way: str) -> Population:
        """What a way of collecting makes of endless text with these frequencies of words, (words,)."""
        words, depth = self.owners.shape
        noise, columns = self.noise, np.arange(words)
        share, mass = np.zeros((self.units, words)), np.zeros((self.units, words))
        for rank in range(min(depth_of(way) or depth, depth)):
            chance = np.full((self.units, words), noise.strays / self.units)
            other = (1, 0)[rank] if rank < 2 else rank
            chance[self.owners[:, rank], columns] += (1 - noise.strays) * (1 - noise.flips)
            chance[self.owners[:, other], columns] += (1 - noise.strays) * noise.flips
            share += chance * frequencies
            mass += chance * frequencies * self.strength * DECAY**rank
        return Population(share, np.divide(mass, share, out=np.zeros_like(mass), where=share > 0))

    def _excited(self, text: Text, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The neurons that each token excites and how much, strongest first, each (tokens, depth)."""
        tokens, depth = len(text), self.owners.shape[1]
        neurons = self.owners[text.feature]
        flipped = rng.random(tokens) < self.noise.flips
        neurons[flipped, :2] = neurons[flipped, 1::-1]
        stray = np.flatnonzero(rng.random(tokens) < self.noise.strays)
        steps = rng.integers(1, self.units // depth, (len(stray), depth), endpoint=True)
        steps[:, 0] = rng.integers(0, self.units, len(stray))
        neurons[stray] = steps.cumsum(axis=1) % self.units
        levels = self.strength[text.feature, None] * DECAY ** np.arange(depth)
        levels = levels * (1 + self.noise.jitter * rng.uniform(-1, 1, (tokens, depth)))
        return neurons, levels.astype(np.float32)


@dataclass(frozen=True)
class Planted:
    """Two assignments of words to neurons, before and after, and what was planted between them.

    kind         of each neuron, (units,)
    frequencies  of the words in the text that the population is, (words,)
    """

    kind: np.ndarray
    before: np.ndarray
    after: np.ndarray
    strength: np.ndarray
    frequencies: np.ndarray

    def encoders(self, noise: Noise | None = None) -> tuple[PlantedEncoder, PlantedEncoder]:
        """The encoder before and the one after, both with this noise."""
        noise = noise or Noise()
        return tuple(PlantedEncoder(o, self.strength, len(self.kind), noise) for o in (self.before, self.after))

    def truth(self, way: str, noise: Noise | None = None) -> pd.DataFrame:
        """What is known of each neuron when records are collected in this way, a row a neuron.

        kind, state    what was planted, and the preference state that follows
        words_changed  share of the words preferred before that are not preferred after
        text_changed   share of the text held before that is not held after
        size           of the planted change: words_changed of the replaced, text_changed of the lost, 1 of the revived and
                       silenced, 0 of others
        hellinger, mass_hellinger, jensen_shannon, ochiai   the planted distances; missing where a side is empty
        *_limit        the same with this noise: what the estimates approach as the text grows
        """
        first, second = (encoder.population(self.frequencies, way) for encoder in self.encoders())
        table = pd.DataFrame({"neuron": np.arange(len(self.kind), dtype=np.int32), "kind": self.kind})
        words = [(side.share > 0).sum(axis=1) for side in (first, second)]
        kept = ((first.share > 0) & (second.share > 0)).sum(axis=1)
        table["state"] = preference_states(*words)
        table["words_changed"] = _missing_share(kept, words[0])
        held = np.minimum(first.share, second.share).sum(axis=1)
        table["text_changed"] = _missing_share(held, first.share.sum(axis=1))
        by_kind = {REPLACED: table["words_changed"], LOST: table["text_changed"]}
        table["size"] = np.select([table["kind"] == kind for kind in by_kind], list(by_kind.values()), 0.0)
        table.loc[table["kind"].isin([REVIVED, SILENCED]), "size"] = 1.0
        limits = (encoder.population(self.frequencies, way) for encoder in self.encoders(noise))
        limit = {f"{name}_limit": values for name, values in distances(*limits).items()}
        return table.assign(**distances(first, second), **limit)


def plant(frequencies: np.ndarray, plan: Plan, seed: int) -> Planted:
    """Assign words to neurons, then plant the changes of a plan; all randomness is from the seed.

    Raises TxrayError where there are too few words for each neuron to have some.
    """
    rng = np.random.default_rng([seed, 2])
    kind = rng.permutation(plan.kinds())
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


def distances(before: Population, after: Population) -> dict[str, np.ndarray]:
    """The four distances of each neuron's two populations, by name, each (units,); NaN where a side is empty."""
    means, masses = ([_rows(side) for side in sides] for sides in _weights(before, after))
    held = [side.share > 0 for side in (before, after)]
    empty = ~(held[0].any(axis=1) & held[1].any(axis=1))
    middle = (means[0] + means[1]) / 2
    divergence = sum(rel_entr(side, middle).sum(axis=1) for side in means) / (2 * np.log(2))
    sizes = np.sqrt(held[0].sum(axis=1) * held[1].sum(axis=1))
    found = {
        "hellinger": _hellinger(*means),
        "mass_hellinger": _hellinger(*masses),
        "jensen_shannon": np.sqrt(np.maximum(divergence, 0)),
        "ochiai": 1 - (held[0] & held[1]).sum(axis=1) / np.maximum(sizes, 1),
    }
    return {name: np.where(empty, np.nan, np.clip(values, 0, 1)) for name, values in found.items()}


def _weights(before: Population, after: Population) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    return (before.mean, after.mean), tuple(side.share * side.mean for side in (before, after))


def _rows(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _hellinger(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.sqrt(0.5 * np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1))


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
    owners = rng.choice(neurons, (words, depth), p=weights / weights.sum())
    owners[rng.permutation(words)[: FEWEST_WORDS * len(neurons)], 0] = np.repeat(neurons, FEWEST_WORDS)
    for rank in range(1, depth):
        while (again := (owners[:, :rank] == owners[:, rank, None]).any(axis=1)).any():
            owners[again, rank] = rng.choice(neurons, again.sum())
    return owners


def _held(owners: np.ndarray, neuron: int) -> list[np.ndarray]:
    """The words that excite a neuron, at each rank."""
    return [np.flatnonzero(owners[:, rank] == neuron) for rank in range(owners.shape[1])]


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


def _exchange(owners: np.ndarray, words: np.ndarray, one: int, other: int) -> None:
    """Let two neurons take each other's place at these words."""
    rows = owners[words]
    owners[words] = np.where(rows == one, other, np.where(rows == other, one, rows))
