"""What of the book is made again after a change, and on which run each page stands. Sphinx itself is not run here."""

import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from running import code_cell, text_notebook
from telling_tables import write_study, write_tables

from txray_lib import engine, places
from txray_lib.book import building
from txray_lib.engine import tracking
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile
from txray_lib.results import list_results, open_results

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
DEFAULTS = {**dict.fromkeys(("intro", "rq1", "fig02"), 'profile = "small"'), "method": 'profile = "demo"'}
EVERY = ["demo-rq1", "fig02", "intro", "method", "rq1"]


class Book:
    """A checkout with four notebooks and tables for demo and small, in which executing and building only leave traces.

    intro lists the runs at hand, and every page opens its profile, as those of the real book do.
    """

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def write(self, name: str, title: str = "One", parameter: str = "") -> None:
        text = text_notebook(code_cell(parameter or DEFAULTS[name], "parameters"), title=title)
        places.write_text(text, self.root / "notebooks" / f"{name}.md")

    def build(self, profile: str = "small") -> list[str]:
        """The pages that were executed."""
        self.capsys.readouterr()
        assert building.build_book(profile).exists()
        self.told = "".join(self.capsys.readouterr())
        return sorted(line.removeprefix("executing ") for line in self.told.splitlines() if "executing" in line)

    def page(self, name: str) -> nbformat.NotebookNode:
        return nbformat.read(self.root / "build" / "notebooks" / f"{name}.ipynb", 4)


def execute(source: Path, out: Path, parameters: dict[str, Any], cwd: Path, title: str = "", **_: Any) -> None:
    if "fails" in source.read_text(encoding="utf-8"):
        raise TxrayError("rq1.md, cell 1 failed")
    assert open_results(parameters["profile"]).is_outdated in (True, False)
    if source.stem == "intro":
        list_results()
    places.write_text(nbformat.writes(nbformat.v4.new_notebook(metadata={"ran": {**parameters, "title": title}})), out)


ONE_AT_A_TIME = threading.Lock()


def told(function: Any, *given: Any) -> Any:
    """As `engine.apart` tells of an error, without a process of its own."""
    try:
        with ONE_AT_A_TIME:
            return function(*given)
    except TxrayError as error:
        engine.ERRORS.append(error)
        raise


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Book:
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path))
    monkeypatch.setenv("TXRAY_PICTURES", "no")
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    made = Book(tmp_path, capsys)
    for name in DEFAULTS:
        made.write(name)
    places.write_text(yaml.safe_dump(TOC), tmp_path / "_toc.yml")
    places.write_text("title: A book\n", tmp_path / "_config.yml")
    write_tables(tmp_path / "build" / "results" / "demo")
    write_tables(tmp_path / "results" / "small")
    monkeypatch.setattr(engine, "apart", told)
    monkeypatch.setattr(building.notebooks, "execute", execute)
    monkeypatch.setattr(building, "_build", lambda: places.write_text("site", tmp_path / building.SITE))
    return made


def test_each_page_stands_on_its_run_and_a_second_build_finds_nothing_to_do(book: Book) -> None:
    assert book.build() == EVERY
    assert book.page("rq1").metadata["ran"] == {"profile": "small", "title": ""}
    assert book.page("demo-rq1").metadata["ran"] == {"profile": "demo", "title": "The world"}
    assert book.build() == []
    assert "The book is up to date" in book.told


def test_the_chapters_of_the_paper_move_to_another_run_and_what_is_no_page_is_gone(book: Book) -> None:
    book.build()
    write_tables(book.root / "results" / "mine")
    assert book.build("mine") == ["fig02", "intro", "rq1"]
    assert book.page("rq1").metadata["ran"]["profile"] == "mine"
    assert [p.name for p in (book.root / "build/static/explorer").iterdir() if p.is_dir()] == ["mine"]
    places.write_text(yaml.safe_dump({**TOC, "parts": TOC["parts"][:1]}), book.root / "_toc.yml")
    assert book.build("mine") == []
    assert sorted(p.stem for p in (book.root / "build/notebooks").rglob("*.ipynb")) == ["fig02", "intro", "rq1"]


def test_a_file_that_is_no_table_of_contents_is_told(book: Book) -> None:
    misspelt = {**TOC, "parts": [{"chapters": [{"fiel": "book/glossary"}]}]}
    places.write_text(yaml.safe_dump(misspelt), book.root / "_toc.yml")
    with pytest.raises(TxrayError, match=r"_toc\.yml is no table of contents"):
        building.list_pages("small")


def test_a_page_is_executed_again_when_what_it_opened_changes_and_not_for_another_run(book: Book) -> None:
    book.build()
    write_tables(book.root / "results" / "another")
    assert book.build() == ["intro"], "only the page that lists the runs"
    write_tables(book.root / "results" / "small", seed=3)
    assert book.build() == ["fig02", "intro", "rq1"]
    write_tables(book.root / "build" / "results" / "small", seed=3)
    assert book.build() == ["fig02", "intro", "rq1"], "tables of this checkout come before frozen ones"
    (book.root / "profiles").mkdir()
    tiny = load_profile(str(Path(__file__).parents[2] / "profiles" / "tiny.yaml"))
    other = tiny.model_dump(mode="json", exclude_none=True) | {"name": "small"}
    (book.root / "profiles" / "small.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    assert book.build() == ["fig02", "intro", "rq1"], "a page says where its tables are older than their profile"
    (book.root / "profiles" / "other.yaml").write_text("base: small\n", encoding="utf-8")
    assert book.build() == []


def test_a_dry_run_says_what_would_be_made_and_changes_nothing(book: Book) -> None:
    book.build()
    write_tables(book.root / "results" / "small", seed=3)

    def notes() -> dict[Path, str]:
        return {note: note.read_text(encoding="utf-8") for note in book.root.rglob("*.opened")}

    before = notes()
    for show in ("dry-run", "summary"):
        book.capsys.readouterr()
        building.build_book("small", show)
        assert notes() == before
        told = [line for line in "".join(book.capsys.readouterr()).splitlines() if "no update" not in line]
        assert any("page-rq1" in line for line in told)
        assert not any("page-method" in line for line in told)
    assert book.build() == ["fig02", "intro", "rq1"]


def test_a_layer_is_no_run_to_build_a_book_on(book: Book) -> None:
    with pytest.raises(TxrayError, match="the book shows every layer of a run: name small"):
        book.build("small@0")


def test_a_page_is_executed_again_when_its_text_or_the_code_that_it_imports_changes(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.build()
    book.write("rq1", "Two")
    assert book.build() == ["demo-rq1", "rq1"]
    page = book.root / "notebooks" / "fig02.md"
    cell = code_cell("from txray_lib import errors")
    page.write_text(page.read_text(encoding="utf-8") + "\n" + cell, encoding="utf-8")
    assert book.build() == ["fig02"]
    original = tracking._read
    monkeypatch.setattr(tracking, "_read", lambda file: b"new" if file.name == "probe.py" else original(file))
    assert book.build() == [], "nothing imports it"
    monkeypatch.setattr(tracking, "_read", lambda file: b"new" if file.name == "kernels.py" else original(file))
    assert book.build() == EVERY, "each page runs in such a kernel"
    places.write_text("# New\n", book.root / "book" / "glossary.md")
    assert book.build() == []
    assert "Built the book" in book.told


def test_a_failing_notebook_is_told_and_tried_again(book: Book) -> None:
    book.build()
    book.write("rq1", "fails")
    for _ in range(2):
        with pytest.raises(TxrayError, match="cell 1 failed"):
            book.build()
    book.write("rq1", "mended")
    assert "rq1" in book.build()


def test_a_page_that_trains_an_encoder_stands_as_it_is(book: Book) -> None:
    book.write("method", parameter='trained = "tiny"')
    book.build()
    assert [cell.outputs for cell in book.page("method").cells if cell.cell_type == "code"] == [[]]


def test_students_files_are_built_with_the_book(book: Book) -> None:
    page = book.root / "notebooks" / "rq1.md"
    cell = code_cell("answer = ...", "starter")
    page.write_text(page.read_text(encoding="utf-8") + "\n" + cell, encoding="utf-8")
    book.build()
    assert {path.name for path in (book.root / "build/course").iterdir()} == {"rq1.ipynb", "txray-course.zip"}


def test_a_study_and_a_profile_without_tables_are_errors(book: Book) -> None:
    write_study(book.root / "results" / "truth")
    with pytest.raises(TxrayError, match="truth is a study"):
        book.build("truth")
    with pytest.raises(TxrayError, match="paper"):
        book.build("paper")
