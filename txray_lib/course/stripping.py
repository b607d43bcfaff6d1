"""The versions of a notebook that has a student's and a teacher's side. May touch: nothing.

Cells carry tags:
    starter    what a student is given to fill in
    solution   what stands in its place for the teacher, code or prose
    marking    what only the teacher reads
Everybody gets the student's version unless the teacher's is asked for, so that no page can hold a solution by mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import nbformat

Version = Literal["student", "teacher"]
LEFT_OUT: dict[Version, set[str]] = {"student": {"solution", "marking"}, "teacher": {"starter"}}
CHECK = re.compile(r'class="txray-check txray-check-(open|wrong|right)"')


def version_of(notebook: nbformat.NotebookNode, version: Version) -> nbformat.NotebookNode:
    """Leave out, in place, the cells that are not for this version's reader."""
    notebook.cells = [cell for cell in notebook.cells if not LEFT_OUT[version] & tags_of(cell)]
    return notebook


def plain(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook for JupyterLab, in place: of the metadata only its kernel and tags; equal sources give equal ones."""
    notebook.metadata = type(notebook.metadata)({"kernelspec": notebook.metadata.get("kernelspec", {})})
    for number, cell in enumerate(notebook.cells):
        cell.metadata = type(cell.metadata)({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
        cell["id"] = f"cell-{number}"
    return notebook


def verdicts(notebook: nbformat.NotebookNode) -> list[str]:
    """The state of every check that an executed notebook shows, in order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [state for output in outputs for state in CHECK.findall(output.get("data", {}).get("text/html", ""))]


def tags_of(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))
