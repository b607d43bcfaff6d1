"""The page of speed and scale: costs worked out by hand from round figures."""

import json
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from running import run_cells

from txray_lib.book.notebooks import find_notebook
from txray_lib.tables import write_table

ROWS = [
    ("overhead", "at most", 1.05, 1.26, {"collected tokens a second": 10_000.0}),
    ("released-disk", "at least", 500.0, 5_000.0, {"ours, bytes a token": 4.0}),
    ("memory", "at most", 5.0, -1.0, {"bytes a token of a corpus held whole": 100.0}),
    ("two-stages", "at most", 1.0, 0.5, {"seconds of preferences, both stages": 0.4}),
    ("null-swap", "at most", 600.0, 20.0, {"tokens a side": 400_000, "bytes a token of a side": 200.0}),
    ("tagging", "at least", 13_333.0, 20_000.0, {}),
    ("notebook", "at most", 30.0, None, {}),
]


@pytest.fixture
def page(tmp_path, monkeypatch) -> Any:
    """Runs the page's cells with other parameters, and gives what they hold at their end."""
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    rows = pd.DataFrame(ROWS, columns=["name", "sense", "limit", "value", "beside"])
    rows["met"] = (rows["value"] <= rows["limit"]).where(rows["sense"] == "at most", rows["value"] >= rows["limit"])
    rows = rows.assign(unit="tokens a second", beside=rows["beside"].map(json.dumps), note="", what="this over that")
    write_table(rows.assign(machine="two cores", commit="abc", created="2026"), tmp_path / "benchmarks.parquet")

    def execute(**values: Any) -> dict[str, Any]:
        run_cells(find_notebook("speed"), values)
        return dict(InteractiveShell.instance().user_ns)

    return execute


def test_costs_follow_from_the_measured_rates(page) -> None:
    cost = page(tokens=[7.2e8], machines=[1, 10])["cost"]
    assert cost["tagging, h"].tolist() == pytest.approx([10, 1])
    assert cost["collecting, h"].tolist() == pytest.approx([20, 2])
    assert cost["summing on one, h"].tolist() == pytest.approx([0.1, 0.1])
    assert cost["in all, days"].tolist() == pytest.approx([30.1 / 24, 3.1 / 24])
    assert cost["records, GB"].tolist() == pytest.approx([2.88, 2.88])


def test_rows_lie_as_far_from_their_limit_as_was_measured_and_what_breaks_first_comes_first(page) -> None:
    names = page()
    times = names["judged"].set_index("name")["times"]
    assert times[["overhead", "released-disk", "memory"]].tolist() == pytest.approx([1.05 / 1.26, 10, 1000])
    assert "notebook" not in times
    assert names["short"]["name"].tolist() == ["overhead"]
    assert names["parts"]["bytes a token"].tolist() == [400, 100, 4]
    assert page(disk_tb=1e-6)["parts"]["bytes a token"].iloc[0] == 4
