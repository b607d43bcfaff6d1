"""The built site in a real browser, opened from disk: nothing is asked of another server, charts draw, tokens stay text, and
everybody can read it: without scripts, on paper, as data and pictures."""

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlparse

import browsing
import pandas as pd
import pytest
from browsing import COLOURS, PHONE, WIDE, Heard, draw_all, is_painted, listen, narrow, pages, turn, violations
from bs4 import BeautifulSoup
from playwright.sync_api import expect
from running import displayed
from telling_tables import HOSTILE, write_tables

from txray_lib.book.extension import figure
from txray_lib.figures.detail import detail
from txray_lib.figures.theme import finish
from txray_lib.page import show
from txray_lib.results import Results

MOST = 900_000
"""Compressed bytes of a page with everything it asks for."""


DARK = {"intro", "explorer", "rq3", "lab", "method", "audit", "glossary"}
"""Pages whose colours are looked at in dark too; between them they hold every kind of thing that a page can."""

WIDE_TABLES = "[...document.querySelectorAll('.txray-scroll')].filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.ariaLabel)"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@dataclass(frozen=True)
class Visit:
    """What one visit of a page found: at first on a wide screen in light, then in dark, then on a phone."""

    path: Path
    heard: Heard
    charts: int
    wide_tables: list[str]
    faults: list[str]
    fits_a_phone: bool


@pytest.fixture(scope="module")
def visits(chromium, site: Path) -> list[Visit]:
    """A visit of every page, one after the other in one window."""
    page, heard = listen(chromium)
    return [visit(page, heard, path) for path in pages(site)]


def visit(page, heard: Heard, path: Path) -> Visit:
    heard.forget()
    page.set_viewport_size({"width": WIDE, "height": 900})
    page.goto(path.as_uri())
    wide_tables, charts = page.evaluate(WIDE_TABLES), draw_all(page)
    faults = violations(page)
    if path.stem in DARK:
        turn(page, "dark")
        faults += violations(page, COLOURS)
        turn(page, "light")
    narrow(page)
    return Visit(path, deepcopy(heard), charts, wide_tables, faults, page.evaluate(FITS))


def test_every_page_is_complete_offline(visits: list[Visit]) -> None:
    assert len(visits) > 6
    for page in visits:
        asked_for_bundle = any(address.endswith("vega-bundle.js") for address in page.heard.asked)
        assert asked_for_bundle == bool(page.charts), page.path
        assert (page.heard.external, page.heard.failed, page.heard.ours()) == ([], [], []), page.path
        assert page.heard.weight <= MOST, f"{page.path} weighs {page.heard.weight:,} bytes"


def test_every_table_fits_a_wide_screen_and_every_page_and_chart_a_phone(visits: list[Visit]) -> None:
    assert [(page.path.stem, page.wide_tables) for page in visits if page.wide_tables] == []
    assert [page.path.stem for page in visits if not page.fits_a_phone] == []


def test_axe_finds_nothing_on_any_page(visits: list[Visit]) -> None:
    assert {page.path.stem for page in visits} >= DARK
    assert [(page.path.stem, fault) for page in visits for fault in page.faults] == []


def test_a_page_that_does_not_fit_asks_elsewhere_and_is_faint_is_told(browser, tmp_path: Path) -> None:
    """A row of many alike is faint, in dark every row is; a picture has no words, and stands on another server."""
    rows = "".join(f"<tr><td{' style=color:#999' if i == 30 else ''}>a cell</td></tr>" for i in range(60))
    body = "<style>@media (prefers-color-scheme: dark) { td { color: #222 } body { background: #000 } }</style>"
    body += f'<main><div class="txray-scroll" aria-label="wide"><table style="width:2000px">{rows}</table></div></main>'
    head = "<!doctype html><html lang=en><title>Bad</title><style>.txray-scroll{width:900px;overflow:auto;"
    head += "background:linear-gradient(#fff8,#fff8)}</style>"
    (tmp_path / "bad.html").write_text(f"{head}{body}<img src='http://127.0.0.1:9/a.png'>", encoding="utf-8")
    page, heard = listen(browser)
    found = visit(page, heard, tmp_path / "bad.html")
    assert found.wide_tables == ["wide"]
    assert not found.fits_a_phone
    assert found.heard.external == found.heard.failed == ["http://127.0.0.1:9/a.png"]
    faint = [fault for fault in found.faults if "contrast" in fault]
    assert len(faint) == 1
    assert "color:#999" in faint[0]
    assert any("alternative text" in fault for fault in found.faults)
    page.emulate_media(color_scheme="dark")
    assert len(violations(page, COLOURS)) == 1


@pytest.mark.parametrize(
    "moved", ["position:absolute;top:300px", "position:sticky;top:300px", "transform:translateY(250px)"]
)
def test_a_text_that_is_moved_onto_another_ground_is_looked_at(browser, moved: str) -> None:
    """Black on white, and the same black again, which only its place puts onto a dark ground."""
    page, _ = listen(browser)
    dark = "<div style='position:absolute;top:200px;left:0;width:900px;height:300px;background:#333'></div>"
    texts = f"<p>a text</p><p>another text</p><p style='{moved}'>a text that is moved</p>"
    main = f"<main style='height:2000px'>{texts}</main>"
    page.set_content(f"<!doctype html><html lang=en><title>Moved</title>{dark}{main}")
    assert len(violations(page, COLOURS)) == 1


@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", PHONE)])
def test_charts_are_drawn_and_redrawn_when_the_theme_changes(browser, site: Path, scheme: str, width: int) -> None:
    page, heard = listen(browser, next(p for p in pages(site) if p.name == "rq3.html").as_uri(), width, scheme)
    charts = draw_all(page)
    assert charts > 1
    drawn = page.evaluate("[...document.querySelectorAll('.txray-chart')].map(f => f.dataset.drawn)")
    assert drawn == [scheme] * charts
    assert is_painted(page)
    turn(page, {"light": "dark", "dark": "light"}[scheme])
    assert is_painted(page)
    assert page.evaluate(FITS)
    assert heard.ours() == []


def test_the_search_finds_pages_from_a_disk(browser, site: Path) -> None:
    page, heard = listen(browser, (site / "search.html").as_uri() + "?q=neuron")
    page.wait_for_function("document.querySelectorAll('ul.search li').length > 3")
    page.wait_for_function("document.querySelector('.search-summary').textContent.includes('finished')")
    assert (heard.external, heard.failed, heard.ours()) == ([], [], [])


def test_hostile_tokens_are_inert(browser, tmp_path: Path) -> None:
    """A page of a figure and a table made of hostile tokens: they are seen, and nothing runs."""
    results = Results("tiny", write_tables(tmp_path / "tiny"), "frozen")
    stages = [results.stage("zero-shot"), results.stage("supervised")]
    chart = detail({s: results.preferences(s) for s in stages}, results.roles, neuron=2, top_tokens=80)
    table = displayed(show, pd.DataFrame({"token": [*HOSTILE, *HOSTILE], "boxes": [HOSTILE] * 20}), HOSTILE[1])
    path = browsing.write_page(tmp_path, figure(finish(chart, HOSTILE[0]).to_dict()) + table)
    page, heard = listen(browser, path.as_uri())
    assert draw_all(page) == 1
    assert is_painted(page)
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    assert page.evaluate("document.querySelectorAll('.txray-table b').length") == 0
    assert HOSTILE[0] in page.inner_text(".txray-table")


def test_long_tables_are_searched_sorted_and_saved_scroll_on_a_phone_and_are_tables_without_scripts(
    browser, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"id": [f"N{i}" for i in range(20)], "mean": [(7 * i) % 20 - 4.5 for i in range(20)]})
    frame = frame.assign(**{f"a rather long column {i}": 1 for i in range(8)})
    address = browsing.write_page(tmp_path, displayed(show, frame, "numbers <b>")).as_uri()
    page, heard = listen(browser, address, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.txray-scroll'))")
    names, means = page.locator("tbody tr > :nth-child(1)"), page.locator("tbody tr > :nth-child(2)")
    assert names.all_inner_texts()[:3] == ["N0", "N1", "N2"]
    page.locator("th").nth(1).click()
    for row, mean in enumerate(["−4.5", "−3.5"]):
        expect(means.nth(row)).to_have_text(mean)
    page.locator("input[type=search]").fill("N13")
    expect(names).to_have_text(["N13"])
    with page.expect_download() as taken:
        page.get_by_text("save as CSV").click()
    assert "N13" in Path(taken.value.path()).read_text(encoding="utf-8")
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert plain.locator("tbody tr").count() == 20


def test_without_scripts_every_figure_has_its_words_and_every_table_is_there(browser, site: Path) -> None:
    """The words are in the file of every page; that they are shown, one page of figures tells for all."""
    seen = 0
    for path in pages(site):
        text = path.read_text(encoding="utf-8")
        figures = text.count('<figure class="txray-chart">')
        assert len(re.findall(r"<figcaption>[^<\s]", text)) == figures, path
        seen += figures
    assert seen > 12
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(next(p for p in pages(site) if p.stem == "rq3").as_uri())
    captions = page.locator(".txray-chart figcaption")
    assert all(captions.nth(i).inner_text().strip() for i in range(captions.count()))
    page.goto(next(p for p in pages(site) if p.stem == "explorer").as_uri())
    assert page.locator(".txray-table tbody tr").count() > 1


@pytest.mark.parametrize("name", ["rq3", "explorer"])
def test_on_paper_the_figures_stand_and_the_menus_do_not(browser, site: Path, name: str) -> None:
    page, _ = listen(browser, next(p for p in pages(site) if p.stem == name).as_uri(), width=800)
    draw_all(page)
    page.emulate_media(media="print")
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert not page.locator(".txray-links").first.is_visible()
    assert page.locator(".txray-chart").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_figures_can_be_taken_away_as_data_and_as_picture(browser, site: Path, tmp_path: Path) -> None:
    page, heard = listen(browser, next(p for p in pages(site) if p.stem == "rq1").as_uri())
    draw_all(page)
    with page.expect_download() as taken:
        page.locator(".txray-links button", has_text="data").first.click()
    lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
    assert taken.value.suggested_filename == "rq1-figure-1.csv"
    assert len(lines) > 2
    assert all(line.count(",") >= 1 for line in lines)
    with page.expect_download() as taken:
        page.locator(".txray-links button", has_text="picture").first.click()
    assert Path(taken.value.path()).read_bytes().startswith(b"\x89PNG")
    assert heard.ours() == []


@cache
def read(path: Path) -> tuple[set[str], list[str]]:
    """The names and the links of a page."""
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    names = {tag[name] for name in ("id", "name") for tag in page.find_all(attrs={name: True})}
    links = [tag["href"] for tag in page.find_all(["a", "link"], href=True)]
    return names, links + [tag["src"] for tag in page.find_all(src=True)]


def broken(path: Path) -> list[str]:
    wrong = []
    for link in read(path)[1]:
        parts = urlparse(link)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if parts.scheme or parts.netloc:
            continue
        if not target.exists():
            wrong.append(f"{path.name}: {link}")
        elif anchor and target.suffix == ".html" and "=" not in anchor and anchor not in read(target)[0]:
            wrong.append(f"{path.name}: {link} (no such anchor)")
    return wrong


def test_every_internal_link_and_anchor_is_there(site: Path) -> None:
    found = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert sum(len(read(path)[1]) for path in found) > 500
    assert [line for path in found for line in broken(path)] == []


def test_a_broken_link_and_a_missing_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="x"></p><a href="b.html">b</a><a href="#y">y</a><a href="#x">x</a>')
    assert broken(tmp_path / "a.html") == ["a.html: b.html", "a.html: #y (no such anchor)"]
