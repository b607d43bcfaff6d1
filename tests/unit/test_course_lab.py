"""The lab's checks: right answers are right, each usual mistake gets its own hint, and nothing gives an answer away."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from course_answers import GARBAGE, aligned, assert_right, assert_wrong
from IPython.core.interactiveshell import InteractiveShell
from running import run_cells
from telling_tables import write_tables

from txray_lib.book.notebooks import find_notebook
from txray_lib.course.lab import MENUS, LabChecks, menu
from txray_lib.errors import TxrayError
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import preference_states

CHANCE = np.array([-0.05, -0.03, -0.02, 0.0, 0.01, 0.02, 0.04, 0.05, 0.06])
GIVEN = {"went_to": ("film",), "p_value": (-0.03, CHANCE)}
"""What checks are told besides the answer."""
CHECKS = ["furthest", "distribution", "hellinger", "states", "went_to", "chance", "p_value"]
BEFORE = pd.DataFrame(
    {
        "neuron": [0, 0, 0, 0, 3],
        "feature": ["river", "river", "film", "the", "film"],
        "count": [1, 2, 1, 4, 2],
        "activation_sum": [0.7, 0.8, 0.9, 2.0, 1.0],
    }
)
MANY = [1] * 10 + [2] * 10 + [9] * 10
AFTER = pd.DataFrame(
    {
        "neuron": [0] * 30 + [3, 3, 5, 7, 8],
        "feature": [f"w{i}" for i in range(30)] + ["film"] * 4 + ["plot"],
        "count": [*MANY, 6, 6, 1, 9, 99],
        "activation_sum": [count * (0.4 + 0.01 * i) for i, count in enumerate(MANY)] + [3.0, 3.0, 0.9, 4.0, 9.0],
    }
)
TRANSFER = pd.DataFrame(
    {
        "neuron": range(11),
        "length_before": [4, 0, 1, 0, 30, 0, 4, 4, 50, 25, 1],
        "length_after": [30, 0, 0, 3, 40, 2, 0, 0, 60, 35, 2],
        "hellinger": [0.6, *[np.nan] * 3, 0.9, *[np.nan] * 3, 0.3, 0.7, 1.0],
    }
)
TRANSFER["state"] = preference_states(TRANSFER["length_before"], TRANSFER["length_after"])
P = pd.Series({"river": 0.5, "film": 0.9, "the": 0.5}) / 1.9
STATES = {"shared": 5, "avoided": 3, "gained": 2, "never preferred": 1}


@pytest.fixture(scope="module")
def check() -> LabChecks:
    """A neuron given river thrice in two rows (sum 1.5), film once (0.9), and four times `the` (2.0)."""
    return LabChecks(TRANSFER, BEFORE, AFTER, neuron=0)


def roots(p, q):
    return np.square(np.sqrt(p) - np.sqrt(q)).sum()


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", [..., None, ""], ids=repr)
def test_what_was_not_filled_in_is_not_answered(check: LabChecks, name: str, answer: object) -> None:
    checked = getattr(check, name)(answer, *GIVEN.get(name, ()))
    assert checked.state == "open"
    assert "in place of the dots" in repr(checked)
    assert check.choice("corner", answer).state == check.hellinger(lambda p, q: ...).state == "open"


@pytest.mark.parametrize("name", [*CHECKS, "choice"])
@pytest.mark.parametrize("answer", GARBAGE, ids=lambda value: type(value).__name__)
def test_garbage_is_told_and_never_raises(check: LabChecks, name: str, answer: object) -> None:
    given = ("corner", answer) if name == "choice" else (answer, *GIVEN.get(name, ()))
    assert_wrong(getattr(check, name)(*given), "")


def test_what_is_shown_is_one_paragraph_without_markup_of_the_answer(check: LabChecks) -> None:
    shown = check.states({"<script>": 1})._repr_html_()
    assert shown.startswith('<p class="txray-check txray-check-wrong">')
    assert "<script>" not in shown


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("furthest", 4),
        ("distribution", P.sample(frac=1, random_state=1)),
        ("distribution", dict(P)),
        ("hellinger", aligned(lambda p, q: np.sqrt(roots(p, q) / 2))),
        ("hellinger", aligned(lambda p, q: np.sqrt(1 - np.minimum(np.sqrt(p * q).sum(), 1)))),
        ("states", STATES),
        ("went_to", 3),
        ("p_value", 0.3),
    ],
)
def test_an_answer_is_right_however_it_is_written(check: LabChecks, name: str, answer: object) -> None:
    assert_right(getattr(check, name)(answer, *GIVEN.get(name, ())))


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("furthest", 8, "moved least"),
        ("furthest", 9, "points above this one"),
        ("furthest", 10, "too short"),
        ("furthest", 2, "No point has this number"),
        ("distribution", {"river": 0.5, "film": 0.9, "the": 0.5}, "means themselves"),
        ("distribution", {"river": 1.5 / 4.4, "film": 0.9 / 4.4, "the": 2.0 / 4.4}, "sums are normalised"),
        ("distribution", {"river": 0.5 / 4.4, "film": 0.9 / 4.4, "the": 0.5 / 4.4}, "by the sum of activations"),
        ("distribution", {"river": 0.55 / 1.95, "film": 0.9 / 1.95, "the": 0.5 / 1.95}, "in several rows"),
        ("distribution", {f"w{i}": (0.4 + 0.01 * i) / 16.35 for i in range(30)}, "after supervision"),
        ("distribution", {"river": 0.2, "film": 0.3, "the": 0.5}, "not their probabilities"),
        ("distribution", {"river": 0.4, "film": 0.6}, "Its features are not"),
        ("hellinger", aligned(lambda p, q: np.sqrt(roots(p, q))), "factor in front"),
        ("hellinger", aligned(lambda p, q: np.sqrt(roots(p, q)) / 2), "halved"),
        ("hellinger", aligned(lambda p, q: roots(p, q) / 2), "outer root is missing"),
        ("hellinger", aligned(lambda p, q: np.sqrt(np.square(p - q).sum() / 2)), "Which function belongs"),
        ("hellinger", lambda p, q: np.sqrt(roots(p, q) / 2), "Only features of both sides"),
        ("hellinger", lambda p, q: np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)) / 2), "Is a sum missing"),
        ("hellinger", lambda p, q: np.square(np.sqrt(p) - np.sqrt(q)).sum(skipna=False), "It is nan"),
        ("hellinger", aligned(lambda p, q: 0.123), "Work it out by hand"),
        ("hellinger", 0.5, "A function is wanted"),
        ("states", {**STATES, "avoided": 2, "gained": 3}, "changed places"),
        ("states", {**STATES, "gained": 7}, "grows does not make"),
        ("states", {**STATES, "shared": 6, "never preferred": 0}, "counted as shared"),
        ("states", {**STATES, "shared": 10}, "counted twice"),
        ("states", {**STATES, "never preferred": 0}, "are neurons too"),
        ("states", {**STATES, "shared": 4, "gained": 3}, "wrong state"),
        ("states", {**STATES, "lost": 1}, "There is no state 'lost'"),
        ("went_to", 7, "another has it more often"),
        ("went_to", 5, "most in the mean"),
        ("p_value", 2 / 9, "could have been drawn too"),
        ("p_value", 3 / 9, r"above \*and\* below"),
        ("p_value", 9 / 10, r"did \*less\* harm"),
        ("p_value", 6 / 10, "either direction"),
    ],
)
def test_each_usual_mistake_has_its_hint(check: LabChecks, name: str, answer: object, said: str) -> None:
    assert_wrong(getattr(check, name)(answer, *GIVEN.get(name, ())), said)


def test_a_null_and_each_way_to_deal_wrongly(check: LabChecks) -> None:
    counts = check.rows_after["count"].to_numpy()
    means = (check.rows_after["activation_sum"] / check.rows_after["count"]).to_numpy()
    rng = np.random.default_rng(99)

    def between(first, second):
        p, q = ((side > 0) * means for side in (first, second))
        return np.sqrt(roots(p / p.sum(), q / q.sum()) / 2)

    def dealt(share):
        first = rng.binomial(counts, share)
        return between(first, counts - first)

    def drawn_anew():
        return between(*(rng.multinomial(counts.sum(), counts / counts.sum()) for _ in range(2)))

    fair = [dealt(0.5) for _ in range(300)]
    assert_right(check.chance(fair))
    assert_right(check.chance(pd.Series([*fair, np.nan])))
    assert_wrong(check.chance(fair[:20]), "at least 100")
    assert_wrong(check.chance([drawn_anew() for _ in range(300)]), "too small")
    assert_wrong(check.chance([dealt(0.9) for _ in range(300)]), "too large")
    assert_wrong(check.chance([fair[0]] * 200), "All are equal")
    assert_wrong(check.chance([2.0] * 200), "between 0 and 1")


@pytest.mark.parametrize("name", MENUS)
def test_a_choice_needs_all_that_is_true_and_nothing_else(check: LabChecks, name: str) -> None:
    options = MENUS[name]
    good = [letter for letter, option in options.items() if "hint" not in option]
    assert list(options) == list("abcdef"[: len(options)])
    assert menu(name).data.count("<li>") == len(options)
    assert_right(check.choice(name, ", ".join(good).upper()))
    assert_wrong(check.choice(name, "z"), "no line z")
    if len(good) > 1:
        assert_wrong(check.choice(name, good[:1]), f"{len(good) - 1} more")
    for letter in set(options) - set(good):
        assert_wrong(check.choice(name, [*good, letter]), re.escape(options[letter]["hint"]))


def test_a_neuron_without_a_distribution_is_an_error() -> None:
    with pytest.raises(TxrayError, match="the neuron 2 prefers nothing before"):
        LabChecks(TRANSFER, BEFORE, AFTER, neuron=2)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tables of the two encoders that the lab's blind test mixes."""
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    for number, name in enumerate(("small", "minilm")):
        write_tables(tmp_path / name, seed=number)
    return tmp_path


@pytest.mark.usefixtures("results")
def test_the_blind_test_hides_the_encoders_and_counts_names_and_intruders() -> None:
    shown = run_cells(find_notebook("lab"), {})
    dealt = InteractiveShell.instance().user_ns
    deck, cards, puzzles = (dealt[name].copy() for name in ("deck", "cards", "puzzles"))
    assert sum("No card has an answer yet" in text for text in shown.texts) == 2
    assert not any(re.search("minilm|small", text) for text in shown.texts if "Have they a name?" in text)
    assert len(cards) + len(puzzles) == len(deck) == len(deck[["encoder", "layer", "neuron"]].drop_duplicates())
    for its in puzzles.itertuples():
        five = dict(word.split(": ", 1) for word in its.five)
        assert {letter for letter, word in five.items() if word not in its.words} == {its.intruder}
    answers = {card: ("None", "films")[card % 2] for card in range(5)} | {999: "no such card"}
    changed = {"names = {}": f"names = {answers}", 'picked = ""': f'picked = "{"".join(puzzles["intruder"])}zz"'}
    run_cells(find_notebook("lab"), {}, changed)
    named, found = (InteractiveShell.instance().user_ns[name] for name in ("named", "found"))
    assert [card for card, yes in named.items() if yes] == [1, 3, 999]
    assert list(found.values()) == [True] * len(puzzles)


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_an_encoder_of_too_few_neurons_gives_no_intruder_and_says_so(results: Path, kept: int) -> None:
    """Of two neurons one is named, and the other has none beside it whose word could be put among its own."""
    path = results / "minilm" / "preferences" / "encyclopedia-5.parquet"
    rows = read_table(path)
    long = rows.groupby("neuron")["feature"].nunique() >= 6
    write_table(rows[rows["neuron"].isin(long[long].index[:kept])], path, rows.attrs["provenance"])
    shown = run_cells(find_notebook("lab"), {}, {'picked = ""': 'picked = "a" * 99'})
    dealt = InteractiveShell.instance().user_ns
    puzzles, found = dealt["puzzles"], dealt["found"]
    assert set(puzzles["encoder"]) == {"small"}
    assert list(found.items()) == [(card, letter == "a") for card, letter in enumerate(puzzles["intruder"])]
    assert sum("A card of minilm has no other neuron" in text for text in shown.texts) == (kept > 1)


@pytest.mark.usefixtures("results")
def test_the_blind_test_says_how_sure_its_counts_are() -> None:
    """Of nine named of ten Wilson's interval is 60 to 98 %; nine of ten against one of ten has p = 0.001."""
    made = 'pd.DataFrame({"encoder": ["small"] * 10 + ["minilm"] * 10, "words": [("a",)] * 20})'
    yes = "{i: i < 9 or i == 10 for i in range(20)}"
    shown = run_cells(find_notebook("lab"), {}, {"tally(cards, named,": f"tally({made}, {yes},"})
    (table,) = (text for text in shown.texts if "Neurons that have a name" in text)
    assert [cell.replace("\xa0", "") for cell in re.findall(r">([^<>]*%)<", table)] == ["2%", "40%", "60%", "98%"]
    assert any("p = 0.001" in text for text in shown.texts)
