"""How well the method recovers what is known: planted changes over texts of several sizes, collected in several ways.

May touch: errors, progress, profiles, corpora, worlds, preferences … nulls, planted.

Each way of collecting from full activations has its own sum (law 2), `nobody` being counted in:

 argmax    one record a token, of the strongest neuron (§2.1)
 top-k     k records a token; a neuron among the k strongest that is not positive is nobody's
 positive  a record for each positive activation, and one of nobody for a token without any
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product

import numpy as np
import pandas as pd
from scipy import stats

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.nulls import draw_null
from txray_lib.planted import LOST, REPLACED, UNCHANGED, UNUSED, plant, read_depth
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.profiles import TruthStudy
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, MEASURES, SHARED, compare, measured, preference_states
from txray_lib.worlds import encyclopedia

ONE = "one"
LEVEL = 0.05
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


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
    """The records (columns in `preferences`) of a text, as `list_tokens` gives it, from its activations, (tokens, neurons)."""
    token, neuron, strength = choose(activations, way)
    records = text.iloc[token].reset_index(drop=True)
    records.insert(2, "layer", np.int8(0))
    chosen = {"neuron": neuron.astype(np.int32), "activation": strength.astype(np.float32)}
    return records.assign(**chosen, prediction=np.float32(np.nan), y=np.int8(-1))
