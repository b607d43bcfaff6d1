"""What teaches the method: checks of students' answers, and the student's and the teacher's version of a notebook.

    this file   what a check says: not answered, right, or what kind of mistake it is, without the answer; answers as values;
                the versions of a notebook
    lab         the checks of the lab, whose answers its notebook does not hold, and menus.yaml

A check is a function under `check` of a few lines, each of which names a mistake: it returns what to say of a right answer,
and whatever goes wrong is a hint, so that a page of exercises runs from top to bottom whatever its reader wrote. Those of
the assignment stand beside its tasks.

Cells of a notebook with a student's and a teacher's side carry tags:

    starter    what a student is given to fill in
    solution   what stands in its place for the teacher, code or prose
    marking    what only the teacher reads

Everybody gets the student's version unless the teacher's is asked for, so that no page can hold a solution by mistake.
May touch: errors, transfer.
"""

import functools
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import nbformat

OPENINGS = {"open": "Not answered yet.", "wrong": "Not yet.", "right": "Right."}
Version = Literal["student", "teacher"]
LEFT_OUT: dict[Version, set[str]] = {"student": {"solution", "marking"}, "teacher": {"starter"}}
CHECK = re.compile(r'class="txray-check txray-check-(open|wrong|right)"')
NOT_FINITE = "something was divided by nothing, or two indexes did not match."


class Unanswered(Exception):
    """A function that is still the starter's: it gives `...` back."""


class Hint(Exception):
    """What kind of mistake an answer holds, in a sentence that does not give the answer away."""


@dataclass(frozen=True)
class Checked:
    """A check's answer to an answer, shown by a notebook as one line; true where it is right."""

    state: Literal["open", "wrong", "right"]
    said: str = ""

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return f"{OPENINGS[self.state]} {self.said}"

    def _repr_html_(self) -> str:
        """One paragraph with a class for the state; what is between backticks is code, and nothing is markup."""
        said = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.said))
        return f'<p class="txray-check txray-check-{self.state}"><strong>{OPENINGS[self.state]}</strong> {said}</p>'


def check(wanted: str) -> Callable[[Callable[..., str]], Callable[..., Checked]]:
    """Make a check of a function or a method that returns what to say of a right answer, or raises `Hint`.

    wanted  the form of the answer, as "a number": said where nothing was filled in, or where it cannot be read as that
    """

    def decorate(function: Callable[..., str]) -> Callable[..., Checked]:
        @functools.wraps(function)
        def checked(*answers: Any) -> Checked:
            to_do = Checked("open", f"Put {wanted} in place of the dots, and run the cell again.")
            if any(answer is ... or answer is None or (isinstance(answer, str) and not answer) for answer in answers):
                return to_do
            try:
                return Checked("right", function(*answers))
            except Unanswered:
                return to_do
            except Hint as hint:
                return Checked("wrong", str(hint))
            except Exception as error:
                said = f"This should be {wanted}, and could not be read as that ({type(error).__name__})."
                return Checked("wrong", said)

        return checked

    return decorate


def expect(holds: Any, hint: str) -> None:
    """Raise the hint where something does not hold."""
    if not holds:
        raise Hint(hint)


def reject(answer: Any, mistakes: Mapping[str, Any]) -> None:
    """Raise the hint of the first mistake whose value the answer has."""
    for hint, value in mistakes.items():
        expect(not same(answer, value), hint)


def same(a: Any, b: Any) -> bool:
    """Whether two numbers, or two series by name, are equal but for rounding."""
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        if set(a.index) != set(b.index):
            return False
        b = b.reindex(a.index)
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6))


def number(answer: Any) -> float:
    """A single finite number, of whatever type holds one."""
    values = np.asarray(answer, dtype=float)
    expect(values.size == 1, f"One number is wanted, and this holds {values.size}. Is a sum missing?")
    expect(np.isfinite(values).all(), f"It is {values.item()}: {NOT_FINITE}")
    return values.item()


def numbers(answer: Any, least: int = 1) -> np.ndarray:
    """At least so many finite numbers in a row, (numbers,)."""
    values = np.asarray(answer, dtype=float)
    expect(values.ndim == 1, "A list or an array of numbers in one row is wanted.")
    expect(len(values) >= least, f"It holds {len(values)} numbers; at least {least} are needed.")
    expect(np.isfinite(values).all(), f"It holds NaN or infinity: {NOT_FINITE}")
    return values


def series(answer: Any) -> pd.Series:
    """Numbers by name: a Series, a dictionary, or a table of one column. Names as text, each once."""
    values = answer.squeeze("columns") if isinstance(answer, pd.DataFrame) else pd.Series(answer, dtype=float)
    expect(len(values), "It is empty: does your filter let anything through?")
    expect(np.isfinite(values).all(), f"It holds NaN or infinity: {NOT_FINITE}")
    expect(values.index.is_unique, "It holds a name more than once: were rows that belong together added up?")
    return values.astype(float).set_axis(values.index.astype(str))


def frame(answer: Any, columns: list[str]) -> pd.DataFrame:
    """A table that has at least these columns, some of which may be levels of its index; rows are numbered anew."""
    expect(isinstance(answer, pd.DataFrame), "A DataFrame is wanted here.")
    levels = [name for name in answer.index.names if name in columns and name not in answer]
    table = answer.reset_index(levels).reset_index(drop=True)
    for column in columns:
        expect(column in table, f"There is no column `{column}`, only: {', '.join(map(str, table.columns)) or 'none'}.")
    return table


def called(function: Any, *arguments: Any) -> Any:
    """What a student's function returns; raises Hint where it fails, Unanswered where it is still the starter's."""
    expect(callable(function), "A function is wanted here.")
    try:
        value = function(*arguments)
    except Exception as error:
        raise Hint(f"Your function stopped with {type(error).__name__}: {str(error)[:160].rstrip('.')}.") from None
    if value is ...:
        raise Unanswered
    expect(value is not None, "Your function gives nothing back: it needs a `return`.")
    return value


def version_of(notebook: "nbformat.NotebookNode", version: Version) -> "nbformat.NotebookNode":
    """Leave out, in place, the cells that are not for this version's reader."""
    notebook.cells = [cell for cell in notebook.cells if not LEFT_OUT[version] & tags_of(cell)]
    return notebook


def plain(notebook: "nbformat.NotebookNode") -> "nbformat.NotebookNode":
    """A notebook for JupyterLab, in place: of the metadata only its kernel and tags; equal sources give equal ones."""
    notebook.metadata = type(notebook.metadata)({"kernelspec": notebook.metadata.get("kernelspec", {})})
    for number, cell in enumerate(notebook.cells):
        cell.metadata = type(cell.metadata)({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
        cell["id"] = f"cell-{number}"
    return notebook


def verdicts(notebook: "nbformat.NotebookNode") -> list[str]:
    """The state of every check that an executed notebook shows, in order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [state for output in outputs for state in CHECK.findall(output.get("data", {}).get("text/html", ""))]


def tags_of(cell: "nbformat.NotebookNode") -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))
