"""Every notebook, on tables of every kind that a run can leave: each says in words what it lacks, and escapes what it shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import pytest
import vl_convert
from running import run_cells, try_proposals
from telling_tables import HOSTILE, write_benchmarks, write_measured, write_second_layer, write_study, write_tables

from txray_lib.book.notebooks import list_notebooks, parameters_of
from txray_lib.figures.theme import VEGA_LITE
from txray_lib.tables import read_table, write_table

TRAINS = [name for name, source in list_notebooks().items() if "trained" in parameters_of(source)]
"""Pages that train an encoder: the course's own tests run them."""
PAGES = [name for name in list_notebooks() if name not in TRAINS]
KINDS = ("whole", "alone", "bare", "apart")
WIDEST, MOST_LINES, COLUMN = 74, 100, 688
LONGER = {"lab", "assignment", "method"}
"""Pages whose cells are a course of their own."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """One kind of tables, written once for all pages, which only read them."""
    folder = tmp_path_factory.mktemp("results")
    write_study(folder / "truth")
    if request.param == "whole":
        write_benchmarks(folder / "benchmarks.parquet")
    for name in ("tiny", "small", "paper-cpu", "demo"):
        write_tables(folder / name, kind=request.param)
    if request.param == "bare":  # and of an encoder of two layers, of which most pages show the last
        write_second_layer(folder / "tiny")
    else:
        write_measured(folder / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_RESULTS", str(folder))
        patch.setenv("TXRAY_PICTURES", "no")
        yield request.param


@pytest.mark.filterwarnings("error")  # in a kernel a warning is output, which fails a strict build
@pytest.mark.parametrize("tables", KINDS, indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_every_notebook_runs_on_every_kind_of_tables(name: str, tables: str) -> None:
    shown = run_cells(list_notebooks()[name], {"profile": "tiny", "min_length": 2})
    assert all(chart["description"] for chart in shown.charts)
    assert not any(re.search(r"[{}]|\[['\d]", chart["description"]) for chart in shown.charts)  # read aloud: no code
    assert shown.text
    assert not any(token in shown.text for token in HOSTILE[:2])
    assert not re.search(r"\bnan\b", shown.text, re.IGNORECASE)
    assert not shown.printed
    if tables == "whole":
        try_proposals(list_notebooks()[name])
        has_profile = "profile" in parameters_of(list_notebooks()[name])
        assert "tiny" in shown.text or not has_profile  # the source of its numbers
        for chart in shown.charts:
            check_fits_the_column_and_both_themes(chart)


def check_fits_the_column_and_both_themes(chart: dict[str, Any]) -> None:
    dark = chart["usermeta"]["txray"]["dark"]
    assert colours({key: value for key, value in chart.items() if key != "usermeta"}) <= set(dark)
    assert set(dark).isdisjoint(dark.values())
    width = re.search(r'<svg[^>]* width="([\d.]+)"', vl_convert.vegalite_to_svg(chart, vl_version=VEGA_LITE))
    assert width
    assert float(width[1]) <= COLUMN


def colours(node: Any) -> set[str]:
    """Every colour of a spec, its data apart."""
    if isinstance(node, dict):
        return set().union(*(colours(v) for k, v in node.items() if k not in ("data", "datasets")))
    if isinstance(node, list):
        return set().union(*map(colours, node))
    return {node} if isinstance(node, str) and re.fullmatch("#[0-9a-fA-F]{3,8}", node) else set()


@pytest.mark.parametrize(
    ("stage", "said"),
    [("reviews-zero-shot", "on reviews-zero-shot"), (None, "No text is quoted in the tables at hand")],
)
def test_the_explorer_quotes_a_stage_that_has_contexts_or_says_that_none_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str | None, said: str
) -> None:
    """Pretrained on files of one's own, which are never quoted, a run has contexts of the other text alone."""
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path))
    path = write_tables(tmp_path / "tiny") / "contexts.parquet"
    rows = read_table(path)
    write_table(rows.assign(stage=stage) if stage else rows.iloc[:0], path, rows.attrs["provenance"])
    shown = run_cells(list_notebooks()["explorer"], {"profile": "tiny"})
    assert said in shown.text
    assert "of 0 neurons" not in shown.text


@pytest.mark.parametrize("name", [*PAGES, *TRAINS])
def test_cells_stand_open_and_are_short(name: str) -> None:
    cells = [cell for cell in jupytext.read(list_notebooks()[name]).cells if cell.cell_type == "code"]
    lines = [line for cell in cells for line in cell.source.splitlines() if line]
    assert max(map(len, lines)) <= WIDEST
    assert len(lines) <= MOST_LINES or name in LONGER
    folded = [cell for cell in cells if {"hide-input", "remove-input"} & set(cell.metadata.get("tags", []))]
    assert 2 * len(folded) <= len(cells) or name == "intro"  # its answers stand before any code
