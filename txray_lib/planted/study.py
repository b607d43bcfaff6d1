"""How well the method recovers what is known: planted changes over texts of several sizes, and words of the worlds.

May touch: errors, progress, profiles, corpora, worlds, preferences … nulls, planted.

 study_tables  three tables of a study on planted encoders: `truth_states`, `truth_measures`, `truth_detection`
 gained_words  whether the neurons that supervision gains prefer evaluative words more than chance: `truth_words`
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product

import numpy as np
import pandas as pd
from scipy import stats

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES, measured
from txray_lib.nulls import NullResult, split_null, swap_null
from txray_lib.planted import LOST, REPLACED, UNCHANGED, UNUSED, plant
from txray_lib.planted.ways import collect_way, draw_samples, list_tokens, word_frequencies
from txray_lib.preferences import aggregate
from txray_lib.profiles import TruthStudy
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, SHARED, compare, preference_states
from txray_lib.worlds import WorldSize, encyclopedia

ONE = "one"
LEVEL = 0.05
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_REVIEWS = {"train": 2, "valid": 2, "test": 2}


def generate_population(study: TruthStudy, seed: int) -> Corpus:
    """The generated text that every text of this seed is a sample of."""
    return encyclopedia(WorldSize(study.population, _REVIEWS, study.words, 0.0), seed)


def list_comparisons(study: TruthStudy) -> list[tuple[int, str, str, str]]:
    """(tokens, noise, way, texts) of the comparisons of each seed: other texts than the first are read in the first way only."""
    every = product(study.tokens, study.noises, study.ways, study.texts)
    return [each for each in every if each[3] == study.texts[0] or each[2] == study.ways[0]]


def study_tables(study: TruthStudy, seed: int, what: str = "") -> dict[str, pd.DataFrame]:
    """The tables of a study with one seed, by name; `what` names the progress bar.

    All have texts ("one": both encoders read the same tokens; "two": each its own sample of one corpus), noise (its name),
    tokens (of each side), tokens_a_neuron, seed, way (of collecting, as in `ways`).

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
            records = [
                collect_way(encoder.activations(text, 2 * seed + side), text, way)
                for side, (encoder, text) in enumerate(
                    zip(planted.encoders(study.noises[noise]), (first, first if texts == ONE else second), strict=True)
                )
            ]
            preferences, truth = [aggregate(side) for side in records], planted.truth(way)
            null = swap_null if texts == ONE else split_null
            nulls = {m: null(*records, units, study.permutations, seed, measure=m, cap=study.cap) for m in MEASURES}
            found = (
                _recovered_states(truth, compare(*preferences, units), nulls["hellinger"]),
                _ranked_changes(truth, measured(*preferences, units)),
                _detected_changes(truth, nulls),
            )
            where = {"texts": texts, "noise": noise, "tokens": tokens, "tokens_a_neuron": tokens / units}
            where |= {"seed": seed, "way": way}
            for tables, table in zip(made.values(), found, strict=True):
                tables.append(table.assign(**where)[[*where, *table]])
            ticker.update(1)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items()}


def _recovered_states(truth: pd.DataFrame, transfer: pd.DataFrame, null: NullResult) -> pd.DataFrame:
    state = transfer["state"].to_numpy()
    counts = [transfer[f"count_{side}"].to_numpy() for side in ("before", "after")]
    tenths = [np.maximum(count - count.sum() / len(count) / 10, 0) for count in counts]
    untested = np.isin(state, [AVOIDED, GAINED]) & ~(null.table["q_state"].to_numpy() <= LEVEL)
    rules = {"one token": state, "a tenth": preference_states(*tenths), "tested": np.where(untested, "", state)}
    rows = []
    for (rule, named), state in product(rules.items(), (SHARED, AVOIDED, GAINED)):
        true, found = truth["state"].to_numpy() == state, named == state
        precision = (true & found).sum() / found.sum() if found.any() else np.nan
        rows.append((rule, state, int(true.sum()), int(found.sum()), precision))
    return pd.DataFrame(rows, columns=["rule", "state", "true", "found", "precision"])


def _ranked_changes(truth: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
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


def _detected_changes(truth: pd.DataFrame, nulls: Mapping[str, NullResult]) -> pd.DataFrame:
    changed = truth["kind"].isin([REPLACED, LOST]).to_numpy()
    same = truth["kind"].isin([UNCHANGED, UNUSED]).to_numpy()
    labels = [f"{low:g}–{high:g}" for low, high in pairwise(BINS)]
    binned = np.array(labels)[np.clip(np.digitize(truth["size"], BINS, right=True) - 1, 0, len(labels) - 1)]
    rows = []
    for measure, null in nulls.items():
        found = null.table["q"].to_numpy() <= LEVEL
        wrong = {
            "false_discoveries": (found & same).sum() / max(found.sum(), 1),
            "false_positives": found[same].mean(),
        }
        for size in (*labels, "all"):
            here = changed & ((binned == size) | (size == "all"))
            power = found[here].mean() if here.any() else np.nan
            rows.append({"measure": measure, "size": size, "neurons": int(here.sum()), "power": power, **wrong})
    return pd.DataFrame(rows)


def gained_words(
    before: pd.DataFrame,
    after: pd.DataFrame,
    transfer: pd.DataFrame,
    truth_words: pd.DataFrame,
    seed: int,
    draws: int = 2_000,
) -> pd.DataFrame:
    """Whether gained neurons prefer evaluative words more than as many preferred neurons drawn at random: `truth_words`.

    before, after  preferences of the zero-shot and the supervised stage; transfer: their comparison, a row a neuron
    truth_words    the words of the worlds (`worlds.truth`): a word is evaluative where its sentiment is not 0

    A row for each of gained (after), avoided (before), shared (after) and shared (before), and of what a share is taken: of
    "features" (neuron and word), of "mass", of "neurons" (the mean share of a neuron's features, each neuron one vote).
    Columns: state, side, of, neurons, preferred (neurons on that side), observed, expected, low, high (95 % of the draws), p
    (two-sided, of the draws as far from their middle). Numbers are missing where no neuron is in the state.
    Raises TxrayError for a transfer without a row for each neuron.
    """
    if not transfer["neuron"].is_unique:
        raise TxrayError("gained_words wants one comparison, a row a neuron: take the rows of one question.")
    evaluative = set(truth_words.loc[truth_words["sentiment"] != 0, "word"])
    rng, rows = np.random.default_rng(seed), []
    sides = {"before": before, "after": after}
    for state, name in ((GAINED, "after"), (AVOIDED, "before"), (SHARED, "after"), (SHARED, "before")):
        shares = _evaluative_shares(sides[name], evaluative)
        preferred = shares["mass"].index
        members = np.flatnonzero(preferred.isin(transfer.loc[transfer["state"] == state, "neuron"]))
        drawn = rng.permuted(np.tile(np.arange(len(preferred)), (draws, 1)), axis=1)[:, : len(members)]
        for of, sums in shares.items():
            found = {"state": state, "side": name, "of": of, "neurons": len(members), "preferred": len(preferred)}
            if len(members):
                part, whole = sums["part"].to_numpy(), sums["whole"].to_numpy()
                chance = part[drawn].sum(axis=1) / whole[drawn].sum(axis=1)
                found |= _against(part[members].sum() / whole[members].sum(), chance)
            rows.append(found)
    columns = ["state", "side", "of", "neurons", "preferred", "observed", "expected", "low", "high", "p"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _evaluative_shares(preferences: pd.DataFrame, evaluative: set[str]) -> dict[str, pd.DataFrame]:
    """For each way of taking a share, a row for each preferred neuron: the evaluative part and the whole."""
    mass = (
        preferences.groupby(["neuron", "feature"], observed=True)["activation_sum"].sum().rename("whole").reset_index()
    )
    is_evaluative = mass["feature"].astype(object).isin(evaluative)
    weights = {"features": mass.assign(whole=1.0), "mass": mass}
    shares = {
        of: each.assign(part=each["whole"] * is_evaluative).groupby("neuron")[["part", "whole"]].sum()
        for of, each in weights.items()
    }
    own = shares["features"]["part"] / shares["features"]["whole"]
    return shares | {"neurons": pd.DataFrame({"part": own, "whole": 1.0})}


def _against(observed: float, chance: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(chance, [0.025, 0.975])
    tails = (1 + (chance >= observed - 1e-12).sum(), 1 + (chance <= observed + 1e-12).sum())
    p = min(1.0, 2 * min(tails) / (1 + len(chance)))
    return {"observed": observed, "expected": chance.mean(), "low": low, "high": high, "p": p}
