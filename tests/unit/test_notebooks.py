"""Notebooks take parameters that are checked, keep what was read in the tables they show, and leave nothing half-made."""

import ast
import gc
import multiprocessing
import shutil
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from running import code_cell, text_notebook
from telling_tables import write_tables

from txray_lib.book.kernels import CopiedKernel
from txray_lib.book.notebooks import execute, find_notebook, list_notebooks, parameters_of, read_notebook
from txray_lib.engine import apart
from txray_lib.errors import TxrayError
from txray_lib.results import check_parameters, open_results
from txray_lib.tables import write_table


def notebook(folder: Path, code: str) -> Path:
    source = folder / "page.md"
    text = text_notebook(code_cell('n = 1\nname = "a"', "parameters"), code_cell(code))
    source.write_text(text, encoding="utf-8")
    return source


def test_parameters_have_one_name_and_the_paper_is_the_default() -> None:
    for name, source in list_notebooks().items():
        known = parameters_of(source)
        assert "top_n" not in known
        assert known.get("profile", "small") in ("small", "demo", "minilm")
        chosen = {known.get(choice, "paper") for choice in ("distance", "probability", "length")}
        assert chosen == {"paper"} or name == "definitions"  # which holds another choice against the paper's
        assert known.get("neuron", -1) == -1


def test_parameters_reach_the_cells_and_the_kernel_is_this_interpreter(tmp_path: Path) -> None:
    source = notebook(tmp_path, "import sys, os\nprint(sys.executable, n, name, os.getcwd())")
    executed = nbformat.read(execute(source, tmp_path / "out.ipynb", {"n": 7}, tmp_path, title="The world"), 4)
    assert executed.cells[-1].outputs[0].text.split() == [sys.executable, "7", "a", str(tmp_path)]
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.metadata.get("tags") for cell in cells] == [["parameters"], None]
    assert cells[0].source == 'n = 7\nname = "a"'
    assert executed.cells[0].source.startswith("# The world")


def test_a_copied_kernel_runs_a_page_as_a_new_one_does_and_is_gone_with_it(tmp_path: Path) -> None:
    """In a job of the book, which has computed nothing."""
    code = "import os, sys\nprint(n, name, os.getcwd(), os.getpid(), 'txray_lib.book.notebooks' in sys.modules)"
    given = ({"n": 7}, tmp_path, "student", "", CopiedKernel)
    executed = nbformat.read(apart(execute, notebook(tmp_path, code), tmp_path / "out.ipynb", *given), 4)
    n, name, folder, process, has_imports = executed.cells[-1].outputs[0].text.split()
    assert (n, name, folder, has_imports) == ("7", "a", str(tmp_path), "True")
    assert not Path(f"/proc/{process}").exists()
    with pytest.raises(TxrayError, match="cell 2 failed with ValueError: dry"):
        apart(execute, notebook(tmp_path, 'raise ValueError("dry")'), tmp_path / "out.ipynb", *given)
    with pytest.raises(TxrayError, match=r"\w+\.md: its kernel died"):
        apart(execute, notebook(tmp_path, "import os; os._exit(1)"), tmp_path / "out.ipynb", *given)


def test_a_copy_ends_where_no_kernel_is_started() -> None:
    before = set(multiprocessing.active_children())
    kernel = CopiedKernel(kernel_name="python3")
    (copy,) = set(multiprocessing.active_children()) - before
    del kernel
    gc.collect()
    copy.join(20)
    assert copy.exitcode == 0


def test_every_parameter_that_has_limits_is_checked_where_the_tables_are_opened() -> None:
    free = {"profile", "data", "study", "trained", "word"}  # which are opened, or trained, by their name
    for name, source in list_notebooks().items():
        code = "\n".join(cell.source for cell in read_notebook(source).cells if cell.cell_type == "code")
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        opens = [call for call in calls if ast.unparse(call.func) in ("open_results", "check_parameters")]
        checked = {word.arg for call in opens for word in call.keywords if ast.unparse(word.value) == word.arg}
        known = parameters_of(source)
        assert set(known) == (checked | free) & set(known), name
        check_parameters(**{parameter: known[parameter] for parameter in checked})


@pytest.mark.parametrize(
    "options",
    [
        ":tags: [parameters]",
        ":tags: [hide-input, parameters]",
        "---\ntags: [parameters]\n---",
        "---\ntags:\n- parameters\n- hide-input\n---",
    ],
)
def test_the_cell_of_parameters_is_found_however_its_tag_is_written(tmp_path: Path, options: str) -> None:
    source = notebook(tmp_path, "n = 3  # parameters")
    source.write_text(source.read_text(encoding="utf-8").replace(":tags: [parameters]", options), encoding="utf-8")
    assert parameters_of(source) == {"n": 1, "name": "a"}
    cells = [cell for cell in read_notebook(source, {"n": 2}).cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells] == ['n = 2\nname = "a"', "n = 3  # parameters"]
    assert "parameters" in cells[0].metadata["tags"]


READ = [
    ("n", "012", 12),
    ("n", "-1", -1),
    ("n", "1_000", 1000),
    ("share", "1e-2", 0.01),
    ("share", "1", 1.0),
    ("share", 1, 1.0),
    ("on", "False", False),
    ("name", "2024", "2024"),
    ("name", "no", "no"),
    ("name", "a #2", "a #2"),
    ("sizes", "[1, 2e3]", [1.0, 2000.0]),
]
REFUSED = [
    ("nam", "b", r"no parameter 'nam'\. Did you mean 'name'"),
    ("n", "1:30", "n of page takes int, as in 1; it was given '1:30'"),
    ("n", "1.5", "takes int"),
    ("share", "nan", "share of page takes float, a finite one, as in 0.5; it was given 'nan'"),
    ("share", "-inf", "takes float, a finite one"),
    ("share", float("inf"), "takes float, a finite one"),
    ("n", True, "takes int"),
    ("n", 1.5, "takes int"),
    ("share", "a tenth", "takes float"),
    ("on", "perhaps", "takes bool"),
    ("name", 3, "takes str"),
    ("sizes", "3", "takes list"),
    ("sizes", "[012]", "takes list"),
    ("sizes", "[true]", "takes list"),
    ("sizes", "[1, null]", "takes list"),
    ("name", None, "takes str"),
]


def typed(folder: Path) -> Path:
    source = notebook(folder, "pass")
    more = 'name = "a"\nshare = 0.5\non = True\nsizes = [1e9]'
    source.write_text(source.read_text(encoding="utf-8").replace('name = "a"', more), encoding="utf-8")
    return source


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize(("name", "given", "value"), READ)
def test_a_parameter_is_read_as_the_type_of_its_default(tmp_path: Path, name: str, given: object, value: object):
    done = nbformat.read(execute(typed(tmp_path), tmp_path / "out.ipynb", {name: given}, tmp_path), 4)
    found = done.metadata.papermill.parameters[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("name", "given", "told"), REFUSED)
def test_a_parameter_that_does_not_fit_is_an_error(tmp_path: Path, name: str, given: object, told: str) -> None:
    with pytest.raises(TxrayError, match=told):
        execute(typed(tmp_path), tmp_path / "out.ipynb", {name: given}, tmp_path)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_temporary_folder_too_long_for_sockets_is_none_too_long_for_a_page(tmp_path: Path, monkeypatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    executed = nbformat.read(execute(notebook(tmp_path, "print(n)"), tmp_path / "out.ipynb", {}, tmp_path), 4)
    assert executed.cells[-1].outputs[0].text == "1\n"


def test_a_misspelt_notebook_and_one_without_parameters_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TxrayError, match="Did you mean 'rq1'"):
        find_notebook("rq11")
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
    assert not list(tmp_path.glob(".*partial"))


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


READ = '+++ {"tags": ["reading"]'


def with_reading(folder: Path, of: str, named: str = 'profile = "tiny"') -> Path:
    source = notebook(folder, "pass")
    text = source.read_text(encoding="utf-8").replace('name = "a"', named)
    source.write_text(text + READING.format(of=of), encoding="utf-8")
    return source


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks are taken as executed: what is left out is decided before."""
    monkeypatch.setattr("txray_lib.book.notebooks._run", lambda notebook, *_: notebook)


def read_in(source: Path, folder: Path) -> list[str]:
    shown = nbformat.read(execute(source, folder / "out.ipynb", {}, folder), 4)
    return [cell.source for cell in shown.cells if "reading" in cell.metadata.get("tags", [])]


@pytest.mark.usefixtures("executed")
def test_a_reading_is_shown_with_the_tables_it_was_read_in_and_no_others(tables: Path, tmp_path: Path) -> None:
    digest = open_results("tiny").digest
    (shown,) = read_in(with_reading(tmp_path, f"tiny {digest}"), tmp_path)
    assert "Neuron 1 did not move." in shown
    write_tables(tmp_path / "results" / "other")
    assert read_in(with_reading(tmp_path, f"tiny {digest}", 'profile = "other"'), tmp_path) == []
    assert read_in(with_reading(tmp_path, f"tiny {digest} missing 0123456789ab"), tmp_path) == []
    study = with_reading(tmp_path, f"tiny {digest}", 'profile = "other"\nstudy = "tiny"')
    assert read_in(study, tmp_path) == [shown]
    write_tables(tmp_path / "build" / "results" / "tiny", seed=2)
    assert read_in(with_reading(tmp_path, f"tiny {digest}"), tmp_path) == [], "tables that were computed here"


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("name", [n for n, path in list_notebooks().items() if READ in path.read_text("utf-8")])
def test_what_was_read_in_frozen_tables_stands_on_its_page(name: str, tmp_path: Path, monkeypatch) -> None:
    source = find_notebook(name)
    monkeypatch.setenv("TXRAY_RESULTS", str(source.parents[1] / "results"))
    assert len(read_in(source, tmp_path)) == source.read_text(encoding="utf-8").count(READ)


@pytest.mark.usefixtures("executed")
def test_a_reading_of_frozen_tables_that_have_changed_or_of_none_is_an_error(tables: Path, tmp_path: Path) -> None:
    source = with_reading(tmp_path, f"tiny {open_results('tiny').digest}")
    write_tables(tables, seed=2)
    with pytest.raises(TxrayError, match="Read them again"):
        read_in(source, tmp_path)
    with pytest.raises(TxrayError, match="names what it was read in"):
        read_in(with_reading(tmp_path, "tiny"), tmp_path)


@pytest.mark.usefixtures("executed")
def test_a_reading_is_of_the_other_seeds_too(tables: Path, tmp_path: Path) -> None:
    source = with_reading(tmp_path, f"tiny {open_results('tiny').digest}")
    for folder in (tables.parent, tmp_path / "build" / "results"):
        write_tables(folder / "tiny-seed-2", seed=2)
    assert read_in(source, tmp_path), "a seed of which the audit measured nothing"
    for folder in (tables.parent, tmp_path / "build" / "results"):
        write_table(pd.DataFrame({"id": ["N1"], "value": [0.5]}), folder / "tiny-seed-2" / "measured.parquet")
    assert read_in(source, tmp_path) == [], "a seed that was computed here"
    shutil.rmtree(tmp_path / "build")
    with pytest.raises(TxrayError, match="Read them again"):
        read_in(source, tmp_path)
