"""What is executed and built again after a change, and on which run each page stands. Sphinx itself is not run here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import yaml
from telling_tables import write_study, write_tables

from txray_lib import engine, tracking
from txray_lib.book import building as bookbuild
from txray_lib.book.extension import VegaLiteRenderer
from txray_lib.errors import TxrayError
from txray_lib.figures.theme import MIME

PAGE = """---
kernelspec: {{name: python3, display_name: Python 3}}
{head}---

# {title}

```{{code-cell}} ipython3
:tags: [parameters]

{parameter}
```
"""
TOC = {
    "format": "jb-book",
    "root": "build/notebooks/intro",
    "parts": [
        {
            "caption": "Paper",
            "chapters": [{"file": "build/notebooks/rq1", "sections": [{"file": "build/notebooks/fig02"}]}],
        },
        {"caption": "World", "chapters": [{"file": "build/notebooks/demo-rq1", "title": "The world"}]},
        {"caption": "Back", "chapters": [{"file": "build/notebooks/method"}, {"file": "book/glossary"}]},
    ],
}
DEFAULTS = {
    "intro": 'profile = "small"',
    "rq1": 'profile = "small"',
    "fig02": 'profile = "small"',
    "method": 'profile = "demo"',
}


def write_page(repository: Path, name: str, title: str = "One", parameter: str = "", head: str = "") -> None:
    text = PAGE.format(title=title, parameter=parameter or DEFAULTS[name], head=head)
    (repository / "notebooks" / f"{name}.md").write_text(text, encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with four notebooks and tables for demo and small, in which executing and building only leave traces."""
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.setenv("TXRAY_PICTURES", "no")
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    (tmp_path / "notebooks").mkdir()
    for name in DEFAULTS:
        write_page(tmp_path, name)
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TOC), encoding="utf-8")
    write_tables(tmp_path / "build" / "results" / "demo")
    write_tables(tmp_path / "results" / "small")

    def execute(source: Path, out: Path, parameters: dict[str, Any], cwd: Path, title: str = "") -> Path:
        if "fails" in source.read_text(encoding="utf-8"):
            raise TxrayError("rq1.md, cell 1 failed")
        out.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(metadata={"ran": {**parameters, "title": title}}), out)
        return out

    def build(strict: bool) -> None:
        page = tmp_path / "_build" / "html" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("site", encoding="utf-8")

    (tmp_path / "_config.yml").write_text("title: A book\n", encoding="utf-8")
    monkeypatch.setattr(engine, "apart", lambda function, *given: told(function, *given))
    monkeypatch.setattr(bookbuild.notebooks, "execute", execute)
    monkeypatch.setattr(bookbuild, "_build", build)
    return tmp_path


def told(function: Callable[..., Any], *given: Any) -> Any:
    """As `engine.apart` tells of an error, without a process of its own."""
    try:
        return function(*given)
    except TxrayError as error:
        engine.ERRORS.append(error)
        raise


def executed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    told = capsys.readouterr()
    return sorted(line.removeprefix("executing ") for line in told.err.splitlines() if line.startswith("executing"))


def ran(repository: Path, page: str) -> dict[str, Any]:
    return nbformat.read(repository / "build" / "notebooks" / f"{page}.ipynb", 4).metadata["ran"]


EVERY = ["demo-rq1", "fig02", "intro", "method", "rq1"]


def test_each_page_stands_on_its_run_and_a_second_build_finds_nothing_to_do(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bookbuild.build_book().exists()
    assert executed(capsys) == EVERY
    assert ran(repository, "rq1") == {"profile": "small", "title": ""}
    assert ran(repository, "demo-rq1") == {"profile": "demo", "title": "The world"}
    bookbuild.build_book()
    assert capsys.readouterr().out.startswith("The book is up to date")


def test_the_chapters_of_the_paper_move_to_another_run_and_back(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bookbuild.build_book()
    write_tables(repository / "results" / "mine")
    executed(capsys)
    bookbuild.build_book("mine")
    assert {"rq1", "fig02"} <= set(executed(capsys))
    assert ran(repository, "rq1")["profile"] == "mine"
    assert ran(repository, "method")["profile"] == "demo"
    assert [p.name for p in (repository / "build/static/explorer").iterdir() if p.is_dir()] == ["mine"]


def test_changed_tables_and_a_changed_notebook_are_executed_again(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bookbuild.build_book()
    executed(capsys)
    write_page(repository, "rq1", "Two")
    bookbuild.build_book()
    assert executed(capsys) == ["demo-rq1", "rq1"]
    write_tables(repository / "results" / "small", seed=3)
    bookbuild.build_book()
    assert "rq1" in executed(capsys)


def test_a_changed_page_of_prose_builds_without_executing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bookbuild.build_book()
    executed(capsys)
    (repository / "book").mkdir()
    (repository / "book" / "glossary.md").write_text("# New\n", encoding="utf-8")
    bookbuild.build_book()
    told = capsys.readouterr()
    assert "executing" not in told.err
    assert "Built the book" in told.out


def test_a_failing_notebook_is_told_and_tried_again(repository: Path) -> None:
    bookbuild.build_book()
    write_page(repository, "rq1", "fails")
    for _ in range(2):
        with pytest.raises(TxrayError, match="cell 1 failed"):
            bookbuild.build_book()
    write_page(repository, "rq1", "mended")
    assert bookbuild.build_book().exists()


def test_a_changed_profile_and_changed_code_of_a_page_execute_it_again(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "profiles").mkdir()
    profile = repository / "profiles" / "small.yaml"
    profile.write_text("base: tiny\n", encoding="utf-8")
    bookbuild.build_book()
    executed(capsys)
    profile.write_text("base: tiny\nseed: 2\n", encoding="utf-8")
    bookbuild.build_book()
    assert "rq1" in executed(capsys), "a page says where its tables are older than their profile"
    page = repository / "notebooks" / "fig02.md"
    page.write_text(
        page.read_text() + "\n```{code-cell} ipython3\nfrom txray_lib import errors\n```\n", encoding="utf-8"
    )
    bookbuild.build_book()
    assert executed(capsys) == ["fig02"]
    original = tracking._read
    monkeypatch.setattr(tracking, "_read", lambda file: b"new" if file.name == "slots.py" else original(file))
    bookbuild.build_book()
    assert executed(capsys) == [], "nothing imports it"


def test_a_page_that_compares_snapshots_says_why_it_is_empty_where_a_run_has_too_few(repository: Path) -> None:
    write_tables(repository / "results" / "alone", kind="alone")
    write_page(repository, "fig02", head="compares_snapshots: true\n")
    bookbuild.build_book("alone")
    (cell,) = nbformat.read(repository / "build" / "notebooks" / "fig02.ipynb", 4).cells
    assert cell.source.startswith("# One\n\nThis page compares an early")
    assert ran(repository, "rq1")["profile"] == "alone"


def test_a_page_that_trains_is_shown_as_it_stands(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_page(repository, "method", parameter='trained = "tiny"')
    bookbuild.build_book()
    executed(capsys)
    page = nbformat.read(repository / "build" / "notebooks" / "method.ipynb", 4)
    assert [cell.outputs for cell in page.cells if cell.cell_type == "code"] == [[]]


def test_what_is_no_longer_a_page_is_gone(repository: Path) -> None:
    bookbuild.build_book()
    toc = {**TOC, "parts": TOC["parts"][:1]}
    (repository / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    bookbuild.build_book()
    assert sorted(p.stem for p in (repository / "build/notebooks").rglob("*.ipynb")) == ["fig02", "intro", "rq1"]


def test_students_files_are_built_with_the_book(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = repository / "notebooks" / "rq1.md"
    cell = "\n```{code-cell} ipython3\n:tags: [starter]\n\nanswer = ...\n```\n"
    page.write_text(page.read_text(encoding="utf-8") + cell, encoding="utf-8")
    bookbuild.build_book()
    assert {path.name for path in (repository / "build/course").iterdir()} == {"rq1.ipynb", "txray-course.zip"}


def test_a_study_and_a_profile_without_tables_are_errors(repository: Path) -> None:
    write_study(repository / "results" / "truth")
    with pytest.raises(TxrayError, match="truth is a study"):
        bookbuild.build_book("truth")
    with pytest.raises(TxrayError, match="paper"):
        bookbuild.build_book("paper")


def test_a_chart_without_alt_text_is_a_warning() -> None:
    told: list[str] = []
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}
    logger = SimpleNamespace(warning=lambda text, **_: told.append(text))
    renderer = SimpleNamespace(logger=logger, renderer=SimpleNamespace(sphinx_env=None))
    nodes = VegaLiteRenderer.handle_mime(renderer, SimpleNamespace(mime_type=MIME, line=1, content=spec), inline=False)
    assert told == ["a chart has no description (alt text)"]
    assert nodes
