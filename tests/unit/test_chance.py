"""What exceeds chance, and measures beside the paper's: counts, sentences and charts against cases worked out by hand."""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chance_tables import chance_tables
from telling_tables import write_study, write_tables

from txray_lib import answers, figures as charts
from txray_lib.answers.against import vocabulary_share
from txray_lib.answers.nulls import beyond, changed_beyond_chance, difference, halves_of, span
from txray_lib.figures import theme
from txray_lib.figures.excess import ABOVE, WITHIN
from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

Make = Callable[..., Results]
NAN = math.nan
MADE = ("nulls", "null_states", "measures", "measure_nulls")
RQ1 = [f"encyclopedia-{a}:encyclopedia-{b}" for a, b in ((0, 1), (1, 5), (5, 6))]
RQ2, RQ3 = "encyclopedia-6:reviews-zero-shot", "reviews-zero-shot:reviews-supervised"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results("demo", write_tables(tmp_path_factory.mktemp("results") / "demo"), "frozen")


@pytest.fixture
def older(results: Results, tmp_path: Path) -> Results:
    """A run from before nulls and measures were kept."""
    folder = shutil.copytree(results.folder, tmp_path / "demo")
    for name in MADE:
        (folder / f"{name}.parquet").unlink()
    return Results("demo", folder, "frozen")


@pytest.fixture
def make(results: Results, tmp_path: Path) -> Make:
    """Makes tables in which these comparisons have these neurons, each (state, length before, length after, distance), and no
    others: `make({comparison: neurons})`; by the comparison's name, columns of the table of nulls to set."""
    numbers = count()

    def made(rows: dict[str, list[tuple[Any, ...]]], **nulls: dict[str, Any]) -> Results:
        folder = shutil.copytree(results.folder, tmp_path / str(next(numbers)) / "demo")
        transfer = read_table(folder / "transfer.parquet")
        columns = ["state", "length_before", "length_after", "hellinger"]
        for name, neurons in rows.items():
            own = transfer.index[transfer["comparison"] == name]
            transfer.loc[own, columns] = ("never preferred", 0, 0, NAN)
            for index, values in zip(own, neurons, strict=False):
                transfer.loc[index, columns] = values
        write_table(transfer, folder / "transfer.parquet", {})
        tables = chance_tables(transfer)
        for comparison, values in nulls.items():
            own = tables["nulls"].index[tables["nulls"]["comparison"] == comparison]
            for column, numbers_of in values.items():
                tables["nulls"].loc[own[: len(numbers_of)], column] = numbers_of
        for name, table in tables.items():
            write_table(table, folder / f"{name}.parquet", {})
        return Results("demo", folder, "live")

    return made


def shared(*distances: float) -> list[tuple[Any, ...]]:
    return [("shared", 3, 5, distance) for distance in distances]


def said(answer: Any) -> str:
    return str(answer.data)


def drawn(chart: Any) -> dict[str, Any]:
    """The chart's spec; it fits the page, speaks with numbers, and every colour has its dark one."""
    spec = chart.to_dict()
    assert any(sign.isdigit() for sign in spec["description"])
    assert struct.unpack(">I", theme.png(spec, scale=1)[16:20])[0] <= 650
    text = json.dumps({k: v for k, v in spec.items() if k not in ("usermeta", "datasets")})
    colours = {part[:7] for part in text.split('"') if part.startswith("#") and len(part) == 7}
    assert colours <= set(spec["usermeta"]["txray"]["dark"])
    return spec


def data(spec: dict[str, Any], column: str) -> list[dict[str, Any]]:
    return next(rows for rows in spec["datasets"].values() if rows and column in rows[0])


# Distances beside their nulls


def test_a_neuron_is_above_its_null_where_its_q_is_at_most_the_level(make: Make) -> None:
    made = make({RQ3: shared(0.9, 0.7, 0.3)}, **{RQ3: {"q": [0.01, 0.05, 0.051]}})
    found = answers.beside_null(made, "rq3")
    assert found["above"].tolist() == [True, True, False]
    assert answers.beside_null(made, "rq3", 0.01)["above"].tolist() == [True, False, False]
    assert found["length_after"].tolist() == [5, 5, 5]


def test_only_shared_neurons_are_beside_a_null_in_the_order_of_the_run(results: Results) -> None:
    found = answers.beside_null(results, "rq1")
    transfer = results.transfer("rq1")
    assert list(dict.fromkeys(found["comparison"])) == RQ1
    assert len(found) == (transfer["state"] == "shared").sum()


@pytest.mark.parametrize("level", [0.0, -1.0, 0.0005, 1.0, 1.5, NAN])
def test_a_level_that_cannot_be_one_is_an_error(level: float, results: Results, older: Results) -> None:
    calls: list[Callable[[Results], Any]] = [
        lambda r: answers.beside_null(r, "rq1", level),
        lambda r: answers.which_null(r, "rq1", level),
        lambda r: answers.states_by_chance_said(r, "rq1", level),
        lambda r: answers.against_null(r, "rq1", level),
        lambda r: answers.found_by(r, level),
    ]
    for call in calls:
        for each in (results, older):
            with pytest.raises(TxrayError, match=r"0\.001"):
                call(each)


def test_sentences_of_none_one_and_many(make: Make) -> None:
    made = make(
        {RQ1[0]: [], RQ1[1]: shared(0.9), RQ1[2]: shared(0.6, 0.4, 0.7)},
        **{RQ1[1]: {"q": [0.002]}, RQ1[2]: {"q": [0.5, 0.5, 0.5]}},
    )
    text = said(answers.exceeding(made, "rq1"))
    assert "In encyclopedia-0 → encyclopedia-1 no neuron is shared, so there is no distance to test." in text
    assert (
        "1 of 1 shared neuron lies above its null (q ≤ 0.05): the median distance is 0.90 where chance gives 0.50"
        in text
    )
    assert "and the median excess is +0.40." in text
    assert "none of 3 shared neurons lie above their null" in text
    assert (
        "about 5.0 % at most are to be expected there by chance, in each comparison by itself, if neurons were" in text
    )
    assert "empty a side" not in text
    table = said(answers.excess_table(made, answers.beside_null(made, "rq1")))
    assert "<td>1 (100.0 %)</td><td>0.90</td><td>0.50</td><td>+0.40</td>" in table
    assert "<td>0 (0.0 %)</td><td>0.60</td><td>0.50</td><td>+0.10</td>" in table


def test_arrangements_that_empty_a_side_are_told_where_they_are_many(make: Make) -> None:
    made = make({RQ3: shared(0.9, 0.8, 0.7)}, **{RQ3: {"undefined": [0.25, 0.06, 0.05]}})
    text = said(answers.exceeding(made, "rq3"))
    assert "For 2 neurons more than 5.0 % of the arrangements (at most 25.0 %) empty a side" in text
    assert "left out of what chance gives, while p counts them as further apart." in text
    assert "leaves out arrangements that empty a side" in said(
        answers.excess_table(made, answers.beside_null(made, "rq3"))
    )


def test_nothing_above_needs_no_word_on_false_ones(make: Make) -> None:
    text = said(answers.exceeding(make({RQ3: shared(0.3)}), "rq3"))
    assert "none of 1 shared neuron" in text
    assert "expected" not in text


def test_which_null_it_is_and_why(results: Results) -> None:
    for question in ("rq1", "rq3"):
        text = said(answers.which_null(results, question))
        assert "no systematic change" in text
        assert "change sides with probability one half" in text
        assert "right null for two encoders on one text" in text
    text = said(answers.which_null(results, "rq2", 0.01))
    assert "which text it was does not matter" in text
    assert "right null for one encoder on two corpora" in text
    assert "1,000 arrangements for every neuron, up to 4,000 for" in text
    assert "at most 0.01" in text


def test_other_definitions_have_no_null(results: Results) -> None:
    for released in (Definitions(distance="released"), Definitions(probability="released")):
        assert answers.beside_null(results, "rq1", 0.05, released).empty
        assert not answers.has_nulls(results, released)
        assert "null that was drawn is one of the paper's distance" in said(
            answers.which_null(results, "rq1", 0.05, released)
        )
    assert len(answers.beside_null(results, "rq1", 0.05, Definitions(length="released")))


# States


def test_states_beside_their_null(make: Make) -> None:
    rows = [*shared(0.9, 0.8), *[("avoided", 2, 0, NAN)] * 5, ("gained", 0, 1, NAN)]
    made = make({RQ3: rows}, **{RQ3: {"q_state": [1.0, 1.0, 0.01, 0.05, 0.06, 0.9, 0.9, 0.001]}})
    states = answers.states_by_chance(made, "rq3").set_index("state")
    assert states["observed"].to_dict() == {"shared": 2, "avoided": 5, "gained": 1, "avoided or gained": 6}
    assert changed_beyond_chance(made, RQ3) == (3, 6)
    assert changed_beyond_chance(made, RQ3, 0.005) == (1, 6)
    text = said(answers.states_by_chance_said(made, "rq3"))
    assert "5 avoided where chance gives 2.0 (5–95 %: 1–4) and 1 gained where chance gives 2.0 (5–95 %: 1–4)" in text
    assert "of the 6 that changed state 3 did so beyond chance, each by itself." in text
    assert (
        "neurons make 2 tests, of which, each by itself, 1 has p ≤ 0.05; had nothing changed, 0.1 would on average, or fewer."
        in text
    )
    table = said(answers.states_table(made, "rq3"))
    assert "<td>2.0</td><td>1–4</td><td>0.001 (as many)</td>" in table
    assert "(1 + arrangements with as few, or as many) / (1 + all arrangements)" in table


@pytest.mark.parametrize(
    ("changed", "all_", "words"),
    [
        (0, 1, "the one that changed state did not do so beyond chance"),
        (1, 1, "the one that changed state did so beyond chance"),
        (0, 7, "of the 7 that changed state none did so beyond chance, each by itself"),
        (7, 7, "of the 7 that changed state all did so beyond chance, each by itself"),
    ],
)
def test_how_many_changed_beyond_chance_is_said_for_every_number(changed: int, all_: int, words: str) -> None:
    assert beyond(changed, all_) == words


def test_no_change_of_state_is_said_without_a_share(make: Make) -> None:
    text = said(answers.states_by_chance_said(make({RQ3: shared(0.4)}), "rq3"))
    assert (
        "0 avoided where chance gives 2.0 (5–95 %: 1–4) and 0 gained where chance gives 2.0 (5–95 %: 1–4). The" in text
    )
    assert "2 tests, of which, each by itself, none have p ≤ 0.05" in text


def test_numbers_are_written_as_they_are() -> None:
    assert [difference(x) for x in (0.32, -0.2, 0.003, 0.0, NAN)] == ["+0.32", "−0.20", "+0.003", "0", "none"]
    assert span(pd.Series({"null_05": 172.0, "null_95": 172.0})) == "172"


# Vocabulary


def test_a_distance_is_parted_into_vocabulary_and_the_rest(make: Make) -> None:
    """1 − H² = (1 − 0.6²)(1 − 0.8²) = 0.64 · 0.36 = 0.2304; ln 0.64 / ln 0.2304 = 0.304."""
    whole = math.sqrt(1 - 0.2304)
    made = make(
        {RQ2: shared(whole, whole, 1.0)},
        **{RQ2: {"hellinger_vocabulary": [0.6, 0.6, 1.0], "hellinger_common": [0.8, 0.8, NAN]}},
    )
    found = answers.beside_null(made, "rq2")
    assert vocabulary_share(found).round(3).tolist() == [0.304, 0.304]
    text = said(answers.vocabulary_said(made))
    assert "The median distance is 0.88." in text
    assert (
        "words that one of the two texts alone holds, whether by domain or by sampling, would still make it 0.60."
        in text
    )
    assert "where the blocks are dealt anew, the whole distance is 0.50 in the median." in text
    assert "About half would by chance if nothing differed and both had as many tokens." in text
    assert "explain" not in text
    assert "Over the words that occur in both texts it is 0.80, the median of 2 neurons." in text
    assert "1 shared neuron has a side without any word of both texts." in text
    assert "the median neuron owes 30.4 % of its own to words of one text alone." in text
    parts = answers.distance_parts(made)
    assert parts.groupby("part", sort=False).size().iloc[:4].tolist() == [3, 2, 3, 3]
    assert (parts["part"] == "halves of one text").sum() == len(halves_of(made, "encyclopedia-6"))


def test_nothing_in_common_leaves_nothing_to_compare(make: Make) -> None:
    made = make({RQ2: shared(1.0)}, **{RQ2: {"hellinger_vocabulary": [1.0], "hellinger_common": [NAN]}})
    assert said(answers.vocabulary_said(made)).endswith("So nothing is left to compare.")
    drawn(charts.parts(answers.distance_parts(made)))


# The paper's claims


def test_pretraining_against_its_null(make: Make) -> None:
    """Excess 0.4 and then 0.1: 75 % less."""
    made = make({RQ1[1]: shared(0.9, 0.9), RQ1[2]: shared(0.6)})
    text = said(answers.against_null(made, "rq1"))
    assert "The paper claims that distances fall by 99.92 %" in text
    assert (
        "from +0.40 (encyclopedia-1 → encyclopedia-5) to +0.10 (encyclopedia-5 → encyclopedia-6), 75.0 % less" in text
    )
    assert "from 0.90 to 0.60, 33.3 % less" in text
    assert "2 of 2 shared neurons of the early comparison and none of 1 shared neuron of the late one" in text


def test_an_excess_below_chance_has_no_share(make: Make) -> None:
    made = make({RQ1[1]: shared(0.9), RQ1[2]: shared(0.2)})
    assert "to −0.30 (encyclopedia-5 → encyclopedia-6), of which no share can be given" in said(
        answers.against_null(made, "rq1")
    )
    none = make({RQ1[1]: shared(0.9), RQ1[2]: []})
    assert "no fall can be set against it" in said(answers.against_null(none, "rq1"))


def test_zero_shot_against_its_null(make: Make) -> None:
    fewer = make({RQ2: [*shared(0.9), *[("avoided", 1, 0, NAN)] * 9]})
    text = said(answers.against_null(fewer, "rq2"))
    assert (
        "of 10 neurons in use 1 is shared where dealing the blocks of both texts anew leaves 6.0 (5–95 %: 5–8)" in text
    )
    assert "is only that 5.0 fewer are shared" in text
    as_many = make({RQ2: shared(0.9, 0.9)})
    assert "That is within what dealing the blocks anew gives." in said(answers.against_null(as_many, "rq2"))


def test_supervision_against_its_null(make: Make) -> None:
    rows = [*shared(0.9), *[("avoided", 1, 0, NAN)] * 7]
    text = said(answers.against_null(make({RQ3: rows}), "rq3"))
    assert "nearly half of the neurons (49.0 %) avoided and 85 gained" in text
    assert "7 avoided where records that change sides give 2.0 (5–95 %: 1–4), p = 0.001" in text
    assert "Beyond chance are 5.0 avoided ones, 62.5 % of those in use before." in text
    none = said(answers.against_null(make({RQ3: []}), "rq3"))
    assert "So many avoided ones are within what chance gives." in none
    assert "No neuron is shared." in none


def test_what_is_not_rejected_is_no_fact_whatever_the_counts(make: Make) -> None:
    """Nine avoided where chance gives two, seven shared too few: with p above the level neither is told as more than chance."""
    rows = [*shared(0.9), *[("avoided", 1, 0, NAN)] * 9]
    made = make({RQ2: rows, RQ3: rows})
    states = read_table(made.folder / "null_states.parquet")
    write_table(states.assign(p=0.02), made.folder / "null_states.parquet", {})
    assert "Beyond chance are" in said(answers.against_null(made, "rq3"))
    assert "calls for an explanation" in said(answers.against_null(made, "rq2"))
    strict = said(answers.against_null(made, "rq3", 0.01))
    assert "Beyond chance are" not in strict
    assert "So many avoided ones are within what chance gives." in strict
    strict = said(answers.against_null(made, "rq2", 0.01))
    assert "calls for an explanation" not in strict
    assert "That is within what dealing the blocks anew gives." in strict


def test_an_unknown_question_is_an_error(results: Results) -> None:
    with pytest.raises(TxrayError, match="rq3"):
        answers.against_null(results, "rq4")


# Charts


def test_points_above_their_null_differ_by_shape_and_colour(results: Results) -> None:
    found = answers.beside_null(results, "rq1")
    spec = drawn(charts.excess(found))
    points = [row for rows in spec["datasets"].values() for row in rows if "stands" in row]
    assert sum(row["stands"] == ABOVE for row in points) == found["above"].sum()
    assert sum(row["stands"] == WITHIN for row in points) == (~found["above"]).sum()
    assert {"neuron", "length before", "length after", "H", "expected", "p", "q"} < set(points[0])
    assert (
        f"{found['above'].iloc[:0].size + int(found.loc[found['comparison'] == RQ1[0], 'above'].sum())} of"
        in spec["description"]
    )
    text = json.dumps(spec)
    assert '"triangle-up", "circle"' in text
    for ink in theme.CHANCE.values():
        assert ink.light in text


def test_charts_of_little_or_nothing_are_drawn(make: Make) -> None:
    empty = make({name: [] for name in (*RQ1, RQ2)})
    assert "0 shared neurons" in drawn(charts.excess(answers.beside_null(empty, "rq1")))["description"]
    drawn(charts.changed(answers.states_by_chance(empty, "rq1")))
    drawn(charts.excess(answers.beside_null(make({RQ2: shared(0.5)}), "rq2")))


def test_changes_of_state_beside_chance(results: Results) -> None:
    states = answers.states_by_chance(results, "rq3")
    spec = drawn(charts.changed(states))
    rows = data(spec, "stands")
    assert [row["state"] for row in rows] == ["avoided", "gained"]
    assert {row["stands"] for row in rows} == {"p ≤ 0.05, each by itself"}
    assert "triangles have p up to 0.05, each by itself, of 2 tests" in spec["description"]
    assert data(drawn(charts.changed(states, 0.0005)), "stands")[0]["stands"] == "p > 0.0005"


def test_the_linked_overview_draws_points_that_are_not_above_their_null_hollow(results: Results) -> None:
    transfer = results.transfer("rq3")
    preferences = {stage: results.preferences(stage) for stage in ("reviews-zero-shot", "reviews-supervised")}
    found = answers.beside_null(results, "rq3")
    chart = charts.linked(transfer, results.roles, preferences, nulls=found)
    spec = drawn(chart)
    text = json.dumps(spec)
    hollow = int((~found["above"]).sum())
    assert f"Hollow are the {hollow} of {len(found)} points" in spec["description"]
    assert text.count('"o": 1') == hollow
    assert "distance by chance" in text
    without = json.dumps(charts.linked(transfer, results.roles, preferences, nulls=found.iloc[:0]).to_dict())
    assert "distance by chance" not in without
    assert "Hollow" not in without


# Measures


def test_measures_stand_on_the_neurons_that_are_shared(results: Results) -> None:
    rows = answers.measured(results)
    assert list(dict.fromkeys(rows["comparison"])) == [*RQ1, RQ2, RQ3]
    assert len(rows) == sum((results.transfer(q)["state"] == "shared").sum() for q in ("rq1", "rq2", "rq3"))
    np.testing.assert_allclose(rows["mass_hellinger"], rows["hellinger"] ** 2)
    np.testing.assert_allclose(rows["rarefied"], np.abs(np.log(rows["length_after"] / rows["length_before"])))


def test_agreement_is_a_rank_correlation_by_hand() -> None:
    """Ten neurons; two swapped neighbours cost 6 · 2 / (10 · 99) = 0.012."""
    order = np.arange(10.0)
    swapped = np.array([1, 0, *range(2, 10)])
    rows = pd.DataFrame(
        {"comparison": "a:b", "hellinger": order, "mass_hellinger": swapped, "jensen_shannon": -order, "ochiai": 1.0}
        | {"rarefied": [NAN, *order[1:]]}
    )
    pairs = answers.agreement(rows).set_index(["first", "second"])
    assert pairs.loc[("hellinger", "mass_hellinger"), "rho"] == pytest.approx(1 - 12 / 990)
    assert pairs.loc[("hellinger", "jensen_shannon"), "rho"] == pytest.approx(-1)
    assert np.isnan(pairs.loc[("hellinger", "ochiai"), "rho"])
    assert pairs.loc[("hellinger", "rarefied"), ["neurons", "rho"]].isna().tolist() == [False, True]
    text = said(answers.agreement_said(pairs.reset_index()))
    assert "Hellinger by mass 0.99; Jensen-Shannon −1.00." in text
    assert "Ochiai sees" not in text
    spec = drawn(charts.agreement(pairs.reset_index()))
    assert {row["said"] for row in data(spec, "way")} >= {"0.99", "−1.00", "none"}


def test_too_few_neurons_have_no_agreement(make: Make) -> None:
    made = make({name: shared(0.3, 0.4) for name in (*RQ1, RQ2, RQ3)})
    pairs = answers.agreement(answers.measured(made))
    assert pairs["rho"].isna().all()
    assert "none, too few neurons or none of different distance" in drawn(charts.agreement(pairs))["description"]
    known = pd.concat([pairs, pairs.assign(comparison="other", rho=0.5)])
    assert "have too few shared neurons for it, or none of different distance." in said(answers.agreement_said(known))
    assert "No comparison has 10 shared neurons" in said(answers.agreement_said(pairs))
    drawn(charts.agreement(pairs))


def test_what_each_measure_finds(make: Make) -> None:
    made = make({RQ3: shared(0.9, 0.5, 0.4), RQ2: shared(0.9)})
    found = answers.found_by(made).set_index(["comparison", "measure"])
    assert found.loc[(RQ3, "hellinger"), ["shared", "above", "with_papers"]].tolist() == [3, 1, 1]
    assert found.loc[(RQ3, "mass_hellinger"), ["shared", "above", "with_papers"]].tolist() == [3, 3, 1]
    assert found.loc[(RQ3, "mass_hellinger"), "observed"] == pytest.approx(0.25)
    assert found.loc[(RQ3, "mass_hellinger"), "excess"] == pytest.approx(0.0)
    text = said(answers.found_said(found.reset_index()))
    assert "reviews-supervised Hellinger by mass finds most (3 of 3 shared neurons)," in text
    assert "Hellinger (the paper's), Jensen-Shannon and Ochiai (features alone) least (1)." in text
    assert "every measure finds 1 of 1 shared neuron." in text
    only = found.reset_index().query("measure == 'hellinger'")
    alone = said(answers.found_said(only))
    assert "by Hellinger (the paper's), the only measure that was tested: in" in alone
    assert "reviews-zero-shot → reviews-supervised 1 of 3 shared neurons" in alone
    assert "<td>1 of 3</td><td>–</td>" in said(answers.found_table(only))
    assert "<td>3 of 3</td><td>1</td><td>0.25</td><td>0.25</td><td>0</td>" in said(
        answers.found_table(found.reset_index())
    )
    rows = data(drawn(charts.found(found.reset_index())), "kind")
    assert {row["kind"] for row in rows} == {"median observed", "median by chance"}


def test_halves_and_rarefied_lengths(results: Results) -> None:
    floors = answers.noise_floors(results)
    assert set(floors["stage"]) == {"encyclopedia-6", "reviews-zero-shot"}
    own = floors[(floors["stage"] == "encyclopedia-6") & (floors["measure"] == "hellinger")].iloc[0]
    assert own["median"] == pytest.approx(halves_of(results, "encyclopedia-6")["hellinger"].median())
    assert "Hellinger by mass is the nearest to zero." in said(answers.noise_floors_said(floors))
    assert "not compared" in said(answers.noise_floors_said(floors.iloc[:0]))
    text = said(answers.rarefied_said(answers.measured(results)))
    assert text.count("once both sides have as many tokens") == 5
    assert "No neuron is shared" in said(answers.rarefied_said(answers.measured(results).iloc[:0]))


def test_which_measure_parts_planted_change_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        (measure, noise, way, "one", seed, auc + 0.02 * seed, 0.7, 0.2, 15)
        for measure, auc in (("hellinger", 0.7), ("mass_hellinger", 0.9), ("rarefied", 0.4))
        for noise in ("none", "some")
        for way in ("argmax", "top-3")
        for seed in (0, 1)
    ]
    columns = ["measure", "noise", "way", "texts", "seed", "auc", "changed", "unchanged", "neurons"]
    folder = write_study(tmp_path / "truth")
    write_table(pd.DataFrame(made, columns=columns), folder / "truth_measures.parquet", {})
    write_tables(tmp_path / "demo")
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    rows = answers.separation("truth")
    assert rows.set_index(["measure", "noise"])["auc"].loc[("mass_hellinger", "some")] == pytest.approx(0.91)
    text = said(answers.separation_said(rows, "truth"))
    assert "with noise “none” Hellinger by mass parts them best, with 0.91, the paper's distance with 0.71" in text
    assert "<td>0.910</td><td>0.910</td>" in said(answers.separation_table(rows))
    alike = rows.assign(auc=1.0)
    assert "with noise “some” every measure parts them alike, with 1.00" in said(
        answers.separation_said(alike, "truth")
    )
    assert "Source: profile truth" in said(answers.separation_source("truth"))
    for name, words in (("demo", "a run, not a study"), ("trth", "truth")):
        with pytest.raises(TxrayError, match=words):
            answers.separation(name)
    shutil.rmtree(folder)
    assert answers.separation("truth").empty
    assert said(answers.separation_source("truth")) == ""
    assert "tables of the study truth on planted encoders are not at hand" in said(
        answers.separation_said(answers.separation("truth"), "truth")
    )


# One neuron


def test_a_single_neuron_stands_beside_its_null(make: Make, older: Results) -> None:
    made = make({RQ3: [("shared", 3, 5, 0.9), ("avoided", 2, 0, NAN)]}, **{RQ3: {"expected": [0.64], "q": [0.002]}})
    picked = pd.DataFrame({"neuron": [0, 1]}, index=["most", "asked"])
    table = said(answers.singles_table(made, made.transfer("rq3"), picked))
    assert "by chance (q)" in table
    assert "<td>0.64 (0.002)</td>" in table
    assert "by chance" not in said(answers.singles_table(made, made.transfer("rq3"), picked, halves=False))
    assert "by chance" not in said(answers.singles_table(older, older.transfer("rq3"), picked.iloc[:1]))


# Older runs


def test_a_run_without_nulls_says_so_in_one_sentence(older: Results) -> None:
    sentence = "The tables of this run are from before nulls were kept"
    for question in ("rq1", "rq2", "rq3"):
        assert answers.beside_null(older, question).empty
        assert answers.states_by_chance(older, question).empty
        assert said(answers.which_null(older, question)).startswith(sentence)
        assert said(answers.against_null(older, question)).startswith(sentence)
        assert said(answers.exceeding(older, question)) == said(answers.states_by_chance_said(older, question)) == ""
    assert said(answers.vocabulary_said(older)) == ""
    assert answers.distance_parts(older).empty
    assert answers.measured(older).empty
    assert answers.found_by(older).empty
    assert answers.noise_floors(older).empty
    (told,) = answers.kept_no_measures(older)
    assert "before other measures were kept" in said(told)


def test_a_run_without_nulls_of_measures_says_so(tmp_path: Path, results: Results) -> None:
    folder = shutil.copytree(results.folder, tmp_path / "demo")
    (folder / "measure_nulls.parquet").unlink()
    (told,) = answers.kept_no_measures(Results("demo", folder, "frozen"))
    assert "before a null of each measure was kept" in said(told)
    rows = results.table("measure_nulls")
    write_table(rows[rows["measure"] == "hellinger"], folder / "measure_nulls.parquet", {})
    (told,) = answers.kept_no_measures(Results("demo", folder, "frozen"))
    assert "a null of the paper's distance alone" in said(told)
    assert "before" not in said(told)
    assert answers.kept_no_measures(results) == ()
