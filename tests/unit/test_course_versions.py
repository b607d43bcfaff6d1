"""Who sees what: no student's file holds a solution, every solution passes its check, and the timetable is the lab's."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from telling_tables import write_tables

from txray_lib.book import handouts
from txray_lib.course.stripping import TEACHERS, has_versions, tags_of, verdicts, version_of
from txray_lib.errors import TxrayError
from txray_lib.figures.theme import MIME
from txray_lib.book.handouts import _with_pictures, as_page, build_students, build_teacher, course_notebooks, student_version
from txray_lib.book.notebooks import execute, find_notebook, list_notebooks, read_notebook

REPOSITORY = Path(__file__).resolve().parents[2]
COURSE = ("lab", "assignment")
PAGE = """---
kernelspec: {name: python3, display_name: Python 3, language: python}
author: the answer is forty-two
---

# A task

See [the method](/book/method) and [elsewhere](https://example.org).

```{code-cell} ipython3
:tags: [parameters]

n = 1
```

```{code-cell} ipython3
:tags: [starter]

answer = ...
```

```{code-cell} ipython3
:tags: [solution]

answer = 40 + 2  # the answer is forty-two
print(answer)
```

```{code-cell} ipython3
from txray_lib.course.checked import Checked

Checked("open" if answer is ... else "right" if answer == RIGHT else "wrong")
```

+++ {"tags": ["marking"]}

Two points for the answer that is forty-two.

+++

The end.
"""


def cells(name: str, tag: str = "") -> list[nbformat.NotebookNode]:
    return [cell for cell in read_notebook(find_notebook(name)).cells if not tag or tag in tags_of(cell)]


def traces(name: str) -> set[str]:
    """Lines that only a teacher sees, and pieces of such lines' prose."""
    kept = "\n".join(cell.source for cell in cells(name) if not TEACHERS & tags_of(cell))
    lines = {line.strip() for cell in cells(name) if TEACHERS & tags_of(cell) for line in cell.source.splitlines()}
    return {line for line in lines if len(line) > 20 and line not in kept}


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A compendium whose one notebook is the page above; gives its folder."""

    def make(page: str = PAGE) -> Path:
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks" / "task.md").write_text(page.replace("RIGHT", "42"), encoding="utf-8")
        monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
        monkeypatch.delenv("TXRAY_RESULTS", raising=False)
        return tmp_path

    return make


def test_the_lab_and_the_assignment_are_what_students_fill_in() -> None:
    assert set(course_notebooks()) == set(COURSE)
    assert {name for name, source in list_notebooks().items() if has_versions(read_notebook(source))} == set(COURSE)


def test_a_page_is_the_students_unless_the_teachers_is_asked_for(course: Callable[[str], Path]) -> None:
    folder = course()
    source = find_notebook("task")
    student = execute(source, folder / "student.ipynb", {}, folder).read_text(encoding="utf-8")
    teacher = execute(source, folder / "teacher.ipynb", {}, folder, version="teacher").read_text(encoding="utf-8")
    assert "forty-two" not in student
    assert not re.search(r"\b42\b", student.replace("answer == 42", ""))
    assert verdicts(nbformat.reads(student, 4)) == ["open"]
    assert verdicts(nbformat.reads(teacher, 4)) == ["right"]
    assert "answer = ..." not in teacher
    assert "Two points" in teacher


@pytest.mark.parametrize("name", COURSE)
def test_what_students_get_holds_no_trace_of_solutions_or_marking(name: str) -> None:
    assert len(traces(name)) > 50
    handed_out = nbformat.writes(student_version(find_notebook(name)))
    page = nbformat.writes(version_of(read_notebook(find_notebook(name)), "student"))
    for text in (handed_out, page):
        told = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
        assert not [line for line in traces(name) if line in told or json.dumps(line)[1:-1] in text]
        assert not set(re.findall(r'"(solution|marking)"', text))


def test_what_students_get_is_whole_and_not_executed(tmp_path: Path) -> None:
    for name in COURSE:
        notebook = student_version(find_notebook(name))
        nbformat.validate(notebook)
        assert nbformat.writes(notebook) == nbformat.writes(student_version(find_notebook(name)))
        for cell in notebook.cells:
            assert not re.search(r"\{term\}|^:::|\]\(/|\.ipynb\)", cell.source, re.MULTILINE)
            assert cell.cell_type != "code" or (cell.outputs, cell.execution_count) == ([], None)


def test_the_archive_holds_notebooks_and_tables_and_is_the_same_twice(
    course: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = course(PAGE.replace("n = 1", 'data = "tiny"'))
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    write_tables(tmp_path / "results" / "tiny")
    written = build_students()
    assert [path.name for path in written] == ["task.ipynb", "txray-course.zip"]
    before = written[-1].read_bytes()
    assert build_students()[-1].read_bytes() == before
    with zipfile.ZipFile(written[-1]) as archive:
        names = archive.namelist()
        assert "forty-two" not in archive.read("txray-course/task.ipynb").decode()
    assert {"txray-course/task.ipynb", "txray-course/README.md"} <= set(names)
    assert "txray-course/results/tiny/preferences/reviews-zero-shot.parquet" in names
    assert not (folder / "_build").exists()


def test_tables_that_are_not_at_hand_are_left_out_of_the_archive(course: Callable[[str], Path]) -> None:
    course(PAGE.replace("n = 1", 'data = "nowhere"'))
    archive = next(path for path in build_students() if path.suffix == ".zip")
    with zipfile.ZipFile(archive) as opened:
        assert not [name for name in opened.namelist() if "results/" in name]
        assert "txray run" in opened.read("txray-course/README.md").decode()


def test_the_teacher_gets_solutions_and_marking_apart_from_the_site(course: Callable[[str], Path]) -> None:
    folder = course()
    notebook, page = build_teacher()
    assert (notebook.parent, page.parent) == (folder / "build" / "teacher",) * 2
    html = page.read_text(encoding="utf-8")
    assert "Two points for the answer that is forty-two" in html
    assert "txray-check-right" in html
    assert 'href="https://example.org"' in html
    assert "/book/method" not in html
    assert not re.search(r'<link[^>]*href|<script[^>]*src|<img[^>]*src="(?!data:)', html)


def test_a_solution_that_does_not_pass_its_check_stops_the_teachers_build(course: Callable[[str], Path]) -> None:
    course(PAGE.replace("40 + 2", "40 + 3"))
    with pytest.raises(TxrayError, match=r"task\.md, 1 of 1 checks are not right"):
        build_teacher()
    assert not (handouts.places.root() / "build" / "teacher" / "task.html").exists()


def test_a_page_needs_no_other_file() -> None:
    data = {MIME: {"mark": "point"}, "image/png": "QUJD\n", "text/plain": "Points & <lines>."}
    chart = nbformat.v4.new_code_cell("draw()", outputs=[nbformat.v4.new_output("display_data", data)])
    text = nbformat.v4.new_markdown_cell("# A\n\n$x^2$ and **b**")
    html = as_page(_with_pictures(nbformat.v4.new_notebook(cells=[text, chart])))
    assert '<img alt="Points &amp; &lt;lines&gt;." src="data:image/png;base64,QUJD">' in html
    assert "<math" in html
    assert "<strong>b</strong>" in html
    assert not re.search(r"<link|<script", html)


def test_the_lab_is_open_for_students_and_every_solution_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    write_tables(tmp_path / "results" / "tiny")
    given = {"data": "tiny", "min_length": 2}
    source, hidden = find_notebook("lab"), traces("lab")
    student = nbformat.read(execute(source, tmp_path / "student.ipynb", given, tmp_path), 4)
    teacher = nbformat.read(execute(source, tmp_path / "teacher.ipynb", given, tmp_path, version="teacher"), 4)
    assert set(verdicts(student)) == {"open"}
    assert verdicts(teacher) == ["right"] * len(verdicts(student))
    text = nbformat.writes(student)
    assert not [line for line in hidden if json.dumps(line)[1:-1] in text]


def test_a_week_before_the_lab_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / "results"))
    first = [cell.source for cell in cells("lab") if cell.cell_type == "code"][1]
    write_tables(tmp_path / "results" / "tiny")
    exec(first, {"data": "tiny"})
    assert capsys.readouterr().out.splitlines() == ["Ready."]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "altair" else name)
    exec(first, {"data": "nowhere"})
    said = capsys.readouterr().out.splitlines()
    assert ["altair" in said[0], "nowhere" in said[1], len(said)] == [True, True, 2]


def test_the_assignment_is_open_for_students_and_every_solution_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_workplace: Callable[[Path], Path]
) -> None:
    pytest.importorskip("flair", reason="the profile tiny is tagged with Flair: pip install 'txray-lib[tag]'")
    source, hidden = find_notebook("assignment"), traces("assignment")
    monkeypatch.setenv("TXRAY_ROOT", str(new_workplace(tmp_path / "compendium")))
    given = {"trained": "tiny"}
    student = nbformat.read(execute(source, tmp_path / "student.ipynb", given, tmp_path), 4)
    teacher = nbformat.read(execute(source, tmp_path / "teacher.ipynb", given, tmp_path, version="teacher"), 4)
    assert set(verdicts(student)) == {"open"}
    assert verdicts(teacher) == ["right"] * len(verdicts(student))
    text = nbformat.writes(student)
    assert not [line for line in hidden if json.dumps(line)[1:-1] in text]
    assert not [o for c in teacher.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "stream"]


def test_the_timetable_is_the_labs_and_leaves_a_quarter_of_an_hour() -> None:
    text = (REPOSITORY / "book" / "teaching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*?) ?\|", text, re.MULTILINE)
    assert sum(int(minutes) for minutes, _ in rows) == 90
    lab = find_notebook("lab").read_text(encoding="utf-8")
    timed = re.findall(r"^## Exercise \d+\. (.*) \((\d+) min\)", lab, re.MULTILINE)
    assert timed == [(name, minutes) for minutes, name in rows if name]
    assert sum(int(minutes) for _, minutes in timed) == 75


def test_points_sum_to_a_hundred_and_the_marking_divides_each_task() -> None:
    text = find_notebook("assignment").read_text(encoding="utf-8")
    promised = [int(points) for points in re.findall(r"^\| \d\. .*? \| (\d+) \|", text, re.MULTILINE)]
    assert sum(promised) == 100
    assert [int(points) for points in re.findall(r"^## Task \d\. .* \((\d+) points\)", text, re.MULTILINE)] == promised
    for cell, points in zip(cells("assignment", "marking"), promised, strict=True):
        assert f"({points} points)" in cell.source
        assert sum(int(part) for part in re.findall(r"^- (\d+):", cell.source, re.MULTILINE)) == points


@pytest.mark.parametrize("name", COURSE)
def test_every_starter_has_a_solution_in_its_place(name: str) -> None:
    tags = [tags_of(cell) for cell in cells(name)]
    for here, following in pairwise(tags):
        assert ("starter" in here) == ("solution" in following)
