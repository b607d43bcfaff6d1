"""Text notebooks are written as jupytext writes them, so that an editor's save changes nothing but what was edited."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
VERSIONS = re.compile(r"^    (format_version|jupytext_version): .*\n", re.MULTILINE)
"""Lines that a newer jupytext would change in every notebook at once."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_as_jupytext_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.read(path)
    assert VERSIONS.sub("", jupytext.writes(notebook, "md:myst")) == text
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
