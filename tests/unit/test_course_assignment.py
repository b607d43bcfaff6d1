"""The assignment's checks, as its notebook defines them, on records made by hand: each usual mistake gets its own hint."""

import ast
from collections.abc import Callable
from types import SimpleNamespace as Page
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_answers import GARBAGE, aligned, assert_right, assert_wrong

import txray_lib as tx
from txray_lib import course
from txray_lib.book.notebooks import find_notebook, read_notebook
from txray_lib.preferences import aggregate, distributions

UNITS, KEYS, SUMS = 6, ["neuron", "feature"], ["count", "activation_sum"]
CHECKS = {"records": 1, "preferences": 1, "distributions": 1, "transfer": 1, "measure": 1, "null": 1, "halves": 2}
"""The number of answers that each takes."""

RANDOM = np.random.default_rng(3)
DOCUMENT = np.repeat(np.arange(24), 10)
TOKENS = pd.DataFrame(
    {
        "document": DOCUMENT,
        "block": [f"film {document // 2}" for document in DOCUMENT],
        "feature": [f"word{number}" for number in RANDOM.integers(0, 30, 240)],
        "tag": ["NN", "DT"] * 120,
        "prediction": np.float32(np.nan),
        "y": np.int8(-1),
        "layer": np.int8(0),
    }
)
FIRST, SECOND = RANDOM.normal(0, 0.5, (2, 240, UNITS))
FIRST[5] = SECOND[7] = -0.3  # excites nobody
FIRST[:, 4:] = SECOND[:, 5] = -1  # neuron 4 is gained, neuron 5 never preferred


def records(values: np.ndarray) -> pd.DataFrame:
    largest = values.max(axis=1)
    neuron = np.where(largest > 0, values.argmax(axis=1), -1)
    made = TOKENS.assign(neuron=neuron.astype(np.int32), activation=largest.astype(np.float32))
    return made.astype({"feature": "category", "tag": "category", "block": "category"})


@pytest.fixture(scope="module")
def page() -> Page:
    """The functions that the notebook defines: its checks, and those of its solutions."""
    stages = [Page(records=records(values), near_ties=0) for values in (FIRST, SECOND)]
    known = [aggregate(stage.records) for stage in stages]
    summed = [side.astype({"feature": str}).groupby(KEYS)[SUMS].sum() for side in known]
    given = {"one": stages[0], "other": stages[1], "known": known, "summed": summed, "units": UNITS}
    named = {"np": np, "pd": pd, "tx": tx, "KEYS": KEYS, "SUMS": SUMS, "normalise": distributions, **vars(course)}
    space: dict[str, Any] = {**named, **given}
    for cell in read_notebook(find_notebook("assignment")).cells:
        if cell.cell_type == "code" and {"solution", "hide-input"} & set(cell.metadata.get("tags", [])):
            defined = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
            exec(compile(ast.Module(defined, []), "assignment", "exec"), space)
    return Page(**space)


@pytest.mark.parametrize("name", CHECKS)
def test_what_was_not_filled_in_is_not_answered(page: Page, name: str) -> None:
    check = getattr(page, f"check_{name}")
    assert check(*[...] * CHECKS[name]).state == "open"
    if name not in ("records", "halves"):
        assert check(lambda *given: ...).state == "open"


def test_garbage_is_told_and_never_raises(page: Page) -> None:
    for name, number in CHECKS.items():
        for answer in GARBAGE:
            for given in (answer, lambda *_, answer=answer: answer):
                assert_wrong(getattr(page, f"check_{name}")(*[given] * number), "")


def test_what_is_right_is_called_right(page: Page) -> None:
    before, after = page.one.records, page.other.records
    assert_right(page.check_records(before[[*TOKENS.columns[:4], "neuron", "activation"]].astype({"feature": str})))
    assert_right(page.check_preferences(page.preferences))
    assert_right(page.check_preferences(lambda table: page.preferences(table).set_index(KEYS)))
    assert_right(page.check_distributions(page.distributions))
    assert_right(page.check_transfer(page.transfer))
    assert_right(page.check_measure(page.measure))
    assert_right(page.check_measure(aligned(lambda p, q: np.abs(p - q).sum() / 2)))
    assert_right(page.check_null(page.null_distances))
    second = before["document"] >= 12
    assert_right(page.check_halves(before[second], before[~second]))
    assert_right(page.check_halves(after[~second], after[second]))


def test_near_ties_may_go_either_way(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    good = page.one.records
    other = good.assign(neuron=good["neuron"].where(good.index != 9, (good["neuron"] + 1) % 4))
    assert_wrong(page.check_records(other), "sign included|state start")
    monkeypatch.setattr(page.one, "near_ties", 1)
    assert_right(page.check_records(other))


def collected(**columns: Any) -> Callable[[Page], pd.DataFrame]:
    """The right records with other columns."""
    return lambda page: page.one.records.assign(**columns)


def swapping(unit: str) -> Callable[[Page], Callable[..., Any]]:
    """The null of the notebook, in which units smaller than a film change sides."""

    def null(page: Page, before: pd.DataFrame, after: pd.DataFrame, draws: int) -> np.ndarray:
        sides = (side.assign(token=range(len(side))) for side in (before, after))
        return page.null_distances(*(side.assign(block=side[unit]) for side in sides), draws)

    return lambda page: lambda *given: null(page, *given)


@pytest.mark.parametrize(
    ("name", "mistake", "said"),
    [
        ("records", lambda page: page.one.records.query("neuron >= 0"), "every token is one record"),
        ("records", lambda page: page.one.records.drop(columns="tag"), "no column `tag`"),
        ("records", collected(feature=TOKENS["feature"].str.upper()), "`feature` is not"),
        ("records", collected(neuron=lambda t: t["neuron"] + 1), "yours begin at 1"),
        ("records", collected(neuron=FIRST.argmax(axis=1)), "`neuron` is -1"),
        ("records", collected(neuron=lambda t: t["neuron"].where(DOCUMENT == 0, 5)), "where does the state start"),
        ("records", collected(neuron=np.abs(FIRST).argmax(axis=1)), "sign included"),
        ("records", collected(activation=np.exp(FIRST.max(axis=1))), "not a function of it"),
        ("records", collected(activation=np.nan), "holds NaN"),
        ("measure", lambda page: aligned(lambda p, q: np.sqrt(1 - np.sqrt(p * q).sum())), "Hellinger"),
        ("measure", lambda page: aligned(lambda p, q: np.abs(p - q).sum()), "share nothing it gives 2"),
        ("measure", lambda page: lambda p, q: float(set(p.index) != set(q.index)), "should lie between"),
        ("measure", lambda page: aligned(lambda p, q: np.clip(p - q, 0, 1).sum() ** (1 + p["river"])), "change places"),
        ("null", swapping("document"), "Parts of a film"),
        ("null", swapping("token"), "Parts of a film"),
        ("null", lambda page: lambda before, after, draws: np.zeros(draws), "one film changes sides"),
        ("null", lambda page: lambda before, after, draws: page.null_distances(before, after, 5), "at least 50"),
    ],
)
def test_each_usual_mistake_has_its_hint(page: Page, name: str, mistake: Callable[[Page], Any], said: str) -> None:
    assert_wrong(getattr(page, f"check_{name}")(mistake(page)), said)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("preferences", lambda t: t.assign(neuron=t["neuron"] - 1), "neuron of their own"),
        ("preferences", lambda t: pd.concat([t, t]), "By what else did you group"),
        ("preferences", lambda t: t.head(3), "counts do not sum"),
        ("preferences", lambda t: t.drop(columns="count"), "no column `count`"),
        ("preferences", lambda t: t.assign(activation_sum=1.0), "activation sums are not"),
        ("preferences", lambda t: t.assign(activation_sum=t["activation_sum"] / t["count"]), "holds means"),
        ("preferences", lambda t: t.assign(count=t["count"] + (t["count"].sum() < 200)), "shards do not add up"),
        ("distributions", lambda t: t.assign(p=t["p"] / t["p"].sum()), "a distribution of its own"),
        ("distributions", lambda t: t.assign(p=t["p"] * 2), "of neuron 0 sum to 2"),
        ("distributions", lambda t: t.assign(p=t["count"] / t.groupby("neuron")["count"].transform("sum")), "mean act"),
        ("transfer", lambda t: t.query("state == 'shared'"), f"each of the {UNITS} neurons"),
        ("transfer", lambda t: t.assign(state=t["state"].iloc[::-1].array), "in another state"),
        ("transfer", lambda t: t.fillna({"distance": 0.0}), "not 0 and not 1"),
        ("transfer", lambda t: t.assign(distance=t["distance"] ** 2), "the distances are not"),
        ("transfer", lambda t: t.replace({"distance": {0.0: 0.1}}), "further away than 0"),
    ],
)
def test_each_usual_mistake_in_what_a_function_gives_has_its_hint(
    page: Page, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    right = getattr(page, name)
    assert_wrong(getattr(page, f"check_{name}")(lambda *given: change(right(*given))), said)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (DOCUMENT % 2 == 0, DOCUMENT % 2 == 1, "blocks are on both sides"),
        (DOCUMENT < 12, DOCUMENT >= 14, "Together they have"),
        (DOCUMENT < 4, DOCUMENT >= 4, "% of the tokens"),
    ],
)
def test_each_way_to_split_wrongly(page: Page, first: np.ndarray, second: np.ndarray, said: str) -> None:
    assert_wrong(page.check_halves(page.one.records[first], page.one.records[second]), said)
    early = DOCUMENT < 12
    assert_wrong(page.check_halves(page.one.records[early], page.other.records[~early]), "weights differ too")
