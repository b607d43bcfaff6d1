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
FENCE = re.compile(r"^(:{3,})\{(exercise|solution-start|solution-end)\} *(.*)\n((?::[a-z]+:.*\n)*)", re.MULTILINE)


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
    """A notebook for JupyterLab, which does not know the book's directives: exercises get headings, solutions are folded.

    Changes the notebook in place, numbers its exercises, and empties outputs; equal sources give equal notebooks.
    """
    numbers: dict[str, int] = {}
    in_solution = False
    for cell in notebook.cells:
        cell.metadata = type(cell.metadata)({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if in_solution:
                cell.metadata["jupyter"] = {"source_hidden": True}
            continue
        was_in = in_solution
        for directive in re.findall(r"\{solution-(start|end)\}", cell.source):
            in_solution = directive == "start"
        cell.source = _plain(cell.source, numbers)
        if was_in and in_solution:
            cell.source = f"<details><summary>What to say about it</summary>\n\n{cell.source}\n\n</details>"
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
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


def _plain(source: str, numbers: dict[str, int]) -> str:
    def heading(match: re.Match[str]) -> str:
        _, directive, argument, options = match.groups()
        if directive == "exercise":
            label = re.search(r":label: *(\S+)", options)
            number = numbers.setdefault(label[1] if label else argument, len(numbers) + 1)
            return f"### Exercise {number}. {argument}\n"
        number = numbers.get(argument.strip(), 0)
        return (
            f"**Solution to exercise {number}**, folded: try first, then open.\n"
            if directive == "solution-start"
            else ""
        )

    return re.sub(r"^:{3,} *$\n?", "", FENCE.sub(heading, source), flags=re.MULTILINE).strip()
