"""The paper's quantities from four comparisons, counted by hand; and what switches do to them."""

import math

import numpy as np
import pandas as pd
import pytest
from by_hand import preferences_of

from txray_lib.audit.measures import PAIRS
from txray_lib.audit.switches import agreement, compare_pairs, formula_switches, quantities, same_weights, what_moves
from txray_lib.transfer import preference_states


def rows(before: list[int], after: list[int], distances: list, union: list[int] | None = None) -> pd.DataFrame:
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


def test_each_quantity_is_what_one_counts_by_hand():
    assert quantities(COMPARED) == pytest.approx(
        {
            ("N1", "early"): 2,
            ("N1", "late"): 3,
            ("N2", "early"): 15,
            ("N2", "before_last"): 13 / 3,
            ("N2", "last"): 4,
            ("N3", "share"): 1 - 0.1 / 0.6,
            ("N7", "shared"): 3,
            ("N8", "drop"): 0,
            ("N11", "shared"): 1,
            ("N12", "lost"): 2 / 3,
            ("N12", "avoided"): 2 / 3,
            ("N13", "gained"): 1,
            ("N14", "empty"): 2,
            ("N14", "avoided"): 2,
            ("N17", "tokens"): 0.5,
            ("N17", "tags"): -0.5,
            ("N17", "mean_of_ratios"): 0.5,
            ("N18", "tokens"): 12 / 5 - 1,
        }
    )


def test_the_released_length_is_the_union_on_both_sides():
    found = quantities(COMPARED, "released")
    assert found["N2", "before_last"] == found["N2", "last"] == 5
    assert found["N17", "tokens"] == pytest.approx(0.5)


def test_a_mean_over_nobody_is_missing():
    found = quantities({name: rows([0, 1], [1, 0], [None, None]) for name in PAIRS})
    assert found["N1", "early"] == 0
    assert all(math.isnan(found[key]) for key in [("N2", "early"), ("N3", "share"), ("N17", "tokens"), ("N12", "lost")])


def test_agreement_of_rankings():
    first, reverse = rows([1] * 4, [1] * 4, [0.1, 0.2, 0.3, 0.4]), rows([1] * 4, [1] * 4, [0.4, 0.3, 0.2, 0.1])
    assert agreement(first, first) == pytest.approx(1)
    assert agreement(first, reverse) == pytest.approx(-1)
    assert math.isnan(agreement(first, rows([1] * 4, [1] * 4, [0.1, 0.2, None, None])))


def preferences(features: dict[int, str]) -> pd.DataFrame:
    """Preferences in which each neuron prefers these letters, at a mean activation of 1, the later the more often."""
    cells = [(neuron, letter) for neuron, letters in features.items() for letter in letters]
    return preferences_of((*cell, "NN", number, number) for number, cell in enumerate(cells, 1))


ROLES = {"early": "d", "before-last": "de", "last": "def", "zero-shot": "abc", "supervised": "d"}
STAGES = {role: preferences({0: "ab", 1: "c", 2: letters}) for role, letters in ROLES.items()}
PAPER = compare_pairs(STAGES, 4)


def test_only_the_distance_moves_under_its_formula_and_only_lengths_under_theirs():
    table = formula_switches(STAGES, PAPER, 4)
    differs = ~np.isclose(table["paper"], table["switched"], equal_nan=True)
    assert set(table.loc[differs & (table["switch"] == "length"), "id"]) == {"N2"}
    assert set(table.loc[differs & (table["switch"] != "length"), "id"]) <= {"N3", "ranking"}
    assert table.groupby("switch")["code"].first().to_dict() == {"distance": "C1", "probability": "C2", "length": "C3"}


def test_a_reading_moves_what_it_reads_alone():
    same = what_moves("reset", "C9", PAPER, PAPER).query("id != 'ranking'")
    assert np.allclose(same["paper"], same["switched"], equal_nan=True)
    read = compare_pairs({**STAGES, "supervised": preferences({0: "ab"})}, 4, ["supervised"])
    assert list(read) == ["supervised"]
    other = what_moves("reset", "C9", PAPER, {**PAPER, **read}).set_index(["id", "part"])
    assert other.loc[("N11", "shared"), ["paper", "switched"]].tolist() == [3, 1]
    assert other.loc[("N1", "early"), ["paper", "switched"]].tolist() == [3, 3]


def test_same_weights_count_states_of_one_stage_read_twice():
    row = same_weights("cased", "C10", "wiki-1", preferences({0: "ab", 1: "c"}), preferences({0: "ab", 2: "d"}), 5)
    assert [row[state] for state in ("shared", "avoided", "gained", "never")] == [1, 1, 1, 2]
    assert row["mean"] == pytest.approx(0, abs=1e-7)
