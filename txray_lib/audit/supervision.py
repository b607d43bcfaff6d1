"""A new domain and labels: which neurons stay in use, how long they are, how much they excite (§3.2, §3.3).

Every stage reads as many tokens, so a total of them is not drawn again: activation is judged per token (K32), and masses as
shares. May touch: results, transfer, intervals, run, pretraining.
"""

from __future__ import annotations

import math

import numpy as np

from txray_lib.audit.intervals import SEED, Measured, Sample, Statistic, beside, missing, sample
from txray_lib.audit.pretraining import by_rearranging, more_shared
from txray_lib.audit.run import Run
from txray_lib.audit.statistics import change, head, mean, median, moved_by, rank_correlation
from txray_lib.transfer import AVOIDED, GAINED, SHARED

TOP = 10
"""The paper picks its neurons from "the top 10" by distance (§3.1, §3.2)."""
_NOT_SHUFFLED = "this run was not fine-tuned on shuffled labels"


def share_avoided(run: Run) -> Measured:
    """N12: neurons that become avoided, as a share of those in use before (§2.2)."""
    used = run.pair("supervised")["length_before"].to_numpy() > 0
    avoided = np.where(used, run.has_state("supervised", AVOIDED), np.nan)
    chance = run.expected("supervised", AVOIDED).scaled(run.units / max(used.sum(), 1))
    return beside(sample(mean, avoided), chance)


def mean_of_ratios(run: Run) -> Measured:
    """N17: mean change of a shared neuron's token length. By chance: before and after exchanged at random."""
    sides = _lengths(run, "length")

    def exchanged(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        if before.ndim == 1:
            return (mean(after / before) + mean(before / after)) / 2 - 1
        swaps = np.random.default_rng(SEED).random(before.shape) < 0.5
        return mean(np.where(swaps, before / after, after / before)) - 1

    return beside(sample(lambda before, after: mean(after / before) - 1, *sides), sample(exchanged, *sides))


def peak_of_masses(run: Run) -> Measured:
    """F11: growth of the share of mass that the strongest hold, by supervision; by chance that by shuffled labels."""
    rows = run.pair("supervised")

    def growth(before: np.ndarray, *after: np.ndarray) -> np.ndarray:
        return np.mean([head(its) for its in after], axis=0) - head(before)

    shuffled = [part["mass_after"] for part in run.shuffled()]
    chance = sample(growth, rows["mass_before"], *shuffled) if shuffled else math.nan
    return beside(sample(growth, rows["mass_before"], rows["mass_after"]), chance)


def length_of_most_distant(run: Run) -> Measured:
    """K18: median length of the ten most distant neurons less that of the other shared ones.

    By chance: the ten whose distance is largest among blocks dealt anew.
    """
    rows = run.shared("zero-shot")
    sizes = (rows["length_before"] + rows["length_after"]) / 2
    if len(rows) < 2 * TOP:
        return missing("fewer than twenty neurons are shared")
    return beside(sample(_gap, rows["hellinger"], sizes), by_rearranging(_gap, rows, sizes))


def scatter_of_tag_distances(run: Run) -> Measured:
    """K22: standard deviation of tag distances after supervision less that in zero-shot transfer."""

    def difference(after: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.nanstd(after, axis=-1) - np.nanstd(before, axis=-1)

    columns = [run.column(name, "hellinger_tag") for name in ("supervised", "zero-shot")]
    return beside(sample(difference, *columns), 0.0)


def gained_by_labels(run: Run) -> Measured:
    """K23: neurons gained, as a share of all; by chance those that shuffled labels gain."""
    gained = [(part["state"] == GAINED).to_numpy(dtype=np.float64) for part in run.shuffled()]
    return _beside_shuffled(mean, [run.has_state("supervised", GAINED)], [[its] for its in gained])


def mass_and_length(run: Run) -> Measured:
    """K24: rank correlation over gained neurons; by chance that over the neurons of the untrained encoder."""
    rows, untrained = run.pair("supervised"), run.untrained()
    rows = rows[rows["state"] == GAINED]
    chance = sample(rank_correlation, untrained["mass"], untrained["length"])
    return beside(sample(rank_correlation, rows["mass_after"], rows["length_after"]), chance)


def activation_per_token(run: Run) -> Measured:
    """K32: mean maximal activation of a token on the new domain by that on the pretraining text.

    By chance: the same of two halves of the pretraining text.
    """
    sizes = [f"{what}_{side}" for side in ("before", "after") for what in ("mass", "count")]

    def ratio(mass_before, count_before, mass_after, count_after):
        return (mean(mass_after) / mean(count_after)) / (mean(mass_before) / mean(count_before))

    halves = run.results.control(run.results.stage("last")).sort_values("neuron")
    chance = sample(ratio, *(halves[size] for size in sizes)) if len(halves) else math.nan
    rows = run.pair("zero-shot")
    return beside(sample(ratio, *(rows[size] for size in sizes)), chance)


def change_by_labels(run: Run) -> Measured:
    """K42: median change of a shared neuron's length, in either direction; by chance that by shuffled labels."""
    shuffled = [
        [
            part[f"length_{side}"].where(part["state"] == SHARED).to_numpy(dtype=np.float64)
            for side in ("before", "after")
        ]
        for part in run.shuffled()
    ]
    return _beside_shuffled(lambda *sides: median(moved_by(*sides)), _lengths(run, "length"), shuffled)


def growth_of_head(run: Run) -> Measured:
    """K56: share of mass that the strongest hold after supervision less that on the pretraining text."""
    pretrained, after = run.pair("zero-shot")["mass_before"], run.pair("supervised")["mass_after"]
    return beside(sample(lambda first, last: head(last) - head(first), pretrained, after), 0.0)


def _lengths(run: Run, size: str) -> list[np.ndarray]:
    return [run.column("supervised", f"{size}_{side}") for side in ("before", "after")]


def _gap(distances: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    ordered = np.take_along_axis(sizes, np.argsort(-distances, axis=-1, kind="stable"), axis=-1)
    return median(ordered[..., :TOP]) - median(ordered[..., TOP:])


def _beside_shuffled(statistic: Statistic, ours: list[np.ndarray], shuffled: list[list[np.ndarray]]) -> Measured:
    """Ours beside the mean over fine-tunings on shuffled labels: drawn together, of the same neurons."""
    if not shuffled:
        return missing(_NOT_SHUFFLED)
    controls: list[Sample] = [sample(statistic, *columns) for columns in shuffled]
    draws = [control.draws for control in controls if control.draws is not None]
    value = float(np.mean([control.value for control in controls]))
    return beside(sample(statistic, *ours), Sample(value, np.mean(draws, axis=0) if draws else None))


MEASURES = {
    "N7": lambda run: beside(sample(mean, run.has_state("zero-shot", SHARED)), run.expected("zero-shot", SHARED)),
    "N8": lambda run: more_shared(run, "late", "zero-shot"),
    "N11": lambda run: more_shared(run, "supervised", "zero-shot"),
    "N12": share_avoided,
    "N13": lambda run: beside(sample(mean, run.has_state("supervised", GAINED)), run.expected("supervised", GAINED)),
    "N17 tokens": lambda run: beside(sample(change, *_lengths(run, "length")), 0.0),
    "N17 ratios": mean_of_ratios,
    "N17 POS": lambda run: beside(sample(change, *_lengths(run, "tag_length")), 0.0),
    "N18": lambda run: beside(
        sample(change, *(run.pair("supervised")[f"length_{s}"] for s in ("before", "after"))), 0.0
    ),
    "F11": peak_of_masses,
    "K18": length_of_most_distant,
    "K22": scatter_of_tag_distances,
    "K23": gained_by_labels,
    "K24": mass_and_length,
    "K32": activation_per_token,
    "K42": change_by_labels,
    "K56": growth_of_head,
}
