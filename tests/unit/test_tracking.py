"""The code that a result follows from: every import at any level, data files, versions of packages; nothing else."""

import ast
from pathlib import Path

import pytest

from txray_lib.engine import tracking


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of some files: step imports room.inner, and this low; room has data; low names its own."""
    root = tmp_path / "txray_lib"
    (root / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "step.py": "import numpy\n\ndef f():\n    from txray_lib.room import inner\n    return inner\n",
        "room/__init__.py": "",
        "room/inner.py": "from txray_lib import low\nif TYPE_CHECKING:\n    from txray_lib import apart\n",
        "room/words.yaml": "- a\n",
        "low.py": "from pathlib import Path\nNAMED = Path('low.yaml')\n",
        "low.yaml": "- b\n",
        "apart.py": "X = 1\n",
        "apart.yaml": "- c\n",
    }.items():
        (root / name).write_text(text)
    monkeypatch.setattr(tracking, "LIBRARY", root)
    tracking.forget()
    yield root
    tracking.forget()


def code(library: Path) -> str:
    tracking.forget()
    return tracking.code_hash(library / "step.py")


@pytest.mark.parametrize(
    "file", ["step.py", "room/inner.py", "room/__init__.py", "low.py", "__init__.py", "room/words.yaml", "low.yaml"]
)
def test_whatever_is_imported_at_any_level_counts_with_its_data(library, file):
    before = code(library)
    (library / file).write_text((library / file).read_text() + "\n")
    assert code(library) != before


@pytest.mark.parametrize("file", ["apart.py", "apart.yaml", "new.py"])
def test_what_is_not_imported_does_not_count(library, file):
    before = code(library)
    (library / file).write_text("Y = 2\n")
    assert code(library) == before


def test_another_version_of_a_package_counts(library, monkeypatch):
    before = code(library)
    monkeypatch.setattr(tracking.importlib.metadata, "version", lambda name: "0.0.1" if name == "numpy" else "1")
    assert code(library) != before


def test_the_cells_of_a_notebook_are_code_and_its_prose_is_not(library, tmp_path):
    page = tmp_path / "page.md"
    cell = "```{code-cell} ipython3\n:tags: [x]\n\n%matplotlib\nfrom txray_lib import low\n```\n"
    page.write_text(f"import txray_lib.apart\n\n{cell}")
    assert {file.name for file in tracking.files_of(page)} == {"page.md", "__init__.py", "low.py", "low.yaml"}


def test_every_import_that_python_sees_in_the_library_is_found():
    tracking.forget()
    for file in tracking.LIBRARY.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for block in [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]:
            block.body = []
        found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        from_ = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        found |= {n.module for n in from_} | {f"{n.module}.{a.name}" for n in from_ for a in n.names}
        assert found <= tracking._imports(file), file
