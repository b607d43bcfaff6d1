"""What the pages on speed and scale say of benchmarks: verdicts, distances from limits, costs worked out by hand."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from benchmark_tables import benchmark_rows, write_benchmarks

from txray_lib import answers, figures as charts
from txray_lib.answers import scaling
from txray_lib.errors import TxrayError
from txray_lib.notebooks import execute

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def rows() -> pd.DataFrame:
    return benchmark_rows()


def test_frozen_benchmarks_are_read_back(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    write_benchmarks(tmp_path / "benchmarks.parquet")
    read = answers.benchmarks()
    assert read["beside"].tolist() == rows["beside"].tolist()
    assert read["met"].tolist() == rows["met"].tolist()


def test_without_benchmarks_a_page_says_how_to_make_some(workplace):
    with pytest.raises(TxrayError, match="make bench"):
        answers.benchmarks(live=True)
    rows = answers.benchmarks()
    assert rows.empty
    (said,) = answers.no_benchmarks(rows)
    assert "make bench ARGS=--freeze" in said.data
    assert answers.no_benchmarks(benchmark_rows()) == ()


@pytest.mark.parametrize("name", ["speed", "scale"])
def test_a_page_without_benchmarks_runs_and_draws_nothing(name, workplace, tmp_path):
    out = execute(NOTEBOOKS / f"{name}.md", tmp_path / "out.ipynb", {}, tmp_path)
    outputs = [o for cell in nbformat.read(out, 4).cells if cell.cell_type == "code" for o in cell.outputs]
    assert len(outputs) == 1
    assert "No benchmark is frozen here" in outputs[0].data["text/markdown"]


def test_what_falls_short_is_named_with_its_reason(rows):
    said = answers.speed_said(rows).data
    assert said.startswith("5 of 6 benchmarks meet their limit.")
    assert "**overhead** falls short: 1.26 times, asked was at most 1.05." in said
    assert "notebook: not at hand." in said
    assert "tagging" not in said


def test_points_are_times_better_than_the_limit(rows):
    points = answers.speed_points(rows).set_index("name")
    assert points.loc["overhead", "times"] == pytest.approx(1.05 / 1.26)
    assert points.loc["overhead", "verdict"] == "falls short"
    assert points.loc["released-disk", "times"] == 10
    assert points.loc["two-stages", "times"] == 2
    assert points.loc["memory", "times"] == 1000, "less than nothing more is as good as the scale goes"
    assert "notebook" not in points.index
    assert points["times"].is_monotonic_decreasing


def test_the_chart_says_what_it_shows(rows):
    chart = charts.speed(answers.speed_points(rows))
    assert "5 of 6 benchmarks meet their limit" in chart.description
    assert "lowest overhead, at 0.83 of it" in chart.description
    with pytest.raises(TxrayError, match="no benchmark to draw"):
        charts.speed(answers.speed_points(rows).head(0))


def test_tables_escape_and_hold_every_row(rows):
    table = answers.speed_table(rows).data
    assert table.count("<tr>") == len(rows) + 1
    assert "met, 10 times better" in table
    assert "falls short, 0.833 of it" in table
    assert "at most 1.05 times" in table
    assert "collected tokens a second" in answers.speed_beside(rows).data
    assert answers.speed_notes(rows).data == "- **memory**: Of 256 units."
    assert "a machine of 2 cores; commit abc, 2026-01-02" in answers.speed_source(rows).data


def test_rates_and_costs_by_hand(rows):
    rates = scaling.rates(rows)
    assert rates == scaling.Rates(20_000, 10_000, 2_000_000, 4.0, 100.0, 400.0)
    table = answers.cost_table(rows, "7.2e8", "1,10").data
    assert "720,000,000" in table
    for hours in ("10.0 hours", "20.0 hours", "6.0 minutes", "30.1 hours", "1.0 hours", "2.0 hours", "3.1 hours"):
        assert hours in table, hours
    assert "2.9 GB" in table
    assert "from 300 machines on" in answers.machines_said(rows, "1e9").data


def test_the_first_to_break_comes_first(rows):
    said = answers.breaking_said(rows, 64, 10).data
    assert "The first to break is nulls: at 1.6e8 tokens" in said
    table = answers.breaking_table(rows, 64, 10).data
    assert table.index("nulls") < table.index("corpora, tags") < table.index("collect")
    assert "2.5e12" in table
    assert "The first to break is collect" in answers.breaking_said(rows, 64, 1e-6).data


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows: answers.cost_table(rows, "many", "1"), "tokens must be numbers"),
        (lambda rows: answers.cost_table(rows, "1e9", "0"), "machines must be 1 or more"),
        (lambda rows: answers.breaking_table(rows, 0, 1), "must be above 0"),
        (lambda rows: answers.cost_table(rows[rows["name"] != "tagging"], "1e9", "1"), "'tagging' was not measured"),
    ],
)
def test_what_cannot_be_worked_out_is_an_error(rows, call, message):
    with pytest.raises(TxrayError, match=message):
        call(rows)
