"""A choice of definition: effects by hand, live formulas against a run's table, one neuron worked out, charts, missing tables."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling_tables import HOSTILE, write_tables

from txray_lib import answers, figures as charts
from txray_lib.audit import FORMULAS
from txray_lib.definitions import Definitions
from txray_lib.errors import TxrayError
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table
from txray_lib.transfer import compare


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder: Path = tmp_path_factory.mktemp("results") / "demo"
    return Results("demo", write_tables(folder), "frozen")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run of before there were tables of definitions."""
    folder: Path = tmp_path_factory.mktemp("bare") / "small"
    write_tables(folder)
    for name in ("definitions", "same_weights"):
        (folder / f"{name}.parquet").unlink()
    return Results("small", folder, "frozen")


def rows(*cells: tuple[str, str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(list(cells), columns=["switch", "id", "part", "paper", "switched"])
    return frame.assign(code=[answers.SWITCHES[s].code for s in frame["switch"]])


def stage(**features: tuple[int, float]) -> pd.DataFrame:
    """Preferences of neuron 0: count and activation sum by feature."""
    listed = [(0, 0, f, "NN", -1, n, total, math.nan) for f, (n, total) in features.items()]
    columns = ["layer", "neuron", "feature", "tag", "y", "count", "activation_sum", "prediction_sum"]
    return pd.DataFrame(listed, columns=columns).astype({"feature": "category", "tag": "category"})


def only(folder: Path, before: pd.DataFrame, after: pd.DataFrame) -> Results:
    """Tables in which the supervised comparison has one neuron alone."""
    write_tables(folder)
    for name, frame in (("reviews-zero-shot", before), ("reviews-supervised", after)):
        write_table(frame, folder / "preferences" / f"{name}.parquet", {})
    return Results("demo", folder, "live")


def test_live_formulas_are_what_a_run_wrote(results):
    kept = read_table(results.folder / "definitions.parquet")
    kept = kept[kept["switch"].isin(list(FORMULAS))].reset_index(drop=True)
    pd.testing.assert_frame_equal(answers.formulas(results), kept, check_dtype=False, check_categorical=False)


def test_an_effect_is_relative_for_counts_and_lengths_and_a_difference_for_shares():
    found = answers.effects(
        rows(
            ("distance", "N3", "share", 0.5, -0.5),
            ("reset", "N13", "gained", 20, 30),
            ("length", "N2", "early", 200.0, 150.0),
            ("marks", "N11", "shared", 5, 5),
            ("reset", "N17", "tags", -0.1, 0.25),
        )
    )
    said = dict(zip(found["label"], found["said"], strict=True))
    assert list(said) == [
        "N2 length, early",
        "N3 fall of distance",
        "N11 shared, supervised",
        "N13 gained",
        "N17 length, tags",
    ]
    assert said["N3 fall of distance"] == "−100 pp"
    assert said["N13 gained"] == "+50 %"
    assert said["N2 length, early"] == "−25 %"
    assert said["N11 shared, supervised"] == "0"
    assert said["N17 length, tags"] == "+35 pp"
    assert found["moved"].tolist() == [True, True, False, True, True]


def test_a_count_that_was_nothing_and_a_value_that_is_none_have_no_relative_change():
    found = answers.effects(rows(("reset", "N13", "gained", 0, 3), ("reset", "N17", "tokens", math.nan, 0.2)))
    assert found["said"].tolist() == ["+3", "–"]
    assert found["effect"].isna().all()
    none = answers.effects(rows(("reset", "N17", "tokens", math.nan, math.nan)))
    assert not none["moved"].any()


@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from(list(answers.LABELS)))
def test_a_number_is_moved_exactly_where_it_is_another_one(paper, switched, key):
    found = answers.effects(rows(("casing", *key, paper, switched)))
    assert bool(found["moved"][0]) == (abs(switched - paper) > 1e-9 * max(abs(paper), 1))
    assert (found["said"][0] == "0") == (not found["moved"][0])


def test_formulas_move_no_count_of_states_and_c3_no_order(results):
    found = answers.effects(answers.formulas(results))
    counts = found[found["kind"] == "count"]
    assert len(counts)
    assert not counts["moved"].any()
    ranks = answers.ranking(answers.formulas(results))
    assert ranks.loc[ranks["switch"] == "length", "value"].to_numpy() == pytest.approx(1)
    assert set(ranks["measure"]) == {"rho", "top"}
    assert "C3 leaves every order as it is" in answers.ranking_said(answers.formulas(results)).data


def test_one_neuron_is_worked_out_as_by_hand(tmp_path):
    """Before: river 2 × 0.4, film 1 × 0.4, so p is ½, ½ and, with C2, each 0.4 / 1.2. After: film alone, 4 × 0.5."""
    before, after = stage(river=(2, 0.8), film=(1, 0.4)), stage(film=(4, 2.0))
    made = only(tmp_path / "demo", before, after)
    assert answers.neuron_by_hand(made) == 0
    hand = answers.worked(made, 0).set_index("feature")
    assert hand.loc["river", "p_before"] == pytest.approx(0.5)
    assert hand.loc["river", "released_p_before"] == pytest.approx(1 / 3)
    assert hand.loc["film", "released_p_after"] == pytest.approx(0.25)
    assert hand.loc["film", "released"] == pytest.approx((math.sqrt(1 / 3) - 0.5) ** 2)
    h = math.sqrt(1 - math.sqrt(0.5))
    assert math.sqrt(hand["paper"].sum() / 2) == pytest.approx(h)
    said = answers.worked_distance(hand.reset_index()).data
    assert f"**{h:.4f}** by the paper" in said
    assert f"/ 2 = **{h / 2:.4f}**" in said
    assert f"miss {1 - 2 / 3:.3f} before and 0.750 after" in said
    page = answers.worked_probabilities(hand.reset_index()).data
    assert "all 2" in page
    assert "1.000" in page


@pytest.mark.parametrize("chosen", [{}, {"probability": "released"}])
def test_what_is_worked_out_is_what_the_library_computes(results, chosen):
    for neuron in (0, 1, 2):
        hand = answers.worked(results, neuron)
        column = "released" if chosen else "paper"
        frame = answers.compared_by(results, "supervised", Definitions(**chosen)).set_index("neuron")
        assert math.sqrt(hand[column].sum() / 2) == pytest.approx(frame.loc[neuron, "hellinger"], abs=1e-9)
        assert len(hand) == frame.loc[neuron, "union"]


def test_the_neuron_by_hand_is_a_short_one_that_c2_moves_and_a_wrong_one_is_refused(results):
    chosen = answers.neuron_by_hand(results)
    frame = answers.compared_by(results, "supervised", Definitions()).set_index("neuron")
    assert not math.isnan(frame.loc[chosen, "hellinger"])
    alone = frame.index[frame["hellinger"].isna()][0]
    with pytest.raises(TxrayError, match="is not shared"):
        answers.neuron_by_hand(results, neuron=int(alone))
    with pytest.raises(TxrayError, match="no comparison 'zero'"):
        answers.neuron_by_hand(results, "zero")


@given(st.integers(1, 50), st.integers(1, 50))
def test_under_c2_equal_preferences_are_apart_and_never_further_than_one_over_root_two(n, m):
    """What the page says of a neuron with one preference: the sums are 1/n and 1/m, whatever n and m."""
    pair = [stage(river=(k, 0.5 * k), film=(k, 0.5 * k)) for k in (n, m)]
    assert compare(*pair, 1)["hellinger"][0] == pytest.approx(0, abs=1e-7)
    h = compare(*pair, 1, definitions=Definitions(probability="released"))["hellinger"][0]
    assert h == pytest.approx(abs(1 / math.sqrt(n) - 1 / math.sqrt(m)) / math.sqrt(2), abs=1e-7)
    assert h < 1 / math.sqrt(2)


def test_recomputing_shows_each_formula_or_the_chosen_ones(results):
    alone = answers.recomputed(results).data
    assert alone.count("<tr>") == 1 + 5
    assert answers.recomputed(results, "early", distance="released").data.count("<tr>") == 1 + 2
    with pytest.raises(TxrayError, match="distance"):
        answers.recomputed(results, distance="code")


def test_the_most_distant_neurons_stand_in_order_with_the_papers_places(results):
    said = answers.most_distant_said(results, 3, distance="released").data
    assert said.startswith("Of the 3 neurons here, ")
    frame = answers.compared_by(results, "supervised", Definitions(distance="released"))
    first = int(frame.loc[frame["hellinger"].idxmax(), "neuron"])
    assert f"<td>1</td><td>{first}</td>" in answers.most_distant(results, 3, distance="released").data


def test_readings_end_with_fine_tuning_and_the_worst_is_named(results):
    found = answers.readings(results)
    assert found["kind"].tolist() == ["same weights"] * 8 + ["fine-tuned"]
    rq3 = results.transfer("rq3")
    assert found.iloc[-1]["avoided"] == (rq3["state"] == "avoided").sum()
    worst = found.iloc[:-1].assign(n=lambda f: f["avoided"] + f["gained"]).sort_values("n").iloc[-1]
    said = answers.readings_said(results).data
    assert "Of 8 pairs of readings" in said
    assert worst["n"] == 0 or f"{worst['avoided']} avoided and {worst['gained']} gained" in said


def test_without_the_tables_the_formulas_and_pruning_remain_and_the_page_says_what_is_missing(bare):
    found = answers.every_switch(bare)
    assert set(found["switch"]) == {*FORMULAS, "pruning"}
    cut = (
        bare.table("pruning").query("way == 'out of the encoder' and split == 'test' and set == 'C'")["change"].iloc[0]
    )
    here = found[(found["id"] == "T2-C") & (found["part"] == "test")]
    assert here["paper"].iloc[0] == pytest.approx(cut)
    assert "Not kept" in answers.not_kept(bare).data
    assert answers.readings(bare).empty
    assert "Not kept" in answers.readings_said(bare).data
    assert list(answers.headings(found)) == ["distance", "probability", "length", "pruning"]


def test_with_the_tables_nothing_is_said_to_be_missing(results):
    assert answers.not_kept(results).data == ""
    assert list(answers.headings(answers.every_switch(results))) == list(answers.SWITCHES)


def test_charts_hold_the_numbers_in_their_words_and_can_be_drawn(results, bare):
    for its in (results, bare):
        found = answers.every_switch(its)
        chart = charts.moved(answers.effects(found), answers.headings(found))
        effects = answers.effects(found)
        strongest = effects[effects["moved"]].iloc[0]
        assert f"{strongest['label']} {strongest['said']}" in chart.description
        assert charts.png(chart.to_dict(), scale=0.5)[:4] == b"\x89PNG"
        names = {s: " ".join(words) for s, words in answers.headings(found).items() if s != "pruning"}
        assert charts.png(charts.rankings(answers.ranking(found), names).to_dict(), scale=0.5)
    alone = answers.readings(results)
    chart = charts.readings(alone)
    last = alone.iloc[-1]
    assert f"{last['avoided']} avoided, {last['gained']} gained" in chart.description
    assert charts.png(chart.to_dict(), scale=0.5)


def test_rankings_without_any_value_are_drawn_empty():
    none = pd.DataFrame({"switch": ["distance"], "code": ["C1"], "comparison": ["late"], "measure": ["rho"]})
    chart = charts.rankings(none.assign(value=np.nan), {"distance": "C1 distance"})
    assert "none is defined" in chart.description
    assert charts.png(chart.to_dict(), scale=0.5)


def test_nothing_from_a_corpus_becomes_markup(results):
    page = answers.worked_probabilities(answers.worked(results, 2), most=60).data
    for word in HOSTILE[:2]:
        assert word not in page
