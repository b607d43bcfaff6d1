"""What is executed and built again after a change, and what the table of contents holds. Sphinx itself is not run here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import yaml
from telling_tables import write_study, write_tables

from txray_lib import bookbuild
from txray_lib.book import VegaLiteRenderer
from txray_lib.figures import MIME
from txray_lib.errors import TxrayError
from txray_lib.tables import read_table, write_table

PAGE = """---
kernelspec: {{name: python3, display_name: Python 3}}
---

# {title}

```{{code-cell}} ipython3
:tags: [parameters]

{parameter}
```
"""

TOC = {
    "format": "jb-book",
    "root": "book/intro",
    "parts": [
        {"caption": "Method", "chapters": [{"file": "book/method"}]},
        {
            "caption": "Demo",
            "chapters": [
                {
                    "file": "build/notebooks/demo/rq1",
                    "sections": [{"file": "build/notebooks/demo/fig02", "title": "Two (demo)"}],
                }
            ],
        },
        {"caption": "Small", "chapters": [{"file": "build/notebooks/small/rq1"}]},
        {"caption": "Back", "chapters": [{"file": "book/glossary"}]},
    ],
}


def write_page(repository: Path, name: str, title: str, parameter: str = 'profile = "demo"') -> None:
    (repository / "notebooks" / f"{name}.md").write_text(
        PAGE.format(title=title, parameter=parameter), encoding="utf-8"
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one notebook and tables for demo, in which executing and building only leave traces."""
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    (tmp_path / "notebooks").mkdir()
    write_page(tmp_path, "rq1", "One")
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TOC), encoding="utf-8")
    write_tables(tmp_path / "build" / "results" / "demo")

    def execute(source: Path, out: Path, parameters: dict[str, Any], cwd: Path) -> Path:
        if "fails" in source.read_text(encoding="utf-8"):
            raise TxrayError("rq1.md, cell 1 failed")
        out.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(), out)
        return out

    def build(toc: Path, strict: bool) -> None:
        page = tmp_path / "_build" / "html" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("site", encoding="utf-8")

    monkeypatch.setattr(bookbuild.notebooks, "execute", execute)
    monkeypatch.setattr(bookbuild, "_build", build)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_second_build_finds_nothing_to_do(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bookbuild.build_book().exists()
    assert "Executing rq1 on demo (live)" in said(capsys)
    bookbuild.build_book()
    assert said(capsys).startswith("The book is up to date, nothing to do")


def test_only_what_changed_runs_again(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tables(repository / "results" / "small")
    bookbuild.build_book()
    said(capsys)
    write_tables(repository / "results" / "small", seed=3)
    bookbuild.build_book()
    assert [line for line in said(capsys).splitlines() if line.startswith("Executing")] == [
        "Executing rq1 on small (frozen)"
    ]
    write_page(repository, "rq1", "Two")
    bookbuild.build_book()
    assert said(capsys).count("Executing") == 2


def test_a_changed_page_builds_without_executing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bookbuild.build_book()
    said(capsys)
    (repository / "book").mkdir()
    (repository / "book" / "intro.md").write_text("# New\n", encoding="utf-8")
    bookbuild.build_book()
    text = said(capsys)
    assert "Executing" not in text
    assert "Built the book" in text


def test_a_failing_notebook_leaves_the_last_one_and_is_tried_again(repository: Path) -> None:
    bookbuild.build_book()
    out = repository / "build" / "notebooks" / "demo" / "rq1.ipynb"
    before = out.read_bytes()
    write_page(repository, "rq1", "fails")
    for _ in range(2):
        with pytest.raises(TxrayError, match="cell 1 failed"):
            bookbuild.build_book()
    assert out.read_bytes() == before


def test_the_contents_hold_the_profiles_that_are_shown(repository: Path) -> None:
    bookbuild.build_book()
    toc = yaml.safe_load((repository / "build" / "_toc.yml").read_text(encoding="utf-8"))
    assert [part["caption"] for part in toc["parts"]] == ["Method", "Demo", "Back"]
    write_tables(repository / "results" / "mine")
    bookbuild.build_book(["demo", "mine"])
    toc = yaml.safe_load((repository / "build" / "_toc.yml").read_text(encoding="utf-8"))
    assert [part["caption"] for part in toc["parts"]] == ["Method", "Demo", "Profile mine", "Back"]


def test_a_profile_that_is_not_listed_gets_the_chapters_and_sections_of_one_that_is(repository: Path) -> None:
    write_tables(repository / "results" / "mine")
    bookbuild.build_book(["demo", "mine"])
    toc = yaml.safe_load((repository / "build" / "_toc.yml").read_text(encoding="utf-8"))
    mine = next(part for part in toc["parts"] if part["caption"] == "Profile mine")
    assert mine["chapters"] == [
        {
            "file": "build/notebooks/mine/rq1",
            "sections": [{"file": "build/notebooks/mine/fig02", "title": "Two (mine)"}],
        }
    ]


def test_a_page_that_compares_snapshots_says_why_it_is_empty_where_a_run_has_too_few(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page(repository, "rq2", "Two")
    folder = write_tables(repository / "results" / "alone")
    stages = read_table(folder / "stages.parquet")
    few = stages[~stages["role"].isin(["early", "before-last", "between"])].reset_index(drop=True)
    write_table(few, folder / "stages.parquet", stages.attrs["provenance"])
    bookbuild.build_book(["demo", "alone"])
    assert {line for line in said(capsys).splitlines() if line.startswith("Executing")} == {
        "Executing rq1 on demo (live)",
        "Executing rq2 on demo (live)",
        "Executing rq2 on alone (frozen)",
    }
    (cell,) = nbformat.read(repository / "build" / "notebooks" / "alone" / "rq1.ipynb", 4).cells
    assert cell.source.startswith("# One\n\nThis page compares an early")
    assert "The profile alone was given fewer than three" in cell.source


def test_a_notebook_without_a_profile_is_executed_once_and_again_when_any_profile_changes(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page(repository, "audit", "Audit", 'profiles = "all"')
    write_tables(repository / "results" / "small")
    bookbuild.build_book()
    assert (repository / "build" / "notebooks" / "audit.ipynb").is_file()
    assert sorted(line for line in said(capsys).splitlines() if "audit" in line) == ["Executing audit"]
    write_tables(repository / "results" / "small", seed=3)
    bookbuild.build_book()
    assert sorted(line for line in said(capsys).splitlines() if line.startswith("Executing")) == [
        "Executing audit",
        "Executing rq1 on small (frozen)",
    ]


def test_a_page_of_a_study_runs_again_when_the_study_changes_or_comes(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page(repository, "truth", "Truth", 'study = "truth"')
    bookbuild.build_book()
    assert "Executing truth\n" in said(capsys)
    for seeds in ((1, 2), (1, 2, 3)):
        write_study(repository / "results" / "truth", seeds)
        bookbuild.build_book()
        assert [line for line in said(capsys).splitlines() if line.startswith("Executing")] == ["Executing truth"]


def test_a_page_of_a_profile_that_shows_a_study_too_runs_again_when_the_study_changes(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page(repository, "measures", "Measures", 'profile = "demo"\nstudy = "truth"')
    bookbuild.build_book()
    said(capsys)
    write_study(repository / "results" / "truth")
    bookbuild.build_book()
    assert [line for line in said(capsys).splitlines() if line.startswith("Executing")] == [
        "Executing measures on demo (live)"
    ]


def executed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in said(capsys).splitlines() if line.startswith("Executing")]


def test_a_page_that_works_on_tables_of_its_own_runs_again_when_they_change(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tables(repository / "results" / "own")
    write_page(repository, "lab", "Lab", 'data = "own"')
    bookbuild.build_book(["demo"])
    assert "Executing lab" in executed(capsys)
    bookbuild.build_book(["demo"])
    assert executed(capsys) == []
    write_tables(repository / "results" / "own", seed=3)
    bookbuild.build_book(["demo"])
    assert executed(capsys) == ["Executing lab"]


def test_a_page_that_trains_is_shown_as_it_stands(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_page(repository, "assignment", "Assignment", 'trained = "tiny"')
    bookbuild.build_book()
    assert "Executing assignment" not in executed(capsys)
    page = nbformat.read(repository / "build" / "notebooks" / "assignment.ipynb", 4)
    assert [cell.outputs for cell in page.cells if cell.cell_type == "code"] == [[]]


def test_students_files_are_built_with_the_book_and_a_change_in_them_builds_it_anew(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = repository / "notebooks" / "lab.md"
    write_page(repository, "lab", "Lab", 'data = "demo"')
    cell = "\n```{code-cell} ipython3\n:tags: [exercise]\n\nanswer = ...\n```\n"
    page.write_text(page.read_text(encoding="utf-8") + cell, encoding="utf-8")
    bookbuild.build_book()
    folder = repository / "build" / "course"
    assert {path.name for path in folder.iterdir()} == {"lab.ipynb", "txray-course.zip"}
    said(capsys)
    bookbuild.build_book()
    assert said(capsys).startswith("The book is up to date")
    page.write_text(page.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    bookbuild.build_book()
    assert "Built the book" in said(capsys)
    assert "More." in (folder / "lab.ipynb").read_text(encoding="utf-8")


def test_a_book_of_studies_alone_is_an_error(repository: Path) -> None:
    write_study(repository / "results" / "truth")
    with pytest.raises(TxrayError, match=r"no pages of its own, and truth is one: name a run"):
        bookbuild.build_book(["truth"])
    assert not (repository / "build" / "_toc.yml").exists()


def test_a_page_that_shows_the_tables_of_one_profile_runs_again_when_they_change(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_page(repository, "by-hand", "By hand", 'data = "demo"')
    write_tables(repository / "results" / "small")
    bookbuild.build_book(["small"])
    assert said(capsys).count("Executing by-hand\n") == 1
    write_tables(repository / "build" / "results" / "demo", seed=3)
    bookbuild.build_book(["small"])
    assert [line for line in said(capsys).splitlines() if line.startswith("Executing")] == ["Executing by-hand"]


def test_a_study_has_no_pages_of_its_own(repository: Path) -> None:
    write_study(repository / "results" / "truth")
    bookbuild.build_book(["demo", "truth"])
    assert not (repository / "build" / "notebooks" / "truth").exists()
    assert "Profile truth" not in (repository / "build" / "_toc.yml").read_text(encoding="utf-8")


def test_a_profile_without_tables_is_an_error(repository: Path) -> None:
    with pytest.raises(TxrayError, match="small"):
        bookbuild.build_book(["demo", "small"])


def test_a_chart_without_alt_text_is_a_warning() -> None:
    told: list[str] = []
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}
    logger = SimpleNamespace(warning=lambda text, **_: told.append(text))
    renderer = SimpleNamespace(logger=logger, renderer=SimpleNamespace(sphinx_env=None))
    nodes = VegaLiteRenderer.handle_mime(renderer, SimpleNamespace(mime_type=MIME, line=1, content=spec), inline=False)
    assert told == ["a chart has no description (alt text)"]
    assert nodes
    assert 'src="data:image/png' in nodes[0].astext()
