"""The pages as text: written as jupytext writes them, with terms that the glossary has, and literature that is listed and used."""

import re
from collections import Counter
from pathlib import Path

import jupytext
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.md"))
PAGES = sorted([*NOTEBOOKS, *(REPOSITORY / "book").glob("*.md")])
VERSIONS = re.compile(r"^    (format_version|jupytext_version): .*\n", re.MULTILINE)
"""Lines that a newer jupytext would change in every notebook at once."""
ROLE = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")
SHORT = {"speed", "scale", "intro", "references", "licences"}
"""Pages without words that need the glossary, or with few."""


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"^```\{code-cell\}.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def glossary() -> list[str]:
    text = prose(REPOSITORY / "book/glossary.md")
    blocks = re.findall(r"^```\{glossary\}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(" ")]


def references() -> list[str]:
    return re.findall(r"^@\w+\{(\w+),", (REPOSITORY / "book/references.bib").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_as_an_editors_save_leaves_it(path: Path) -> None:
    notebook = jupytext.read(path)
    assert VERSIONS.sub("", jupytext.writes(notebook, "md:myst")) == path.read_text(encoding="utf-8")
    assert not [cell for cell in notebook.cells if cell.get("outputs")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_line_of_prose_is_taken_for_a_comment(page: Path) -> None:
    assert [line for line in prose(page).splitlines() if line.startswith("%")] == [], "MyST leaves such a line out"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_terms_are_in_the_glossary_and_each_leads_there_once_a_page(page: Path) -> None:
    used = Counter(re.sub(r"\s+", " ", term).strip() for term in ROLE.findall(prose(page)))
    assert set(used) <= set(glossary())
    assert [term for term, times in used.items() if times > 1] == []
    assert used or page.stem in {*SHORT, "glossary"}


def test_every_term_is_defined_once_and_the_words_of_the_method_are_there() -> None:
    terms = glossary()
    assert [term for term, times in Counter(terms).items() if times > 1] == []
    words = "token tag feature document block corpus encoder activation snapshot stage record preferences distribution"
    more = ["preference state", "hidden state", "null", "p", "q", "argmax", "Hellinger distance", "saturation"]
    assert {*words.split(), "length", "mass", "transfer", "profile", "world", *more} <= set(terms)


def test_literature_that_is_cited_is_listed_and_what_is_listed_is_cited() -> None:
    cited = [keys for page in PAGES for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", prose(page))]
    assert set(",".join(cited).split(",")) == set(references())
    assert len(references()) == len(set(references()))
