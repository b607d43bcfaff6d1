"""Notebooks take parameters that are checked, keep what was read in the tables they show, and leave nothing half-made."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest
from telling_tables import write_tables

from txray_lib.errors import TxrayError
from txray_lib.book.notebooks import execute, find_notebook, list_notebooks, parameters_of
from txray_lib.results import open_results

MINIMAL = """---
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---

# Title

```{code-cell} ipython3
:tags: [parameters]

n = 1
name = "a"
```

```{code-cell} ipython3
CODE
```
"""


def notebook(folder: Path, code: str) -> Path:
    source = folder / "page.md"
    source.write_text(MINIMAL.replace("CODE", code), encoding="utf-8")
    return source


def test_parameters_have_one_name_and_the_paper_is_the_default() -> None:
    for name, source in list_notebooks().items():
        known = parameters_of(source)
        assert "top_n" not in known
        assert known.get("profile", "small") in ("small", "demo")
        chosen = {known.get(choice, "paper") for choice in ("distance", "probability", "length")}
        assert chosen == {"paper"} or name == "definitions"  # which holds another choice against the paper's
        assert known.get("neuron", -1) == -1


def test_parameters_reach_the_cells_and_the_kernel_is_this_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "wrong", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    source = notebook(tmp_path, "import sys, os\nprint(sys.executable, n, name, os.getcwd())")
    executed = nbformat.read(execute(source, tmp_path / "out.ipynb", {"n": 7}, tmp_path), 4)
    assert executed.cells[-1].outputs[0].text.split() == [sys.executable, "7", "a", str(tmp_path)]
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.metadata.get("tags") for cell in cells] == [["parameters"], None]
    assert cells[0].source == 'n = 7\nname = "a"'


def test_a_misspelt_notebook_or_parameter_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(TxrayError, match="Did you mean 'rq1'"):
        find_notebook("rq11")
    with pytest.raises(TxrayError, match=r"no parameter 'nam'\. Did you mean 'name'"):
        execute(notebook(tmp_path, "pass"), tmp_path / "out.ipynb", {"nam": "b"}, tmp_path)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_parameter_of_another_type_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TxrayError, match="n of page takes int"):
        execute(notebook(tmp_path, "pass"), tmp_path / "out.ipynb", {"n": "many"}, tmp_path)


def test_a_notebook_without_parameters_is_an_error(tmp_path: Path) -> None:
    source = notebook(tmp_path, "pass")
    source.write_text(source.read_text().replace(":tags: [parameters]\n", ""), encoding="utf-8")
    with pytest.raises(TxrayError, match="0 cells tagged `parameters`"):
        parameters_of(source)


def test_a_failing_cell_is_told_in_short_and_leaves_the_old_notebook(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    out.write_text("old", encoding="utf-8")
    with pytest.raises(TxrayError) as caught:
        execute(notebook(tmp_path, 'x = 1\nraise ValueError("the river is dry")'), out, {}, tmp_path)
    assert "page.md, cell 2 failed with ValueError: the river is dry" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert out.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


READING = """
+++ {{"tags": ["reading"], "of": "{of}"}}

Neuron 1 did not move.

+++
"""


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    return write_tables(tmp_path / "results" / "tiny")


def with_reading(folder: Path, of: str, profile: str = "tiny") -> Path:
    source = notebook(folder, "pass")
    text = source.read_text(encoding="utf-8").replace('name = "a"', f'profile = "{profile}"')
    source.write_text(text + READING.format(of=of), encoding="utf-8")
    return source


def read_in(source: Path, folder: Path) -> list[str]:
    executed = nbformat.read(execute(source, folder / "out.ipynb", {}, folder), 4)
    return [cell.source for cell in executed.cells if "reading" in cell.metadata.get("tags", [])]


def test_a_reading_is_shown_with_the_tables_it_was_read_in(tables: Path, tmp_path: Path) -> None:
    (shown,) = read_in(with_reading(tmp_path, f"tiny {open_results('tiny').digest}"), tmp_path)
    assert "Neuron 1 did not move." in shown


def test_a_reading_of_frozen_tables_that_have_changed_is_an_error(tables: Path, tmp_path: Path) -> None:
    source = with_reading(tmp_path, f"tiny {open_results('tiny').digest}")
    write_tables(tables, seed=2)
    with pytest.raises(TxrayError, match="Read them again"):
        execute(source, tmp_path / "out.ipynb", {}, tmp_path)


def test_a_reading_is_left_out_of_other_runs_and_of_tables_computed_here(tables: Path, tmp_path: Path) -> None:
    digest = open_results("tiny").digest
    write_tables(tmp_path / "results" / "other")
    assert read_in(with_reading(tmp_path, f"tiny {digest}", profile="other"), tmp_path) == []
    assert read_in(with_reading(tmp_path, f"tiny {digest} missing 0123456789ab"), tmp_path) == []
    write_tables(tmp_path / "build" / "results" / "tiny", seed=2)
    assert read_in(with_reading(tmp_path, f"tiny {digest}"), tmp_path) == []


def test_a_reading_that_names_no_tables_is_an_error(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(TxrayError, match="names what it was read in"):
        execute(with_reading(tmp_path, "tiny"), tmp_path / "out.ipynb", {}, tmp_path)


def test_a_page_of_another_run_has_the_title_of_the_contents(tmp_path: Path) -> None:
    executed = nbformat.read(
        execute(notebook(tmp_path, "pass"), tmp_path / "out.ipynb", {}, tmp_path, title="The world"), 4
    )
    assert executed.cells[0].source.startswith("# The world")
