"""The comparison of two stages, a row a neuron (§2.2), by the paper's formulas, its released code's, or other measures.

May touch: errors, preferences.

Columns: comparison, before, after (names of stages), layer, neuron, state,
 length_before, length_after, tag_length_*, count_*, mass_*, union (features of both sides together), hellinger, hellinger_tag.

 hellinger       the paper's (§2.2): of mean activations per feature, so a feature seen once weighs as much as one seen
                 a thousand times
 mass_hellinger  the same formula of activation sums: a feature weighs what it contributed to the neuron
 jensen_shannon  the square root of the Jensen-Shannon divergence (base 2) of the paper's P: a metric, 1 if disjoint
 ochiai          1 − |A∩B| / √(|A||B|) of the features preferred, whatever their activations
 rarefied        the length to be expected of as many tokens as the side with fewer has: a length without the amount of
                 text in it

Every distance lies in [0, 1], is symmetric, and is missing where a side is empty (law 5).
"""

from dataclasses import dataclass, fields
from operator import attrgetter

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammaln, rel_entr

from txray_lib.errors import require_choice
from txray_lib.preferences import (
    CHOICES,
    PAPER,
    PREFERENCES,
    RECORDS,
    aggregate,
    check_sides,
    neurons,
    pair_layers,
)

SHARED, AVOIDED, GAINED, NEVER = STATES = ("shared", "avoided", "gained", "never preferred")
_SIZES = ["length", "tag_length", "count", "mass"]


@dataclass(frozen=True)
class Definitions:
    """Three formulas, each the paper's or the released code's.

    distance     "paper": the Hellinger distance (§2.2); "released": divided by the size of the union of features (C1)
    probability  "paper": a feature's mean activation over the sum of the means (§2.1), which sums to 1; "released": over
                 the sum of all activations of the neuron, which does not (C2)
    length       "paper": the features a neuron prefers (§2.2); "released": those of both stages together (C3)

    Raises TxrayError for another value.
    """

    distance: str = PAPER
    probability: str = PAPER
    length: str = PAPER

    def __post_init__(self) -> None:
        for field in fields(self):
            require_choice(getattr(self, field.name), f"definition {field.name} =", CHOICES)

    def __str__(self) -> str:
        changed = [field.name for field in fields(self) if getattr(self, field.name) != PAPER]
        return "the paper's definitions" if not changed else f"the released code's {' and '.join(changed)}"


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    units: int,
    names: tuple[str, str] = ("before", "after"),
    definitions: Definitions | None = None,
) -> pd.DataFrame:
    """The transfer between two stages' preferences, a row for each of the `units` neurons of each layer; `names` are theirs.

    A neuron is compared with itself, in its layer. Distances are missing, never 0 or 1, where a side is empty ("ill-defined",
    §2.2). `definitions` are the paper's unless others are given; they change distances, never lengths or states. Raises
    TxrayError for anything but preferences, a neuron that is not the encoder's, and for sides of other layers.
    """
    definitions = definitions or Definitions()
    check_sides(before, after, PREFERENCES, units)
    tables = []
    for layer, *sides in pair_layers(before, after):
        named = {"comparison": ":".join(names), "before": names[0], "after": names[1], "layer": np.int8(layer)}
        table = pd.DataFrame({**named, "neuron": np.arange(units, dtype=np.int32)})
        for name, side in zip(("before", "after"), sides, strict=True):
            sizes = neurons(side).set_index("neuron")[_SIZES].reindex(table["neuron"], fill_value=0)
            for size in _SIZES:
                table[f"{size}_{name}"] = sizes[size].to_numpy(dtype=np.float64 if size == "mass" else np.int64)
        states = preference_states(table["length_before"].to_numpy(), table["length_after"].to_numpy())
        table.insert(5, "state", states)
        for by, column in (("feature", "hellinger"), ("tag", "hellinger_tag")):
            *both, _, owner = sides_of(*sides, units, by)
            if by == "feature":
                table["union"] = np.diff(owner.indptr).astype(np.int64)
            table[column] = _distance(*both, owner, definitions)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def preference_states(length_before: np.ndarray, length_after: np.ndarray) -> np.ndarray:
    """shared, avoided, gained or never preferred, from the lengths on both sides, shape (neurons,) (§2.2)."""
    preferred_before, preferred_after = length_before > 0, length_after > 0
    return np.select(
        [preferred_before & preferred_after, preferred_before, preferred_after],
        [SHARED, AVOIDED, GAINED],
        default=NEVER,
    )


@dataclass(frozen=True)
class Side:
    """One side of a comparison, or k versions of it: counts and activation sums of cells, each (cells, k).

    A cell is a (neuron, feature) that either side has; where its count is 0 its sum is exactly 0.
    """

    counts: np.ndarray
    sums: np.ndarray


def between(measure: str, before: Side, after: Side, owner: sparse.csr_array) -> np.ndarray:
    """The distance of every neuron's two sides, (neurons, k), in [0, 1]; NaN where a side is empty.

    measure  one of `MEASURES`
    owner    (neurons, cells), 1 where the cell is the neuron's, as `owners` gives it
    """
    weights, distance = MEASURES[measure]
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (normalised(weights(side), owner) for side in (before, after))
        found = distance(p, q, owner)
    return np.where(np.diff(owner.indptr)[:, None] > 0, np.clip(found, 0.0, 1.0), np.nan)


def normalised(weights: np.ndarray, owner: sparse.csr_array, summed: np.ndarray | None = None) -> np.ndarray:
    """Weights of cells, (cells, k), over their neuron's sum, or that of what is `summed`; NaN where that is 0."""
    return weights / np.repeat(owner @ (weights if summed is None else summed), np.diff(owner.indptr), axis=0)


def _distance(before: Side, after: Side, owner: sparse.csr_array, definitions: Definitions) -> np.ndarray:
    """The Hellinger distance of every neuron's two sides by some definitions, (neurons,); NaN where a side is empty."""
    sizes, is_papers = np.diff(owner.indptr), definitions.probability == PAPER
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (normalised(_means(side), owner, None if is_papers else side.sums) for side in (before, after))
        found = np.where(sizes > 0, np.minimum(_hellinger(p, q, owner)[:, 0], 1.0), np.nan)
    return found if definitions.distance == PAPER else found / np.maximum(sizes, 1)


def measured(before: pd.DataFrame, after: pd.DataFrame, units: int) -> pd.DataFrame:
    """All measures between two stages' preferences, a row a neuron of each layer.

    Columns: layer, neuron, hellinger (that of `transfer.compare`), mass_hellinger, jensen_shannon, ochiai,
    rarefied_before, rarefied_after (features; missing where a side is empty). Raises TxrayError as `compare` does.
    """
    table, others = compare(before, after, units)[["layer", "neuron", "hellinger"]], []
    for _, *of_layer in pair_layers(before, after):
        *sides, _, owner = sides_of(*of_layer, units)
        its = {measure: between(measure, *sides, owner)[:, 0] for measure in MEASURES if measure != "hellinger"}
        draws = np.minimum(*((owner @ side.counts)[:, 0] for side in sides))
        its |= {f"rarefied_{n}": _rarefied(s, draws, owner) for n, s in zip(("before", "after"), sides, strict=True)}
        others.append(pd.DataFrame(its))
    return table.join(pd.concat(others, ignore_index=True))


def vocabulary_shift(before: pd.DataFrame, after: pd.DataFrame, units: int) -> pd.DataFrame:
    """What of the Hellinger distance words of one text alone make (RQ2), from two stages' records.

    Columns: layer, neuron, hellinger_common (between P before and after, both over the features that occur in both texts,
    whoever they excite, and normalised there anew; missing where a side has none), hellinger_vocabulary (the smallest distance
    that words of one text alone leave possible; missing where a side is empty). Affinities multiply:
    1 − H² = (1 − H²_vocabulary)(1 − H²_common), where H²_vocabulary = 1 − √(ab) for the shares a and b of P before and after
    that lie on common features. It is no measure of a shift by itself: two samples of one corpus have such words too.
    """
    check_sides(before, after, RECORDS, units)
    tables = []
    for layer, *texts in pair_layers(before, after):
        common = set(texts[0]["feature"].unique()) & set(texts[1]["feature"].unique())
        *sides, cells, owner = sides_of(*map(aggregate, texts), units)
        is_common = cells.get_level_values("feature").isin(common)
        kept = [Side(side.counts[is_common], side.sums[is_common]) for side in sides]
        kept_owner = owners(cells.get_level_values("neuron").to_numpy(np.int64)[is_common], units)
        with np.errstate(invalid="ignore", divide="ignore"):
            p, q = (normalised(_means(side), owner) for side in sides)
            a, b = (np.minimum((owner @ (side * is_common[:, None]))[:, 0], 1.0) for side in (p, q))
            difference = np.sqrt([a, 1 - a, 0 * a]) - np.sqrt([b, 0 * b, 1 - b])
        alone = np.clip(np.sqrt(0.5 * np.square(difference).sum(axis=0)), 0.0, 1.0)
        table = pd.DataFrame({"layer": np.int8(layer), "neuron": np.arange(units, dtype=np.int32)})
        table["hellinger_common"] = between("hellinger", *kept, kept_owner)[:, 0]
        table["hellinger_vocabulary"] = np.where(np.diff(owner.indptr) > 0, alone, np.nan)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def sides_of(
    before: pd.DataFrame, after: pd.DataFrame, units: int, by: str = "feature"
) -> tuple[Side, Side, pd.MultiIndex, sparse.csr_array]:
    """Two stages' preferences of a layer on the cells of either: sides (k = 1), (neuron, feature) of each cell, whose it is.

    `by` "tag" makes tags the features.
    """
    keys = ["neuron", by]
    summed = [
        side.astype({by: object}).groupby(keys, observed=True)[["count", "activation_sum"]].sum()
        for side in (before, after)
    ]
    cells = summed[0].index.union(summed[1].index)
    aligned = [side.reindex(cells, fill_value=0).to_numpy(np.float64) for side in summed]
    first, second = (Side(side[:, :1], side[:, 1:]) for side in aligned)
    return first, second, cells, owners(cells.get_level_values("neuron").to_numpy(np.int64), units)


def owners(neuron: np.ndarray, units: int) -> sparse.csr_array:
    """Whose each cell is, (units, cells), from the sorted neuron of each cell, (cells,)."""
    starts = np.searchsorted(neuron, np.arange(units + 1))
    return sparse.csr_array((np.ones(len(neuron)), np.arange(len(neuron)), starts), shape=(units, len(neuron)))


def _squared(p: np.ndarray, q: np.ndarray, owner: sparse.csr_array) -> np.ndarray:
    """1 − Σ √(pq), as the sum of squares that is exactly 0 where p = q."""
    difference = np.sqrt(p)
    difference -= np.sqrt(q)
    np.square(difference, out=difference)
    return 0.5 * (owner @ difference)


def _hellinger(p: np.ndarray, q: np.ndarray, owner: sparse.csr_array) -> np.ndarray:
    return np.sqrt(_squared(p, q, owner))


def _jensen_shannon(p: np.ndarray, q: np.ndarray, owner: sparse.csr_array) -> np.ndarray:
    middle = (p + q) / 2
    divergence = owner @ (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return np.sqrt(np.maximum(divergence, 0.0))


def _means(side: Side) -> np.ndarray:
    return side.sums / np.maximum(side.counts, 1)


def _presence(side: Side) -> np.ndarray:
    return (side.counts > 0).astype(np.float64)


def _rarefied(side: Side, draws: np.ndarray, owner: sparse.csr_array) -> np.ndarray:
    """The length to be expected of `draws` tokens of each neuron, (neurons,), drawn without replacement (hypergeometric); NaN
    where that is none. A feature is in none of the draws with probability C(total − count, draws) / C(total, draws)."""
    sizes, count = np.diff(owner.indptr), side.counts[:, 0]
    total, drawn = (np.repeat(each, sizes) for each in (owner @ count, draws))
    left = total - count - drawn
    log_none = gammaln(total - count + 1) + gammaln(total - drawn + 1) - gammaln(np.maximum(left, 0) + 1)
    none = np.exp(np.minimum(log_none - gammaln(total + 1), 0.0))
    length = owner @ np.where(count == 0, 0.0, np.where(left < 0, 1.0, 1 - none))
    return np.where(draws > 0, length, np.nan)


MEASURES = {
    "hellinger": (_means, _hellinger),
    "mass_hellinger": (attrgetter("sums"), _hellinger),
    "jensen_shannon": (_means, _jensen_shannon),
    "ochiai": (_presence, _squared),
}
"""What nulls and planted encoders are measured with; `compare` takes the first formula.

By name: the weights of a side's cells, (cells, k), and the distance, (neurons, k), of both sides' weights p and q once they are
normalised for each neuron; `owner` says whose each cell is. Ochiai's is the squared Hellinger distance of uniform distributions."""
