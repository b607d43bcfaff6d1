"""A planted encoder: its neurons are assigned to words by construction, so that what changes between a before and an after is
known, and how much of that the method recovers over texts of several sizes.

Each word excites `depth` neurons, the strongest by as much as the word's strength, each further one by `DECAY` of the one
before; all others stay below zero. After, some neurons have exchanged words. What an endless text would show follows from the
assignment and the words' frequencies; nothing is counted in a sample. The plan and the noise are a profile's (group `truth`).

    planted = plant(word_frequencies(text), plan, seed=1)
    collect_way(planted.activations("before", text, seed=1, noise=noise), text, "argmax"), planted.truth("argmax")

Each way of collecting from full activations has its own sum (law 2), `nobody` being counted in:

 argmax    one record a token, of the strongest neuron (§2.1)
 top-k     k records a token; a neuron among the k strongest that is not positive is nobody's
 positive  a record for each positive activation, and one of nobody for a token without any

May touch: errors, progress, profiles, corpora, worlds, preferences … nulls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pandas as pd
from scipy import stats

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.nulls import draw_null
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.profiles import TruthNoise, TruthPlan, TruthStudy
from txray_lib.progress import bar
from txray_lib.transfer import (
    AVOIDED,
    GAINED,
    MEASURES,
    SHARED,
    Side,
    between,
    compare,
    measured,
    owners,
    preference_states,
)
from txray_lib.worlds import encyclopedia

UNCHANGED, REPLACED, LOST = "unchanged", "replaced", "lost"
REVIVED, SILENCED, UNUSED = "revived", "silenced", "unused"
DECAY = 0.7
MUTE = -0.1
FEWEST_WORDS = 4
ONE = "one"
LEVEL = 0.05
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


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
    """How many neurons of a token a way of collecting takes; None for all that are positive. Raises TxrayError for no way."""
    number = way.removeprefix("top-")
    if way in ("argmax", "positive"):
        return 1 if way == "argmax" else None
    if number == way or not number.isdecimal() or int(number) < 1:
        raise TxrayError(f"there is no way of collecting {way!r}. Known: argmax, top-3 (or another number), positive.")
    return int(number)


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
        """What the encoder "before" or "after" answers to a text (`list_tokens`), (tokens, units).

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


def generate_population(study: TruthStudy, seed: int) -> Corpus:
    """The generated text that every text of this seed is a sample of."""
    return encyclopedia(study.population, study.words, seed)


def list_comparisons(study: TruthStudy) -> list[tuple[int, str, str, str]]:
    """(tokens, noise, way, texts) of the comparisons of each seed: other texts than the first are read in the first way only."""
    every = product(study.tokens, study.noises, study.ways, study.texts)
    return [each for each in every if each[3] == study.texts[0] or each[2] == study.ways[0]]


def study_tables(study: TruthStudy, seed: int, what: str = "") -> dict[str, pd.DataFrame]:
    """The tables of a study with one seed, by name; `what` names the progress bar.

    All have texts ("one": both encoders read the same tokens; "two": each its own sample of one corpus), noise (its name),
    tokens (of each side), tokens_a_neuron, seed, way (of collecting).

    truth_states     rule, state, true and found (neurons), precision (missing where none is found). Rules: "one token", the
                     paper's: preferred is what holds a token; "a tenth": what holds at least a tenth of an even share of the
                     records; "tested": avoided and gained where q_state of the null is at most 0.05
    truth_measures   of truly shared neurons with a distance: measure, rho (Spearman's, with the planted size), auc (changed
                     against unchanged), unchanged and changed (means); "rarefied" is |log(length after / before)|
    truth_detection  measure, size (bin of the planted size, or "all"), neurons, power (share of the changed with q ≤ 0.05; a
                     missing distance is not found), false_discoveries (share of all found that are unchanged or unused),
                     false_positives (share of the neurons that did not change, unused ones included, that are found); the
                     last two are of all sizes together

    Raises TxrayError where the plan or the sizes of text want more than the generated text has.
    """
    made: dict[str, list[pd.DataFrame]] = {"truth_states": [], "truth_measures": [], "truth_detection": []}
    population = list_tokens(generate_population(study, seed))
    planted, units = plant(word_frequencies(population), study.plan, seed), study.plan.units
    comparisons = list_comparisons(study)
    with bar(len(comparisons), what, "comparison") as ticker:
        for tokens, noise, way, texts in comparisons:
            first, second = draw_samples(population, tokens, seed)
            kind, sides = ("swap", (first, first)) if texts == ONE else ("split", (first, second))
            records = []
            for number, (side, text) in enumerate(zip(("before", "after"), sides, strict=True)):
                read = planted.activations(side, text, 2 * seed + number, study.noises[noise])
                records.append(collect_way(read, text, way))
            preferences, truth = [aggregate(side) for side in records], planted.truth(way)
            nulls = {m: draw_null(kind, *records, units, study.permutations, seed, m, study.cap)[0] for m in MEASURES}
            found = (
                recovered_states(truth, compare(*preferences, units), nulls["hellinger"]),
                ranked_changes(truth, measured(*preferences, units)),
                detected_changes(truth, nulls),
            )
            where = {"texts": texts, "noise": noise, "tokens": tokens, "tokens_a_neuron": tokens / units}
            where |= {"seed": seed, "way": way}
            for tables, table in zip(made.values(), found, strict=True):
                tables.append(table.assign(**where)[[*where, *table]])
            ticker.update(1)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items()}


def recovered_states(truth: pd.DataFrame, transfer: pd.DataFrame, null: pd.DataFrame) -> pd.DataFrame:
    """Rows of `truth_states`: how well three rules find the preference states."""
    state = transfer["state"].to_numpy()
    counts = [transfer[f"count_{side}"].to_numpy() for side in ("before", "after")]
    tenths = [np.maximum(count - count.sum() / len(count) / 10, 0) for count in counts]
    untested = np.isin(state, [AVOIDED, GAINED]) & ~(null["q_state"].to_numpy() <= LEVEL)
    rules = {"one token": state, "a tenth": preference_states(*tenths), "tested": np.where(untested, "", state)}
    rows = []
    for (rule, named), state in product(rules.items(), (SHARED, AVOIDED, GAINED)):
        true, found = truth["state"].to_numpy() == state, named == state
        precision = (true & found).sum() / found.sum() if found.any() else np.nan
        rows.append((rule, state, int(true.sum()), int(found.sum()), precision))
    return pd.DataFrame(rows, columns=["rule", "state", "true", "found", "precision"])


def ranked_changes(truth: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """Rows of `truth_measures`: how well distances order the changes of truly shared neurons."""
    lengths = distances["rarefied_after"] / distances["rarefied_before"]
    columns = {measure: distances[measure] for measure in MEASURES} | {"rarefied": np.log(lengths).abs()}
    rows = []
    for measure, values in columns.items():
        known = (truth["state"] == SHARED) & values.notna()
        is_changed = truth["kind"].isin([REPLACED, LOST])[known]
        size, value = truth["size"][known], values[known]
        groups = value[is_changed].to_numpy(), value[~is_changed].to_numpy()
        has_spread = len(value) >= 3 and np.ptp(size) > 0 and np.ptp(value) > 0
        pairs = len(groups[0]) * len(groups[1])
        rows.append(
            {
                "measure": measure,
                "rho": stats.spearmanr(size, value).statistic if has_spread else np.nan,
                "auc": stats.mannwhitneyu(*groups).statistic / pairs if pairs else np.nan,
                "unchanged": groups[1].mean() if len(groups[1]) else np.nan,
                "changed": groups[0].mean() if len(groups[0]) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def detected_changes(truth: pd.DataFrame, nulls: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows of `truth_detection`: what q ≤ `LEVEL` of each measure's null finds."""
    changed = truth["kind"].isin([REPLACED, LOST]).to_numpy()
    same = truth["kind"].isin([UNCHANGED, UNUSED]).to_numpy()
    labels = [f"{low:g}–{high:g}" for low, high in pairwise(BINS)]
    binned = np.array(labels)[np.clip(np.digitize(truth["size"], BINS, right=True) - 1, 0, len(labels) - 1)]
    rows = []
    for measure, null in nulls.items():
        found = null["q"].to_numpy() <= LEVEL
        wrong = {
            "false_discoveries": (found & same).sum() / max(found.sum(), 1),
            "false_positives": found[same].mean(),
        }
        for size in (*labels, "all"):
            here = changed & ((binned == size) | (size == "all"))
            power = found[here].mean() if here.any() else np.nan
            rows.append({"measure": measure, "size": size, "neurons": int(here.sum()), "power": power, **wrong})
    return pd.DataFrame(rows)


def list_tokens(corpus: Corpus) -> pd.DataFrame:
    """A row for each token of a tagged corpus: document (its number), and block, feature (in lower case) and tag as categories
    in sorted order; the tag is the corpus's own or, where it has none, the gold one."""
    lengths = [len(document) for document in corpus]
    columns = {
        "block": np.repeat(np.array([document.block for document in corpus], dtype=object), lengths),
        "feature": np.array([token.lower() for document in corpus for token in document.tokens], dtype=object),
        "tag": np.array([tag for document in corpus for tag in document.tags or document.gold or ()], dtype=object),
    }
    document = np.repeat(np.arange(len(corpus), dtype=np.int32), lengths)
    return pd.DataFrame({"document": document, **{name: pd.Categorical(values) for name, values in columns.items()}})


def word_frequencies(text: pd.DataFrame) -> np.ndarray:
    """The share of tokens that each feature of `list_tokens` is, (words,)."""
    return np.bincount(text["feature"].cat.codes, minlength=len(text["feature"].cat.categories)) / len(text)


def draw_samples(text: pd.DataFrame, tokens: int, seed: int) -> list[pd.DataFrame]:
    """Two texts of so many tokens that have none in common: whole blocks in an order that follows from `seed`, from its start
    and from its end, the last block of each cut. The text holds both (`profiles.TruthStudy`)."""
    blocks = text["block"].cat
    rank = np.random.default_rng([seed, 3]).permutation(len(blocks.categories))[blocks.codes]
    return [text.iloc[np.argsort(order, kind="stable")[:tokens]] for order in (rank, -rank)]


def choose(activations: np.ndarray, way: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(token, neuron, activation) of each record that a way makes of activations (tokens, neurons).

    Ties go to the lowest neuron; the neuron is NOBODY where the activation is not positive. In the order of tokens, and
    within a token by falling activation, or for "positive" by neuron.
    """
    depth, tokens = read_depth(way), np.arange(len(activations))
    if depth is None:
        strongest = activations.argmax(axis=1)
        taken = activations > 0
        taken[tokens, strongest] = True
        token, neuron = np.nonzero(taken)
    elif depth > activations.shape[1]:
        raise TxrayError(f"{way} wants more neurons than the {activations.shape[1]} there are. Take a smaller number.")
    elif depth == 1:
        token, neuron = tokens, activations.argmax(axis=1)
    else:
        token = np.repeat(tokens, depth)
        neuron = np.argsort(-activations, axis=1, kind="stable")[:, :depth].ravel()
    strength = activations[token, neuron]
    return token, np.where(strength > 0, neuron, NOBODY), strength


def collect_way(activations: np.ndarray, text: pd.DataFrame, way: str) -> pd.DataFrame:
    """The records (columns in `preferences`) of a text, as `list_tokens` gives it, from its activations, (tokens, neurons).
    Raises TxrayError where there is no row for each token, or a value is not finite."""
    activations = np.asarray(activations)
    if activations.ndim != 2 or len(activations) != len(text) or not np.isfinite(activations).all():
        was, wanted = activations.shape, f"{len(text):,} tokens want a row each of finite numbers, one for each neuron"
        raise TxrayError(f"the activations have the shape {was}, or values that are not finite, and {wanted}")
    token, neuron, strength = choose(activations, way)
    records = text.iloc[token].reset_index(drop=True)
    records.insert(2, "layer", np.int8(0))
    chosen = {"neuron": neuron.astype(np.int32), "activation": strength.astype(np.float32)}
    return records.assign(**chosen, prediction=np.float32(np.nan), y=np.int8(-1))
