"""Cutting sets of neurons, and what that does to F1 (§3.3.2, Tab. 2). May touch: training, preferences, transfer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.errors import TxrayError
from txray_lib.training.encoder import Classifier, Encoder
from txray_lib.training.finetuning import last_hidden_states, predict, score
from txray_lib.training.texts import Texts, balanced_sample
from txray_lib.transfer import AVOIDED, GAINED

BEFORE_CLASSIFIER = "before the classifier"
OUT_OF_ENCODER = "out of the encoder"


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
def predict_pruned(classifier: Classifier, states: Tensor, sets: Sequence[np.ndarray]) -> np.ndarray:
    """ŷ (texts, sets) from last hidden states (texts, units) in which each set's neurons are 0.

    This is what the released code does (C21). A state of 0 and a classifier's weight of 0 are the same to ŷ, so one
    matrix product serves all sets.
    """
    weights = classifier.output.weight.detach().cpu().repeat(len(sets), 1)
    for row, neurons in zip(weights, sets, strict=True):
        row[torch.from_numpy(np.asarray(neurons, dtype=np.int64))] = 0
    return torch.sigmoid(states @ weights.T + classifier.output.bias.detach().cpu()).numpy()


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


def pruning_table(
    classifier: Classifier,
    transfer: pd.DataFrame,
    sets: list[PruningSet],
    texts: dict[str, Texts],
    states: dict[str, Tensor],
    reviews: int,
    random_sets: int,
    seed: int,
    device: str = "cpu",
) -> pd.DataFrame:
    """Tab. 2 in both ways: a row for each set, way and split, with what `random_sets` random sets of that size do.

    Before the classifier all `texts` are scored from their last hidden `states`; out of the encoder a label-balanced
    sample of `reviews` a split, where random sets are not measured. Changes are relative: (F1 − base) / base.
    """
    mass = transfer["mass_after"].to_numpy()
    gained = np.flatnonzero(transfer["state"].to_numpy() == GAINED)
    rows = []
    for split, part in texts.items():
        base = score(predict(classifier, states[split]), part.labels).f1
        sample = part.take(balanced_sample(part.labels, reviews, seed))
        sample_base = _f1(classifier, sample, device)
        for chosen in sets:
            facts = {
                "set": chosen.name,
                "meaning": chosen.meaning,
                "neurons": len(chosen.neurons),
                "mass_share": float(mass[chosen.neurons].sum() / mass.sum()) if mass.sum() else np.nan,
                "overlap_with_gained": len(np.intersect1d(chosen.neurons, gained)),
                "split": split,
            }
            f1 = score(predict_pruned(classifier, states[split], [chosen.neurons])[:, 0], part.labels).f1
            chance = _random_changes(classifier, states[split], part, len(chosen.neurons), random_sets, seed, base)
            rows.append({**facts, "way": BEFORE_CLASSIFIER, "reviews": len(part), **_change(f1, base), **chance})
            f1 = _f1(_pruned(classifier, chosen.neurons), sample, device)
            nothing = dict.fromkeys(chance, np.nan)
            rows.append({**facts, "way": OUT_OF_ENCODER, "reviews": len(sample), **_change(f1, sample_base), **nothing})
    return pd.DataFrame(rows)


def _pruned(classifier: Classifier, neurons: np.ndarray) -> Classifier:
    pruned = Classifier(prune_encoder(classifier.encoder, neurons))
    pruned.output.load_state_dict(classifier.output.state_dict())
    return pruned


def _f1(classifier: Classifier, texts: Texts, device: str) -> float:
    return score(predict(classifier, last_hidden_states(classifier, texts, device)), texts.labels).f1


def _random_changes(
    classifier: Classifier, states: Tensor, texts: Texts, size: int, draws: int, seed: int, base: float
) -> dict[str, float]:
    """2.5, 50 and 97.5 % of the change that random sets of `size` neurons make before the classifier."""
    random, units = np.random.default_rng([seed, size]), states.shape[1]
    sets = [random.choice(units, size, replace=False) for _ in range(draws if size else 0)]
    predictions = predict_pruned(classifier, states, sets)
    changes = [_change(score(column, texts.labels).f1, base)["change"] for column in predictions.T]
    low, median, high = np.quantile(changes, [0.025, 0.5, 0.975]) if changes else (np.nan,) * 3
    return {"random_low": float(low), "random_median": float(median), "random_high": float(high)}


def _change(f1: float, base: float) -> dict[str, float]:
    return {"f1_base": base, "f1": f1, "change": (f1 - base) / base if base else np.nan}
