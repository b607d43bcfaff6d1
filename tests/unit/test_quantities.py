"""The paper's quantities from four comparisons, counted by hand; and what switches do to them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from txray_lib.audit import COMPARISONS, agreement, formula_switches, moved, quantities, reading_switch, same_weights
from txray_lib.transfer import compare, preference_states


def rows(
    before: list[int], after: list[int], distances: list[float | None], union: list[int] | None = None
) -> pd.DataFrame:
    """Transfer rows of neurons with these lengths and distances; tag lengths are 1 wherever a neuron is preferred."""
    lengths = np.array(before), np.array(after)
    return pd.DataFrame(
        {
            "neuron": range(len(before)),
            "state": preference_states(*lengths),
            "length_before": before,
            "length_after": after,
            "tag_length_before": (lengths[0] > 0) * 2,
            "tag_length_after": (lengths[1] > 0) * 1,
            "union": union or np.maximum(*lengths),
            "hellinger": np.array(distances, float),
        }
    )


COMPARED = {
    "early": rows([10, 20, 0, 0], [4, 6, 3, 0], [0.8, 0.4, None, None]),
    "late": rows([4, 6, 3, 0], [4, 6, 2, 1], [0.1, 0.1, 0.1, None], [5, 7, 3, 1]),
    "zero-shot": rows([4, 6, 2, 1], [2, 2, 0, 1], [0.5, 0.5, None, 0.5]),
    "supervised": rows([2, 2, 0, 1], [3, 0, 9, 0], [0.7, None, None, None]),
}


def value(id_: str, part: str) -> float:
    table = quantities(COMPARED).set_index(["id", "part"])["value"]
    return table[id_, part]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("N1", "early"), 2),
        (("N1", "late"), 3),
        (("N2", "early"), 15),
        (("N2", "before_last"), 13 / 3),
        (("N2", "last"), 4),
        (("N3", "share"), 1 - 0.1 / 0.6),
        (("N7", "shared"), 3),
        (("N8", "drop"), 0),
        (("N11", "shared"), 1),
        (("N12", "lost"), 2 / 3),
        (("N12", "avoided"), 2 / 3),
        (("N13", "gained"), 1),
        (("N14", "empty"), 2),
        (("N14", "avoided"), 2),
        (("N17", "tokens"), 0.5),
        (("N17", "tags"), -0.5),
        (("N17", "mean_of_ratios"), 0.5),
        (("N18", "tokens"), 12 / 5 - 1),
    ],
)
def test_each_quantity_is_what_one_counts_by_hand(key, expected):
    assert value(*key) == pytest.approx(expected)


def test_a_mean_over_nobody_is_missing():
    empty = {name: rows([0, 1], [1, 0], [None, None]) for name in COMPARISONS}
    table = quantities(empty).set_index(["id", "part"])["value"]
    assert table["N1", "early"] == 0
    assert all(math.isnan(table[key]) for key in [("N2", "early"), ("N3", "share"), ("N17", "tokens"), ("N12", "lost")])


def test_the_released_length_is_the_union_on_both_sides():
    from txray_lib.transfer import Definitions

    table = quantities(COMPARED, Definitions(length="released")).set_index(["id", "part"])["value"]
    assert table["N2", "before_last"] == table["N2", "last"] == 5
    assert table["N17", "tokens"] == pytest.approx(0.5)


def test_agreement_of_rankings():
    first = rows([1] * 4, [1] * 4, [0.1, 0.2, 0.3, 0.4])
    assert agreement(first, first, top=2) == {"rho": pytest.approx(1), "top": 1}
    reverse = rows([1] * 4, [1] * 4, [0.4, 0.3, 0.2, 0.1])
    assert agreement(first, reverse, top=2) == {"rho": pytest.approx(-1), "top": 0}
    few = rows([1] * 4, [1] * 4, [0.1, 0.2, None, None])
    assert all(math.isnan(v) for v in agreement(first, few).values())


def test_moved_sets_both_ways_side_by_side():
    other = {**COMPARED, "supervised": rows([2, 2, 0, 1], [3, 1, 9, 1], [0.7, 0.1, None, 0.2])}
    table = moved("casing", "C10", COMPARED, other).set_index(["id", "part"])
    assert table.loc[("N11", "shared"), ["paper", "switched"]].tolist() == [1, 3]
    assert table.loc[("N1", "early"), ["paper", "switched"]].tolist() == [2, 2]
    assert math.isnan(table.loc[("ranking", "early top"), "switched"]), "two shared neurons have no ranking"
    assert set(table["switch"]) == {"casing"}


def preferences(features: dict[int, str]) -> pd.DataFrame:
    """Preferences in which each neuron prefers these letters, each seen once."""
    cells = [(neuron, letter) for neuron, letters in features.items() for letter in letters]
    return pd.DataFrame(
        {
            "layer": np.zeros(len(cells), np.int8),
            "neuron": np.array([n for n, _ in cells], np.int32),
            "feature": pd.Categorical([letter for _, letter in cells]),
            "tag": pd.Categorical(["NN"] * len(cells)),
            "y": np.full(len(cells), -1, np.int8),
            "count": np.arange(1, len(cells) + 1),
            "activation_sum": np.arange(1.0, len(cells) + 1),
            "prediction_sum": np.full(len(cells), np.nan),
        }
    )


STAGES = [preferences({0: "ab", 1: "c", 2: s}) for s in ("d", "de", "def", "abc")]
PAIRS = {name: (STAGES[i], STAGES[(i + 1) % 4]) for i, name in enumerate(COMPARISONS)}


def test_only_the_distance_moves_under_its_formula_and_only_lengths_under_theirs():
    table = formula_switches(PAIRS, 4)
    differs = ~np.isclose(table["paper"], table["switched"], equal_nan=True)
    assert set(table.loc[differs & (table["switch"] == "length"), "id"]) == {"N2"}
    assert set(table.loc[differs & (table["switch"] != "length"), "id"]) <= {"N3", "ranking"}
    counts = table[table["id"].isin(["N1", "N7", "N11", "N13"])]
    assert (counts["paper"] == counts["switched"]).all()
    assert table.groupby("switch")["code"].first().to_dict() == {"distance": "C1", "probability": "C2", "length": "C3"}


def test_a_reading_that_changes_nothing_moves_nothing():
    table = reading_switch("reset", "C9", PAIRS, PAIRS, 4)
    kept = table[table["id"] != "ranking"]
    assert np.allclose(kept["paper"], kept["switched"], equal_nan=True)


def test_same_weights_count_states_of_one_stage_read_twice():
    row = same_weights("cased", "C10", "wiki-1", preferences({0: "ab", 1: "c"}), preferences({0: "ab", 2: "d"}), 5)
    states = {k: row[k] for k in ("shared", "avoided", "gained", "never")}
    assert states == {"shared": 1, "avoided": 1, "gained": 1, "never": 2}
    assert row["mean"] == pytest.approx(0, abs=1e-7)
    assert compare(*PAIRS["early"], 4)["state"].tolist()[3] == "never preferred"
