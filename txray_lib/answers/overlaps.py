"""What a distance is made of: the overlap of two sets of features; and what the number of a neuron is worth.

May touch: errors, preferences, results, telling, transfer.

 overlapping    each shared neuron's distance beside the one that its two sets of features alone give
 overlap_said   how near the two are
 nearness       each neuron's distance to itself and to another neuron, comparison by comparison
 nearness_…     how often a neuron is the nearest to itself, and what numbers dealt anew do
 even_table     how even the mean activations of a neuron's features are (saturation)
 once_table     the weight of words that a neuron met once
 coarse_table   distances of short and of long neurons where nothing changed

Were a neuron's mean activations all equal, P would be uniform over the features it prefers, and the distance of two such
distributions over a and b features with c in common is √(1 − c / √(ab)): c / √(ab) is Ochiai's coefficient of two sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from txray_lib.errors import TxrayError, nearest
from txray_lib.preferences import distributions
from txray_lib.results import Results
from txray_lib.telling import arrow, count, distance, paragraph, percent, plural, table

PRETRAINED, TUNED = "last", "supervised"
QUESTIONS = ("rq1", "rq2", "rq3")
CLASSES = ((1, 1), (2, 9), (10, 99), (100, None))
"""Classes of length: the first and the last length that each holds."""
FEW = 10
"""Fewer neurons than this carry no rank correlation worth a sentence."""
ALIKE = 0.95
"""A rank correlation from here on is said to leave the activations next to no part."""
ITSELF, ANOTHER = "to itself", "to another neuron"


def roots(before: pd.DataFrame, after: pd.DataFrame, units: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """√P of every neuron at two stages, each (units, features) over the features of both; all entries are stored."""
    sides = [distributions(side) for side in (before, after)]
    words = [side["feature"].astype(object).to_numpy() for side in sides]
    features = pd.Index(sorted({*words[0], *words[1]}), dtype=object)
    return tuple(
        sparse.csr_matrix(
            (np.sqrt(side["p"].to_numpy()), (side["neuron"].to_numpy(), features.get_indexer(own))),
            shape=(units, len(features)),
        )
        for side, own in zip(sides, words, strict=True)
    )


def distances_of_all(before: pd.DataFrame, after: pd.DataFrame, units: int) -> np.ndarray:
    """Hellinger distance of each neuron before with each neuron after, (units, units), NaN where a side is empty."""
    first, second = roots(before, after, units)
    far = np.sqrt(np.clip(1 - (first @ second.T).toarray(), 0.0, 1.0))
    far[np.diff(first.indptr) == 0, :] = np.nan
    far[:, np.diff(second.indptr) == 0] = np.nan
    return far


def overlap_distance(before: pd.DataFrame, after: pd.DataFrame, units: int) -> np.ndarray:
    """√(1 − c / √(ab)) of each neuron, (units,): the distance if both its distributions were uniform; NaN where one is empty."""
    first, second = (
        sparse.csr_matrix((np.ones_like(side.data), side.indices, side.indptr), shape=side.shape)
        for side in roots(before, after, units)
    )
    common = np.asarray(first.multiply(second).sum(axis=1)).ravel()
    sizes = np.sqrt(np.diff(first.indptr) * np.diff(second.indptr))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes > 0, np.sqrt(np.clip(1 - common / sizes, 0.0, 1.0)), np.nan)


def pair_of(results: Results, question: str) -> tuple[str, str]:
    """The two stages of a question's last comparison (of RQ1, the late one). Raises TxrayError for another question."""
    if question not in QUESTIONS:
        raise TxrayError(f"the paper has no question {question!r}. {nearest(question, QUESTIONS)}")
    row = results.transfer(question).iloc[-1]
    return str(row["before"]), str(row["after"])


def overlapping(results: Results, question: str) -> pd.DataFrame:
    """A row per shared neuron of a question's last comparison.

    Columns: profile, comparison, neuron, length_before, length_after, hellinger, sets (`overlap_distance`).
    """
    before, after = pair_of(results, question)
    rows = results.transfer(question)
    rows = rows[(rows["comparison"] == f"{before}:{after}") & (rows["state"] == "shared")]
    found = overlap_distance(results.preferences(before), results.preferences(after), _units(results))
    columns = ["comparison", "neuron", "length_before", "length_after", "hellinger"]
    made = rows[columns].assign(sets=found[rows["neuron"].to_numpy(int)], profile=results.profile)
    return made[["profile", *columns, "sets"]].reset_index(drop=True)


def agreement(rows: pd.DataFrame) -> float:
    """The rank correlation of the distance with that of the sets alone; NaN for fewer than ten neurons or without spread."""
    if len(rows) < FEW or rows["hellinger"].nunique() < 2 or rows["sets"].nunique() < 2:
        return math.nan
    return float(rows["hellinger"].corr(rows["sets"], method="spearman"))


def agreement_shown(results: Results, question: str = "rq3") -> str:
    """The same in a cell."""
    rho = agreement(overlapping(results, question))
    return "too few" if math.isnan(rho) else f"{rho:.3f}".replace("-", "−")


def overlap_said(rows: pd.DataFrame) -> Markdown:
    """How near each run's distances lie to those of its sets of features alone, and what that says."""
    said, known = [], []
    for profile, own in rows.groupby("profile", sort=False):
        rho, apart = agreement(own), (own["hellinger"] - own["sets"]).abs()
        if math.isnan(rho):
            said.append(f"{profile} has too few shared neurons, or none of different distance.")
            continue
        known.append(rho)
        said.append(
            f"In {profile} ({arrow(own['comparison'].iloc[0])}, {plural(len(own), 'shared neuron')}) the rank correlation of both is"
            f" {rho:.3f}, and they differ by {distance(apart.median())} in the median neuron and by {distance(apart.max())} at most."
        )
    if not known:
        return paragraph(*said)
    return paragraph(
        *said,
        "The order of neurons by distance is that of their sets: how strongly a neuron answers to a word has next to no part in it."
        if min(known) >= ALIKE
        else "So the activations have a part in the distance in at least one of these runs.",
    )


def nearness(results: Results, seed: int) -> pd.DataFrame:
    """[profile, comparison, part, neuron, distance]: each shared neuron of the last comparison of RQ1, RQ2 and RQ3, those that
    the run asks, to itself, and to the neuron that it is called if the numbers of the stage after are dealt anew among the
    shared ones."""
    parts = []
    for question in filter(results.asks, QUESTIONS):
        before, after = pair_of(results, question)
        far, shared = _among_shared(results, before, after)
        other = dealt_anew(len(shared), seed)
        for part, found in ((ITSELF, np.diag(far)), (ANOTHER, far[np.arange(len(shared)), other])):
            named = {"profile": results.profile, "comparison": f"{before}:{after}", "part": part}
            parts.append(pd.DataFrame({**named, "neuron": shared, "distance": found}))
    return pd.concat(parts, ignore_index=True)


def dealt_anew(number: int, seed: int) -> np.ndarray:
    """An order of `number` things in which none keeps its place (of one thing: that thing), from `seed`."""
    order = np.random.default_rng(seed).permutation(number)
    made = np.empty(number, dtype=np.int64)
    made[order] = np.roll(order, 1)
    return made


def nearness_said(results: Results, seed: int) -> Markdown:
    """What becomes of the last pretrained stage held against itself under other numbers, and under numbers matched again."""
    stage = results.stage(PRETRAINED)
    far, shared = _among_shared(results, stage, stage)
    if len(shared) < 2:
        return paragraph(f"{results.profile} has too few preferred neurons to deal their numbers anew.")
    other = dealt_anew(len(shared), seed)
    renamed = far[:, other]
    moved = np.diag(renamed)
    found = linear_sum_assignment(renamed)[1]
    again = int((renamed[np.arange(len(shared)), found] < 1e-6).sum())
    return paragraph(
        f"In {results.profile}, {stage} held against itself has {plural(len(shared), 'shared neuron')} and a distance of 0 for each."
        f" With its numbers dealt anew the same encoder has a median distance of {distance(float(np.median(moved)))}, and"
        f" {percent(float((moved > 0.9).mean()))} of its neurons lie more than 0.9 from what now has their number.",
        f"If each neuron is matched to the one that prefers most alike, {count(again)} of {count(len(shared))} find a partner at a"
        " distance of 0 again.",
    )


def nearness_table(runs: Sequence[Results], seed: int) -> HTML:
    """A row a run and comparison: the distance of neurons to themselves and to others, and how often each is the nearest to
    itself."""
    rows = []
    for run in runs:
        for name, own in nearness(run, seed).groupby("comparison", sort=False):
            before, after = str(name).split(":")
            far, shared = _among_shared(run, before, after)
            medians = own.groupby("part")["distance"].median()
            rows.append(
                {
                    "profile": run.profile,
                    "comparison": arrow(str(name)),
                    "shared": count(len(shared)),
                    "median H to itself": distance(medians.get(ITSELF, math.nan)),
                    "to another": distance(medians.get(ANOTHER, math.nan)),
                    "nearest to itself": percent(_nearest(far)),
                    "by chance": percent(1 / len(shared)) if len(shared) else "none",
                }
            )
    caption = (
        "Shared neurons: distance to themselves and to another neuron drawn at random, and how many have, of the shared neurons of"
        " the stage after, themselves as the nearest"
    )
    return table(pd.DataFrame(rows), caption, words=["profile", "comparison"])


def found_again(results: Results, question: str = "rq3") -> str:
    """The share of shared neurons that are nearest to themselves, for a cell."""
    return percent(_nearest(_among_shared(results, *pair_of(results, question))[0]))


def evenness(results: Results, role: str) -> pd.Series:
    """For each neuron of two features or more, how even its distribution is: the exponential of its entropy by its length, 1
    where all features have the same mean activation."""
    own = distributions(results.preferences(results.stage(role)))
    p = own["p"]
    grouped = (-(p * np.log(p.where(p > 0, 1.0)))).groupby([own["layer"], own["neuron"]])
    length = grouped.size()
    return (np.exp(grouped.sum()) / length)[length > 1]


def even_table(runs: Sequence[Results]) -> HTML:
    """A row a run and stage: the range of mean activations, and how even a neuron's distribution is."""
    rows = []
    for run in runs:
        for role in (PRETRAINED, TUNED):
            own, even = distributions(run.preferences(run.stage(role))), evenness(run, role)
            low, middle, high = (own["mass"] / own["count"]).quantile([0.05, 0.5, 0.95])
            rows.append(
                {
                    "profile": run.profile,
                    "stage": run.stage(role),
                    "mean activations, 5–95 %": f"{low:.2f} to {high:.2f}",
                    "their median": f"{middle:.2f}",
                    "evenness of the median neuron": _share_of_even(even.median()),
                    "of the least even tenth, at most": _share_of_even(even.quantile(0.1)),
                }
            )
    caption = (
        "Mean activations of a neuron and a feature, and evenness of P: 100 % where every feature of a neuron has the same"
        " probability (neurons of two features or more)"
    )
    return table(pd.DataFrame(rows), caption, words=["profile", "stage"])


def met_once(results: Results, role: str = PRETRAINED) -> tuple[float, float]:
    """Of the median neuron, the probability and the share of tokens of the features that it met once."""
    own = distributions(results.preferences(results.stage(role)))
    once = own["count"] == 1
    by = [own["layer"], own["neuron"]]
    probability = own["p"].where(once, 0.0).groupby(by).sum()
    tokens = own["count"].where(once, 0).groupby(by).sum() / own["count"].groupby(by).sum()
    return float(probability.median()), float(tokens.median())


def once_table(runs: Sequence[Results]) -> HTML:
    """A row a run and stage: probability and tokens of features met once."""
    rows = []
    for run in runs:
        for role in (PRETRAINED, "zero-shot", TUNED):
            probability, tokens = met_once(run, role)
            rows.append(
                {
                    "profile": run.profile,
                    "stage": run.stage(role),
                    "probability of words met once": percent(probability),
                    "tokens of words met once": percent(tokens),
                }
            )
    caption = "Words that a neuron met once: what they weigh in its distribution, and in its tokens (median neuron)"
    return table(pd.DataFrame(rows), caption, words=["profile", "stage"])


def coarse(results: Results, role: str = PRETRAINED) -> pd.DataFrame:
    """Distances between halves of a stage's text by length: [class, neurons, median, ends], `ends` the share that is exactly 0
    or 1; the length is that of the shorter side. No row where halves were not compared."""
    rows = results.control(results.stage(role))
    rows = rows[rows["hellinger"].notna()]
    shorter = rows[["length_before", "length_after"]].min(axis=1)
    found = []
    for low, high in CLASSES:
        own = rows.loc[shorter.between(low, high or math.inf), "hellinger"]
        if len(own):
            ends = ((own < 1e-9) | (own > 1 - 1e-9)).mean()
            found.append((_class(low, high), len(own), float(own.median()), float(ends)))
    return pd.DataFrame(found, columns=["class", "neurons", "median", "ends"])


def coarse_table(runs: Sequence[Results]) -> HTML:
    """Distances where nothing changed, a row a run and class of length."""
    parts = [coarse(run).assign(profile=run.profile) for run in runs]
    rows = pd.concat(parts, ignore_index=True)
    frame = pd.DataFrame(
        {
            "profile": rows["profile"],
            "features on the shorter side": rows["class"],
            "neurons": rows["neurons"].map(count),
            "median H": rows["median"].map(distance),
            "exactly 0 or 1": rows["ends"].map(percent),
        }
    )
    return table(
        frame,
        "Two halves of one text, read with the same weights: H by length",
        ["profile", "features on the shorter side"],
    )


def _nearest(far: np.ndarray) -> float:
    """The share of neurons, (neurons, neurons), that no other is nearer to than they are themselves."""
    return float((np.diag(far) <= far.min(axis=1) + 1e-12).mean()) if len(far) else math.nan


def _among_shared(results: Results, before: str, after: str) -> tuple[np.ndarray, np.ndarray]:
    """Distances of all shared neurons with each other, and their numbers."""
    far = distances_of_all(results.preferences(before), results.preferences(after), _units(results))
    shared = np.flatnonzero(~np.isnan(np.diag(far)))
    return far[np.ix_(shared, shared)], shared


def _units(results: Results) -> int:
    return int(results.stages["neurons"].max())


def _share_of_even(share: float) -> str:
    return "none" if math.isnan(share) else percent(share)


def _class(low: int, high: int | None) -> str:
    return f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"
