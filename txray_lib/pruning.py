"""Cutting sets of neurons, and what that does to F1 (§3.3.2, Tab. 2). May touch: profiles … pruning_null."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.encoders.encoded import Texts, balanced_sample
from txray_lib.encoders.finetuning import last_hidden_states, predict, score
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pruning
from txray_lib.pruning_null import MASS, SIZE, VARIANCE, Match, equal_size, equal_weight, percentile, sampling_error
from txray_lib.transfer import AVOIDED, GAINED

BEFORE_CLASSIFIER = "before the classifier"
OUT_OF_ENCODER = "out of the encoder"
_DRAWN = ["set", "neurons", "match", "way", "draw", "change", "overlap"]


@dataclass(frozen=True)
class PruningSet:
    """One row of Tab. 2: its letter, what it means, and the neurons, shape (neurons,)."""

    name: str
    meaning: str
    neurons: np.ndarray


def pruning_sets(transfer: pd.DataFrame, size: int) -> list[PruningSet]:
    """The sets A–D from the transfer of zero-shot to supervised (§3.3.2).

    The paper cuts for A all neurons that nothing prefers after supervision, though some may never have been preferred
    (I2): "A" is that set, "A-strict" the avoided ones alone. B and C are taken among the preferred neurons (I5); ties go
    to the lowest neuron.
    """
    after = transfer["mass_after"].to_numpy()
    preferred = np.flatnonzero(transfer["length_after"].to_numpy() > 0)
    rising = preferred[np.argsort(after[preferred], kind="stable")]
    falling = preferred[np.argsort(-after[preferred], kind="stable")]
    state = transfer["state"].to_numpy()
    return [
        PruningSet("A", "not preferred after supervision", np.flatnonzero(transfer["length_after"].to_numpy() == 0)),
        PruningSet("A-strict", "avoided: preferred before supervision, not after", np.flatnonzero(state == AVOIDED)),
        PruningSet("B", f"the {size} least preferred after supervision", np.sort(rising[:size])),
        PruningSet("C", f"the {size} most preferred after supervision", np.sort(falling[:size])),
        PruningSet("D", "gained by supervision", np.flatnonzero(state == GAINED)),
    ]


@torch.no_grad()
def predict_pruned(classifier: Classifier, hidden: Tensor, sets: Sequence[np.ndarray]) -> np.ndarray:
    """ŷ (texts, sets) from last hidden states (texts, units) in which each set's neurons are 0.

    This is what the released code does (C21). A state of 0 and a classifier's weight of 0 are the same to ŷ, so one
    matrix product serves all sets.
    """
    weights = classifier.output.weight.detach().cpu().repeat(len(sets), 1)
    for row, neurons in zip(weights, sets, strict=True):
        row[torch.from_numpy(np.asarray(neurons, dtype=np.int64))] = 0
    return torch.sigmoid(hidden @ weights.T + classifier.output.bias.detach().cpu()).numpy()


def prune_encoder(encoder: Encoder, neurons: np.ndarray) -> Encoder:
    """A copy in which some neurons are cut out of the recurrence: always 0, and read by no other neuron.

    The neurons keep their numbers. The others behave as in an LSTM that never had the cut ones.
    """
    if outside := [int(n) for n in neurons if not 0 <= n < encoder.units]:
        raise TxrayError(
            f"cannot prune neuron {outside[0]}: the encoder has {encoder.units}, numbered from 0. "
            "Take the sets from a transfer table of the same run."
        )
    pruned = copy.deepcopy(encoder)
    cut = torch.from_numpy(np.asarray(neurons, dtype=np.int64))
    gates = torch.cat([cut + gate * encoder.units for gate in range(4)])
    with torch.no_grad():
        for parameter in (
            pruned.lstm.weight_ih_l0,
            pruned.lstm.weight_hh_l0,
            pruned.lstm.bias_ih_l0,
            pruned.lstm.bias_hh_l0,
        ):
            parameter[gates] = 0
        pruned.lstm.weight_hh_l0[:, cut] = 0
    return pruned


@dataclass(frozen=True)
class _Way:
    """One way of pruning, ready to be measured: `predict` takes sets of neurons and gives ŷ (reviews, sets)."""

    name: str
    labels: np.ndarray
    random_sets: int
    predict: Callable[[Sequence[np.ndarray]], np.ndarray]

    def f1(self, sets: Sequence[np.ndarray]) -> np.ndarray:
        """F1 without each set, (sets,)."""
        return np.array([score(column, self.labels).f1 for column in self.predict(sets).T])


def pruning_table(*given: Any, **named: Any) -> pd.DataFrame:
    """The first of the `pruning_tables`."""
    return pruning_tables(*given, **named)[0]


def pruning_tables(
    classifier: Classifier,
    transfer: pd.DataFrame,
    sets: list[PruningSet],
    texts: dict[str, Texts],
    hidden: dict[str, Tensor],
    settings: Pruning,
    seed: int,
    device: str = "cpu",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tab. 2 in both ways, a row for each set, way and split, and what each random set beside it does.

    Before the classifier all `texts` are scored, from their last `hidden` states; out of the encoder a label-balanced
    sample of `settings.reviews` of each split. Changes are relative: (F1 − base) / base, missing where the base is 0.
    Random sets are of equal size, and beside that of equal variance of the last hidden state over the training reviews
    (the first of `hidden`), and of equal activation mass where such sets exist. Columns of the second table: set,
    neurons, match ("size", "variance" or "mass"), way, split, draw, change, overlap (share of the set's own neurons).
    """
    rows, drawn = [], []
    matches = {chosen.name: _matches(chosen, transfer, next(iter(hidden.values())), settings, seed) for chosen in sets}
    for split, part in texts.items():
        for way in _ways(classifier, part, hidden[split], settings, seed, device):
            base = way.predict([np.empty(0, np.int64)])[:, 0]
            base_f1, known = score(base, way.labels).f1, {}
            for chosen in sets:
                pruned = way.predict([chosen.neurons])[:, 0]
                f1 = score(pruned, way.labels).f1
                chance = _chance(chosen, matches[chosen.name], way, base_f1, known).assign(split=split)
                drawn.append(chance)
                measured = {"way": way.name, "split": split, "reviews": len(way.labels), "f1_base": base_f1, "f1": f1}
                change = relative_change(f1, base_f1)
                error = {"sampling_error": sampling_error(base, pruned, way.labels, seed)}
                beside = {**_among(change, chance, matches[chosen.name]), **error}
                rows.append({**_facts(chosen, transfer), **measured, "change": change, **beside})
    return pd.DataFrame(rows), pd.concat(drawn, ignore_index=True)


def set_changes(
    classifier: Classifier, sets: Sequence[PruningSet], texts: dict[str, Texts], hidden: dict[str, Tensor]
) -> pd.DataFrame:
    """[id, part, value]: the relative change of F1 by each set cut before the classifier, on each split of `texts`."""
    rows = []
    for split, part in texts.items():
        neurons = [np.empty(0, np.int64), *(chosen.neurons for chosen in sets)]
        base, *scores = (
            score(column, part.labels).f1 for column in predict_pruned(classifier, hidden[split], neurons).T
        )
        rows += [(f"T2-{s.name}", split, relative_change(f1, base)) for s, f1 in zip(sets, scores, strict=True)]
    return pd.DataFrame(rows, columns=["id", "part", "value"])


def relative_change(f1: float, base: float) -> float:
    """From 80 to 77 is −3.75 % (§3.3.2); missing where the base is 0."""
    return (f1 - base) / base if base else np.nan


def _ways(
    classifier: Classifier, texts: Texts, hidden: Tensor, settings: Pruning, seed: int, device: str
) -> tuple[_Way, _Way]:
    sample = texts.take(balanced_sample(texts.labels, settings.reviews, seed))

    def before(sets: Sequence[np.ndarray]) -> np.ndarray:
        return predict_pruned(classifier, hidden, sets)

    def out_of(sets: Sequence[np.ndarray]) -> np.ndarray:
        cut = (_pruned(classifier, neurons) for neurons in sets)
        return np.stack([predict(c, last_hidden_states(c, sample, device)) for c in cut], axis=1)

    return (
        _Way(BEFORE_CLASSIFIER, texts.labels, settings.random_sets, before),
        _Way(OUT_OF_ENCODER, sample.labels, settings.recurrent_random_sets, out_of),
    )


def _facts(chosen: PruningSet, transfer: pd.DataFrame) -> dict[str, Any]:
    mass = transfer["mass_after"].to_numpy()
    gained = np.flatnonzero(transfer["state"].to_numpy() == GAINED)
    return {
        "set": chosen.name,
        "meaning": chosen.meaning,
        "neurons": len(chosen.neurons),
        "mass_share": float(mass[chosen.neurons].sum() / mass.sum()) if mass.sum() else np.nan,
        "overlap_with_gained": len(np.intersect1d(chosen.neurons, gained)),
    }


def _matches(
    chosen: PruningSet, transfer: pd.DataFrame, hidden: Tensor, settings: Pruning, seed: int
) -> dict[str, Match]:
    """Random sets beside one set, by what they have in common with it."""
    count = max(settings.random_sets, settings.recurrent_random_sets)
    weights = {VARIANCE: hidden.var(dim=0, correction=0).double().numpy(), MASS: transfer["mass_after"].to_numpy()}
    matches = {SIZE: equal_size(chosen.neurons, len(transfer), count, seed)}
    return matches | {on: equal_weight(on, w, chosen.neurons, count, seed) for on, w in weights.items()}


def _chance(
    chosen: PruningSet, matches: dict[str, Match], way: _Way, base: float, known: dict[bytes, np.ndarray]
) -> pd.DataFrame:
    """What each random set does: sets drawn for another set of the same size are read once, and `known` then."""
    parts = []
    for on, match in matches.items():
        sets = match.sets[: way.random_sets]
        if not sets:
            continue
        key = np.concatenate(sets).tobytes()
        if key not in known:
            known[key] = np.array([relative_change(f1, base) for f1 in way.f1(sets)])
        overlap = [len(np.intersect1d(s, chosen.neurons)) / len(s) for s in sets]
        facts = {"set": chosen.name, "neurons": len(chosen.neurons), "match": on, "way": way.name}
        parts.append(pd.DataFrame({**facts, "draw": range(len(sets)), "change": known[key], "overlap": overlap}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_DRAWN)


def _among(change: float, chance: pd.DataFrame, matches: dict[str, Match]) -> dict[str, Any]:
    """How many random sets of equal size were cut, 2.5, 50 and 97.5 % of the change that they make, and where in 0–100
    the set's own change lies among them, among those of equal variance, and among those of equal mass."""
    changes = {on: chance.loc[chance["match"] == on, "change"].to_numpy(np.float64) for on in matches}
    equal = changes[SIZE]
    low, median, high = np.quantile(equal, [0.025, 0.5, 0.975]) if len(equal) else (np.nan,) * 3
    return {
        "random_sets": len(equal),
        "random_low": float(low),
        "random_median": float(median),
        "random_high": float(high),
        "percentile": percentile(change, equal),
        "percentile_variance": percentile(change, changes[VARIANCE]),
        "percentile_mass": percentile(change, changes[MASS]),
        "why": "; ".join(match.why for match in (matches[MASS], matches[VARIANCE]) if match.why),
    }


def _pruned(classifier: Classifier, neurons: np.ndarray) -> Classifier:
    pruned = Classifier(prune_encoder(classifier.encoder, neurons))
    pruned.output.load_state_dict(classifier.output.state_dict())
    return pruned
