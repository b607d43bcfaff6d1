"""The first page: which run and which neuron it shows, what it answers, and its figure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from telling_tables import HOSTILE, write_tables

from txray_lib import answers, figures as charts
from txray_lib.preferences import grouped_by_tag
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results("tiny", write_tables(tmp_path / "tiny"), "frozen")


def changed(results: Results, name: str, change) -> Results:
    path = results.folder / f"{name}.parquet"
    write_table(change(read_table(path)), path, results.provenance)
    return Results(results.profile, results.folder, results.origin)


def test_the_largest_run_is_that_of_most_neurons(results: Results, tmp_path: Path) -> None:
    wide = Results("wide", write_tables(tmp_path / "wide"), "frozen")
    wide = changed(wide, "stages", lambda stages: stages.assign(neurons=stages["neurons"] + 1))
    assert answers.largest([results, wide, results]) is wide
    assert answers.largest([results]) is results


def adjectives(results: Results, stage: str) -> pd.Series:
    rows = grouped_by_tag(results.preferences(stage))
    return rows[rows["tag"].isin(["JJ"])].groupby("neuron")["p"].sum()


def test_the_neuron_is_the_one_that_turned_most_towards_adjectives(results: Results) -> None:
    shown = answers.front_neuron(results, min_length=2)
    neuron = shown.neuron
    assert "further than chance" in shown.why
    beside = answers.beside_null(results, "rq3")
    fit = beside[beside["above"] & (beside[["length_before", "length_after"]].min(axis=1) >= 2)]["neuron"]
    before, after = (adjectives(results, stage) for stage in ("reviews-zero-shot", "reviews-supervised"))
    rise = after.reindex(fit, fill_value=0.0) - before.reindex(fit, fill_value=0.0)
    assert len(fit) > 3
    assert rise[neuron] == rise.max()


def test_where_none_is_long_enough_it_is_the_most_distant(results: Results) -> None:
    shared = results.transfer("rq3").dropna(subset=["hellinger"]).set_index("neuron")["hellinger"]
    shown = answers.front_neuron(results, min_length=10_000)
    assert shared[shown.neuron] == shared.max()
    assert "it moved furthest of all" in answers.front_said(results, shown).data


def test_a_run_without_a_shared_neuron_has_none_to_show_and_is_shown_last(results: Results, tmp_path: Path) -> None:
    wide = Results("wide", write_tables(tmp_path / "wide"), "frozen")
    wide = changed(wide, "stages", lambda stages: stages.assign(neurons=stages["neurons"] + 1))
    none = changed(
        wide, "transfer", lambda rows: rows.assign(state=rows["state"].where(rows["state"] != "shared", "gained"))
    )
    shown = answers.front_neuron(none)
    assert shown.neuron == -1
    assert "no neuron is in use both before and after" in answers.front_said(none, shown).data
    assert answers.largest([none, results]) is results


def test_each_question_is_answered_from_the_tables(results: Results) -> None:
    said = answers.front_answers(results).data
    counts = results.transfer("rq3")["state"].value_counts()
    assert all(f"RQ{i}:" in said for i in (1, 2, 3))
    assert f"{100 * counts['avoided'] / (counts['avoided'] + counts['shared']):.1f} % become avoided" in said
    above = answers.beside_null(results, "rq3")["above"]
    assert f"{above.sum()} of {len(above)} shared neurons" in said


def test_a_run_of_few_snapshots_has_no_answer_to_the_first_question(results: Results) -> None:
    few = changed(results, "stages", lambda stages: stages[~stages["role"].isin(["untrained", "early", "before-last"])])
    assert "fewer than three snapshots" in answers.front_answers(few).data


def test_the_figure_shows_the_neuron_and_says_its_words(results: Results) -> None:
    rows = results.transfer("rq3")
    stages = {stage: results.preferences(stage) for stage in (rows["before"].iloc[0], rows["after"].iloc[0])}
    chart = charts.front(rows, results.roles, stages, 0, answers.beside_null(results, "rq3"))
    shared = rows[rows["state"] == "shared"]
    assert f"each of {len(shared)} neurons" in chart.description
    assert f"neuron 0, at distance {shared.set_index('neuron').loc[0, 'hellinger']:.2f}" in chart.description
    assert charts.png(chart.to_dict())
    said = answers.front_said(results, answers.front_neuron(results, min_length=2)).data
    assert "was picked because" in said
    assert not any(token in said for token in HOSTILE[:2])
