"""What a course hands out and what a teacher keeps: notebooks without answers, and solutions with a guide to marking.

Students' files go to `build/course/`, where a page of the book offers them. The teacher's go to `build/teacher/`, which no
page links to and the site never holds. May touch: errors, places, results, course, notebooks.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib import places
from txray_lib.book.files import list_files, write_archive
from txray_lib.book.notebooks import execute, list_notebooks, parameters_of, read_notebook
from txray_lib.course import plain, verdicts, version_of
from txray_lib.engine.tracking import LIBRARY
from txray_lib.errors import TxrayError
from txray_lib.results import list_results, open_results

if TYPE_CHECKING:
    import nbformat

TO_FILL_IN = re.compile(r"^:tags: \[.*\bstarter\b", re.MULTILINE)
"""A cell for students, in the text of a notebook: of thirty notebooks most need not be read for it."""
ARCHIVE = "txray-course.zip"
README = LIBRARY / "course" / "handout.md"
LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)\s]+\)")
ROLE = re.compile(r"\{(?:term|doc|ref)\}`([^`<]+?)(?:\s*<[^`>]*>)?`")


def course_notebooks() -> dict[str, Path]:
    """The text notebooks that students fill in, by name."""
    sources = list_notebooks().items()
    return {name: source for name, source in sources if TO_FILL_IN.search(source.read_text(encoding="utf-8"))}


def student_version(source: Path) -> "nbformat.NotebookNode":
    """A notebook as students get it: nothing of a teacher's, not executed, readable without the book."""
    return _readable(version_of(read_notebook(source), "student"))


def build_students() -> list[Path]:
    """Write the notebooks for students, and an archive of them with the tables that they read; returns the files.

    A profile whose tables are not at hand is left out of the archive, whose README says how to compute it.
    """
    import nbformat

    folder, sources = places.root() / "build" / "course", course_notebooks()
    places.note_opened(README)
    contents = {f"{name}.ipynb": nbformat.writes(student_version(source)) for name, source in sources.items()}
    for name, text in contents.items():
        places.write_text(text, folder / name)
    contents["README.md"] = README.read_text(encoding="utf-8")
    files = [(f"txray-course/{name}", text.encode()) for name, text in contents.items()]
    read = {parameters_of(source).get("data") for source in sources.values()}
    for profile in sorted(read & set(list_results())):
        tables = open_results(profile).folder
        names = ((f"txray-course/results/{profile}/{f.relative_to(tables).as_posix()}", f) for f in list_files(tables))
        files += [(name, file.read_bytes()) for name, file in names]
    return [*(folder / f"{name}.ipynb" for name in sources), write_archive(folder / ARCHIVE, files)]


def build_teacher() -> list[Path]:
    """Execute every notebook that students fill in with its solutions and the guide to marking, and return the files.

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
        places.write_text(nbformat.writes(_readable(notebook)), executed)
        built.append(executed)
    return built


def _readable(notebook: "nbformat.NotebookNode") -> "nbformat.NotebookNode":
    """A notebook for JupyterLab, in place: links to other pages and terms of the book are plain words."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ROLE.sub(r"\1", LINK.sub(r"\1", cell.source))
    return plain(notebook)
