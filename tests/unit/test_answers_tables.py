"""Tab. 1 and Tab. 2: features in the paper's order, what is left out, rank correlations with their control, the sets."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE, write_tables

from txray_lib import answers, figures as charts
from txray_lib.answers import tables
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

PAPERS_FEATURES = (
    "great james superb famous strange possible french english grand final indian solid original overall good real some dear "
    "british black odd italian entire many more two best one few most three nice four fellow films somewhat lot favorite rare "
    "terrific dull essential celia unbelievable gentle melancholy intended shaggy walter archer"
)
"""The features that the paper's Tab. 1 shows."""


def results_with(folder: Path, neurons: dict[int, list[tuple[str, int, float]]]) -> Results:
    """Tables in which exactly these neurons are gained, each with (feature, count, activation sum) after supervision."""
    write_tables(folder)
    stage = folder / "preferences" / "reviews-supervised.parquet"
    rows = [
        (0, neuron, feature, "NN", 1, count, mass, 0.5 * count)
        for neuron, features in neurons.items()
        for feature, count, mass in features
    ]
    frame = pd.DataFrame(
        rows, columns=["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    )
    write_table(frame.astype({"feature": "category", "tag": "category"}), stage, {})
    transfer = read_table(folder / "transfer.parquet")
    rq3 = transfer["question"] == "rq3"
    transfer.loc[rq3, "state"] = "never preferred"
    transfer.loc[rq3, ["mass_after", "length_after", "count_after"]] = 0
    for neuron, features in neurons.items():
        row = rq3 & (transfer["neuron"] == neuron)
        transfer.loc[row, "state"] = "gained"
        transfer.loc[row, "mass_after"] = sum(mass for *_, mass in features)
        transfer.loc[row, "length_after"] = len(features)
    write_table(transfer, folder / "transfer.parquet", {})
    return Results("tiny", folder, "live")


def shown(html: str) -> list[list[str]]:
    """The cells of a table's body, row by row; tokens of a cell with "|" between."""
    rows = re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[1])
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    return [["|".join(re.findall(r"<span[^>]*>(.*?)</span>", c)) or c for c in row] for row in cells]


NEURONS = {
    7: [("the", 9, 9.0), ("Great", 2, 3.0), ("great", 1, 1.5), ("'s", 4, 2.0), ("plot", 1, 2.5), (",", 3, 2.9)],
    3: [("once", 1, 0.9), ("often", 10, 5.0)],
    5: [("walter", 1, 0.5)],
    4: [("with", 1, 0.25)],
}


def test_features_fall_by_mass_without_stop_words_and_spelling_duplicates(tmp_path: Path) -> None:
    results = results_with(tmp_path / "tiny", NEURONS)
    rows = shown(answers.gained(results, rows=2, top_tokens=5).data)
    assert [row[:3] for row in rows] == [
        ["7", "20.90", "6"],
        ["3", "5.90", "2"],
        ["5", "0.50", "1"],
        ["4", "0.25", "1"],
    ]
    assert [row[3] for row in rows] == ["Great|plot", "often|once", "walter", "only stop words"]


def test_probability_puts_a_rare_strong_feature_first_and_stop_words_can_stay(tmp_path: Path) -> None:
    results = results_with(tmp_path / "tiny", NEURONS)
    rows = shown(answers.gained(results, rows=1, top_tokens=2, stop_words=False, order="probability").data)
    assert [row[3] for row in rows] == ["plot|Great", "with"]
    assert shown(answers.gained(results, rows=1, top_tokens=1, stop_words=False).data)[0][3] == "the"


def test_the_papers_features_are_no_stop_words() -> None:
    assert not set(PAPERS_FEATURES.split()) & tables.STOP_WORDS
    assert {"the", "a", "n't"} <= tables.STOP_WORDS


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"top_tokens": 0}, {"order": "mas"}])
def test_impossible_wishes_for_table_1_are_errors(tmp_path: Path, wrong: dict[str, object]) -> None:
    results = results_with(tmp_path / "tiny", NEURONS)
    with pytest.raises(TxrayError, match=r"at least 1|Did you mean 'mass'"):
        answers.gained(results, **wrong)


def test_no_gained_neuron_is_said(tmp_path: Path) -> None:
    results = results_with(tmp_path / "tiny", {})
    assert "gained no neuron" in answers.gained(results).data
    assert "no gained neuron" in answers.specialised(results).data


@given(st.floats(-0.999, 0.999), st.integers(4, 2000))
def test_the_interval_of_a_rank_correlation_holds_it_and_narrows(rho: float, n: int) -> None:
    low, high = tables.rank_interval(rho, n)
    assert -1 <= low <= rho <= high <= 1
    wider = tables.rank_interval(rho, 4)
    assert wider[0] <= low + 1e-12
    assert high <= wider[1] + 1e-12


def test_gained_neurons_are_compared_with_neighbours_in_mass() -> None:
    """Twenty neurons whose length is their mass; of the gained, one is half as long as its neighbours, one like them."""
    mass = np.arange(10.0, 30.0)
    others = pd.DataFrame({"state": "shared", "mass_after": mass, "length_after": mass.astype(int)})
    gained = pd.DataFrame({"state": "gained", "mass_after": [20.0, 29.5], "length_after": [10, 29]})
    assert tables.shorter_than_neighbours(pd.concat([others, gained])) == (1.0, 2)
    assert tables.shorter_than_neighbours(pd.concat([others.head(9), gained])) is None


def test_correlations_of_gained_neurons_stand_beside_those_of_the_others(tmp_path: Path) -> None:
    results = Results("tiny", write_tables(tmp_path / "tiny"), "live")
    rows = results.transfer("rq3")
    gained = rows[rows["state"] == "gained"]
    said = answers.specialised(results).data
    assert said.count("rank correlation of mass and length is") + said.count("cannot be correlated") == 2
    assert f"Over the {len(gained)} gained neuron" in said
    spec = charts.mass_and_length(rows).to_dict()
    assert f"{len(gained)} gained" in spec["description"]


def test_tab_2_stands_beside_the_papers_and_can_show_one_way(tmp_path: Path) -> None:
    results = Results("tiny", write_tables(tmp_path / "tiny"), "live")
    both = shown(answers.pruned(results).data)
    one = shown(answers.pruned(results, "out of the encoder").data)
    assert (len(both), len(one)) == (10, 5)
    by_set = {row[0]: row for row in one}
    assert by_set["A"][-4:] == ["740", "–", "+3.65", "+2.80"]
    assert by_set["B"][-4:] == ["20", "0.004", "−3.79", "+0.00"]
    assert by_set["C"][-4:] == ["20", "83.120", "−4.99", "−1.43"]
    assert by_set["D"][-4:] == ["85", "3.006", "−3.71", "−3.87"]
    assert by_set["A-strict"][-4:] == ["–"] * 4
    assert "not defined" in by_set["A-strict"]
    with pytest.raises(TxrayError, match="Did you mean 'out of the encoder'"):
        answers.pruned(results, "out of encoder")


def test_what_the_papers_sets_allow_is_worked_out(tmp_path: Path) -> None:
    results = Results("tiny", write_tables(tmp_path / "tiny"), "live")
    said = answers.pruned_sets_checked(results).data
    for number in ("1,500", "675", "85", "740", "1,323", "648", "92", "760"):
        assert number in said
    c = results.table("pruning").query("set == 'C'").iloc[0]
    assert (c["overlap_with_gained"], c["neurons"]) == (3, 7)
    assert "Of our B 2 of 6 are gained neurons, of C 3 of 7: the sets overlap" in said


def test_lengths_of_the_least_preferred(tmp_path: Path) -> None:
    results = results_with(tmp_path / "tiny", NEURONS)
    pruning = results.table("pruning")
    pruning.loc[pruning["set"] == "B", "neurons"] = 3
    write_table(pruning, results.folder / "pruning.parquet", {})
    said = answers.least_preferred(results).data
    assert "Of the 3 neurons of B, 2 prefer a single feature (in the paper 20 of 20)" in said
    assert "between 1 and 2" in said


def test_hostile_features_stay_text(tmp_path: Path) -> None:
    results = results_with(tmp_path / "tiny", {1: [(token, 1, 1.0 + i) for i, token in enumerate(HOSTILE)]})
    html = answers.gained(results, 1, 50, stop_words=False).data
    assert "<script" not in html
    assert "<b>" not in html
    assert html.count('class="txray-token"') == len(HOSTILE)
