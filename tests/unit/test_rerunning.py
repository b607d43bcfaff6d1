"""A page can be run again: with other values, from a download, without the repository."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import code_cell, text_notebook
from telling_tables import write_tables

from txray_lib import places
from txray_lib.book.notebooks import execute, set_values

PAGE = text_notebook(
    code_cell('profile = "demo"  # whose tables\nneuron = -1  # by the rule', "parameters"),
    code_cell("import txray_lib\nfrom txray_lib.results import open_results"),
    code_cell("print(profile, neuron, open_results(profile).folder, txray_lib.__file__)"),
)

VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.text(alphabet="aé漢'\"# ", max_size=9), VALUES, VALUES)
def test_values_are_written_where_the_defaults_stood(comment: str, first: object, second: object) -> None:
    code = f"a = [1,\n  2]  # {comment}\nb: str = 'é'; c = -3  # {comment}\n"
    changed = set_values(code, {"a": first, "c": second})
    found = {
        (line.targets[0] if isinstance(line, ast.Assign) else line.target).id: ast.literal_eval(line.value)
        for line in ast.parse(changed).body
    }
    assert found == {"a": first, "b": "é", "c": second}
    assert changed.count(f"# {comment}\n") >= 2
    assert set_values(code, {}) == code


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TXRAY_")}
    return subprocess.run(command, cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package alone, as pip would install it: no repository around it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(places.root() / "txray_lib", folder / "txray_lib", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page executed for the profile tiny, alone in a folder of its own, beside the tables."""
    folder = tmp_path_factory.mktemp("downloads")
    write_tables(folder / "tables" / "tiny")
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "alone").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_RESULTS", str(folder / "tables"))
        return execute(folder / "page.md", folder / "alone" / "page.ipynb", {"profile": "tiny"}, folder)


def test_plain_papermill_runs_a_download_without_the_repository(download: Path, site: Path) -> None:
    papermill = [sys.executable, "-m", "papermill", download.name, "mine.ipynb", "-p", "neuron", "12"]
    tables = str(download.parents[1] / "tables")
    done = run(papermill, download.parent, PYTHONPATH=str(site), TXRAY_RESULTS=tables)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = [cell for cell in nbformat.read(download, 4).cells if "parameters" in str(cell.metadata.get("tags"))]
    assert [cell.source for cell in cells] == ['profile = "tiny"  # whose tables\nneuron = -1  # by the rule']
    said = nbformat.read(download.parent / "mine.ipynb", 4).cells[-1].outputs[0].text.split()
    assert said == ["tiny", "12", f"{tables}/tiny", str(site / "txray_lib" / "__init__.py")]


def test_a_download_without_tables_says_where_to_get_them(download: Path, site: Path) -> None:
    papermill = [sys.executable, "-m", "papermill", download.name, "mine.ipynb"]
    done = run(papermill, download.parent, PYTHONPATH=str(site))
    assert done.returncode != 0
    outputs = [o for c in nbformat.read(download.parent / "mine.ipynb", 4).cells for o in c.get("outputs", [])]
    (error,) = [output for output in outputs if output.output_type == "error"]
    assert len(error.traceback) == 1
    assert "set TXRAY_RESULTS to a folder" in error.traceback[0]


def test_a_checkout_around_the_current_folder_is_found_when_the_package_stands_elsewhere(site: Path, tmp_path):
    checkout = tmp_path / "checkout"
    write_tables(checkout / "results" / "tiny")
    for name in ("profiles", "notebooks/deep"):
        (checkout / name).mkdir(parents=True)
    code = "from txray_lib.results import open_results; print(open_results('tiny').folder)"
    done = run([sys.executable, "-c", code], checkout / "notebooks" / "deep", PYTHONPATH=str(site))
    assert done.stdout.strip() == str(checkout / "results" / "tiny"), done.stderr
    code = "from txray_lib import places; print(places.root())"
    alone = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(site))
    assert alone.stdout.strip() == str(site)
