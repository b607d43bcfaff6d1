"""What a course hands out and what a teacher keeps: notebooks without answers, and solutions with a guide to marking.

Students' files go to `build/course/`, where a page of the book offers them. The teacher's go to `build/teacher/`, which no
page links to and the site never holds. May touch: errors, places, results, course, notebooks.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib import places
from txray_lib.book.files import list_files, write_archive
from txray_lib.book.notebooks import execute, list_notebooks, parameters_of, read_notebook
from txray_lib.course.stripping import plain, verdicts, version_of
from txray_lib.errors import TxrayError
from txray_lib.results import list_results, open_results

if TYPE_CHECKING:
    import nbformat

TO_FILL_IN = re.compile(r"^:tags: \[.*\bstarter\b", re.MULTILINE)
"""A cell for students, in the text of a notebook: of thirty notebooks most need not be read for it."""
ARCHIVE = "txray-course.zip"
LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)\s]+\)")
ROLE = re.compile(r"\{(?:term|doc|ref)\}`([^`<]+?)(?:\s*<[^`>]*>)?`")
README = """# The lab and the assignment

1. A week before, install the compendium: unpack `compendium.zip`, which the first page of the book offers and which fits on a
   stick, and in its folder run `conda env create -f environment.yml` and `conda activate txray`, or `make book` on Linux.
2. Open `lab.ipynb` here with that environment's Python, in an editor that runs notebooks or in JupyterLab (`pip install
   jupyterlab`).
3. Run its first two cells: within a minute they say what is missing, if anything is.

The tables that the lab reads are in `results/`; other tables are computed with `txray run`. The assignment reads none: it
trains its encoder, once, which takes about a minute.
"""
STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font-family: sans-serif; line-height: 1.5; }
.cell { margin: 1rem 0; } .cell_input { border-left: 3px solid #999; padding-left: .8rem; overflow-x: auto; }
.tag_solution > .cell_input { border-color: #1b6e3c; }
img { max-width: 100%; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: .2rem .8rem; text-align: left; }
.txray-check-right strong { color: #1b6e3c; } .txray-check-wrong strong { color: #a33; }
"""


def course_notebooks() -> dict[str, Path]:
    """The text notebooks that students fill in, by name."""
    sources = list_notebooks().items()
    return {name: source for name, source in sources if TO_FILL_IN.search(source.read_text(encoding="utf-8"))}


def student_version(source: Path) -> nbformat.NotebookNode:
    """A notebook as students get it: nothing of a teacher's, not executed, readable without the book."""
    return _unlinked(plain(version_of(read_notebook(source), "student")))


def build_students() -> list[Path]:
    """Write the notebooks for students, and an archive of them with the tables that they read; returns the files.

    A profile whose tables are not at hand is left out of the archive, whose README says how to compute it.
    """
    import nbformat

    folder, sources = places.root() / "build" / "course", course_notebooks()
    contents = {f"{name}.ipynb": nbformat.writes(student_version(source)) for name, source in sources.items()}
    for name, text in contents.items():
        places.write_text(text, folder / name)
    files = [(f"txray-course/{name}", text.encode()) for name, text in {**contents, "README.md": README}.items()]
    read = {parameters_of(source).get("data") for source in sources.values()}
    for profile in sorted(read & set(list_results())):
        tables = open_results(profile).folder
        names = ((f"txray-course/results/{profile}/{f.relative_to(tables).as_posix()}", f) for f in list_files(tables))
        files += [(name, file.read_bytes()) for name, file in names]
    return [*(folder / name for name in contents), write_archive(folder / ARCHIVE, files)]


def build_teacher() -> list[Path]:
    """Execute every notebook that has a teacher's side with its solutions, and write it as notebook and as one page.

    Raises TxrayError where a solution does not pass its own check: such a notebook must not be marked by.
    """
    import nbformat

    folder, built = places.root() / "build" / "teacher", []
    for name, source in course_notebooks().items():
        executed = execute(source, folder / f"{name}.ipynb", {}, places.root(), version="teacher")
        notebook = nbformat.read(executed, 4)
        states = verdicts(notebook)
        if wrong := [str(i) for i, state in enumerate(states, start=1) if state != "right"]:
            raise TxrayError(
                f"in {source.name}, {len(wrong)} of {len(states)} checks are not right with the solutions that stand there:"
                f" number {', '.join(wrong)}. See {executed}."
            )
        places.write_text(as_page(notebook), folder / f"{name}.html")
        built += [executed, folder / f"{name}.html"]
    return built


def as_page(notebook: nbformat.NotebookNode) -> str:
    """An executed notebook as one HTML page that needs no other file: charts are pictures within it."""
    import nbformat
    from docutils.core import publish_string
    from myst_nb.docutils_ import Parser

    for output in (output for cell in _unlinked(notebook).cells for output in cell.get("outputs", [])):
        if picture := output.get("data", {}).get("image/png"):
            said = html.escape(output.data.get("text/plain", ""), quote=True)
            output.data = {"text/html": f'<img alt="{said}" src="data:image/png;base64,{picture.strip()}">'}
    settings = {
        "nb_execution_mode": "off",
        "nb_output_folder": str(places.root() / "build" / "teacher" / ".parts"),
        "output_encoding": "unicode",
        "math_output": "MathML",
        "embed_stylesheet": True,
        "stylesheet_path": ["minimal.css"],
        "myst_enable_extensions": ["dollarmath", "colon_fence", "deflist"],
        "report_level": 3,
        "halt_level": 3,
    }
    page = publish_string(nbformat.writes(notebook), parser=Parser(), writer_name="html5", settings_overrides=settings)
    return page.replace("</head>", f"<style>{STYLE}</style>\n</head>", 1)


def _unlinked(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Links to other pages and terms of the book as plain words: there is no book around this notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ROLE.sub(r"\1", LINK.sub(r"\1", cell.source))
    return notebook
