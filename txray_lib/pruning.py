"""Cutting sets of neurons, what that does to F1 (§3.3.2, Tab. 2), and what random sets do. May touch: profiles … transfer."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.encoders.encoded import Texts, balanced_sample
from txray_lib.encoders.lstm import Classifier, number_neurons
from txray_lib.encoders.training import last_hidden_states, predict, score
from txray_lib.errors import TxrayError, require_number
from txray_lib.profiles import Pruning
from txray_lib.transfer import AVOIDED, GAINED

BEFORE_CLASSIFIER = "before the classifier"
OUT_OF_ENCODER = "out of the encoder"
SIZE, VARIANCE = "size", "variance"
TOLERANCE = 0.05
"""How far the variance of a random set may be from that of the set that it stands beside."""
_RESAMPLES = 200

Sets = dict[Any, np.ndarray]
"""The neurons of each set, (neurons,), by its letter; of several layers by layer and letter."""
RandomSets = dict[Any, dict[str, list[np.ndarray]]]
"""Beside each set, by what they have in common with it, the random ones."""
Cut = tuple[str, str, np.ndarray, int, Callable[[Sequence[np.ndarray]], np.ndarray]]
"""A way of cutting, the split that is scored, its labels, how many random sets stand beside each, and what gives ŷ (texts, sets)."""


def pruning_sets(transfer: pd.DataFrame, size: int) -> Sets:
    """The sets A–D from the transfer of zero-shot to supervised (§3.3.2).

    A are the neurons that nothing prefers after supervision; since some of them may never have been preferred (I2),
    "A-strict" are the avoided ones alone. B are the `size` least and C the `size` most preferred after supervision, taken
    among the preferred neurons (I5), ties to the lowest neuron; D are the gained ones. Raises TxrayError for other rows
    than those of one layer.
    """
    require_number(size, "the size of a set", 0)
    if not np.array_equal(transfer["neuron"], np.arange(len(transfer))):
        raise TxrayError("the transfer has not a row for each neuron of one layer, in their order: give all its rows")
    after, state = transfer["mass_after"].to_numpy(), transfer["state"].to_numpy()
    preferred = transfer["length_after"].to_numpy() > 0
    rising, falling = (
        np.flatnonzero(preferred)[np.argsort(sign * after[preferred], kind="stable")] for sign in (1, -1)
    )
    return {
        "A": np.flatnonzero(~preferred),
        "A-strict": np.flatnonzero(state == AVOIDED),
        "B": np.sort(rising[:size]),
        "C": np.sort(falling[:size]),
        "D": np.flatnonzero(state == GAINED),
    }


@torch.no_grad()
def predict_pruned(classifier: Classifier, hidden: Tensor, sets: Sequence[np.ndarray]) -> np.ndarray:
    """ŷ (texts, sets) from last hidden states (texts, units) in which each set's neurons are 0.

    This is what the released code does (C21). A state of 0 and a classifier's weight of 0 are the same to ŷ, so one
    matrix product serves all sets.
    """
    weights = classifier.output.weight.detach().cpu().repeat(len(sets), 1)
    for row, neurons in zip(weights, sets, strict=True):
        row[number_neurons(neurons, len(row))] = 0
    return torch.sigmoid(hidden @ weights.T + classifier.output.bias.detach().cpu()).numpy()


def predict_without(
    classifier: Classifier, texts: Texts, device: str, precision: str, sets: Sequence[np.ndarray]
) -> np.ndarray:
    """ŷ (texts, sets) of a classifier out of whose encoder each set's neurons, numbered through its layers, are cut."""
    encoder, predictions = classifier.encoder, []
    for neurons in sets:
        chosen = number_neurons(neurons, encoder.units * len(encoder.layers)).numpy()
        at, neuron = np.divmod(chosen, encoder.units)
        with encoder.without({encoder.layers[i]: neuron[at == i] for i in np.unique(at)}):
            states = last_hidden_states(classifier, texts, device, precision=precision)
            predictions.append(predict(classifier, states))
    return np.stack(predictions, axis=1)


def pruning_tables(
    classifier: Classifier,
    transfer: pd.DataFrame,
    texts: dict[str, Texts],
    hidden: dict[str, Tensor],
    settings: Pruning,
    seed: int,
    device: str = "cpu",
    precision: str = "float32",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tab. 2 in both ways, a row for each set, way and split, and what each random set beside it does.

    Before the classifier all `texts` are scored, from their last `hidden` states; out of the encoder a label-balanced
    sample of `settings.reviews` of each split. Columns: set, neurons, f1_base, f1, change (F1's, relative; missing where the
    base is 0), random_low, random_high (2.5 and 97.5 % of the changes by random sets of equal size), sampling_error, way, split,
    reviews, mass_share.

    Random sets are of equal size, and beside that of equal variance of the last hidden state over the training reviews
    (the first of `hidden`) where such sets exist. Columns of the second table: set, neurons, match ("size" or "variance"),
    draw, change, way, split.
    """
    sets, mass = pruning_sets(transfer, settings.set_size), transfer["mass_after"].to_numpy()
    variance = next(iter(hidden.values())).var(dim=0, correction=0).double().numpy()
    most = max(settings.random_sets, settings.recurrent_random_sets)
    random = {
        name: {
            SIZE: draw_equal_size(neurons, len(mass), most, seed),
            VARIANCE: draw_equal_variance(variance, neurons, most, seed),
        }
        for name, neurons in sets.items()
    }
    cuts: list[Cut] = []
    for split, part in texts.items():
        sample = part.take(balanced_sample(part.labels, settings.reviews, seed))
        cut_classifier = partial(predict_pruned, classifier, hidden[split])
        cut_encoder = partial(predict_without, classifier, sample, device, precision)
        cuts.append((BEFORE_CLASSIFIER, split, part.labels, settings.random_sets, cut_classifier))
        cuts.append((OUT_OF_ENCODER, split, sample.labels, settings.recurrent_random_sets, cut_encoder))
    return _cut_each_way(sets, random, mass, cuts, seed)


def _cut_each_way(
    sets: Sets, random: RandomSets, mass: np.ndarray, cuts: list[Cut], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables of `pruning_tables`; `mass` is that of each neuron after supervision."""
    made = [_cut(sets, random, cut, seed) for cut in cuts]
    table, drawn = (pd.concat(parts, ignore_index=True) for parts in zip(*made, strict=True))
    table["mass_share"] = [mass[sets[key]].sum() / mass.sum() if mass.sum() else np.nan for key in table["set"]]
    return table, drawn


def _cut(sets: Sets, random: RandomSets, cut: Cut, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """F1 without each set, and without random sets beside it: those that two sets have in common are read once."""
    way, split, labels, count, predict_cut = cut
    base = predict_cut([np.empty(0, np.int64)])[:, 0]
    f1_base = score(base, labels).f1
    rows, drawn, known = [], [], dict[bytes, list[float]]()
    for name, neurons in sets.items():
        low = high = np.nan
        for match, alike in random[name].items():
            if not (drawn_sets := alike[:count]):
                continue
            if (key := np.concatenate(drawn_sets).tobytes()) not in known:
                known[key] = [relative_change(score(y, labels).f1, f1_base) for y in predict_cut(drawn_sets).T]
            drawn += [(name, len(neurons), match, draw, change) for draw, change in enumerate(known[key])]
            if match == SIZE:
                low, high = np.quantile(known[key], [0.025, 0.975])
        pruned = predict_cut([neurons])[:, 0]
        f1, error = score(pruned, labels).f1, sampling_error(base, pruned, labels, seed)
        rows.append((name, len(neurons), f1_base, f1, relative_change(f1, f1_base), low, high, error))
    columns = ["set", "neurons", "f1_base", "f1", "change", "random_low", "random_high", "sampling_error"]
    table = pd.DataFrame(rows, columns=columns).assign(way=way, split=split, reviews=len(labels))
    chance = pd.DataFrame(drawn, columns=["set", "neurons", "match", "draw", "change"])
    return table, chance.assign(way=way, split=split)


def relative_change(f1: float, base: float) -> float:
    """From 80 to 77 is −3.75 % (§3.3.2); missing where the base is 0."""
    return (f1 - base) / base if base else np.nan


def sampling_error(base: np.ndarray, pruned: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Standard error of the relative change of F1 that follows from which reviews were read.

    From ŷ before and after pruning, (reviews,), by a bootstrap over reviews within each label.
    """
    random, true = np.random.default_rng([seed, len(labels)]), labels == 1
    weights = np.empty((_RESAMPLES, len(labels)), np.float32)
    for label in (False, True):
        if of_label := int((true == label).sum()):
            weights[:, true == label] = random.multinomial(of_label, np.full(of_label, 1 / of_label), _RESAMPLES)
    before, after = (
        2 * (weights @ (called & true)) / np.maximum(weights @ called + true.sum(), 1)
        for called in (base > 0.5, pruned > 0.5)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = (after - before) / before
    return float(np.std(changes, ddof=1)) if np.isfinite(changes).all() else np.nan


def draw_equal_size(neurons: np.ndarray, units: int, count: int, seed: int) -> list[np.ndarray]:
    """Random sets of the same size; none beside no neuron or all. Equal sizes give equal sets: B and C have the same ones."""
    size = len(neurons)
    if not 0 < size < units:
        return []
    random = np.random.default_rng([seed, size])
    return [random.choice(units, size, replace=False) for _ in range(count)]


def draw_equal_variance(variance: np.ndarray, neurons: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Random sets of the same size whose `variance` (units,) sums to within `TOLERANCE` of that of `neurons`.

    A random set exchanges neurons at random, each time for one that brings it nearer. It counts as found where it is not
    mostly the given set over again: its overlap may be no more than halfway between chance's and all. None where too few
    are found.
    """
    size, units = len(neurons), len(variance)
    if not 0 < size < units:
        return []
    random = np.random.default_rng([seed, size, *np.sort(neurons)])
    goal, most_alike = variance[neurons].sum(), (1 + size / units) / 2
    found: list[np.ndarray] = []
    for attempt in range(3 * count):
        drawn = _exchange(goal, variance, random.permutation(units), size, random)
        if drawn is not None and len(np.intersect1d(drawn, neurons)) <= most_alike * size:
            found.append(drawn)
        if len(found) == count or (attempt >= 20 and not found):
            break
    return found if len(found) == count else []


def _exchange(
    goal: float, variance: np.ndarray, order: np.ndarray, size: int, random: np.random.Generator
) -> np.ndarray | None:
    """The first `size` neurons of `order`, exchanged until their variance sums to the goal; None where that fails."""
    inside, outside = order[:size].copy(), order[size:].copy()
    missing = goal - variance[inside].sum()
    near = TOLERANCE * goal + 1e-9 * variance.sum()
    for _ in range(200 + 20 * size):
        if abs(missing) <= near:
            return inside
        leaving = random.integers(size)
        left = missing - (variance[outside] - variance[inside[leaving]])
        nearer = np.flatnonzero(np.abs(left) < abs(missing))
        if len(nearer):
            entering = random.choice(nearer)
            missing = left[entering]
            inside[leaving], outside[entering] = outside[entering], inside[leaving]
    return None


def layer_pruning_tables(
    classifier: Classifier,
    transfer: pd.DataFrame,
    texts: dict[str, Texts],
    settings: Pruning,
    seed: int,
    device: str = "cpu",
    precision: str = "float32",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tab. 2 for an encoder that is read in layers: the sets of all layers at once, silenced in it; D of each layer too.

    The tables of `pruning_tables` with a column `layer`, −1 for all layers at once, in one way, on a label-balanced sample of
    `settings.reviews` of each split. `settings.recurrent_random_sets` random sets have as many neurons in the same layers.
    """
    layers, units = classifier.encoder.layers, classifier.encoder.units
    by_layer = [pruning_sets(transfer[transfer["layer"] == layer], settings.set_size) for layer in layers]
    names, starts = by_layer[0], units * np.arange(len(layers))
    sets = {
        (-1, name): np.concatenate([s + own[name] for s, own in zip(starts, by_layer, strict=True)]) for name in names
    }
    sets |= {(layer, "D"): s + own["D"] for layer, s, own in zip(layers, starts, by_layer, strict=True)}
    count, mass = settings.recurrent_random_sets, transfer["mass_after"].to_numpy()
    random = {key: {SIZE: draw_in_layers(neurons, units, count, seed)} for key, neurons in sets.items()}
    cuts: list[Cut] = []
    for split, part in texts.items():
        sample = part.take(balanced_sample(part.labels, settings.reviews, seed))
        predict_cut = partial(predict_without, classifier, sample, device, precision)
        cuts.append((OUT_OF_ENCODER, split, sample.labels, count, predict_cut))
    tables = _cut_each_way(sets, random, mass, cuts, seed)
    for table in tables:
        table["layer"], table["set"] = table["set"].str[0].astype(np.int8), table["set"].str[1]
    return tables


def draw_in_layers(neurons: np.ndarray, units: int, count: int, seed: int) -> list[np.ndarray]:
    """Random sets of as many neurons in each layer; none beside no neuron. Equal sizes give equal sets."""
    if not len(neurons):
        return []
    layers, sizes = np.unique(neurons // units, return_counts=True)
    random = np.random.default_rng([seed, *layers, *sizes])
    own = list(zip(layers, sizes, strict=True))
    return [
        np.concatenate([at * units + random.choice(units, size, replace=False) for at, size in own])
        for _ in range(count)
    ]
