"""The assignment's checks, on records made by hand: right answers are right, and each usual mistake gets its own hint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from course_answers import assert_right, assert_wrong

from txray_lib.course import AssignmentChecks
from txray_lib.course.mistakes import hellinger
from txray_lib.measures import measured
from txray_lib.nulls import swap_null
from txray_lib.preferences import aggregate

UNITS = 6
Table = pd.DataFrame
GARBAGE = [
    1,
    "text",
    float("nan"),
    [],
    {},
    object(),
    print,
    pd.DataFrame(),
    pd.DataFrame({"a": [1]}),
    np.zeros(3),
    True,
]


def activations() -> tuple[np.ndarray, np.ndarray, Table]:
    """Two stages' activations of one text, (tokens, units) each, and its tokens: 12 films of two reviews of 30 tokens.

    Every film has words of its own, and the two stages differ for some words throughout.
    """
    rng = np.random.default_rng(3)
    tokens = []
    for document in range(24):
        film = document // 2
        for _ in range(30):
            own = rng.random() < 0.5
            word = f"film{film}word{rng.integers(4)}" if own else f"common{rng.integers(12)}"
            tokens.append((document, f"block{film}", word, "NN" if own else "DT"))
    table = pd.DataFrame(tokens, columns=["document", "block", "feature", "tag"])
    words = sorted(set(table["feature"]))
    preferred = {word: rng.normal(0, 0.4, UNITS) for word in words}
    moved = {word: rng.normal(0, 0.4, UNITS) if rng.random() < 0.4 else preferred[word] for word in words}
    noise = rng.normal(0, 0.25, (len(table), UNITS))
    first, second = (np.tanh(np.stack([of[w] for w in table["feature"]]) + noise) for of in (preferred, moved))
    first[5] = second[7] = -0.3  # excites nobody
    first[:, 5] = -1  # never preferred
    return first, second, table


def records(
    values: np.ndarray, tokens: Table, pick: Callable[[np.ndarray], np.ndarray] = lambda a: a.argmax(axis=1)
) -> Table:
    neuron = pick(values)
    strongest = values[np.arange(len(values)), neuron]
    made = tokens.assign(layer=np.int8(0), neuron=np.where(strongest > 0, neuron, -1).astype(np.int32))
    made = made.assign(activation=strongest.astype(np.float32), prediction=np.float32(np.nan), y=np.int8(-1))
    return made.astype({"feature": "category", "tag": "category", "block": "category"})


@pytest.fixture(scope="module")
def text() -> tuple[np.ndarray, np.ndarray, Table]:
    return activations()


@pytest.fixture(scope="module")
def check(text: tuple[np.ndarray, np.ndarray, Table]) -> AssignmentChecks:
    first, second, tokens = text
    return AssignmentChecks(records(first, tokens), records(second, tokens), UNITS)


ANSWERS = {
    "records": 1,
    "preferences": 1,
    "distributions": 1,
    "transfer": 1,
    "measure": 1,
    "null": 2,
    "halves": 2,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_was_not_filled_in_is_not_answered(check: AssignmentChecks, name: str) -> None:
    assert getattr(check, name)(*[...] * ANSWERS[name]).state == "open"
    if name not in ("records", "halves"):
        assert getattr(check, name)(*[lambda *given: ...] * ANSWERS[name]).state == "open"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("answer", GARBAGE, ids=lambda value: type(value).__name__)
def test_garbage_is_told_and_never_raises(check: AssignmentChecks, name: str, answer: object) -> None:
    for given in (answer, lambda *_: answer):
        checked = getattr(check, name)(*[given] * ANSWERS[name])
        assert checked.state == "wrong"
        assert checked.said.endswith((".", "?"))


def test_records_and_each_way_to_collect_wrongly(
    check: AssignmentChecks, text: tuple[np.ndarray, np.ndarray, Table]
) -> None:
    first, _, tokens = text
    good = records(first, tokens)
    columns = ["document", "block", "feature", "tag", "neuron", "activation"]
    assert_right(check.records(good[columns].astype({"feature": str, "block": str})))
    largest = records(first, tokens, lambda a: np.abs(a).argmax(axis=1))
    absolute = largest.assign(activation=np.abs(first).max(axis=1), neuron=np.abs(first).argmax(axis=1))
    smallest = records(first, tokens, lambda a: a.argmin(axis=1))
    everybody = good.assign(neuron=first.argmax(axis=1))
    rng = np.random.default_rng(1)
    later = good.assign(neuron=np.where(good["document"] > 0, rng.integers(0, UNITS, len(good)), good["neuron"]))
    for table, said in (
        (good.iloc[:-1], "every token is one record"),
        (good[good["neuron"] >= 0], "every token is one record"),
        (good.drop(columns="tag"), "no column `tag`"),
        (good.assign(document=good["document"] + 1), "`document` is not"),
        (good.assign(feature=good["feature"].astype(str).str.upper()), "as the encoder saw it"),
        (good.assign(tag="NN"), "`tag` is not"),
        (good.assign(block="b"), "`block` is not"),
        (good.assign(neuron=good["neuron"] + 1), "yours begin at 1"),
        (everybody, "excited no neuron"),
        (later, "where does the hidden state start"),
        (smallest, "Which end"),
        (absolute, "strongly negative"),
        (good.assign(activation=np.exp(good["activation"])), "not a function of it"),
        (good.assign(neuron=rng.permutation(good["neuron"])), "are not those of the largest"),
        (good.assign(activation=np.nan), "holds NaN"),
    ):
        assert_wrong(check.records(table), said)


def test_near_ties_may_go_either_way(check: AssignmentChecks, text: tuple[np.ndarray, np.ndarray, Table]) -> None:
    other = check.before.assign(
        neuron=check.before["neuron"].where(check.before.index != 9, (check.before["neuron"] + 1) % 5)
    )
    assert check.records(other).state == "wrong"
    assert_right(AssignmentChecks(check.before, check.after, UNITS, near_ties=1).records(other))


def preferences(table: Table) -> Table:
    kept = table[table["neuron"] >= 0].astype({"feature": str, "activation": float})
    return kept.groupby(["neuron", "feature"])["activation"].agg(count="size", activation_sum="sum").reset_index()


def distributions(table: Table) -> Table:
    mean = table["activation_sum"] / table["count"]
    return table.assign(p=mean / mean.groupby(table["neuron"]).transform("sum"))


def test_preferences_and_each_way_to_sum_wrongly(check: AssignmentChecks) -> None:
    assert_right(check.preferences(preferences))
    assert_right(check.preferences(lambda t: preferences(t).set_index(["neuron", "feature"])))

    def with_nobody(table):
        return preferences(table.assign(neuron=table["neuron"].astype(int) + 1)).assign(
            neuron=lambda sums: sums["neuron"] - 1
        )

    def by_block(table):
        return pd.concat([preferences(part) for _, part in table.groupby("block", observed=True)])

    def means(table):
        made = preferences(table)
        return made.assign(activation_sum=made["activation_sum"] / made["count"])

    def twice(table):
        return preferences(table).assign(count=lambda sums: sums["count"] + (len(table) < 700))

    for function, said in (
        (with_nobody, "neuron of their own"),
        (by_block, "By what else did you group"),
        (means, "holds means"),
        (lambda t: preferences(t).head(3), "It has 3 rows"),
        (lambda t: preferences(t).assign(count=1), "counts do not sum"),
        (lambda t: preferences(t).assign(activation_sum=1.0), "activation sums are not"),
        (lambda t: preferences(t).drop(columns="count"), "no column `count`"),
        (twice, "two shards"),
    ):
        assert_wrong(check.preferences(function), said)


def test_distributions_and_each_way_to_normalise_wrongly(check: AssignmentChecks) -> None:
    assert_right(check.distributions(distributions))

    def altogether(table):
        mean = table["activation_sum"] / table["count"]
        return table.assign(p=mean / mean.sum())

    def of_sums(table):
        return table.assign(p=table["activation_sum"] / table.groupby("neuron")["activation_sum"].transform("sum"))

    for function, said in (
        (altogether, "Each neuron has a distribution"),
        (of_sums, "mean activations"),
        (lambda t: t.assign(p=t["activation_sum"] / t["count"]), "of neuron 0 sum to"),
        (lambda t: distributions(t).head(5), "one row for each row"),
        (lambda t: distributions(t).assign(p=np.nan), "holds NaN"),
    ):
        assert_wrong(check.distributions(function), said)


def transfer(before: Table, after: Table, units: int) -> Table:
    sides = [distributions(t).pivot(index="neuron", columns="feature", values="p") for t in (before, after)]
    words = sides[0].columns.union(sides[1].columns)
    p, q = (side.reindex(index=range(units), columns=words).fillna(0.0) for side in sides)
    has, gets = p.sum(axis=1) > 0, q.sum(axis=1) > 0
    state = np.select([has & gets, has, gets], ["shared", "avoided", "gained"], "never preferred")
    distance = np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1) / 2).where(has & gets)
    return pd.DataFrame({"neuron": range(units), "state": state, "distance": distance})


def test_a_transfer_and_each_way_to_compare_wrongly(check: AssignmentChecks) -> None:
    assert_right(check.transfer(transfer))
    assert_right(check.transfer(lambda *sides: transfer(*sides).set_index("neuron").sample(frac=1, random_state=1)))

    def swapped(before, after, units):
        return transfer(after, before, units)

    def moving(before, after, units):
        return transfer(before, after, units).assign(distance=lambda t: t["distance"] + before.equals(after))

    for function, said in (
        (lambda *sides: transfer(*sides).query("state != 'never preferred'"), f"each of the {UNITS} neurons"),
        (lambda *sides: transfer(*sides).assign(state="lost"), "no state 'lost'"),
        (swapped, "in another state"),
        (lambda *sides: transfer(*sides).fillna({"distance": 0.0}), "not 0 and not 1"),
        (lambda *sides: transfer(*sides).assign(distance=np.nan), "have no distance"),
        (lambda *sides: transfer(*sides).assign(distance=lambda t: t["distance"] ** 2), "the distances are not"),
        (moving, "further away than 0"),
    ):
        assert_wrong(check.transfer(function), said)


def jensen_shannon(p: pd.Series, q: pd.Series) -> float:
    p, q = p.align(q, fill_value=0.0)

    def entropy(x: pd.Series) -> float:
        return -(x[x > 0] * np.log2(x[x > 0])).sum()

    return np.sqrt(max(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2, 0.0))


def aligned(function):
    return lambda p, q: function(*p.align(q, fill_value=0.0))


def test_a_measure_and_each_way_not_to_be_one(check: AssignmentChecks) -> None:
    assert_right(check.measure(jensen_shannon))
    assert_right(check.measure(aligned(lambda p, q: np.abs(p - q).sum() / 2)))
    for function, said in (
        (hellinger, "which you have already"),
        (
            lambda p, q: len(q.index.difference(p.index)) / len(q) if len(q) != 4 else 0.3,
            "both sides change places|gives",
        ),
        (aligned(lambda p, q: np.abs(p - q).sum()), "share no feature it gives 2"),
        (lambda p, q: 1.0, "equal sides it gives 1"),
        (lambda p, q: float(set(p.index) != set(q.index)), "should lie between"),
        (lambda p, q: "far", "should be a number"),
    ):
        assert_wrong(check.measure(function), said)


def test_a_measure_that_is_not_symmetric(check: AssignmentChecks) -> None:
    def one_sided(p, q):
        a, b = p.align(q, fill_value=0.0)
        return float(np.clip(a - b, 0, None).sum() ** (1 if p.index[0] < q.index[0] else 2))

    assert_wrong(check.measure(one_sided), "both sides change places")


def distribution(table: Table) -> pd.Series:
    mean = table.astype({"feature": str, "activation": float}).groupby("feature")["activation"].mean()
    return mean / mean.sum()


def null_by(unit: str) -> Callable[[Table, Table, int], np.ndarray]:
    def distances(before: Table, after: Table, draws: int) -> np.ndarray:
        rng = np.random.default_rng(5)
        both = pd.concat([before.assign(side=0), after.assign(side=1)], ignore_index=True)
        code = np.arange(len(both)) if unit == "token" else pd.factorize(both[unit].astype(str))[0]
        found = []
        for _ in range(draws):
            first = (both["side"] == 0) ^ (rng.random(code.max() + 1) < 0.5)[code]
            if first.any() and not first.all():
                found.append(jensen_shannon(distribution(both[first]), distribution(both[~first])))
        return np.array(found)

    return distances


def observed(before: Table, after: Table, draws: int) -> np.ndarray:
    value = jensen_shannon(distribution(before), distribution(after))
    return value + np.linspace(-1e-3, 1e-3, draws)


def test_a_null_by_blocks_and_each_way_to_deal_wrongly(check: AssignmentChecks) -> None:
    assert_right(check.null(null_by("block"), jensen_shannon))
    assert_wrong(check.null(null_by("document"), jensen_shannon), "Each review changes sides by itself")
    assert_wrong(check.null(null_by("token"), jensen_shannon), "Tokens of one review")
    assert_wrong(check.null(observed, jensen_shannon), "centred|hardly dealt")
    assert_wrong(check.null(lambda b, a, draws: np.full(draws, 0.4), jensen_shannon), "All distances are equal")
    assert_wrong(check.null(lambda *given: 1 - (1 - null_by("block")(*given)) / 2, jensen_shannon), "has another mean")
    assert_wrong(check.null(lambda b, a, draws: null_by("block")(b, a, 5), jensen_shannon), "at least 100")
    assert_wrong(check.null(null_by("block"), lambda p, q: 1.0), "equal sides")


def test_the_null_that_the_check_draws_is_the_librarys(check: AssignmentChecks) -> None:
    """Same mean as `swap_null` gives the same measure of the same neuron, and the measures agree."""
    sides = [side[side["neuron"] == check._neuron] for side in (check.before, check.after)]
    ours = AssignmentChecks._swapped(sides, jensen_shannon)
    theirs = swap_null(check.before, check.after, UNITS, 400, measure="jensen_shannon", cap=400).table
    expected = theirs.loc[check._neuron, "expected"]
    assert abs(ours.mean() - expected) < 5 * ours.std() / np.sqrt(len(ours)) + 1e-3
    library = measured(aggregate(check.before), aggregate(check.after), UNITS)["jensen_shannon"][check._neuron]
    assert np.isclose(jensen_shannon(*map(distribution, sides)), library, atol=1e-6)


def test_halves_by_blocks_and_each_way_to_split_wrongly(check: AssignmentChecks) -> None:
    blocks = check.before["block"].astype(str)
    names = sorted(set(blocks))
    second = blocks.isin(names[::2])
    assert_right(check.halves(check.before[~second], check.before[second]))
    assert_right(check.halves(check.after[second], check.after[~second]))
    odd = check.before.index % 2 == 1
    few = blocks.isin(names[:2])
    for halves, said in (
        ((check.before[odd], check.before[~odd]), "blocks are on both sides"),
        ((check.before[second], check.before), "more records"),
        ((check.before[second], check.before[few]), "fewer records"),
        ((check.before[few], check.before[~few]), "% of the tokens"),
        ((check.before[second], check.after[~second]), "weights differ too"),
    ):
        assert_wrong(check.halves(*halves), said)


def test_a_text_has_so_many_words(check: AssignmentChecks) -> None:
    assert check.essay("\n", 3, 5).state == "open"
    assert_wrong(check.essay("one two", 3, 5), "has 2 words; at least 3")
    assert_wrong(check.essay("a b c d e f", 3, 5), "at most 5")
    assert_wrong(check.essay(["a"] * 4, 3, 5), "could not be read")
    assert_right(check.essay("one two three four", 3, 5))


def test_the_neuron_of_the_null_is_shared_and_has_several_features(check: AssignmentChecks) -> None:
    row = check._transfer.set_index("neuron").loc[check._neuron]
    assert row["state"] == "shared"
    assert min(row["length_before"], row["length_after"]) >= 3
    states = list(check._transfer["state"])
    assert {"shared", "gained"} <= set(states)
