"""Executes a text notebook with parameters, by papermill. May touch: errors, places, results, course (stripping).

What papermill only warns of is an error here: a parameter that the notebook does not have, a notebook without a cell tagged
`parameters`. The values are written into that cell, so that the executed notebook, downloaded from a page, has one cell of
parameters, holding those of the page: papermill or JupyterLab runs it again as it stands. Kernels run this interpreter and
listen on unix sockets, so that neither another environment's kernel nor a taken port can get in the way.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txray_lib import places
from txray_lib.course.stripping import Version, version_of
from txray_lib.errors import TxrayError, nearest
from txray_lib.places import whole_file
from txray_lib.results import list_results, open_results

if TYPE_CHECKING:
    import nbformat
    from jupyter_client.manager import AsyncKernelManager

PARAMETERS = "parameters"
READING = "reading"
"""The tag of a Markdown cell that says what a person read in the tables of a frozen run."""


def list_notebooks() -> dict[str, Path]:
    """The text notebooks of the repository by name."""
    folder = places.root() / "notebooks"
    return {path.stem: path for path in sorted(folder.glob("*.md"))}


def find_notebook(name: str) -> Path:
    """The source of a notebook. Raises TxrayError for a misspelt name."""
    known = list_notebooks()
    if name not in known:
        raise TxrayError(f"there is no notebook {name!r}. {nearest(name, known)}")
    return known[name]


def parameters_of(source: Path) -> dict[str, Any]:
    """The parameters of a text notebook with their defaults. Raises TxrayError if no cell is tagged `parameters`."""
    return _defaults(read_notebook(source), source)


def execute(
    source: Path, out: Path, parameters: dict[str, Any], cwd: Path, version: Version = "student", title: str = ""
) -> Path:
    """Run a text notebook from top to bottom and write the executed copy to `out`, whole or not at all.

    Cells for a teacher are left out, unless that is the `version` asked for; what was read in other tables than those shown
    is left out too. `title` takes the place of the notebook's own.
    Raises TxrayError for a misspelt parameter, for a value of another type than the default, and for a cell that fails,
    with that cell's own message.
    """
    import nbformat

    notebook = version_of(read_notebook(source), version)
    defaults = _defaults(notebook, source)
    _check(parameters, defaults, source)
    cell = _parameters_cell(notebook, source)
    cell.source = set_values(cell.source, parameters)
    notebook.cells = [c for c in notebook.cells if _is_read_here(c, {**defaults, **parameters}, source)]
    if title:
        notebook.cells[0].source = re.sub(r"^# .*", f"# {title}", notebook.cells[0].source, count=1)
    executed = _run(notebook, source, cwd)
    _tidy(executed, source, {**defaults, **parameters})
    with whole_file(out) as partial:
        partial.write_text(nbformat.writes(executed), encoding="utf-8")
    return out


def write_unexecuted(source: Path, out: Path) -> Path:
    """Write the students' version of a text notebook to `out` as it stands: a page of it needs nothing that computes."""
    import nbformat

    notebook = version_of(read_notebook(source), "student")
    _tidy(notebook, source, _defaults(notebook, source))
    with whole_file(out) as partial:
        partial.write_text(nbformat.writes(notebook), encoding="utf-8")
    return out


def write_empty(source: Path, out: Path, why: str) -> Path:
    """Write a page that has nothing to show to `out`: the title of a text notebook, and why it is empty."""
    import nbformat

    first = next(cell.source for cell in read_notebook(source).cells if cell.cell_type == "markdown")
    title = next(line for line in first.splitlines() if line.startswith("# "))
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"{title}\n\n{why}")])
    with whole_file(out) as partial:
        nbformat.write(page, partial)
    return out


def read_notebook(source: Path) -> nbformat.NotebookNode:
    """A text notebook as it stands, with all its cells. Raises TxrayError where there is none, or it cannot be read."""
    import jupytext

    if not source.is_file():
        raise TxrayError(f"there is no notebook {source}. {nearest(source.stem, list_notebooks())}")
    try:
        notebook = jupytext.read(source)
    except Exception as error:
        raise TxrayError(f"the notebook {source.name} cannot be read as MyST text: {error}") from None
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata.setdefault("language_info", {"name": "python"})
    return notebook


def _is_read_here(cell: nbformat.NotebookNode, parameters: dict[str, Any], source: Path) -> bool:
    """Whether a cell is no `reading`, or one of the run that is shown: its `of` names runs and the digests of their tables,
    as "small 0123456789ab". A reading becomes a box on the page.

    Raises TxrayError where frozen tables have changed since somebody read them.
    """
    if READING not in _tags(cell):
        return True
    names, digests = (str(cell.metadata.get("of", "")).split()[i::2] for i in (0, 1))
    if not names or len(names) != len(digests):
        raise TxrayError(f'{source.name}: a reading names what it was read in, as "of": "small 0123456789ab"')
    at_hand = list_results()
    if names[0] != parameters.get("profile", names[0]) or not set(names) <= set(at_hand):
        return False
    for name, digest in zip(names, digests, strict=True):
        run = open_results(name)
        if run.digest != digest and run.origin == "frozen":
            raise TxrayError(
                f"{source.name}: a reading is of the tables {name} {digest}, which are now {run.digest}. Read them again, mend"
                " what it says, and name the new digits."
            )
        if run.digest != digest:
            return False
    cell.source = f'<div class="txray-reading">\n\n{cell.source}\n\n</div>'
    return True


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


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
            text = text[:begin] + _literal(parameters[name.id]).encode() + text[end:]
    return text.decode()


def _literal(value: Any) -> str:
    """A value as Python writes it, text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _parameters_cell(notebook: nbformat.NotebookNode, source: Path) -> nbformat.NotebookNode:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and PARAMETERS in _tags(cell)]
    if len(cells) != 1:
        raise TxrayError(
            f"the notebook {source.name} has {len(cells)} cells tagged `parameters`; it must have exactly one"
        )
    return cells[0]


def _defaults(notebook: nbformat.NotebookNode, source: Path) -> dict[str, Any]:
    defaults = {}
    for line in ast.parse(_parameters_cell(notebook, source).source).body:
        match line:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                defaults[name] = ast.literal_eval(value)
            case _:
                raise TxrayError(
                    f"the parameters of {source.name} must be plain `name = value` lines; this is not: {ast.unparse(line)}"
                )
    return defaults


def _check(parameters: dict[str, Any], defaults: dict[str, Any], source: Path) -> None:
    for name, value in parameters.items():
        if name not in defaults:
            raise TxrayError(f"the notebook {source.stem} has no parameter {name!r}. {nearest(name, defaults)}")
        wanted = type(defaults[name])
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise TxrayError(
                f"the parameter {name} of {source.stem} takes {wanted.__name__}, as in {defaults[name]!r}; it was given {value!r}"
            )


def _run(notebook: nbformat.NotebookNode, source: Path, cwd: Path) -> nbformat.NotebookNode:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="txray-") as sockets:
        try:
            return papermill.execute_notebook(
                notebook,
                None,
                kernel_name="python3",
                progress_bar=False,
                cwd=str(cwd),
                kernel_manager_class=_kernel_manager(sockets),
                extra_arguments=["--log-level=50"],
            )
        except PapermillExecutionError as error:
            raise TxrayError(_failure(source, error)) from None


def _kernel_manager(sockets: str) -> type[AsyncKernelManager]:
    """A kernel manager that starts this very interpreter and talks over unix sockets in the folder `sockets`.

    With no folder to look in, the only kernel it knows is the native one, whose command is `sys.executable`.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class LocalKernelManager(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True, parent=self)

        @default("transport")
        def _transport_default(self) -> str:
            return "ipc" if os.name == "posix" else "tcp"

        @default("ip")
        def _ip_default(self) -> str:
            return os.path.join(sockets, "k") if os.name == "posix" else "127.0.0.1"

    return LocalKernelManager


def _failure(source: Path, error: Any) -> str:
    cell = error.exec_count
    if error.ename == "TxrayError":
        return f"{source.name}, cell {cell}: {error.evalue}"
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    return f"{source.name}, cell {cell} failed with {error.ename}: {error.evalue}\n  the cell begins: {first}"


def _tidy(notebook: nbformat.NotebookNode, source: Path, parameters: dict[str, Any]) -> None:
    """Leave nothing that changes from run to run."""
    for cell in notebook.cells:
        tags = _tags(cell)
        cell.metadata = {"tags": sorted(tags)} if tags else {}
    notebook.metadata["papermill"] = {"input_path": source.name, "parameters": parameters}
