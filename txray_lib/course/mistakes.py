"""The usual ways to get a distribution, a distance, states or a p wrong, each with its hint. May touch: reading, transfer.

Every function takes what the right answer is computed from and gives, for each hint, the value that mistake leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED, STATES

SUMS = ["count", "activation_sum"]


def distribution(rows: pd.DataFrame) -> pd.Series:
    """P_n of one neuron's rows of preferences (§2.1), by feature."""
    sums = _sums(rows)
    mean = sums["activation_sum"] / sums["count"]
    return mean / mean.sum()


def of_distribution(rows: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    """Wrong distributions of one neuron's rows; `others` are rows that may have been taken for them, by hint."""
    sums, single = _sums(rows), rows["activation_sum"] / rows["count"]
    names = rows["feature"].astype(str).to_numpy()
    mean = sums["activation_sum"] / sums["count"]
    by_row = single.groupby(names)
    made = {
        "These are the mean activations themselves. They do not sum to 1 yet: by what do you have to divide them?": mean,
        "It sums to 1, but a feature that occurred often weighs more for it. You normalised activation sums; the "
        "distribution is made of mean activations.": _normal(sums["activation_sum"]),
        "It sums to 1, but the activations play no part in it: these are shares of tokens.": _normal(sums["count"]),
        "The means are right. You divided them by the neuron's mass, the sum of its activations, in place of the sum of "
        "the means; so they do not sum to 1.": mean / sums["activation_sum"].sum(),
        "Some features stand in more than one row (another tag, another label). The mean of the rows' means is not "
        "the feature's mean: add up both columns first, then divide.": _normal(by_row.mean()),
        "Some features stand in more than one row (another tag, another label), and you added the rows' means: add up "
        "both columns first, then divide.": _normal(by_row.sum()),
        "These are shares in percent: a probability distribution sums to 1.": 100 * _normal(mean),
        "Each feature got the same probability, whatever its activation.": _normal(mean * 0 + 1),
    }
    return made | {hint: distribution(other) for hint, other in others.items() if len(other)}


def hellinger(p: pd.Series, q: pd.Series) -> float:
    """The distance of two distributions by feature (§2.2)."""
    a, b = p.align(q, fill_value=0.0)
    return float(np.sqrt(np.square(np.sqrt(a) - np.sqrt(b)).sum() / 2))


def of_hellinger(p: pd.Series, q: pd.Series) -> dict[str, float]:
    """Wrong distances of two distributions."""
    a, b = p.align(q, fill_value=0.0)
    roots = np.square(np.sqrt(a) - np.sqrt(b)).sum()
    plain = np.square(a - b).sum()
    inner = p.index.intersection(q.index)
    common = np.square(np.sqrt(p[inner]) - np.sqrt(q[inner])).sum()
    return {
        "Look at the factor in front: two distributions without a common feature would be further apart than 1.": np.sqrt(
            roots
        ),
        "A factor is where it does not belong: is it the sum that is halved, or the root of the sum?": np.sqrt(roots)
        / 2,
        "This is the square of the distance: the outer root is missing.": roots / 2,
        "This is the sum of squares, with neither the outer root nor the factor.": roots,
        "The probabilities themselves are subtracted here. Which function belongs around each of them first?": np.sqrt(
            plain / 2
        ),
        "The probabilities themselves are subtracted here, and a factor is missing too.": np.sqrt(plain),
        "Only features that both sides have were counted. What is the probability of a feature that a side lacks?": np.sqrt(
            common / 2
        ),
        "Only features that both sides have were counted, and a factor is missing too.": np.sqrt(common),
        "This is half the sum of absolute differences, the total variation: another distance.": np.abs(a - b).sum() / 2,
        "This says how alike they are, not how far apart.": np.sqrt(a * b).sum(),
        "This is 1 minus the distance: 0 should mean the same.": 1 - np.sqrt(roots / 2),
    }


def states(before: pd.Series, after: pd.Series) -> dict[str, int]:
    """How many neurons are in each preference state, from their lengths on both sides."""
    has, gets = before.to_numpy() > 0, after.to_numpy() > 0
    counts = (has & gets).sum(), (has & ~gets).sum(), (~has & gets).sum(), (~has & ~gets).sum()
    return dict(zip(STATES, map(int, counts), strict=True))


def of_states(before: pd.Series, after: pd.Series) -> dict[str, pd.Series]:
    """Wrong counts of preference states."""
    right = states(before, after)
    swapped = {**right, AVOIDED: right[GAINED], GAINED: right[AVOIDED]}
    one, many = before.to_numpy() > 1, after.to_numpy() > 1
    strict = states(pd.Series(one.astype(int)), pd.Series(many.astype(int)))
    grown = {**right, AVOIDED: int((after < before).sum()), GAINED: int((after > before).sum())}
    hidden = {**right, SHARED: right[SHARED] + right[NEVER], NEVER: 0}
    either = {**right, SHARED: right[SHARED] + right[AVOIDED] + right[GAINED]}
    sides = {**right, AVOIDED: right[AVOIDED] + right[NEVER], GAINED: right[GAINED] + right[NEVER]}
    return {
        "Avoided and gained have changed places: which of them prefers something *after*?": pd.Series(swapped),
        "A neuron that prefers a single feature prefers something: where do you draw the line?": pd.Series(strict),
        "That a neuron's length falls or grows does not make it avoided or gained.": pd.Series(grown),
        "Neurons that prefer nothing on either side are counted as shared: equal is not the same as shared.": pd.Series(
            hidden
        ),
        "Some neurons are counted twice: shared needs both sides.": pd.Series(either),
        "Some neurons are counted twice: avoided and gained each ask something of *both* sides.": pd.Series(sides),
    }


def tail(observed: float, chance: np.ndarray) -> float:
    """The p of a fall as deep as observed among chance's: one more than reached it, over one more than were drawn."""
    return (1 + int((chance <= observed).sum())) / (1 + len(chance))


def of_tail(observed: float, chance: np.ndarray) -> dict[str, float | Callable[[], float]]:
    """Wrong p of a fall."""
    reached, drawn = int((chance <= observed).sum()), len(chance)
    above = int((chance >= observed).sum())
    farther = int((np.abs(chance) >= abs(observed)).sum())
    return {
        "The set that was observed is one of the sets that could have been drawn: it counts too, above and below the "
        "line. Otherwise a p could be 0, which no finite number of draws can show.": reached / drawn,
        "Above the line the observed set is counted, below it not.": (1 + reached) / drawn,
        "Below the line the observed set is counted, above it not.": reached / (1 + drawn),
        "This counts random sets that did *less* harm. What would speak against the paper?": (1 + above) / (1 + drawn),
        "This counts random sets that did *less* harm, and leaves out the observed one.": above / drawn,
        "Changes in either direction are counted here. The question is about harm.": (1 + farther) / (1 + drawn),
        "Changes in either direction are counted here, and the observed set is left out.": farther / drawn,
        "This is how many sets reached it, not their share.": float(reached),
        "This is a percentile, in percent.": 100 * reached / drawn,
    }


def _sums(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.groupby(rows["feature"].astype(str).to_numpy())[SUMS].sum()


def _normal(values: pd.Series) -> pd.Series:
    return values / values.sum()
