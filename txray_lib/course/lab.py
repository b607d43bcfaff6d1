"""The checks of the lab, on one run's tables. May touch: checked, reading, mistakes, errors, results, transfer.

What is right is computed here from the tables, so that the notebook does not hold it, and on other tables it is another.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from txray_lib.course import mistakes
from txray_lib.course.checked import Hint, check
from txray_lib.course.designs import DESIGN, MENUS, judge, judged_choice
from txray_lib.course.reading import called, letters, number, numbers, raise_known, same, series, whole
from txray_lib.errors import TxrayError, nearest
from txray_lib.results import Results, check_neuron
from txray_lib.transfer import NEVER, SHARED, STATES

DRAWS = 400
LEAST_DRAWS = 100
SEED = 7
PRUNED = {"set": "A", "way": "before the classifier", "split": "test"}
"""The effect of pruning that the lab tests: set A, the neurons that are empty after supervision (§3.3.2)."""
FEW, TOKENS = (6, 16), 30
"""Features of the neuron taken by rule, few enough to see whole, and tokens that it has at least, on either side."""
CONTENT = ("NN", "JJ", "VB", "RB")
"""How the tags of content words begin."""


class LabChecks:
    """What the lab asks about the step from zero-shot to supervised (RQ3), and checks of the answers.

    results     whose tables
    min_length  features, the mean of both sides, that a neuron of the first exercise has at least
    neuron      the neuron to work with; -1 takes the one of readable words among those short enough to see whole
    """

    def __init__(self, results: Results, min_length: int = 20, neuron: int = -1) -> None:
        self.results, self.min_length = results, min_length
        self.transfer = results.transfer("rq3")
        self.before = results.preferences(results.stage("zero-shot"))
        self.after = results.preferences(results.stage("supervised"))
        self.neuron = self._neuron(neuron)

    def _neuron(self, neuron: int) -> int:
        shared = self.transfer[self.transfer["state"] == SHARED]
        if check_neuron(self.results, neuron) < 0:
            return self._readable(shared if len(shared) else self.transfer[self.transfer["length_before"] > 0])
        if neuron not in set(shared["neuron"]):
            raise TxrayError(f"the neuron {neuron} is not shared in this comparison: take one that the figure shows")
        return neuron

    def _readable(self, among: pd.DataFrame) -> int:
        """The neuron, of those with few features and enough tokens, most of whose tokens are content words."""
        if among.empty:
            raise TxrayError(
                f"no neuron of {self.results.profile!r} prefers anything before supervision: take another run"
            )
        length, count = among[["length_before", "length_after"]], among[["count_before", "count_after"]]
        fits = among[(length.min(axis=1) >= FEW[0]) & (length.max(axis=1) <= FEW[1]) & (count.min(axis=1) >= TOKENS)]
        chosen = fits if len(fits) else among.loc[[length.max(axis=1).idxmin()]]
        rows = pd.concat([self.before, self.after])
        rows = rows[rows["neuron"].isin(chosen["neuron"])]
        content = rows["tag"].astype(str).str.startswith(CONTENT) & rows["feature"].astype(str).str.isalpha()
        share = (rows["count"] * content).groupby(rows["neuron"]).sum() / rows.groupby("neuron")["count"].sum()
        return int(share.idxmax())

    @property
    def rows(self) -> pd.DataFrame:
        """What the neuron prefers before: its rows of the preferences."""
        return self.before[self.before["neuron"] == self.neuron]

    @property
    def rows_after(self) -> pd.DataFrame:
        """What it prefers after."""
        return self.after[self.after["neuron"] == self.neuron]

    @cached_property
    def word(self) -> str:
        """The word that the neuron was given most often before, among those it lost if it lost any."""
        counts = self.rows.groupby(self.rows["feature"].astype(str).to_numpy())["count"].sum()
        lost = counts[~counts.index.isin(set(self.rows_after["feature"].astype(str)))]
        lost = lost[lost.index.isin(set(self.after["feature"].astype(str)))]
        return str((lost if len(lost) else counts).idxmax())

    @cached_property
    def random_sets(self) -> np.ndarray:
        """Relative changes of F1 when random sets of as many neurons as set A are removed, (draws,); none in a run without."""
        if not self.results.has("pruning_random"):
            return np.empty(0)
        draws = self.results.table("pruning_random")
        return _of(draws[draws["match"] == "size"])["change"].to_numpy()

    @property
    def pruned(self) -> float:
        """The relative change of F1 when set A is removed."""
        return float(_of(self.results.table("pruning"))["change"].iloc[0])

    @check("the number of a neuron, such as 12,")
    def furthest(self, answer: Any) -> str:
        """Exercise 1: which of the long neurons moved furthest."""
        shown = self.transfer[self.transfer["state"] == SHARED].set_index("neuron")
        if 0 < (given := number(answer, "the neuron")) < 1:
            raise Hint(
                "This looks like a distance. The question asks for the neuron's number, which the point shows too."
            )
        if (neuron := whole(given, "the neuron")) not in set(self.transfer["neuron"]):
            raise Hint("There is no neuron of that number in this encoder.")
        if neuron not in shown.index:
            raise Hint("This neuron is not in the figure: it has no distance. Which neurons have none?")
        length = shown[["length_before", "length_after"]].mean(axis=1)
        long = shown[length >= self.min_length]
        if long.empty:
            raise Hint(f"No neuron here has {self.min_length} features; the lab was given tables that are too small.")
        if neuron not in long.index:
            raise Hint("This neuron is too short: which axis is length, and where on it does the question begin?")
        if shown.loc[neuron, "hellinger"] == long["hellinger"].min() < long["hellinger"].max():
            raise Hint("This is the one that moved least. Which axis is distance?")
        if length[neuron] == length.max() and shown.loc[neuron, "hellinger"] < long["hellinger"].max():
            raise Hint("This is the longest neuron, furthest to the right. Which axis is distance?")
        if shown.loc[neuron, "hellinger"] < long["hellinger"].max():
            higher = int((long["hellinger"] > shown.loc[neuron, "hellinger"]).sum())
            raise Hint(
                f"There {'is one point' if higher == 1 else 'are points'} above this one, to the right of the bound."
            )
        return "No point to the right of the bound lies higher."

    @check('the letters of all that is true, as "xy",')
    def corner(self, answer: Any) -> str:
        """Exercise 1: what a point in the upper left says."""
        return judged_choice("corner", letters(answer, MENUS["corner"]))

    @check("a Series of probabilities by feature")
    def distribution(self, answer: Any) -> str:
        """Exercise 2: P_n of the neuron before."""
        p = series(answer, "the distribution")
        right = mistakes.distribution(self.rows)
        if same(p, right):
            return f"{len(p)} features of probability 1 together. A mean forgets how often a feature was seen."
        others = {
            "This is the neuron after supervision. The question is about before.": self.rows_after,
            "This is the whole stage: keep the rows of the one neuron first.": self.before,
        }
        raise_known(p, mistakes.of_distribution(self.rows, others))
        if missing := set(right.index) - set(p.index):
            raise Hint(f"{_features(len(missing))} missing. Is every row of the neuron's table in it?")
        if extra := set(p.index) - set(right.index):
            raise Hint(f"It has {_features(len(extra), of='that')} the neuron does not prefer.")
        if (p < 0).any():
            raise Hint("A probability cannot be negative.")
        if abs(p.sum() - 1) > 1e-3:
            raise Hint(f"It sums to {p.sum():.3g}, and a distribution sums to 1.")
        raise Hint("It sums to 1, and the features are the right ones, but not their probabilities. Take one by hand.")

    @check("a function of two distributions that gives a number")
    def hellinger(self, function: Any) -> str:
        """Exercise 3: the distance, on pairs whose distance is known."""
        rng = np.random.default_rng(SEED)
        p = pd.Series(rng.dirichlet(np.ones(5)), list("abcde"))
        q = pd.Series(rng.dirichlet(np.ones(6)), list("gfedch"))
        value = called(function, p.copy(), q.copy())
        if isinstance(value, pd.Series | np.ndarray) and np.size(value) != 1:
            raise Hint(f"It gives {np.size(value)} values: a distance is one number. Where is the sum?")
        if np.isnan(_loose(value)):
            raise Hint("It gives NaN: a feature that only one side has is missing on the other. `align` fills it in.")
        got, right = number(value, "the distance"), mistakes.hellinger(p, q)
        if not same(got, right):
            raise_known(got, mistakes.of_hellinger(p, q))
            self._on_known_pairs(function)
            raise Hint(
                "On two distributions that share some of their features it is wrong, in no way that is known here."
            )
        self._on_known_pairs(function)
        return "It is 0 for equal sides, 1 for sides without a common feature, and the same both ways."

    def _on_known_pairs(self, function: Any) -> None:
        p, q = pd.Series({"river": 0.5, "film": 0.5}), pd.Series({"film": 1.0})
        equal = number(called(function, p, p), "the distance of a distribution from itself")
        apart = number(called(function, pd.Series({"river": 1.0}), q), "the distance of sides that share nothing")
        there, back = (number(called(function, *pair), "the distance") for pair in ((p, q), (q, p)))
        if not same(equal, 0):
            raise Hint(f"The distance of a distribution from itself should be 0; yours is {equal:.3g}.")
        if not same(apart, 1):
            raise Hint(f"The distance of two sides that share no feature should be 1; yours is {apart:.3g}.")
        if not same(there, back):
            raise Hint("It changes if both sides change places; a distance does not.")
        if not same(there, mistakes.hellinger(p, q)):
            raise Hint(
                "The example by hand on the page about the method has another distance than your function gives."
            )

    @check("a dictionary of the four states and their numbers of neurons")
    def states(self, answer: Any) -> str:
        """Exercise 4: preference states counted."""
        counts = series(answer, "the counts")
        if unknown := [name for name in counts.index if name not in STATES]:
            raise Hint(f"There is no state {unknown[0]!r}. {nearest(unknown[0], STATES)}")
        sides = self.transfer["length_before"], self.transfer["length_after"]
        right = pd.Series(mistakes.states(*sides))
        full = counts.reindex(right.index, fill_value=0.0)
        if same(full, right):
            return f"They are all {len(self.transfer)} neurons, each in one state. To be avoided is never to be first, not to be silent."
        raise_known(full, mistakes.of_states(*sides))
        if same(full.drop(NEVER), right.drop(NEVER)):
            raise Hint(
                "Neurons that prefer nothing on either side are neurons too: the states should sum to all of them."
            )
        if full.sum() != len(self.transfer):
            raise Hint(f"They sum to {full.sum():g}, and the encoder has {len(self.transfer)} neurons.")
        raise Hint("They sum to the number of neurons, but some neurons stand in the wrong state.")

    @check("the number of a neuron, such as 12,")
    def went_to(self, answer: Any) -> str:
        """Exercise 5: which neuron has the word after supervision."""
        neuron = whole(answer, "the neuron")
        before, after = self._owners(self.before), self._owners(self.after)
        if neuron not in set(self.transfer["neuron"]):
            raise Hint("There is no neuron of that number in this encoder. Is it the number of a row?")
        most = after["count"].max()
        if neuron in after.index and after.loc[neuron, "count"] == most:
            then, now = before["count"].sum(), after["count"].sum()
            return (
                f"It has {most / now:.0%} of them. There are {now} occurrences now and {len(after)} neurons that own some;"
                f" before there were {then}, owned by {len(before)}."
            )
        if neuron == self.neuron:
            raise Hint("This neuron had it before. Where did its occurrences go?")
        if neuron not in after.index:
            raise Hint(
                "This neuron is never excited most by the word after supervision. Did you look at the stage after?"
            )
        mean = after["activation_sum"] / after["count"]
        if neuron == mean.idxmax():
            raise Hint("The word excites this neuron most strongly in the mean, but not most often.")
        raise Hint("This neuron has it sometimes; another has it more often. Are the rows of one neuron added up?")

    def _owners(self, preferences: pd.DataFrame) -> pd.DataFrame:
        rows = preferences[preferences["feature"].astype(str) == self.word]
        return rows.groupby("neuron")[mistakes.SUMS].sum()

    @check(f"an array of at least {LEAST_DRAWS} distances")
    def chance(self, answer: Any) -> str:
        """Exercise 6: distances of the neuron from itself, its tokens dealt to two halves."""
        values = np.asarray(answer, dtype=float) if not isinstance(answer, str | dict) else answer
        if isinstance(values, np.ndarray) and values.ndim == 1 and 2 * np.isnan(values).sum() < len(values):
            answer = values[~np.isnan(values)]  # a half without a token has no distance
        drawn = numbers(answer, "the distances", LEAST_DRAWS)
        if (drawn < -1e-9).any() or (drawn > 1 + 1e-9).any():
            raise Hint("Some of them are below 0 or above 1; a Hellinger distance is not.")
        rows = self.rows_after
        right = self.dealt(rows)
        if np.allclose(drawn, drawn[0]) and right.std() > 1e-9:
            known = {0: "All are 0: both sides hold the same tokens.", 1: "All are 1: no feature is on both sides. "}
            known[1] += "Deal tokens, not features."
            raise Hint(known.get(round(drawn[0], 6), "All are equal: is the generator made anew in every round?"))
        error = np.sqrt(right.var() / len(right) + drawn.var() / len(drawn))
        if abs(drawn.mean() - right.mean()) <= 5 * error + 1e-3:
            moved = self.transfer.set_index("neuron").at[self.neuron, "hellinger"]
            return (
                f"Half of them lie above {np.median(drawn):.2f}, although no weight differs between the two halves. Supervision"
                f" moved the neuron by {moved:.2f}. A half has half the tokens, so halves lie further apart than two whole readings."
            )
        if abs(drawn.mean() - self._replaced(rows).mean()) <= 5 * error + 1e-3:
            raise Hint(
                "Each side seems to be drawn anew from all tokens. Deal them: a token is on one side, never on both."
            )
        if drawn.mean() > right.mean():
            raise Hint(
                "They are too large. Does every *token* go to a side by itself, or all tokens of a feature together?"
            )
        raise Hint("They are too small. Do both sides together hold each token once?")

    @staticmethod
    def dealt(rows: pd.DataFrame, draws: int = DRAWS) -> np.ndarray:
        """Distances between two halves of a neuron's tokens, each token dealt by a coin, (draws,)."""
        rng, counts = np.random.default_rng(SEED), _counts(rows)
        first = rng.binomial(counts["count"].to_numpy(), 0.5, (draws, len(counts)))
        return _halves(first, counts["count"].to_numpy() - first, counts["mean"].to_numpy())

    @staticmethod
    def _replaced(rows: pd.DataFrame) -> np.ndarray:
        rng, counts = np.random.default_rng(SEED), _counts(rows)
        number, total = counts["count"].to_numpy(), int(counts["count"].sum())
        sides = (rng.multinomial(total, number / total, DRAWS) for _ in range(2))
        return _halves(*sides, counts["mean"].to_numpy())

    @check("a number")
    def p_value(self, answer: Any) -> str:
        """Exercise 7: how often a random set does as much harm as set A."""
        p, right = number(answer, "p"), mistakes.tail(self.pruned, self.random_sets)
        if same(p, right):
            return f"{len(self.random_sets)} random sets cannot show a p below {1 / (1 + len(self.random_sets)):.3g}."
        raise_known(p, mistakes.of_tail(self.pruned, self.random_sets))
        if not 0 <= p <= 1:
            raise Hint("A p is a share, between 0 and 1.")
        raise Hint("Count the random sets whose F1 fell at least as far as that of set A; the observed one counts too.")

    @check("a dictionary with `change`, `keep` and `against`")
    def design(self, answer: Any) -> str:
        """Exercise 8: a control for the claim that labels make neurons change."""
        if not isinstance(answer, dict):
            raise TypeError
        if missing := [name for name in DESIGN if name not in answer]:
            raise Hint(f"The design lacks `{missing[0]}`.")
        return judge({name: letters(answer[name], MENUS[name], f"`{name}`") for name in DESIGN})

    @check('the letters of the objections that hold, as "xy",')
    def critique(self, answer: Any) -> str:
        """Exercise 9: which objections to a sentence of the paper hold."""
        return judged_choice("critique", letters(answer, MENUS["critique"]))


def _of(rows: pd.DataFrame) -> pd.DataFrame:
    for column, value in PRUNED.items():
        rows = rows[rows[column] == value]
    return rows


def _counts(rows: pd.DataFrame) -> pd.DataFrame:
    sums = rows.groupby(rows["feature"].astype(str).to_numpy())[mistakes.SUMS].sum()
    return sums.assign(mean=sums["activation_sum"] / sums["count"])


def _halves(first: np.ndarray, second: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Distances of halves from their counts, (draws, features) each; draws that leave a half empty are left out."""
    p, q = ((side > 0) * mean for side in (first, second))
    kept = (p.sum(axis=1) > 0) & (q.sum(axis=1) > 0)
    p, q = (side[kept] / side[kept].sum(axis=1, keepdims=True) for side in (p, q))
    return np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1) / 2)


def _loose(value: Any) -> float:
    try:
        return float(np.asarray(value, dtype=float).reshape(-1)[0])
    except (TypeError, ValueError):
        return 0.0


def _features(number: int, of: str = "") -> str:
    if of:
        return f"{number} feature{'s' if number != 1 else ''} {of}"
    return "One feature is" if number == 1 else f"{number} features are"
