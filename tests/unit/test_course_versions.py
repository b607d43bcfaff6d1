"""Who sees what: no student's file holds a solution, every solution passes its check, and the timetable is the lab's."""

import json
import re
import shutil
import zipfile
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from running import code_cell, run_cells, text_notebook
from telling_tables import write_tables

from txray_lib.book.handouts import build_students, build_teacher, course_notebooks, student_version
from txray_lib.book.notebooks import execute, find_notebook, read_notebook
from txray_lib.course import CHECK, LEFT_OUT, tags_of, verdicts
from txray_lib.errors import TxrayError

REPOSITORY = Path(__file__).resolve().parents[2]
COURSE = ("lab", "assignment")
PAGE = text_notebook(
    "See [the method](/book/method) and [elsewhere](https://example.org).\n",
    code_cell('data = "tiny"', "parameters"),
    code_cell("answer = ...", "starter"),
    code_cell("answer = 40 + 2  # the answer is forty-two", "solution"),
    code_cell(
        "from txray_lib.course import Checked\n\n"
        'Checked("open" if answer is ... else "right" if answer == 6 * 7 else "wrong")'
    ),
    '+++ {"tags": ["marking"]}\n\nTwo points for the answer that is forty-two.\n',
)


def cells(name: str) -> list[nbformat.NotebookNode]:
    return read_notebook(find_notebook(name)).cells


def traces(name: str) -> set[str]:
    """Lines that only a teacher sees."""
    kept, lines = "", set[str]()
    for cell in cells(name):
        if LEFT_OUT["student"] & tags_of(cell):
            lines |= {line.strip() for line in cell.source.splitlines()}
        else:
            kept += cell.source
    return {line for line in lines if len(line) > 20 and line not in kept}


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compendium whose one notebook is the page above."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "notebooks" / "task.md").write_text(PAGE, encoding="utf-8")
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    return tmp_path


def test_a_page_is_the_students_unless_the_teachers_is_asked_for(course: Path) -> None:
    student = execute(find_notebook("task"), course / "student.ipynb", {}, course).read_text(encoding="utf-8")
    assert verdicts(nbformat.reads(student, 4)) == ["open"]
    (teachers,) = build_teacher()
    assert teachers.parent == course / "build" / "teacher"
    notebook = nbformat.read(teachers, 4)
    assert verdicts(notebook) == ["right"]
    text = "".join(cell.source for cell in notebook.cells)
    assert "Two points for the answer that is forty-two" in text
    assert "answer = ..." not in text
    assert "[elsewhere](https://example.org)" in text
    assert "/book/method" not in text


def test_a_solution_that_does_not_pass_its_check_stops_the_teachers_build(course: Path) -> None:
    (course / "notebooks" / "task.md").write_text(PAGE.replace("40 + 2", "40 + 3"), encoding="utf-8")
    with pytest.raises(TxrayError, match=r"task\.md, 1 of 1 checks are not right"):
        build_teacher()


def test_the_archive_holds_notebooks_and_the_tables_at_hand_and_is_the_same_twice(course: Path) -> None:
    with zipfile.ZipFile(build_students()[-1]) as archive:
        assert set(archive.namelist()) == {"txray-course/task.ipynb", "txray-course/README.md"}
    write_tables(course / "results" / "tiny")
    written = build_students()
    assert [path.name for path in written] == ["task.ipynb", "txray-course.zip"]
    before = written[-1].read_bytes()
    assert build_students()[-1].read_bytes() == before
    with zipfile.ZipFile(written[-1]) as archive:
        assert "forty-two" not in archive.read("txray-course/task.ipynb").decode()
        assert "txray-course/results/tiny/preferences/reviews-zero-shot.parquet" in archive.namelist()


@pytest.mark.parametrize("name", COURSE)
def test_what_students_get_is_whole_and_holds_no_trace_of_solutions_or_marking(name: str) -> None:
    assert set(course_notebooks()) == set(COURSE)
    notebook = student_version(find_notebook(name))
    nbformat.validate(notebook)
    text = nbformat.writes(notebook)
    assert text == nbformat.writes(student_version(find_notebook(name)))
    assert len(traces(name)) > 50
    assert not [line for line in traces(name) if json.dumps(line)[1:-1] in text]
    assert not set(re.findall(r'"(solution|marking)"', text))
    for cell in notebook.cells:
        assert not re.search(r"\{term\}|^:::|\]\(/|\.ipynb\)", cell.source, re.MULTILINE)
    for here, following in pairwise(map(tags_of, cells(name))):
        assert ("starter" in here) == ("solution" in following)


@pytest.mark.parametrize(
    ("name", "given"), [("lab", {"data": "tiny", "min_length": 2}), ("assignment", {"trained": "tiny"})]
)
def test_checks_are_open_for_students_and_every_solution_is_right(name, given, tmp_path, monkeypatch, request) -> None:
    source, hidden = find_notebook(name), traces(name)
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    write_tables(tmp_path / "results" / "tiny")
    if name == "assignment":
        home = shutil.copytree(request.getfixturevalue("tiny_home"), tmp_path / "compendium")
        monkeypatch.setenv("TXRAY_ROOT", str(home))
    monkeypatch.chdir(tmp_path)
    student, teacher = (run_cells(source, given, version=version) for version in LEFT_OUT)
    assert not [line for line in hidden if line in student.text]
    open_ones = CHECK.findall(student.text)
    assert set(open_ones) == {"open"}
    assert CHECK.findall(teacher.text) == ["right"] * len(open_ones)


def test_the_timetable_is_the_labs_and_the_marking_divides_each_tasks_points() -> None:
    text = (REPOSITORY / "book" / "teaching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*?) ?\|", text, re.MULTILINE)
    assert sum(int(minutes) for minutes, _ in rows) == 90
    lab = find_notebook("lab").read_text(encoding="utf-8")
    timed = re.findall(r"^## Exercise \d+\. (.*) \((\d+) min\)", lab, re.MULTILINE)
    assert timed == [(name, minutes) for minutes, name in rows if name]
    assert sum(int(minutes) for _, minutes in timed) == 75
    assignment = find_notebook("assignment").read_text(encoding="utf-8")
    promised = [int(points) for points in re.findall(r"^\| \d\. .*? \| (\d+) \|", assignment, re.MULTILINE)]
    assert sum(promised) == 100
    marking = [cell for cell in cells("assignment") if "marking" in tags_of(cell)]
    for cell, points in zip(marking, promised, strict=True):
        assert f"({points} points)" in cell.source
        assert sum(int(part) for part in re.findall(r"^- (\d+):", cell.source, re.MULTILINE)) == points
