"""How well the method recovers what is known: planted changes over texts of several sizes, and words of the worlds.

A room of the computing half; may touch: errors, progress, corpora, worlds, preferences, transfer, measures, nulls, ways, planted.

 study_tables   three tables of a study on planted encoders: `truth_states`, `truth_measures`, `truth_detection`
 text_needed    the smallest text at which planted changes are found
 gained_words   whether the neurons that supervision gains prefer evaluative words more than chance: `truth_words`

Columns that all three tables of a study share: texts ("one": both encoders read the same tokens; "two": each its own
sample of one corpus), noise (its name), tokens (of each side), tokens_a_neuron, seed, way (of collecting, as in `ways`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from txray_lib.corpora import Corpus
from txray_lib.errors import TxrayError
from txray_lib.measures import MEASURES, measured
from txray_lib.nulls import NullResult, split_null, swap_null
from txray_lib.planted import LOST, REPLACED, UNCHANGED, UNUSED, Noise, Plan, Planted, plant
from txray_lib.preferences import aggregate
from txray_lib.progress import bar
from txray_lib.transfer import AVOIDED, GAINED, SHARED, compare, preference_states
from txray_lib.ways import Text, collect_way, depth_of, text_of
from txray_lib.worlds import WorldSize, encyclopedia

ONE, TWO = "one", "two"
RAREFIED = "rarefied"
ONE_TOKEN, A_TENTH, TESTED = RULES = ("one token", "a tenth", "tested")
LEVEL = 0.05
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ALL_SIZES = "all"
_REVIEWS = {"train": 2, "valid": 2, "test": 2}


def _noises() -> dict[str, Noise]:
    return {
        "none": Noise(),
        "some": Noise(jitter=0.1, flips=0.05, strays=0.01),
        "much": Noise(jitter=0.1, flips=0.2, strays=0.05),
    }


@dataclass(frozen=True)
class Study:
    """What is planted and read; the full study as it stands, minutes on two cores.

    tokens         sizes of text, of each side
    ways, texts    of collecting and reading; what is not the first of `texts` is read in the first of `ways` only
    permutations   of each null, up to `cap` for a neuron that none of them reaches
    population     tokens of the generated encyclopedia that every text is a sample of; words: its vocabulary

    Raises TxrayError for a way, a kind of texts or a size of text that cannot be.
    """

    tokens: tuple[int, ...] = (2_000, 5_000, 15_000, 50_000, 150_000)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    noises: Mapping[str, Noise] = field(default_factory=_noises)
    ways: tuple[str, ...] = ("argmax", "top-3", "positive")
    texts: tuple[str, ...] = (ONE, TWO)
    plan: Plan = field(default_factory=Plan)
    permutations: int = 200
    cap: int = 3_200
    population: int = 400_000
    words: int = 2_500

    def __post_init__(self) -> None:
        for way in self.ways:
            depth_of(way)
        if unknown := set(self.texts) - {ONE, TWO}:
            raise TxrayError(f"a study has texts {sorted(unknown)}. Choose from {ONE!r} and {TWO!r}.")
        if not self.tokens or not 0 < 2 * max(self.tokens) <= self.population:
            raise TxrayError(
                f"a study reads texts of {self.tokens} tokens, twice each, of {self.population:,}: raise population."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Study:
        """A study from plain values, as a profile's group `truth` gives them: lists, and groups for `noises` and `plan`."""
        made = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if "noises" in made:
            made["noises"] = {name: Noise(**noise) for name, noise in made["noises"].items()}
        if "plan" in made:
            plan = {name: tuple(value) if isinstance(value, list) else value for name, value in made["plan"].items()}
            made["plan"] = Plan(**plan)
        return cls(**made)

    def corpus(self, seed: int) -> Corpus:
        """The generated text that every text of this seed is a sample of."""
        return encyclopedia(WorldSize(self.population, _REVIEWS, self.words, 0.0), seed)

    @property
    def settings(self) -> list[tuple[int, str, str, str]]:
        """(tokens, noise, way, texts) of the comparisons that it makes with every seed."""
        every = product(self.tokens, self.noises, self.ways, self.texts)
        return [each for each in every if each[3] == self.texts[0] or each[2] == self.ways[0]]


def small_study(**changed: Any) -> Study:
    """One that runs live in seconds: one seed, the paper's way of collecting, two sizes of text; other values on request."""
    small = {
        "tokens": (5_000, 40_000),
        "seeds": (1,),
        "noises": {"some": _noises()["some"]},
        "ways": ("argmax",),
        "texts": (ONE,),
        "plan": Plan(units=100),
        "population": 100_000,
    }
    return Study(**{**small, **changed})


def study_tables(study: Study, what: str = "") -> dict[str, pd.DataFrame]:
    """The tables of a study by name; `what` names the progress bar.

    truth_states     rule, state, true and found (neurons), precision, recall (missing where there is nothing to divide by).
                     Rules: "one token", the paper's: preferred is what holds a token; "a tenth": what holds at least a tenth
                     of an even share of the records; "tested": avoided and gained where q_state of the null is at most 0.05
    truth_measures   measure, neurons (truly shared ones with a distance), rho (Spearman's, with the planted size), rho_changed
                     (the same among the changed alone), auc (changed against unchanged), unchanged and changed (means), error
                     (mean distance from the planted distance; missing for "rarefied", |log(length after / before)|)
    truth_detection  measure, size (bin of the planted size, or "all"), neurons, power (share of the changed with q ≤ 0.05; a
                     missing distance is not found), false_discoveries (share of all found that are unchanged or unused),
                     false_positives (share of the neurons that did not change,
                     unused ones included, that are found); the last two are of all sizes together
    """
    made: dict[str, list[pd.DataFrame]] = {"truth_states": [], "truth_measures": [], "truth_detection": []}
    with bar(len(study.seeds) * len(study.settings), what, "comparison") as ticker:
        for where, cell in _cells(study):
            for name, table in cell.items():
                columns = {key: [value] * len(table) for key, value in where.items()}
                made[name].append(pd.concat([pd.DataFrame(columns, index=table.index), table], axis=1))
            ticker.update(1)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items()}


def text_needed(detection: pd.DataFrame, power: float = 0.8) -> pd.DataFrame:
    """The smallest text at which the mean power over seeds reaches `power`, a row for each of texts, noise, way, measure and
    size: tokens, tokens_a_neuron (both missing where no text of the study was enough), false_discoveries there."""
    keys = ["texts", "noise", "way", "measure", "size"]
    means = detection.groupby([*keys, "tokens", "tokens_a_neuron"])[["power", "false_discoveries"]].mean().reset_index()
    enough = means[means["power"] >= power].sort_values("tokens").groupby(keys).head(1)
    return means[keys].drop_duplicates().merge(enough.drop(columns="power"), on=keys, how="left").reset_index(drop=True)


def _cells(study: Study) -> Iterator[tuple[dict[str, Any], dict[str, pd.DataFrame]]]:
    for seed in study.seeds:
        text = text_of(study.corpus(seed))
        planted = plant(text.frequencies, study.plan, seed)
        for tokens, noise, way, texts in study.settings:
            where = {"texts": texts, "noise": noise, "tokens": tokens, "tokens_a_neuron": tokens / study.plan.units}
            first, second = text.samples(tokens, seed)
            sides = (first, first if texts == ONE else second)
            yield where | {"seed": seed, "way": way}, _cell(study, planted, sides, study.noises[noise], way, seed)


def _cell(
    study: Study, planted: Planted, sides: tuple[Text, Text], noise: Noise, way: str, seed: int
) -> dict[str, pd.DataFrame]:
    """The three tables of one comparison."""
    truth, units = planted.truth(way, noise), len(planted.kind)
    encoders = planted.encoders(noise)
    records = [
        collect_way(encoder.activations(text, 2 * seed + side), text, way)
        for side, (encoder, text) in enumerate(zip(encoders, sides, strict=True))
    ]
    preferences = [aggregate(side) for side in records]
    null = swap_null if sides[0] is sides[1] else split_null
    nulls = {m: null(*records, units, study.permutations, seed, measure=m, cap=study.cap) for m in MEASURES}
    return {
        "truth_states": _states_table(truth, compare(*preferences, units), nulls["hellinger"]),
        "truth_measures": _measures_table(truth, measured(*preferences, units)),
        "truth_detection": _detection_table(truth, nulls),
    }


def _states_table(truth: pd.DataFrame, transfer: pd.DataFrame, null: NullResult) -> pd.DataFrame:
    counts = [transfer[f"count_{side}"].to_numpy() for side in ("before", "after")]
    tenths = [np.maximum(count - count.sum() / len(count) / 10, 0) for count in counts]
    found = {ONE_TOKEN: transfer["state"].to_numpy(), A_TENTH: preference_states(*tenths)}
    untested = np.isin(found[ONE_TOKEN], [AVOIDED, GAINED]) & ~(null.table["q_state"].to_numpy() <= LEVEL)
    found[TESTED] = np.where(untested, "", found[ONE_TOKEN])
    rows = [
        {"rule": rule, "state": state, **precision_recall(truth["state"].to_numpy() == state, found[rule] == state)}
        for rule, state in product(RULES, (SHARED, AVOIDED, GAINED))
    ]
    return pd.DataFrame(rows)


def precision_recall(true: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """true and found (how many), precision and recall of flags, each (neurons,); NaN where there is nothing to divide by."""
    both = (true & found).sum()
    return {
        "true": int(true.sum()),
        "found": int(found.sum()),
        "precision": both / found.sum() if found.any() else np.nan,
        "recall": both / true.sum() if true.any() else np.nan,
    }


def _measures_table(truth: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    lengths = distances["rarefied_after"] / distances["rarefied_before"]
    columns = {measure: distances[measure] for measure in MEASURES} | {RAREFIED: np.log(lengths).abs()}
    rows = []
    for measure, values in columns.items():
        known = (truth["state"] == SHARED) & values.notna()
        changed = truth["kind"].isin([REPLACED, LOST])
        size, value, is_changed = (column[known].to_numpy() for column in (truth["size"], values, changed))
        planted = truth[measure][known].to_numpy() if measure in truth else np.full(known.sum(), np.nan)
        rows.append(
            {
                "measure": measure,
                "neurons": int(known.sum()),
                "rho": rank_correlation(size, value),
                "rho_changed": rank_correlation(size[is_changed], value[is_changed]),
                "auc": area_under_curve(value[is_changed], value[~is_changed]),
                "unchanged": _mean(value[~is_changed]),
                "changed": _mean(value[is_changed]),
                "error": _mean(np.abs(value - planted)),
            }
        )
    return pd.DataFrame(rows)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's; NaN for fewer than three values or without spread."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(stats.spearmanr(first, second).statistic)


def area_under_curve(changed: np.ndarray, unchanged: np.ndarray) -> float:
    """The chance that a changed neuron's value exceeds an unchanged one's, ties counting half; NaN where a side is empty."""
    if not len(changed) or not len(unchanged):
        return np.nan
    ranks = stats.rankdata(np.concatenate([changed, unchanged]))[: len(changed)]
    return float((ranks.sum() - len(changed) * (len(changed) + 1) / 2) / (len(changed) * len(unchanged)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _detection_table(truth: pd.DataFrame, nulls: Mapping[str, NullResult]) -> pd.DataFrame:
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
        for size in (*labels, ALL_SIZES):
            here = changed & ((binned == size) | (size == ALL_SIZES))
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
    Raises TxrayError for a transfer without a row for each neuron, or draws below 1.
    """
    if draws < 1 or not transfer["neuron"].is_unique:
        raise TxrayError("gained_words wants one comparison, a row a neuron, and at least one draw.")
    evaluative = set(truth_words.loc[truth_words["sentiment"] != 0, "word"])
    rng, rows = np.random.default_rng(seed), []
    for state, name, side in (
        (GAINED, "after", after),
        (AVOIDED, "before", before),
        (SHARED, "after", after),
        (SHARED, "before", before),
    ):
        sums = _evaluative_sums(side, evaluative)
        members = np.flatnonzero(sums.index.isin(transfer.loc[transfer["state"] == state, "neuron"]))
        drawn = rng.permuted(np.tile(np.arange(len(sums)), (draws, 1)), axis=1)[:, : len(members)]
        for of, (part, whole) in _shares(sums).items():
            found = {"state": state, "side": name, "of": of, "neurons": len(members), "preferred": len(sums)}
            if len(members):
                chance = part[drawn].sum(axis=1) / whole[drawn].sum(axis=1)
                found |= _against(part[members].sum() / whole[members].sum(), chance)
            rows.append(found)
    columns = ["state", "side", "of", "neurons", "preferred", "observed", "expected", "low", "high", "p"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _evaluative_sums(preferences: pd.DataFrame, evaluative: set[str]) -> pd.DataFrame:
    """Of each preferred neuron: features and mass, and how much of each is evaluative."""
    features = preferences.groupby(["neuron", "feature"], observed=True)["activation_sum"].sum().reset_index()
    is_evaluative = features["feature"].astype(object).isin(evaluative)
    columns = {
        "features": 1.0,
        "evaluative_features": is_evaluative.astype(float),
        "mass": features["activation_sum"],
        "evaluative_mass": features["activation_sum"] * is_evaluative,
    }
    return pd.DataFrame(columns, index=features.index).groupby(features["neuron"]).sum()


def _shares(sums: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What to divide by what, for each way of taking a share, each (preferred neurons,)."""
    share = (sums["evaluative_features"] / sums["features"]).to_numpy()
    found = {of: (sums[f"evaluative_{of}"].to_numpy(), sums[of].to_numpy()) for of in ("features", "mass")}
    return found | {"neurons": (share, np.ones(len(sums)))}


def _against(observed: float, chance: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(chance, [0.025, 0.975])
    tails = (1 + (chance >= observed - 1e-12).sum(), 1 + (chance <= observed + 1e-12).sum())
    p = min(1.0, 2 * min(tails) / (1 + len(chance)))
    return {"observed": observed, "expected": chance.mean(), "low": low, "high": high, "p": p}
