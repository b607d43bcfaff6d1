"""The lab's checks: right answers are right, each usual mistake gets its own hint, and nothing gives an answer away."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from course_answers import assert_right, assert_wrong
from telling_tables import write_tables

from txray_lib.course import LabChecks, menu
from txray_lib.course.designs import DESIGN, MENUS
from txray_lib.course.mistakes import distribution, hellinger, tail
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

GARBAGE = [
    "",
    "text",
    "z",
    b"bytes",
    True,
    float("nan"),
    float("inf"),
    -1,
    0.5,
    10**9,
    [],
    {},
    [1, "a"],
    ["a", 2],
    {"a": "b"},
    {"shared": None},
    {1: 2},
    (1, 2),
    {1, 2},
    object(),
    print,
    len,
    lambda p, q: "far",
    lambda p, q: 1 / 0,
    lambda: 1,
    np.zeros((2, 3)),
    np.array(["a"]),
    np.array([]),
    np.full(500, np.nan),
    pd.Series(dtype=float),
    pd.Series(["a", "b"]),
    pd.Series([1.0, np.nan]),
    pd.Series([1.0, 2.0], index=["a", "a"]),
    pd.Series([7.0], index=pd.MultiIndex.from_tuples([("a", "b")])),
    pd.DataFrame(),
    pd.DataFrame({"a": [1], "b": [2]}),
    pd.Timestamp("2020-01-01"),
    1 + 2j,
]
CHECKS = [
    "furthest",
    "corner",
    "distribution",
    "hellinger",
    "states",
    "went_to",
    "chance",
    "p_value",
    "design",
    "critique",
]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> LabChecks:
    folder = write_tables(tmp_path_factory.mktemp("results") / "tiny")
    return LabChecks(Results("tiny", folder, "frozen"), min_length=5)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", [..., None, "", "  "], ids=repr)
def test_what_was_not_filled_in_is_not_answered(check: LabChecks, name: str, answer: object) -> None:
    checked = getattr(check, name)(answer)
    assert checked.state == "open"
    assert "in place of the dots" in repr(checked)


def test_a_function_that_still_gives_the_dots_back_is_not_answered(check: LabChecks) -> None:
    assert check.hellinger(lambda p, q: ...).state == "open"
    assert_wrong(check.hellinger(lambda p, q: None), "needs a `return`")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", GARBAGE, ids=lambda value: type(value).__name__)
def test_garbage_is_told_and_never_raises(check: LabChecks, name: str, answer: object) -> None:
    checked = getattr(check, name)(answer)
    assert checked.state in ("open", "wrong") or name in ("corner", "critique", "furthest", "went_to")
    assert checked.said.endswith((".", "?"))
    assert "Traceback" not in checked.said


def test_what_is_shown_is_one_paragraph_without_markup_of_the_answer(check: LabChecks) -> None:
    shown = check.states({"<script>": 1})._repr_html_()
    assert shown.startswith('<p class="txray-check txray-check-wrong">')
    assert "<script>" not in shown
    assert "<code>change</code>" in check.design({})._repr_html_()


def test_the_furthest_of_the_long_neurons(check: LabChecks) -> None:
    shared = check.transfer[check.transfer["state"] == "shared"].set_index("neuron")
    length = shared[["length_before", "length_after"]].mean(axis=1)
    long = shared[length >= check.min_length]["hellinger"]
    assert_right(check.furthest(long.idxmax()))
    assert_right(check.furthest(np.int32(long.idxmax())))
    assert_wrong(check.furthest(long.idxmin()), "moved least")
    assert_wrong(check.furthest(length[length < check.min_length].index[0]), "too short")
    assert_wrong(
        check.furthest(check.transfer.loc[check.transfer["state"] != "shared", "neuron"].iloc[0]), "no distance"
    )
    assert_wrong(check.furthest(999), "no neuron of that number")
    assert_wrong(check.furthest(0.9), "looks like a distance")
    assert_wrong(check.furthest(3.5), "whole number")
    if length.idxmax() not in (long.idxmax(), long.idxmin()):
        assert_wrong(check.furthest(length.idxmax()), "longest")
    others = long.drop([long.idxmax(), long.idxmin(), length.idxmax()], errors="ignore")
    assert_wrong(check.furthest(others.index[0]), r"points? above this one")


def rows(*cells: tuple[str, str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["feature", "tag", "count", "activation_sum"])


@pytest.fixture
def by_hand(check: LabChecks, monkeypatch: pytest.MonkeyPatch) -> LabChecks:
    """A neuron given river thrice in two rows (sum 1.5), film once (0.9), and four times `the` (2.0)."""
    its = rows(("river", "NN", 1, 0.7), ("river", "VB", 2, 0.8), ("film", "NN", 1, 0.9), ("the", "DT", 4, 2.0))
    monkeypatch.setattr(LabChecks, "rows", its)
    monkeypatch.setattr(LabChecks, "rows_after", rows(("film", "NN", 2, 1.0)))
    return check


def test_a_distribution_by_hand_and_each_way_to_get_it_wrong(by_hand: LabChecks) -> None:
    p = pd.Series({"river": 0.5, "film": 0.9, "the": 0.5}) / 1.9
    assert_right(by_hand.distribution(p))
    assert_right(by_hand.distribution(p.sample(frac=1, random_state=1)))
    assert_right(by_hand.distribution(dict(p)))
    assert_right(by_hand.distribution(p.to_frame("p")))
    assert_right(by_hand.distribution(p.set_axis(pd.CategoricalIndex(p.index))))
    for mistake, said in (
        ({"river": 0.5, "film": 0.9, "the": 0.5}, "mean activations themselves"),
        ({"river": 1.5 / 4.4, "film": 0.9 / 4.4, "the": 2.0 / 4.4}, "activation sums"),
        ({"river": 3 / 8, "film": 1 / 8, "the": 4 / 8}, "shares of tokens"),
        ({"river": 0.5 / 4.4, "film": 0.9 / 4.4, "the": 0.5 / 4.4}, "mass"),
        ({"river": 0.55 / 1.95, "film": 0.9 / 1.95, "the": 0.5 / 1.95}, "mean of the rows' means"),
        ({"river": 1.1 / 2.5, "film": 0.9 / 2.5, "the": 0.5 / 2.5}, "added the rows' means"),
        (dict(100 * p), "percent"),
        ({"river": 1 / 3, "film": 1 / 3, "the": 1 / 3}, "same probability"),
        ({"film": 1.0}, "after supervision"),
        (dict(distribution(by_hand.before)), "whole stage"),
        ({"river": 0.4, "film": 0.6}, "One feature is missing"),
        ({**p, "plot": 0.0}, "1 feature that"),
        ({"river": 1.4, "film": -0.4, "the": 0.0}, "negative"),
        ({"river": 0.2, "film": 0.2, "the": 0.2}, r"sums to 0\.6"),
        ({"river": 0.2, "film": 0.2, "the": 0.6}, "not their probabilities"),
        (pd.Series([0.2, 0.3, 0.5], ["river", "river", "the"]), "more than once"),
    ):
        assert_wrong(by_hand.distribution(mistake), said)


def test_a_hint_about_a_distribution_holds_none_of_its_numbers(by_hand: LabChecks) -> None:
    values = {f"{value:.2f}" for value in distribution(by_hand.rows)}
    for mistake in ({"river": 0.5, "film": 0.9, "the": 0.5}, {"film": 1.0}, {"river": 0.2, "film": 0.2, "the": 0.6}):
        said = by_hand.distribution(mistake).said
        assert not any(value in said for value in values)


def aligned(function):
    return lambda p, q: function(*p.align(q, fill_value=0.0))


def roots(p, q):
    return np.square(np.sqrt(p) - np.sqrt(q)).sum()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (aligned(lambda p, q: np.sqrt(roots(p, q))), "factor in front"),
        (aligned(lambda p, q: np.sqrt(roots(p, q)) / 2), "halved"),
        (aligned(lambda p, q: roots(p, q) / 2), "outer root is missing"),
        (aligned(roots), "neither the outer root"),
        (aligned(lambda p, q: np.sqrt(np.square(p - q).sum() / 2)), "Which function belongs"),
        (aligned(lambda p, q: np.sqrt(np.square(p - q).sum())), "a factor is missing too"),
        (lambda p, q: np.sqrt(roots(p, q) / 2), "Only features that both sides have"),
        (lambda p, q: np.sqrt(roots(p, q)), "both sides have were counted, and a factor"),
        (aligned(lambda p, q: np.abs(p - q).sum() / 2), "total variation"),
        (aligned(lambda p, q: np.sqrt(p * q).sum()), "how alike"),
        (aligned(lambda p, q: 1 - np.sqrt(roots(p, q) / 2)), "1 minus the distance"),
        (lambda p, q: np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)) / 2), "Where is the sum"),
        (lambda p, q: np.square(np.sqrt(p) - np.sqrt(q)).sum(skipna=False), "NaN"),
        (lambda p, q: p["nothing"], "stopped with KeyError"),
        (lambda p: 0.0, "stopped with TypeError"),
        (lambda p, q: "far", "should be a number"),
        (aligned(lambda p, q: 0.123), "itself should be 0"),
        (lambda p, q: 0.0, "share no feature should be 1"),
        (0.5, "should be a function"),
    ],
)
def test_each_way_to_get_a_distance_wrong(check: LabChecks, function: object, said: str) -> None:
    assert_wrong(check.hellinger(function), said)


def test_a_distance_is_right_however_it_is_written(check: LabChecks) -> None:
    assert_right(check.hellinger(hellinger))
    assert_right(check.hellinger(aligned(lambda p, q: np.sqrt(1 - np.minimum(np.sqrt(p * q).sum(), 1)))))


def test_a_distance_right_on_one_pair_alone_is_not_right(check: LabChecks) -> None:
    assert_wrong(check.hellinger(lambda p, q: hellinger(p, q) if len(p) == 5 else 0.0), "share no feature")
    assert_wrong(
        check.hellinger(lambda p, q: hellinger(p, q) * (1 + 1e-3 * (len(p) == 2 and len(q) == 1))),
        "both sides change places",
    )


def test_states_and_each_way_to_miscount_them(check: LabChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = [2, 0, 1, 0, 5, 0, 4, 4], [1, 0, 0, 3, 6, 2, 0, 0]
    table = pd.DataFrame({"length_before": before, "length_after": after})
    monkeypatch.setattr(check, "transfer", table)
    counts = {"shared": 2, "avoided": 3, "gained": 2, "never preferred": 1}
    assert_right(check.states(counts))
    assert_right(check.states(pd.Series(counts)))
    for change, said in (
        ({"avoided": 2, "gained": 3}, "changed places"),
        ({"avoided": 4, "gained": 3}, "grows|does not make"),
        ({"shared": 3, "never preferred": 0}, "counted as shared"),
        ({"shared": 7}, "shared needs both"),
        ({"avoided": 4, "gained": 3, "shared": 2}, "does not make|counted twice"),
        ({"never preferred": 0}, "are neurons too"),
        ({"shared": 9}, "They sum to 15"),
        ({"shared": 1, "never preferred": 2}, "a single feature"),
        ({"shared": 1, "gained": 3}, "wrong state"),
        ({"lost": 1}, "There is no state 'lost'"),
    ):
        assert_wrong(check.states({**counts, **change}), said)
    assert_wrong(
        check.states({name: number for name, number in counts.items() if name != "never preferred"}), "are neurons too"
    )


def test_where_the_word_went(check: LabChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    its = pd.DataFrame(
        [(3, "film", 6, 3.0), (3, "film", 6, 3.0), (5, "film", 1, 0.9), (7, "film", 9, 4.0), (8, "plot", 99, 9.0)],
        columns=["neuron", "feature", "count", "activation_sum"],
    )
    monkeypatch.setattr(check, "after", its)
    monkeypatch.setattr(check, "word", "film")
    monkeypatch.setattr(check, "neuron", 2)
    assert_right(check.went_to(3))
    assert_wrong(check.went_to(7), "another has it more often")
    assert_wrong(check.went_to(5), "in the mean")
    assert_wrong(check.went_to(2), "had it before")
    assert_wrong(check.went_to(8), "never excited most by the word")
    assert_wrong(check.went_to(-5), "number of a row")


@pytest.fixture
def dealing(check: LabChecks, monkeypatch: pytest.MonkeyPatch) -> LabChecks:
    """A neuron of thirty features of which ten are rare."""
    counts = [1] * 10 + [2] * 10 + [9] * 10
    cells = [(f"w{i}", "NN", count, count * (0.4 + 0.01 * i)) for i, count in enumerate(counts)]
    monkeypatch.setattr(LabChecks, "rows_after", rows(*cells))
    return check


def test_a_null_and_each_way_to_deal_wrongly(dealing: LabChecks) -> None:
    its = dealing.rows_after
    counts, means = its["count"].to_numpy(), (its["activation_sum"] / its["count"]).to_numpy()
    rng = np.random.default_rng(99)

    def distance(first, second):
        p, q = ((side > 0) * means for side in (first, second))
        return hellinger(pd.Series(p / p.sum()), pd.Series(q / q.sum()))

    def coin():
        first = rng.binomial(counts, 0.5)
        return distance(first, counts - first)

    def drawn():
        return distance(*(rng.multinomial(counts.sum(), counts / counts.sum()) for _ in range(2)))

    def few():
        first = rng.binomial(counts, 0.9)
        return distance(first, counts - first)

    assert_right(dealing.chance([coin() for _ in range(300)]))
    assert_right(dealing.chance(pd.Series([*(coin() for _ in range(300)), np.nan])))
    assert_wrong(dealing.chance([coin() for _ in range(20)]), "at least 100")
    assert_wrong(dealing.chance([drawn() for _ in range(300)]), "drawn anew")
    assert_wrong(dealing.chance([few() for _ in range(300)]), "too large")
    assert_wrong(dealing.chance([coin() / 2 for _ in range(300)]), "too small")
    assert_wrong(dealing.chance(np.zeros(200)), "All are 0")
    assert_wrong(dealing.chance(np.ones(200)), "not features")
    assert_wrong(dealing.chance([coin()] * 200), "generator made anew")
    assert_wrong(dealing.chance([2.0] * 200), "above 1")


def test_a_p_and_each_way_to_count_wrongly(check: LabChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.array([-0.05, -0.03, -0.02, 0.0, 0.01, 0.02, 0.04, 0.05, 0.06])
    monkeypatch.setattr(check, "random_sets", chance)
    monkeypatch.setattr(LabChecks, "pruned", -0.03)
    assert tail(-0.03, chance) == 0.3
    assert_right(check.p_value(0.3))
    for value, said in (
        (2 / 9, "counts too"),
        (3 / 9, "Above the line the observed"),
        (2 / 10, "Below the line the observed"),
        (9 / 10, r"did \*less\* harm"),
        (8 / 9, r"\*less\* harm, and leaves out"),
        (6 / 10, "either direction"),
        (5 / 9, "either direction are counted here, and"),
        (2, "not their share"),
        (100 * 2 / 9, "percentile"),
        (7, "between 0 and 1"),
        (0.1234, "Count the random sets"),
    ):
        assert_wrong(check.p_value(value), said)


def test_a_design_changes_one_thing_and_keeps_the_rest(check: LabChecks) -> None:
    good = {name: "".join(letter for letter, option in MENUS[name].items() if option.right) for name in DESIGN}
    assert_right(check.design(good))
    assert_right(check.design({name: list(letters) for name, letters in good.items()}))
    assert_wrong(check.design({**good, "change": "ac"}), "More than one thing")
    for name in DESIGN:
        for letter, option in MENUS[name].items():
            if not option.right:
                checked = check.design({**good, name: letter})
                assert_wrong(checked, re.escape(option.hint))
    assert_wrong(check.design({**good, "keep": good["keep"][1:]}), "one more does")
    assert_wrong(check.design({**good, "against": "z"}), "does not have")
    assert_wrong(check.design({"change": "a"}), "lacks `keep`")
    assert_wrong(check.design("abc"), "could not be read")


@pytest.mark.parametrize("name", ["corner", "critique"])
def test_a_choice_needs_all_that_is_true_and_nothing_else(check: LabChecks, name: str) -> None:
    options = MENUS[name]
    good = [letter for letter, option in options.items() if option.right]
    assert_right(getattr(check, name)(", ".join(good).upper()))
    assert_wrong(getattr(check, name)(good[0]), "more do" if len(good) > 2 else "one more does")
    for letter, option in options.items():
        if not option.right:
            assert_wrong(getattr(check, name)([*good, letter]), re.escape(option.hint))


def test_every_wrong_line_of_a_menu_says_why_and_a_menu_is_escaped() -> None:
    for options in MENUS.values():
        assert all(option.right != bool(option.hint) for option in options.values())
        assert list(options) == list("abcdefgh"[: len(options)])
    assert menu("corner").data.count("<li>") == len(MENUS["corner"])
    with pytest.raises(TxrayError, match="Did you mean 'corner'"):
        menu("corners")


def test_the_neuron_follows_a_rule_and_a_parameter(check: LabChecks) -> None:
    shared = check.transfer[check.transfer["state"] == "shared"]
    assert check.neuron in set(shared["neuron"])
    assert check.word in set(check.rows["feature"].astype(str))
    other = int(shared["neuron"].iloc[0])
    assert LabChecks(check.results, neuron=other).neuron == other
    lost = check.transfer.loc[check.transfer["state"] != "shared", "neuron"].iloc[0]
    with pytest.raises(TxrayError, match="is not shared"):
        LabChecks(check.results, neuron=int(lost))


def test_the_neuron_of_the_rule_has_content_words_and_can_be_seen_whole(check: LabChecks) -> None:
    sizes = {"length_before": 7, "length_after": 9, "count_before": 40, "count_after": 50}
    among = pd.DataFrame([{"neuron": n, **sizes} for n in (1, 2, 3)])
    among.loc[2, "length_after"] = 300
    check = LabChecks(check.results)
    check.before = pd.DataFrame(
        [(1, "the", "DT", 30), (1, "war", "NN", 10), (2, "year", "NN", 39), (2, "the", "DT", 1), (3, "film", "NN", 40)],
        columns=["neuron", "feature", "tag", "count"],
    )
    check.after = check.before.assign(feature=check.before["feature"].replace("war", "<unk>"))
    assert check._readable(among) == 2
    assert check._readable(among.iloc[[0, 2]]) == 1
    assert check._readable(among.iloc[[2]]) == 3


def test_a_run_without_a_shared_neuron_or_random_sets_still_has_a_lab(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny")
    (folder / "pruning_random.parquet").unlink()
    results = Results("tiny", folder, "frozen")
    rows = read_table(folder / "transfer.parquet")
    moved = rows.assign(state=rows["state"].replace("shared", "avoided"))
    write_table(moved, folder / "transfer.parquet", results.provenance)
    check = LabChecks(results)
    assert len(check.rows)
    assert len(check.random_sets) == 0
    assert check.p_value(...).state == check.furthest(...).state == "open"


def test_checks_need_no_file_but_tables(check: LabChecks) -> None:
    assert isinstance(check.results.folder, Path)
    assert_right(check.distribution(distribution(check.rows)))
