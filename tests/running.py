"""Runs the cells of a text notebook in this process, which takes a second where a kernel of its own takes three."""

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from txray_lib.course import LEFT_OUT, Version, tags_of
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


def code_cell(code: str, tags: str = "") -> str:
    """A code cell of a text notebook."""
    options = f":tags: [{tags}]\n\n" if tags else ""
    return f"```{{code-cell}} ipython3\n{options}{code}\n```\n"


def text_notebook(*parts: str, title: str = "A page") -> str:
    """A text notebook: its kernel, its title, and its cells."""
    kernel = "---\nkernelspec: {name: python3, display_name: Python 3, language: python}\n---\n"
    return "\n".join((kernel, f"# {title}\n", *parts))


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


def printed_code(text: Path) -> list[str]:
    """The code that a Markdown text shows between its words, without blocks and roles; a line break in it is a space."""
    words = re.sub(r"^```.*?^```$", "", text.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    words = re.sub(r"\{\w+(?::\w+)*\}`[^`]*`", "", words)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", words)]


def try_proposals(text: Path) -> int:
    """Run each change of a cell that a page proposes in its words, on the names that its cells left: how many there were.

    A proposal assigns to a name of the page, or computes with its names.
    """
    names, tried = InteractiveShell.instance().user_ns, 0
    for code in printed_code(text):
        try:
            body = ast.parse(code).body
        except SyntaxError:
            continue
        if not body or not isinstance(body[0], ast.Assign | ast.Expr) or isinstance(body[0].value, ast.Name):
            continue
        used = {node.id for node in ast.walk(body[0].value) if isinstance(node, ast.Name)} - set(dir(builtins))
        if used and used <= set(names):
            exec(code, dict(names))
            tried += 1
        elif isinstance(body[0], ast.Assign):  # in a function, whose names are gone
            whole = text.read_text(encoding="utf-8").replace(code, "")
            assert all(re.search(rf"\b{name}\b", whole) for name in used), f"{text.name} has no {used}: {code}"
    return tried


def displayed(what: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """The HTML or Markdown that a call displays."""
    with shell_of_its_own(), capture_output() as caught:  # without a shell, what is displayed is printed
        what(*arguments, **options)
    return "".join(next(o.data[k] for k in ("text/html", "text/markdown") if k in o.data) for o in caught.outputs)


def run_cells(
    source: Path, parameters: dict[str, Any], replaced: dict[str, str] | None = None, version: Version = "student"
) -> Shown:
    """Run a notebook from top to bottom with parameters; the first error of a cell is raised.

    replaced  texts of cells that are changed before they run, as a reader would change them
    version   whose cells are run
    """
    with shell_of_its_own() as shell:
        return _run(shell, source, parameters, replaced or {}, version)


def _run(
    shell: InteractiveShell, source: Path, parameters: dict[str, Any], replaced: dict[str, str], version: Version
) -> Shown:
    shell.reset(new_session=True)
    shell.displayhook.write_output_prompt = lambda: None
    shell.displayhook.write_format_data = lambda data, metadata=None: shell.display_pub.publish(data, metadata)
    charts, texts, printed = [], [], ""
    for cell in jupytext.read(source).cells:
        if cell.cell_type != "code" or LEFT_OUT[version] & tags_of(cell):
            continue
        code = cell.source
        for old, new in replaced.items():
            code = code.replace(old, new)
        if "parameters" in tags_of(cell):
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
