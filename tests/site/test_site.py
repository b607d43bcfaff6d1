"""The built site in a real browser, opened from disk: nothing is asked of another server, charts draw, tokens stay text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from browsing import draw_all, is_painted, listen, pages
from running import displayed
from telling_tables import HOSTILE, write_tables

MOST = 700_000
"""Compressed bytes of a page with everything it asks for."""


def test_every_page_is_complete_offline(browser, site: Path) -> None:
    found = pages(site)
    assert len(found) > 6
    for path in found:
        page, heard = listen(browser)
        page.goto(path.as_uri())
        charts = draw_all(page)
        asked_for_bundle = any(address.endswith("vega-bundle.js") for address in heard.asked)
        assert asked_for_bundle == bool(charts), path
        assert (heard.external, heard.failed, heard.ours()) == ([], [], []), path
        assert heard.weight <= MOST, f"{path} weighs {heard.weight:,} bytes"
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_and_redrawn_when_the_theme_changes(browser, site: Path, scheme: str) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    page, heard = listen(browser, scheme=scheme)
    page.goto(next(p for p in pages(site) if p.name == "rq3.html").as_uri())
    charts = draw_all(page)
    assert charts > 1
    assert (
        page.evaluate("[...document.querySelectorAll('.txray-chart')].map(f => f.dataset.drawn)") == [scheme] * charts
    )
    assert is_painted(page)
    page.evaluate(f"document.documentElement.dataset.theme = '{other}'")
    page.wait_for_function(f"[...document.querySelectorAll('.txray-chart')].every(f => f.dataset.drawn === '{other}')")
    assert is_painted(page)
    assert heard.ours() == []
    page.context.close()


def test_charts_fit_a_phone(browser, site: Path) -> None:
    for name in ("rq1.html", "rq2.html", "rq3.html"):
        page, _ = listen(browser, width=390)
        page.goto(next(p for p in pages(site) if p.name == name).as_uri())
        draw_all(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        too_wide = page.evaluate(
            "[...document.querySelectorAll('.txray-chart')].filter(f => f.scrollWidth > f.clientWidth + 4).length"
        )
        assert too_wide == 0, name
        page.context.close()


def test_the_search_finds_pages_from_a_disk(browser, site: Path) -> None:
    page, heard = listen(browser)
    page.goto((site / "search.html").as_uri() + "?q=neuron")
    page.wait_for_function("document.querySelectorAll('ul.search li').length > 3")
    page.wait_for_function("document.querySelector('.search-summary').textContent.includes('finished')")
    assert (heard.external, heard.failed, heard.ours()) == ([], [], [])
    page.context.close()


def test_charts_and_formulas_have_words_and_shapes(browser, site: Path) -> None:
    page, _ = listen(browser)
    page.goto(next(p for p in pages(site) if p.stem == "method").as_uri())
    assert page.evaluate("document.querySelector('math').getBoundingClientRect().height") > 10
    page.goto(next(p for p in pages(site) if p.name == "rq1.html").as_uri())
    labels = page.evaluate("[...document.querySelectorAll('.txray-vega')].map(e => e.getAttribute('aria-label'))")
    assert labels
    assert all(re.search(r"\d", label) for label in labels)
    page.context.close()


def write_page(folder: Path, body: str) -> Path:
    """A page of its own with the site's scripts for charts and tables."""
    from txray_lib.book.files import STATIC, write_bundle, write_tables

    write_bundle(folder / "txray" / "vega-bundle.js")
    write_tables(folder / "txray")
    for name in ("txray-charts.js", "txray-tables.js", "txray-charts.css"):
        shutil.copy(STATIC / name, folder)
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="stylesheet" href="txray-charts.css">'
    scripts = "".join(
        f'<script src="{name}"></script>' for name in ("txray/tables.js", "txray-tables.js", "txray-charts.js")
    )
    (folder / "page.html").write_text(f"{head}<body>{body}{scripts}", encoding="utf-8")
    return folder / "page.html"


def test_hostile_tokens_are_inert(browser, tmp_path: Path) -> None:
    """A page of a figure and a table made of hostile tokens: they are seen, and nothing runs."""
    from txray_lib.book.extension import figure
    from txray_lib.figures.detail import detail
    from txray_lib.figures.theme import finish
    from txray_lib.page import show
    from txray_lib.results import Results

    results = Results("tiny", write_tables(tmp_path / "tiny"), "frozen")
    stages = [results.stage("zero-shot"), results.stage("supervised")]
    chart = detail({s: results.preferences(s) for s in stages}, results.roles, neuron=2, top_tokens=80)
    table = displayed(show, pd.DataFrame({"token": [*HOSTILE, *HOSTILE], "boxes": [HOSTILE] * 20}), HOSTILE[1])
    path = write_page(tmp_path, figure(finish(chart, HOSTILE[0]).to_dict()) + table)
    page, heard = listen(browser)
    page.goto(path.as_uri())
    assert draw_all(page) == 1
    assert is_painted(page)
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    assert page.evaluate("document.querySelectorAll('.txray-table b').length") == 0
    assert HOSTILE[0] in page.inner_text(".txray-table")
    page.context.close()


def long_table(folder: Path) -> Path:
    """A page with one table of twenty rows that is far wider than a phone."""
    from txray_lib.page import show

    frame = pd.DataFrame({"id": [f"N{i}" for i in range(20)], "mean": [(7 * i) % 20 - 4.5 for i in range(20)]})
    return write_page(
        folder, displayed(show, frame.assign(**{f"a rather long column {i}": 1 for i in range(8)}), "numbers <b>")
    )


def column(page, index: int) -> list[str]:
    return page.evaluate(f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{index}].textContent)")


def test_long_tables_are_searched_sorted_and_saved(browser, tmp_path: Path) -> None:
    page, heard = listen(browser)
    page.goto(long_table(tmp_path).as_uri())
    assert column(page, 0)[:3] == ["N0", "N1", "N2"]
    page.locator("th").nth(1).click()
    assert column(page, 1)[:2] == ["−4.5", "−3.5"]
    page.locator("input[type=search]").fill("N13")
    assert column(page, 0) == ["N13"]
    with page.expect_download() as taken:
        page.get_by_text("save as CSV").click()
    assert "N13" in Path(taken.value.path()).read_text(encoding="utf-8")
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    page.context.close()


def test_a_wide_table_scrolls_in_its_own_box_and_is_a_table_without_scripts(browser, tmp_path: Path) -> None:
    address = long_table(tmp_path).as_uri()
    page, _ = listen(browser, width=390)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.txray-scroll'))")
    page.context.close()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert plain.locator("tbody tr").count() == 20
    plain.context.close()


def test_no_page_is_wider_than_a_phone_and_none_complains(browser, site: Path) -> None:
    for path in pages(site):
        page, heard = listen(browser, width=390)
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert heard.ours() == [], path
        page.context.close()


def test_tables_fit_the_column_of_a_wide_screen(browser, site: Path) -> None:
    wide = "[...document.querySelectorAll('.txray-scroll')].filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.ariaLabel)"
    page, _ = listen(browser, width=1280)
    cut = {}
    for path in pages(site):
        page.goto(path.as_uri())
        if found := page.evaluate(wide):
            cut[path.stem] = found
    page.context.close()
    assert cut == {}
