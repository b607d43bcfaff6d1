"""The checks of the lab, on one run's tables. May touch: course, errors, transfer.

What is right is computed here from the tables, so that the notebook does not hold it, and on other tables it is another.
"""

import html
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from IPython.display import HTML

from txray_lib.course import Hint, called, check, expect, number, numbers, reject, same, series
from txray_lib.errors import TxrayError
from txray_lib.transfer import SHARED, STATES

MENUS: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(Path(__file__).with_name("menus.yaml").read_text("utf-8"))
SUMS = ["count", "activation_sum"]
DRAWS, LEAST_DRAWS, SEED = 400, 100, 7


def menu(name: str) -> HTML:
    """A menu as a list with letters."""
    lines = "".join(f"<li>{html.escape(option['text'])}</li>" for option in MENUS[name].values())
    return HTML(f'<ol class="txray-menu" type="a">{lines}</ol>')


def distribution(rows: pd.DataFrame) -> pd.Series:
    """P_n of one neuron's rows of preferences (§2.1), by feature."""
    sums = rows.groupby("feature")[SUMS].sum()
    mean = sums["activation_sum"] / sums["count"]
    return mean / mean.sum()


class LabChecks:
    """Checks of the answers, about the step from zero-shot to supervised (RQ3).

    transfer       the comparison of both stages, a row for each neuron
    before, after  what the stages prefer
    neuron         the neuron that is worked with
    min_length     features, the mean of both sides, that a neuron of the first exercise has at least

    Raises TxrayError where the neuron prefers nothing before.
    """

    def __init__(
        self, transfer: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, neuron: int, min_length: int = 20
    ) -> None:
        self.transfer, self.neuron, self.min_length = transfer, neuron, min_length
        self.before, self.after = (side.astype({"feature": str}) for side in (before, after))
        self.rows, self.rows_after = (side[side["neuron"] == neuron] for side in (self.before, self.after))
        if self.rows.empty:
            raise TxrayError(f"the neuron {neuron} prefers nothing before supervision: take one that the figure shows")

    @check("the number of a neuron, such as 12,")
    def furthest(self, answer: Any) -> str:
        """Exercise 1: which of the long neurons moved furthest."""
        shown = self.transfer[self.transfer["state"] == SHARED].set_index("neuron")
        neuron, length = number(answer), shown[["length_before", "length_after"]].mean(axis=1)
        moved = shown.loc[length >= self.min_length, "hellinger"]
        expect(neuron in shown.index, "No point has this number. Is it a distance, or a neuron that has none?")
        expect(neuron in moved, "This neuron is too short: which axis is length, and where does the question begin?")
        if moved[neuron] == moved.max():
            return "No point to the right of the bound lies higher."
        expect(moved[neuron] > moved.min(), "This is the one that moved least. Which axis is distance?")
        raise Hint("There are points above this one, to the right of the bound. Which axis is distance?")

    @check("a Series of probabilities by feature")
    def distribution(self, answer: Any) -> str:
        """Exercise 2: P_n of the neuron before."""
        p, right = series(answer), distribution(self.rows)
        if same(p, right):
            return f"{len(p)} features of probability 1 together. A mean forgets how often a feature was seen."
        features = self.rows.groupby("feature")
        count, total = features["count"].sum(), features["activation_sum"].sum()
        mean, each_row = total / count, self.rows["activation_sum"] / self.rows["count"]
        of_rows = each_row.groupby(self.rows["feature"]).mean()
        mistakes = {
            "These are the means themselves, and do not sum to 1. By what do you have to divide them?": mean,
            "You divided the means by the sum of activations, not by the sum of means.": mean / total.sum(),
            "A feature that occurred often weighs more here: sums are normalised, not means.": total / total.sum(),
            "The activations play no part in it: these are shares of tokens.": count / count.sum(),
            "Some features stand in several rows: add these up first, then divide.": of_rows / of_rows.sum(),
            "This is the neuron after supervision. The question is about before.": distribution(self.rows_after),
            "This is the whole stage: keep the rows of the one neuron first.": distribution(self.before),
        }
        reject(p, mistakes)
        expect(set(p.index) == set(right.index), "Its features are not those of the neuron: is every row in it, once?")
        expect(same(p.sum(), 1), f"It sums to {p.sum():.3g}, and a distribution sums to 1.")
        raise Hint("It sums to 1, and the features are the right ones, but not their probabilities. Take one by hand.")

    @check("a function of two distributions that gives a number")
    def hellinger(self, function: Any) -> str:
        """Exercise 3: the distance, on pairs whose distance is known."""
        p = pd.Series({"river": 0.5, "film": 0.3, "plot": 0.2})
        q = pd.Series({"actor": 0.1, "plot": 0.6, "film": 0.3})
        got, (a, b) = number(called(function, p.copy(), q.copy())), p.align(q, fill_value=0.0)
        inner = p.index.intersection(q.index)
        roots, common = (np.square(np.sqrt(x) - np.sqrt(y)).sum() for x, y in ((a, b), (p[inner], q[inner])))
        mistakes = {
            "Look at the factor in front: sides without a common feature would be further apart than 1.": roots**0.5,
            "A factor is where it does not belong: is it the sum that is halved, or its root?": roots**0.5 / 2,
            "This is the square of the distance: the outer root is missing.": roots / 2,
            "This is the sum of squares, with neither the outer root nor the factor.": roots,
            "Probabilities are subtracted. Which function belongs around each?": np.sqrt(np.square(a - b).sum() / 2),
            "Only features of both sides were counted. What is p of one that a side lacks?": np.sqrt(common / 2),
            "This is half the sum of absolute differences, another distance.": np.abs(a - b).sum() / 2,
        }
        reject(got, mistakes)
        right = np.sqrt(roots / 2)
        for one, other, distance in ((p, p, 0), (p, pd.Series({"seen": 1.0}), 1), (q, p, right), (p, q, right)):
            gives = number(called(function, one.copy(), other.copy()))
            hint = f"It is {gives:.3g} for {one.to_dict()} and {other.to_dict()}. Work it out by hand."
            expect(same(gives, distance), hint)
        return "It is 0 for equal sides, 1 for sides without a common feature, and the same both ways."

    @check("a dictionary of the four states and their numbers of neurons")
    def states(self, answer: Any) -> str:
        """Exercise 4: preference states counted."""
        counts = series(answer)
        for name in counts.index:
            expect(name in STATES, f"There is no state {name!r}. The states are {', '.join(STATES)}.")
        counts = counts.reindex(STATES, fill_value=0)
        right = self.transfer["state"].value_counts().reindex(STATES, fill_value=0)
        if same(counts, right):
            return "Each neuron is in one state. To be avoided is never to be first, not to be silent."
        before, after = self.transfer["length_before"], self.transfer["length_after"]
        shared, avoided, gained, never = right
        swapped = [shared, gained, avoided, never]
        moved = [shared, (after < before).sum(), (after > before).sum(), never]
        mistakes = {
            "Avoided and gained have changed places: which prefers something *after*?": swapped,
            "That a neuron's length falls or grows does not make it avoided or gained.": moved,
            "Neurons that prefer nothing on either side are counted as shared.": [shared + never, avoided, gained, 0],
        }
        reject(counts.to_numpy(), mistakes)
        sums = f"They sum to {counts.sum():g}, and the encoder has {len(self.transfer)} neurons"
        expect(counts.sum() <= right.sum(), f"{sums}: some are counted twice. A state asks something of *both* sides.")
        expect(counts.sum() == right.sum(), f"{sums}: those that prefer nothing on either side are neurons too.")
        raise Hint("They sum to the number of neurons, but some neurons stand in the wrong state.")

    @check("the number of a neuron, such as 12,")
    def went_to(self, answer: Any, word: str) -> str:
        """Exercise 5: which neuron has a word after supervision."""
        before, after = (
            side[side["feature"] == word].groupby("neuron")[SUMS].sum() for side in (self.before, self.after)
        )
        neuron, count, mean = number(answer), after["count"], after["activation_sum"] / after["count"]
        expect(neuron in count, "This neuron is never excited most by the word after supervision. Is it one before?")
        if count[neuron] == count.max():
            owned = f"{len(after)} neurons own them; before, {len(before)} owned {before['count'].sum()}"
            return f"It has {count.max()} of {count.sum()} occurrences. {owned}."
        expect(mean[neuron] < mean.max(), "The word excites this neuron most in the mean, but not most often.")
        raise Hint("This neuron has it sometimes; another has it more often. Are the rows of one neuron added up?")

    @check(f"an array of at least {LEAST_DRAWS} distances")
    def chance(self, answer: Any) -> str:
        """Exercise 6: distances of the neuron from itself, its tokens dealt to two halves."""
        values = np.asarray(answer, dtype=float)
        drawn = numbers(values[~np.isnan(values)], LEAST_DRAWS)  # a half without a token has no distance
        expect((drawn > -1e-9).all() and (drawn < 1 + 1e-9).all(), "A Hellinger distance lies between 0 and 1.")
        right = self.deal()
        expect(drawn.std() > 1e-9 or right.std() < 1e-9, "All are equal: is every *token* dealt, anew in each round?")
        error = 5 * np.sqrt(right.var() / len(right) + drawn.var() / len(drawn)) + 1e-3
        expect(drawn.mean() < right.mean() + error, "They are too large. Does each *token* go by a coin of its own?")
        expect(drawn.mean() > right.mean() - error, "They are too small. Do both sides together hold each token once?")
        moved = self.transfer.set_index("neuron").at[self.neuron, "hellinger"]
        return (
            f"Half of them lie above {np.median(drawn):.2f}, although no weight differs between the two halves. Supervision "
            f"moved the neuron by {moved:.2f}. A half has half the tokens, so halves lie further apart than two whole readings."
        )

    def deal(self) -> np.ndarray:
        """Distances between two halves of the neuron's tokens after, each token dealt by a coin, (draws,) at most."""
        sums = self.rows_after.groupby("feature")[SUMS].sum()
        count, mean = sums["count"].to_numpy(), (sums["activation_sum"] / sums["count"]).to_numpy()
        first = np.random.default_rng(SEED).binomial(count, 0.5, (DRAWS, len(count)))
        p, q = (first > 0) * mean, (first < count) * mean
        filled = (p.sum(axis=1) > 0) & (q.sum(axis=1) > 0)
        p, q = (side[filled] / side[filled].sum(axis=1, keepdims=True) for side in (p, q))
        return np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1) / 2)

    @check("a number")
    def p_value(self, answer: Any, observed: Any, random_sets: Any) -> str:
        """Exercise 7: how often a random set does as much harm as the observed one."""
        p, chance = number(answer), numbers(random_sets)
        reached, above, drawn = (chance <= observed).sum(), (chance >= observed).sum(), len(chance)
        farther = (np.abs(chance) >= abs(observed)).sum()
        if same(p, (1 + reached) / (1 + drawn)):
            return f"{drawn} random sets cannot show a p below {1 / (1 + drawn):.3g}."
        mistakes = {
            "The observed set could have been drawn too: it counts, above and below the line.": reached / drawn,
            "The observed set counts above *and* below the line.": (1 + reached) / drawn,
            "These are sets that did *less* harm. What would speak against the paper?": (1 + above) / (1 + drawn),
            "Changes in either direction are counted here. The question is about harm.": (1 + farther) / (1 + drawn),
            "This is how many sets reached it, not their share.": reached,
        }
        reject(p, mistakes)
        expect(0 <= p <= 1, "A p is a share, between 0 and 1.")
        raise Hint("Count the random sets whose F1 fell at least as far as that of set A; the observed one counts too.")

    @check('the letters of all that is true, as "xy",')
    def choice(self, name: str, answer: Any) -> str:
        """Exercises 1, 8 and 9: what holds among the lines of a menu, as "ac" or ["a", "c"]."""
        options, chosen = MENUS[name], set("".join(answer).lower()) - set(" ,")
        for letter in sorted(chosen):
            expect(letter in options, f"The list has no line {letter}.")
            hint = options[letter].get("hint", "")
            expect(not hint, f"{letter} does not belong here. {hint}")
        missing = {letter for letter, option in options.items() if "hint" not in option} - chosen
        expect(not missing, f"What you chose belongs here, and {len(missing)} more.")
        return "This is all that belongs here."
