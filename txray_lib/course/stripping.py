"""The versions of a notebook that has a student's and a teacher's side. May touch: nothing.

Cells carry tags:
    starter    what a student is given to fill in
    solution   what stands in its place for the teacher, code or prose
    marking    what only the teacher reads
Everybody gets the student's version unless the teacher's is asked for, so that no page can hold a solution by mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import nbformat

Version = Literal["student", "teacher"]
LEFT_OUT: dict[Version, frozenset[str]] = {
    "student": frozenset({"solution", "marking"}),
    "teacher": frozenset({"starter"}),
}
TEACHERS = LEFT_OUT["student"]
CHECK = re.compile(r'class="txray-check txray-check-(open|wrong|right)"')


def has_versions(notebook: nbformat.NotebookNode) -> bool:
    """Whether a notebook holds cells that only a teacher sees."""
    return any(TEACHERS & tags_of(cell) for cell in notebook.cells)


def version_of(notebook: nbformat.NotebookNode, version: Version) -> nbformat.NotebookNode:
    """Leave out, in place, the cells that are not for this version's reader; a notebook without sides stays whole.

    Nothing of a cell that is left out stays behind: the notebook is not executed yet, so there are no outputs, and of its
    metadata only the kernel's is kept.
    """
    if not has_versions(notebook):
        return notebook
    notebook.cells = [cell for cell in notebook.cells if not LEFT_OUT[version] & tags_of(cell)]
    notebook.metadata = type(notebook.metadata)({"kernelspec": notebook.metadata.get("kernelspec", {})})
    return notebook


def plain(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook for JupyterLab, in place: outputs are emptied, metadata but tags dropped; equal sources give equal ones."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata = type(cell.metadata)({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
        cell["id"] = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def verdicts(notebook: nbformat.NotebookNode) -> list[str]:
    """The state of every check that an executed notebook shows, in order."""
    shown = (
        "".join(output.get("data", {}).get("text/html", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    return [state for text in shown for state in CHECK.findall(text)]


def tags_of(cell: Any) -> frozenset[str]:
    """The tags of a cell."""
    return frozenset(cell.metadata.get("tags", []))
