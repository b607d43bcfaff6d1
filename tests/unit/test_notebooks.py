"""Notebooks run from top to bottom on tiny tables; what a user can get wrong is an error; prose follows the tables."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from benchmark_tables import write_benchmarks
from telling_tables import HOSTILE, write_study, write_tables

from txray_lib import answers, telling
from txray_lib.figures import MIME
from txray_lib.errors import TxrayError
from txray_lib.notebooks import execute, find_notebook, list_notebooks, parameters_of
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

CHARTS = {
    "rq1": 3,
    "rq2": 2,
    "rq3": 4,
    "fig01": 0,
    "truth": 7,
    "speed": 1,
    "limits": 3,
    "by-hand": 1,
    "beside": 1,
    "intro": 1,
    "lab": 3,
}
"""How many charts a page has at least; others have one if they show a profile."""

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


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    write_study(tmp_path / "results" / "truth")
    write_benchmarks(tmp_path / "results" / "benchmarks.parquet")
    return write_tables(tmp_path / "results" / "tiny")


@pytest.mark.parametrize("name", list_notebooks())
def test_every_notebook_runs_and_every_chart_speaks(
    name: str,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_workplace: Callable[[Path], Path],
) -> None:
    source = find_notebook(name)
    known = parameters_of(source)
    wished = {"profile": "tiny", "profiles": "tiny", "data": "tiny", "trained": "tiny", "min_length": 2}
    if "trained" in known:
        pytest.importorskip("flair", reason="the profile tiny is tagged with Flair: pip install 'txray-lib[tag]'")
        monkeypatch.setenv("TXRAY_ROOT", str(new_workplace(tmp_path / "compendium")))
    given = {parameter: value for parameter, value in wished.items() if parameter in known}
    out = execute(source, tmp_path / "out.ipynb", given, tmp_path)
    executed = nbformat.read(out, 4)
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    drawn = [output.data for output in outputs if MIME in output.get("data", {})]
    assert len(drawn) >= CHARTS.get(name, 1 if "profile" in known else 0)
    assert all(data[MIME]["description"] and data["image/png"] for data in drawn)
    said = "".join(d for o in outputs for kind in ("text/markdown", "text/html") if (d := o.get("data", {}).get(kind)))
    assert "profile tiny (frozen" in said or "profile" not in known
    assert not any(token in said for token in HOSTILE[:2])
    assert not re.search(r"\bnan\b", said, re.IGNORECASE)
    assert not [o for o in outputs if o.output_type == "stream"]


@pytest.mark.parametrize("name", ["by-hand", "beside"])
def test_a_page_on_a_sentence_says_where_there_is_none(name: str, tables: Path, tmp_path: Path) -> None:
    (tables / "sentence.parquet").unlink()
    executed = nbformat.read(execute(find_notebook(name), tmp_path / "out.ipynb", {"data": "tiny"}, tmp_path), 4)
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(outputs) == 1
    assert "The tables of the profile tiny hold no sentence" in outputs[0].data["text/markdown"]


def test_parameters_have_one_name_and_the_paper_is_the_default() -> None:
    for source in list_notebooks().values():
        known = parameters_of(source)
        assert "top_n" not in known
        assert known.get("profile", "demo") == "demo"
        assert {known.get(choice, "paper") for choice in ("distance", "probability", "length")} == {"paper"}
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
    assert [cell.metadata.get("tags") for cell in cells] == [["hide-input", "parameters"], None]
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


@pytest.mark.parametrize("token", HOSTILE)
def test_escaped_tokens_are_not_markup(token: str) -> None:
    from markdown_it import MarkdownIt

    parsed = MarkdownIt("commonmark").parseInline(f"before {telling.escape(token)} after")[0]
    assert {child.type for child in parsed.children} <= {"text", "text_special"}
    assert "".join(child.content for child in parsed.children) == f"before {telling.shorten(token)} after"


def test_tables_escape_their_cells() -> None:
    html = telling.table(pd.DataFrame({"a<b": [HOSTILE[0]]}), "c<d").data
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    boxes = telling.table(pd.DataFrame({"tokens": [(HOSTILE[1], ","), ()]}), "tokens").data
    assert boxes.count('class="txray-token"') == 2
    assert "<b>" not in boxes


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (2.0, 1.0, "50.0 % less"),
        (1.0, 1.5, "50.0 % more"),
        (1.0, 1.0, "the same"),
        (0.0, 1.0, "not comparable"),
        (float("nan"), 1.0, "not comparable"),
    ],
)
def test_comparisons_in_words(before: float, after: float, said: str) -> None:
    assert telling.compared(before, after) == said


def test_sentences_follow_the_tables(tmp_path: Path) -> None:
    """The same page on tables that say the opposite says the opposite."""
    folder = write_tables(tmp_path / "tiny")
    transfer = read_table(folder / "transfer.parquet")
    late = transfer["comparison"] == "encyclopedia-5:encyclopedia-6"
    for factor, word in ((0.5, "less"), (1.5, "more")):
        changed = transfer.assign(
            hellinger=transfer["hellinger"].where(
                ~late, transfer["hellinger"].where(transfer["comparison"] != "", 0) * factor
            )
        )
        early_mean = changed[
            (changed["comparison"] == "encyclopedia-1:encyclopedia-5") & (changed["state"] == "shared")
        ]["hellinger"].mean()
        late_mean = changed[late & (changed["state"] == "shared")]["hellinger"].mean()
        write_table(changed, folder / "transfer.parquet", transfer.attrs["provenance"])
        said = answers.absorbed(Results("tiny", folder, "live")).data
        assert f"{telling.percent(abs(late_mean / early_mean - 1))} {word}" in said


def test_tables_without_gained_neurons_controls_or_random_sets_are_told_as_such(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny")
    transfer = read_table(folder / "transfer.parquet")
    kept = transfer[(transfer["state"] != "gained") & (transfer["question"] != "control")]
    write_table(kept, folder / "transfer.parquet", {})
    write_table(
        read_table(folder / "pruning.parquet").assign(random_low=float("nan"), random_high=float("nan")),
        folder / "pruning.parquet",
        {},
    )
    results = Results("tiny", folder, "frozen")
    assert "gained no neuron" in answers.gained(results, 3, 5).data
    assert answers.control(results, "last", "zero-shot") is None
    assert "No control was computed" in answers.zero_shot(results).data
    assert "No random sets were measured" in answers.pruning_verdict(results).data
    assert "none is drawn" in answers.chosen(results, results.transfer("rq3"), 10_000).data
