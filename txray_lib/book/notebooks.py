"""Executes a text notebook with parameters, by papermill. May touch: errors, places, results, course.

What papermill only warns of is an error here: a parameter that the notebook does not have, a notebook without a cell tagged
`parameters`. Text on the command line is read as the type of a default says: 012 is twelve, and 2024 a name where a name
stands. The values are written into that cell, so that the executed notebook, downloaded from a page, has one cell of
parameters, holding those of the page: papermill or JupyterLab runs it again as it stands. Kernels listen on unix sockets, where
there are any, so that a taken port cannot get in the way, and where the path of the temporary folder is not too long for one.
"""

import ast
import json
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from txray_lib import places
from txray_lib.course import Version, tags_of, version_of
from txray_lib.errors import TxrayError, nearest, require_choice
from txray_lib.results import open_results

if TYPE_CHECKING:
    import nbformat

_CELL = re.compile(r"^```\{code-cell\}.*\n(---\n(?s:.*?)^---\n|(?::.*\n)*)((?s:.*?))^```", re.MULTILINE)
"""A cell of code in a text notebook: its options, and the code."""
_TAGGED = re.compile(r"\btags:[^:]*\bparameters\b")
LONGEST_SOCKET = 80
"""Bytes of a folder in which a kernel can listen: the path of a unix socket is at most 103, with what a kernel appends."""
READING = "reading"
"""The tag of a Markdown cell that says what a person read in the tables of a frozen run."""


def list_notebooks() -> dict[str, Path]:
    """The text notebooks of the repository by name."""
    pattern = places.root() / "notebooks" / "*.md"
    places.note_opened(pattern)
    return {path.stem: path for path in sorted(pattern.parent.glob(pattern.name))}


def find_notebook(name: str) -> Path:
    """The source of a notebook. Raises TxrayError for a misspelt name."""
    known = list_notebooks()
    require_choice(name, "notebook", known)
    return known[name]


def parameters_of(source: Path) -> dict[str, Any]:
    """The parameters of a text notebook with their defaults. Raises TxrayError if not one cell is tagged `parameters`."""
    cells = [cell for cell in _CELL.finditer(source.read_text(encoding="utf-8")) if _TAGGED.search(cell[1])]
    if len(cells) != 1:
        raise TxrayError(
            f"the notebook {source.name} has {len(cells)} cells tagged `parameters`; it must have exactly one"
        )
    defaults = {}
    for line in ast.parse(cells[0][2]).body:
        if not isinstance(line, ast.Assign | ast.AnnAssign):
            raise TxrayError(
                f"the parameters of {source.name} must be plain `name = value` lines; this is not: {ast.unparse(line)}"
            )
        name = line.targets[0] if isinstance(line, ast.Assign) else line.target
        defaults[ast.unparse(name)] = ast.literal_eval(line.value)
    return defaults


def execute(
    source: Path,
    out: Path,
    parameters: dict[str, Any],
    cwd: Path,
    version: Version = "student",
    title: str = "",
    kernel: type | None = None,
) -> Path:
    """Run a text notebook from top to bottom and write the executed copy to `out`, whole or not at all.

    Cells for a teacher are left out, unless that is the `version` asked for; what was read in other tables than those shown
    is left out too. `title` takes the place of the notebook's own; `kernel` is a class that starts one otherwise than
    `jupyter_client` does.
    Raises TxrayError for a misspelt parameter, for a value of another type than the default (text is read as that type), for
    a place that cannot be written, and for a cell that fails, with that cell's own message.
    """
    places.require_place(out)
    defaults = parameters_of(source)
    values = read_values(parameters, defaults, source)
    notebook = version_of(read_notebook(source, values), version)
    used = {**defaults, **values}
    notebook.cells = [c for c in notebook.cells if _is_read_here(c, used, source)]
    if title:
        notebook.cells[0].source = re.sub(r"^# .*", f"# {title}", notebook.cells[0].source, count=1)
    return _write(_run(notebook, source, cwd, kernel), source, used, out)


def write_unexecuted(source: Path, out: Path) -> Path:
    """Write the students' version of a text notebook to `out` as it stands: a page of it needs nothing that computes."""
    notebook = version_of(read_notebook(source), "student")
    return _write(notebook, source, parameters_of(source), out)


def read_notebook(source: Path, values: Mapping[str, Any] | None = None) -> "nbformat.NotebookNode":
    """A text notebook with all its cells, as it stands or with other values of its parameters.

    Raises TxrayError where it cannot be read.
    """
    import jupytext

    try:
        notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="md:myst")
    except Exception as error:
        raise TxrayError(f"the notebook {source.name} cannot be read as MyST text: {error}") from None
    for cell in notebook.cells if values else ():
        if "parameters" in tags_of(cell):
            cell.source = set_values(cell.source, values)
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata.setdefault("language_info", {"name": "python"})
    return notebook


def _is_read_here(cell: "nbformat.NotebookNode", parameters: dict[str, Any], source: Path) -> bool:
    """Whether a cell is no `reading`, or one of the run or the study that is shown: its `of` names runs and the digests of their
    tables, as "small 0123456789ab". A reading becomes a box on the page.

    Raises TxrayError where frozen tables have changed since somebody read them.
    """
    if READING not in tags_of(cell):
        return True
    names, digests = (str(cell.metadata.get("of", "")).split()[i::2] for i in (0, 1))
    if not names or len(names) != len(digests):
        raise TxrayError(f'{source.name}: a reading names what it was read in, as "of": "small 0123456789ab"')
    if names[0] not in (parameters.get("profile", names[0]), parameters.get("study")):
        return False
    for name, digest in zip(names, digests, strict=True):
        try:
            run = open_results(name)
        except TxrayError:
            return False
        if run.digest != digest and run.is_frozen:
            raise TxrayError(
                f"{source.name}: a reading is of the tables {name} {digest}, which are now {run.digest}. Read them again, mend"
                " what it says, and name the new digits."
            )
        if run.digest != digest:
            return False
    cell.source = f'<div class="txray-reading">\n\n{cell.source}\n\n</div>'
    return True


def set_values(code: str, parameters: dict[str, Any]) -> str:
    """Lines of `name = value` with the values in `parameters` in place of theirs; comments and layout stay."""
    lines = code.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines))]
    text = code.encode()
    for line in reversed(ast.parse(code).body):
        name = line.targets[0] if isinstance(line, ast.Assign) else line.target
        if name.id in parameters:
            begin = starts[line.value.lineno - 1] + line.value.col_offset
            end = starts[line.value.end_lineno - 1] + line.value.end_col_offset
            value = parameters[name.id]
            written = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
            text = text[:begin] + written.encode() + text[end:]
    return text.decode()


def read_values(given: dict[str, Any], defaults: dict[str, Any], source: Path) -> dict[str, Any]:
    """The values of parameters. Text is read as the type of the default says; the limits of a value are its page's to check.

    Raises TxrayError for a name that the notebook does not have, for a value of another type, and for NaN and infinity.
    """
    values, finite = {}, ConfigDict(allow_inf_nan=False)
    for name, value in given.items():
        if name not in defaults:
            raise TxrayError(f"the notebook {source.stem} has no parameter {name!r}. {nearest(name, defaults)}")
        default = defaults[name]
        kind = type(default)
        try:
            if kind is list and isinstance(value, str):
                values[name] = TypeAdapter(list[type(default[0])], config=finite).validate_json(value, strict=True)
            else:
                adapter = TypeAdapter(kind, config=finite)
                values[name] = adapter.validate_python(value, strict=not isinstance(value, str))
        except ValidationError:
            wanted = "float, a finite one" if kind is float else kind.__name__
            raise TxrayError(
                f"the parameter {name} of {source.stem} takes {wanted}, as in {default!r}; it was given {value!r}"
            ) from None
    return values


def _run(notebook: "nbformat.NotebookNode", source: Path, cwd: Path, kernel: type | None) -> "nbformat.NotebookNode":
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="txray-") as folder:
        fits = os.name == "posix" and len(os.fsencode(folder)) < LONGEST_SOCKET
        sockets = {"transport": "ipc", "ip": f"{folder}/k"} if fits else {}
        try:
            return papermill.execute_notebook(
                notebook,
                None,
                kernel_name="python3",
                progress_bar=False,
                cwd=str(cwd),
                config=Config(ConnectionFileMixin=sockets),
                extra_arguments=["--log-level=50"],
                **({"kernel_manager_class": kernel} if kernel else {}),
            )
        except PapermillExecutionError as error:
            raise TxrayError(_failure(source, error)) from None
        except DeadKernelError:
            raise TxrayError(f"{source.name}: its kernel died, as one does where memory runs out") from None


def _failure(source: Path, error: Any) -> str:
    cell = error.exec_count
    if error.ename == "TxrayError":
        return f"{source.name}, cell {cell}: {error.evalue}"
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    return f"{source.name}, cell {cell} failed with {error.ename}: {error.evalue}\n  the cell begins: {first}"


def _write(notebook: "nbformat.NotebookNode", source: Path, parameters: dict[str, Any], out: Path) -> Path:
    """Write a notebook with nothing in it that changes from run to run."""
    import nbformat

    for cell in notebook.cells:
        tags = sorted(tags_of(cell))
        cell.metadata = {"tags": tags} if tags else {}
    notebook.metadata["papermill"] = {"input_path": source.name, "parameters": parameters}
    places.write_text(nbformat.writes(notebook), out)
    return out
