"""The checks of the assignment, on the records of two stages. May touch: checked, reading, mistakes, errors, preferences,
transfer.

What students write is held against what the library makes of the same text, and against the laws that any such result obeys.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from txray_lib.course import mistakes
from txray_lib.course.checked import Hint, check
from txray_lib.course.reading import called, frame, number, numbers, same, whole
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, aggregate, distributions
from txray_lib.transfer import NEVER, SHARED, STATES, compare

RECORD = ["document", "block", "feature", "tag", "neuron", "activation"]
DRAWS = 200
SEED = 11
CELL = ["neuron", "feature"]


class AssignmentChecks:
    """Checks of the assignment's tasks.

    before, after  the records that the library collects of one text with two encoders (columns in `preferences`)
    units          neurons of the encoder
    near_ties      tokens whose two largest activations differ so little that another way of reading may swap them
    """

    def __init__(self, before: pd.DataFrame, after: pd.DataFrame, units: int, near_ties: int = 0) -> None:
        self.before, self.after, self.units, self.near_ties = before, after, units, near_ties
        self._preferences = aggregate(before), aggregate(after)
        self._transfer = compare(*self._preferences, units)
        self._neuron = self._middle()

    def _middle(self) -> int:
        """A shared neuron whose distance lies in the middle of those with several features."""
        shared = self._transfer[self._transfer["state"] == SHARED]
        if shared.empty:
            raise TxrayError("no neuron is shared between the two stages: take a run with more text or fewer units")
        several = shared[shared[["length_before", "length_after"]].min(axis=1) >= 3]
        ordered = (several if len(several) else shared).sort_values(["hellinger", "neuron"])
        return int(ordered["neuron"].iloc[len(ordered) // 2])

    @check("a table of records")
    def records(self, answer: Any) -> str:
        """Task 1: the records of the stage before."""
        table = frame(answer, RECORD, "the table of records")
        if len(table) != len(self.before):
            raise Hint(
                f"It has {len(table):,} rows, and the text has {len(self.before):,} tokens: every token is one record, whoever it"
                " belongs to."
            )
        for column, hint in (
            ("document", "Documents are numbered from 0 in the corpus's order, and their tokens stay in order."),
            ("block", "`block` is the document's block."),
            (
                "feature",
                "A feature is the token as the encoder saw it: lower-cased, and `<unk>` where it knows no such word.",
            ),
            ("tag", "`tag` is the token's part of speech, and stands beside it in the document."),
        ):
            if not (table[column].astype(str).to_numpy() == self.before[column].astype(str).to_numpy()).all():
                raise Hint(f"The column `{column}` is not that of this text. {hint}")
        self._activations(table)
        return f"{len(table):,} tokens, each with one neuron, and documents start anew."

    def _activations(self, table: pd.DataFrame) -> None:
        """Raise a hint where neurons or activations are not those of the library."""
        neuron, right = (numbers(side["neuron"], "the column `neuron`") for side in (table, self.before))
        got, wanted = (numbers(side["activation"], "the column `activation`") for side in (table, self.before))
        wrong = neuron != right
        if wrong.sum() <= self.near_ties and np.allclose(got, wanted, atol=1e-5):
            return
        if same(neuron - 1, right):
            raise Hint("Neurons are numbered from 0 here; yours begin at 1.")
        if not wrong.any():
            raise Hint("The neurons are right. Is `activation` the largest one itself, and not a function of it?")
        nobody = right == NOBODY
        if not (wrong & ~nobody).any():
            raise Hint(f"A token whose largest activation is not positive excited no neuron: its neuron is {NOBODY}.")
        first = self.before["document"].to_numpy() == self.before["document"].iloc[0]
        if not wrong[first].any():
            raise Hint("The first document is right, and later ones are not: where does the hidden state start from?")
        if (got < 0).mean() > 0.5:
            raise Hint("Most of these activations are negative. Which end of the activations did you take?")
        if (got >= wanted - 1e-5).all() and got.max() > wanted.max() - 1e-5 and (got > wanted + 1e-3).any():
            raise Hint(
                "Some activations are larger than the largest there is: a strongly negative one is no excitement."
            )
        raise Hint(f"{wrong.mean():.0%} of the neurons are not those of the largest activation.")

    @check("a function of records that gives preferences")
    def preferences(self, function: Any) -> str:
        """Task 2: records summed by neuron and feature."""
        table = self._cells(function, self.before)
        right = self._right(self.before)
        if NOBODY in set(table.index.get_level_values("neuron")):
            raise Hint("Tokens that excited nobody have become a neuron of their own.")
        if table.index.has_duplicates:
            raise Hint("Some pairs of neuron and feature have more than one row. By what else did you group?")
        if len(table) != len(right) or set(table.index) != set(right.index):
            raise Hint(f"It has {len(table):,} rows; {len(right):,} pairs of neuron and feature occur.")
        table = table.reindex(right.index)
        if (table["count"] != right["count"]).any():
            raise Hint("The counts do not sum to the tokens that excited somebody.")
        if not same(table["activation_sum"], right["activation_sum"]):
            mean = right["activation_sum"] / right["count"]
            if same(table["activation_sum"], mean):
                raise Hint("`activation_sum` holds means. Keep sums: means of two shards cannot be added.")
            raise Hint("The counts are right, the activation sums are not.")
        self._adds_up(function, table)
        return "Counts sum to the tokens, and shards add up to the whole."

    def _adds_up(self, function: Any, whole_table: pd.DataFrame) -> None:
        second = self.before["document"] % 2 == 1
        parts = [self._cells(function, self.before[side]) for side in (second, ~second)]
        if not (
            pd.concat(parts).groupby(level=CELL)["count"].sum().reindex(whole_table.index) == whole_table["count"]
        ).all():
            raise Hint("On the whole text it is right, but the counts of two shards do not add up to it.")

    @staticmethod
    def _cells(function: Any, records: pd.DataFrame) -> pd.DataFrame:
        value = called(function, records.copy(), what="`preferences`")
        table = frame(value, [*CELL, "count", "activation_sum"], "what `preferences` gives")
        cells = table.assign(feature=table["feature"].astype(str), neuron=table["neuron"].astype(int))
        return cells[cells["count"] > 0].set_index(CELL)[mistakes.SUMS].astype(float)

    @staticmethod
    def _right(records: pd.DataFrame) -> pd.DataFrame:
        table = aggregate(records)
        return table.assign(feature=table["feature"].astype(str)).groupby(CELL)[mistakes.SUMS].sum().astype(float)

    @check("a function of preferences that gives distributions")
    def distributions(self, function: Any) -> str:
        """Task 2: P_n of every neuron."""
        given = self._right(self.before).reset_index()
        value = frame(
            called(function, given.copy(), what="`distributions`"), [*CELL, "p"], "what `distributions` gives"
        )
        right = distributions(aggregate(self.before))
        wanted = right.assign(feature=right["feature"].astype(str)).set_index(CELL)["p"]
        p = value.assign(feature=value["feature"].astype(str)).set_index(CELL)["p"].astype(float)
        if p.index.has_duplicates or set(p.index) != set(wanted.index):
            raise Hint("It should have one row for each row of the preferences.")
        numbers(p, "the column `p`")
        if same(p.reindex(wanted.index).to_numpy(), wanted.to_numpy()):
            return "Every neuron's probabilities sum to 1."
        sums = p.groupby(level="neuron").sum()
        if same(p.sum(), 1):
            raise Hint("All neurons together sum to 1. Each neuron has a distribution of its own.")
        if not np.allclose(sums, 1, atol=1e-4):
            raise Hint(f"The probabilities of neuron {sums.index[0]} sum to {sums.iloc[0]:.3g}.")
        raise Hint("They sum to 1 for each neuron, but are not made of its mean activations.")

    @check("a function of two stages' preferences that gives a row a neuron")
    def transfer(self, function: Any) -> str:
        """Task 3: states and distances of all neurons, and the first law."""
        before, after = (self._right(side).reset_index() for side in (self.before, self.after))
        table, right = self._compared(function, before, after), self._transfer
        wrong = table["state"].to_numpy() != right["state"].to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise Hint(
                f"{wrong.sum()} neurons are in another state, the first of them neuron {row}: what has it on either side?"
            )
        distance, wanted = (
            pd.to_numeric(table["distance"], errors="coerce").to_numpy(float),
            right["hellinger"].to_numpy(),
        )
        empty = np.isnan(wanted)
        if not np.isnan(distance[empty]).all():
            raise Hint("Where a side is empty there is no distance: not 0 and not 1, but missing (NaN).")
        if np.isnan(distance[~empty]).any():
            raise Hint("Some shared neurons have no distance. What is p of a feature that one side lacks?")
        if not same(distance[~empty], wanted[~empty]):
            raise Hint(
                "The states are right, the distances are not. Try your function on the example of the page on the method."
            )
        still = self._compared(function, before, before)
        if (still["state"].isin([SHARED, NEVER])).all() and same(still["distance"].dropna().to_numpy(float), 0):
            return "The same stage on both sides gives distance 0 and nothing avoided or gained: the first law holds."
        raise Hint("With the same stage on both sides, something is avoided, gained or further away than 0.")

    def _compared(self, function: Any, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
        value = called(function, before.copy(), after.copy(), self.units, what="`transfer`")
        table = frame(value, ["neuron", "state", "distance"], "what `transfer` gives").sort_values("neuron")
        if table["neuron"].tolist() != list(range(self.units)):
            raise Hint(
                f"It should have a row for each of the {self.units} neurons, those that prefer nothing among them."
            )
        if unknown := sorted(set(table["state"].astype(str)) - set(STATES)):
            raise Hint(f"There is no state {unknown[0]!r}. The states are {', '.join(STATES)}.")
        return table.reset_index(drop=True)

    @check("a function of two distributions that gives a number")
    def measure(self, function: Any) -> str:
        """Task 4: a measure of the student's own, held against what a distance must do."""
        self._behaves(function)
        rng = np.random.default_rng(SEED)
        pairs = [(_drawn(rng, "abcdef"), _drawn(rng, "defghi")) for _ in range(5)]
        if all(same(_value(function, *pair), mistakes.hellinger(*pair)) for pair in pairs):
            raise Hint("This is Hellinger distance, which you have already. Another measure is asked for.")
        return "It is 0 for equal sides and largest for sides that share nothing, symmetric, and within [0, 1]."

    @staticmethod
    def _behaves(function: Any) -> None:
        rng = np.random.default_rng(SEED)
        p, q, far = _drawn(rng, "abcd"), _drawn(rng, "dcef"), _drawn(rng, "xyz")
        for name, pair, wanted in (("equal sides", (p, p), 0.0), ("sides that share no feature", (p, far), 1.0)):
            if not same(got := _value(function, *pair), wanted):
                raise Hint(f"For {name} it gives {got:.3g}; a distance scaled to [0, 1] gives {wanted:g}.")
        there, back = _value(function, p, q), _value(function, q, p)
        if not same(there, back):
            raise Hint("It changes if both sides change places. Keep it symmetric, or the null below is not one.")
        if not 0 < there < 1:
            raise Hint(f"For two sides that share some features it gives {there:.3g}; it should lie between 0 and 1.")

    @check("a function of records that gives distances, and your measure")
    def null(self, function: Any, measure: Any) -> str:
        """Task 4: the null of one neuron, by swapping whole blocks between both sides."""
        self._behaves(measure)
        sides = [side[side["neuron"] == self._neuron] for side in (self.before, self.after)]
        drawn = numbers(
            called(function, *(s.copy() for s in sides), DRAWS, what="`null_distances`"), "the null", DRAWS // 2
        )
        if len(drawn) < 2 or np.allclose(drawn, drawn[0]):
            raise Hint("All distances are equal. Is something dealt anew in each round?")
        right = self._swapped(sides, measure)
        observed = _value(measure, *(mistakes.distribution(_counted(side)) for side in sides))
        if abs(drawn.mean() - observed) <= 0.02 and drawn.std() < right.std() / 2:
            raise Hint("The null lies where the observed distance is: was it centred on it, or are sides hardly dealt?")
        self._keeps_together(function)
        error = 5 * np.sqrt(right.var() / len(right) + drawn.var() / len(drawn)) + 2e-3
        if abs(drawn.mean() - right.mean()) <= error:
            return f"Neuron {self._neuron}: {observed:.2f} observed, {drawn.mean():.2f} in the mean if only the sides were dealt."
        raise Hint(
            "The null has another mean than swapping blocks gives. Does a block's text before go where its text after was?"
        )

    @staticmethod
    def _keeps_together(function: Any) -> None:
        """Raise a hint where parts of one block change sides by themselves.

        One film of eight reviews has other words after than before, so that its sides share nothing as long as it stays
        whole. Where each review has words of its own, they share nothing as long as reviews do.
        """
        for unit, own in (("review", False), ("token", True)):
            before, after = (_one_block(word, own) for word in "ab")
            drawn = numbers(called(function, before, after, DRAWS // 4, what="`null_distances`"), "the null")
            if np.allclose(drawn, 1):
                if unit == "review":
                    return
                raise Hint("Each review changes sides by itself here. Reviews of what depend on each other?")
        raise Hint(
            "Tokens of one review change sides one by one here. What depends on what in a text, and is dealt together?"
        )

    @staticmethod
    def _swapped(sides: list[pd.DataFrame], measure: Any) -> np.ndarray:
        """Distances after whole blocks changed sides by a coin, (draws,) at most."""
        rng, distances = np.random.default_rng(SEED), []
        both = [s.assign(feature=s["feature"].astype(str), side=i) for i, s in enumerate(sides)]
        table = pd.concat(both, ignore_index=True)
        block = pd.factorize(table["block"].astype(str))[0]
        for _ in range(DRAWS):
            swapped = rng.random(block.max() + 1) < 0.5
            first = (table["side"].to_numpy() == 0) ^ swapped[block]
            if first.any() and not first.all():
                p, q = (mistakes.distribution(_counted(table[there])) for there in (first, ~first))
                distances.append(_value(measure, p, q))
        return np.array(distances)

    @check("two tables of records")
    def halves(self, first: Any, second: Any) -> str:
        """Task 5: the text in two halves, under the same weights."""
        one, other = (frame(side, RECORD, "a half") for side in (first, second))
        if len(one) + len(other) < len(self.before):
            raise Hint("Together the halves have fewer records than the stage: some of the text is lost.")
        if len(one) + len(other) > len(self.before):
            raise Hint("Together the halves have more records than the stage: some of the text is on both sides.")
        if common := set(one["block"].astype(str)) & set(other["block"].astype(str)):
            raise Hint(
                f"{len(common)} blocks are on both sides. Texts about one thing share words, so keep them together."
            )
        columns = ["document", "feature", "neuron"]
        joined = pd.concat([one, other])[columns].astype(str).sort_values(columns).to_numpy()
        for name, stage in (("before", self.before), ("after", self.after)):
            if (joined == stage[columns].astype(str).sort_values(columns).to_numpy()).all():
                share = len(one) / len(self.before)
                if not 0.4 <= share <= 0.6:
                    raise Hint(
                        f"One half has {share:.0%} of the tokens: a distance depends on how much text a side has."
                    )
                return f"Both halves are read by the same weights ({name}), and no block is on both sides."
        raise Hint("These are not the records of one stage: if weights differ too, the control is none.")

    @check("a text")
    def essay(self, text: Any, least: int, most: int) -> str:
        """Tasks 5 and 6: a text of so many words."""
        if not isinstance(text, str):
            raise TypeError
        words, low, high = len(text.split()), whole(least), whole(most)
        if words < low:
            raise Hint(f"It has {words} words; at least {low} are asked for.")
        if words > high:
            raise Hint(f"It has {words} words; at most {high} are asked for.")
        return f"{words} words. What they say is for a reader to judge."


def _counted(records: pd.DataFrame) -> pd.DataFrame:
    return records.assign(count=1, activation_sum=records["activation"].astype(float))


def _one_block(word: str, own: bool) -> pd.DataFrame:
    """Records of one neuron: eight reviews of one film, three tokens each, of one word for all or one for each review."""
    document = np.repeat(np.arange(8), 3)
    feature = [f"{word}{number}" if own else word for number in document]
    rest = {"block": "film", "tag": "NN", "neuron": 0, "activation": 0.5}
    return pd.DataFrame({"document": document, "feature": feature, **rest})[RECORD]


def _drawn(rng: np.random.Generator, features: str) -> pd.Series:
    return pd.Series(rng.dirichlet(np.ones(len(features))), list(features))


def _value(function: Any, p: pd.Series, q: pd.Series) -> float:
    return number(called(function, p.copy(), q.copy(), what="`measure`"), "what `measure` gives")
