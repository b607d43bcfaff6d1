"""The page of speed and scale: costs worked out by hand from round figures, and nothing but a sentence without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_tables import write_benchmarks

from txray_lib.book.notebooks import find_notebook, read_notebook


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    return tmp_path


def page(**values: Any) -> dict[str, Any]:
    """What the page's cells hold at its end."""
    first, *code = [cell.source for cell in read_notebook(find_notebook("speed")).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    exec(first, names)
    names |= values
    for cell in code:
        exec(cell, names)
    return names


def test_costs_follow_from_the_measured_rates(tables: Path) -> None:
    write_benchmarks(tables / "benchmarks.parquet")
    cost = page(tokens=[7.2e8], machines=[1, 10])["cost"]
    assert cost["tagging, h"].tolist() == pytest.approx([10, 1])
    assert cost["collecting, h"].tolist() == pytest.approx([20, 2])
    assert cost["summing on one, h"].tolist() == pytest.approx([0.1, 0.1])
    assert cost["in all, days"].tolist() == pytest.approx([30.1 / 24, 3.1 / 24])
    assert cost["records, GB"].tolist() == pytest.approx([2.88, 2.88])


def test_rows_lie_as_far_from_their_limit_as_was_measured_and_what_breaks_first_comes_first(tables: Path) -> None:
    write_benchmarks(tables / "benchmarks.parquet")
    names = page()
    times = names["judged"].set_index("name")["times"]
    assert times["overhead"] == pytest.approx(1.05 / 1.26)
    assert times["released-disk"] == pytest.approx(10)
    assert times["memory"] == 1000, "less than nothing more is as good as the scale goes"
    assert "notebook" not in times
    assert names["short"]["name"].tolist() == ["overhead"]
    assert names["parts"]["bytes a token"].tolist() == [400, 100, 4]
    assert page(disk_tb=1e-6)["parts"]["bytes a token"].iloc[0] == 4


def test_a_page_without_benchmarks_runs_too(tables: Path) -> None:
    assert page()["judged"].empty
