"""Text notebooks are written as jupytext writes them, so that an editor's save changes nothing but what was edited."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
import yaml

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


def test_the_hooks_are_what_this_repository_has() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "notebooks", "no-executed-notebooks"}
    named = [word for hook in hooks for word in hook["entry"].split() if word.startswith("tests/")]
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_the_scheduled_build_runs_both_commands_of_the_readme() -> None:
    text = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert "schedule" in workflow[True]  # YAML reads `on` as true
    commands = [step.get("run", "") for step in workflow["jobs"]["build"]["steps"]]
    assert any(command.startswith("make test") for command in commands)
    assert "make book" in commands
