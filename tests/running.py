"""Runs the cells of a text notebook in this process, which takes a second where a kernel of its own takes three."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from txray_lib.figures.theme import MIME


@dataclass(frozen=True)
class Shown:
    """What the cells of a page showed: charts as specs, all else as text, and what was complained of."""

    charts: list[dict[str, Any]]
    texts: list[str]
    printed: str

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@contextmanager
def shell_of_its_own() -> Iterator[InteractiveShell]:
    """A shell in this process, whose module takes the place of `__main__` only as long as it is used."""
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance()
    sys.modules["__main__"] = shell.user_module
    try:
        yield shell
    finally:
        sys.modules["__main__"] = main


def displayed(what: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """The HTML or Markdown that a call displays."""
    with shell_of_its_own(), capture_output() as caught:  # without a shell, what is displayed is printed
        what(*arguments, **options)
    return "".join(next(o.data[k] for k in ("text/html", "text/markdown") if k in o.data) for o in caught.outputs)


def run_cells(source: Path, parameters: dict[str, Any], replaced: dict[str, str] | None = None) -> Shown:
    """Run a notebook from top to bottom with parameters; the first error of a cell is raised.

    replaced  texts of cells that are changed before they run, as a reader would change them
    """
    with shell_of_its_own() as shell:
        return _run(shell, source, parameters, replaced or {})


def _run(shell: InteractiveShell, source: Path, parameters: dict[str, Any], replaced: dict[str, str]) -> Shown:
    shell.reset(new_session=True)
    shell.displayhook.write_output_prompt = lambda: None
    shell.displayhook.write_format_data = lambda data, metadata=None: shell.display_pub.publish(data, metadata)
    charts, texts, printed = [], [], ""
    for cell in jupytext.read(source).cells:
        if cell.cell_type != "code" or {"solution", "marking"} & set(cell.metadata.get("tags", [])):
            continue
        code = cell.source
        for old, new in replaced.items():
            code = code.replace(old, new)
        if "parameters" in cell.metadata.get("tags", []):
            names = {line.targets[0].id for line in ast.parse(code).body}
            code += "".join(f"\n{name} = {value!r}" for name, value in parameters.items() if name in names)
        with capture_output() as caught:
            done = shell.run_cell(code)
        if not done.success:
            raise done.error_in_exec or done.error_before_exec
        printed += caught.stderr
        for output in caught.outputs:
            charts += [output.data[MIME]] if MIME in output.data else []
            texts += [output.data[kind] for kind in ("text/markdown", "text/html") if kind in output.data]
    return Shown(charts, texts, printed)
