"""The built site in a real browser, opened from disk: nothing is asked of another server, charts draw, tokens stay text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from browsing import draw_all, is_painted, listen, pages
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
    page.goto((site / "book" / "method.html").as_uri())
    assert page.evaluate("document.querySelector('math').getBoundingClientRect().height") > 10
    page.goto(next(p for p in pages(site) if p.name == "rq1.html").as_uri())
    labels = page.evaluate("[...document.querySelectorAll('.txray-vega')].map(e => e.getAttribute('aria-label'))")
    assert labels
    assert all(re.search(r"\d", label) for label in labels)
    page.context.close()


def test_hostile_tokens_are_inert(browser, tmp_path: Path) -> None:
    """A page of figures and sentences made of hostile tokens: they are seen, and nothing runs."""
    from txray_lib import answers, figures as charts
    from txray_lib.book import figure
    from txray_lib.bookfiles import STATIC, write_bundle
    from txray_lib.results import Results

    results = Results("tiny", write_tables(tmp_path / "tiny"), "frozen")
    stages = [results.stage("zero-shot"), results.stage("supervised")]
    chart = charts.detail({s: results.preferences(s) for s in stages}, results.roles, neuron=2, top_tokens=80)
    write_bundle(tmp_path / "txray" / "vega-bundle.js")
    shutil.copy(STATIC / "txray-charts.js", tmp_path)
    table = answers.gained(results, 20, 50).data
    body = f'{figure(chart.to_dict())}{table}<script src="txray-charts.js"></script>'
    (tmp_path / "page.html").write_text(f'<!doctype html><meta charset="utf-8"><body>{body}', encoding="utf-8")
    page, heard = listen(browser)
    page.goto((tmp_path / "page.html").as_uri())
    assert draw_all(page) == 1
    assert is_painted(page)
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    assert page.evaluate("document.scripts.length") <= 4
    assert page.evaluate("document.querySelectorAll('.txray-table b').length") == 0
    assert HOSTILE[0] in page.inner_text(".txray-table")
    page.context.close()


SORTED = {
    "mean": ["1,234", "−4.2 %", "none", "0.82 [0.7, 0.9]", "less than 0.1 %"],
    "id": ["N10", "N2", "N1", "T2-A", "–"],
}
"""Cells as pages write them: the columns of a table that is sorted."""


def sortable(folder: Path) -> Path:
    """A page with one table that is far wider than a phone, and no charts."""
    import pandas as pd

    from txray_lib import telling
    from txray_lib.bookfiles import STATIC

    for name in ("txray-tables.js", "txray-charts.css"):
        shutil.copy(STATIC / name, folder)
    frame = pd.DataFrame({**SORTED, **{f"a rather long column {i}": ["1"] * 5 for i in range(8)}})
    head = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="txray-charts.css">'
    body = f'{telling.table(frame, "numbers <b>", words=["id"]).data}<script src="txray-tables.js"></script>'
    (folder / "page.html").write_text(f"{head}<body>{body}", encoding="utf-8")
    return folder / "page.html"


def column(page, index: int) -> list[str]:
    return page.evaluate(f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{index}].textContent)")


def test_tables_sort_by_numbers_and_words_with_mouse_and_keyboard(browser, tmp_path: Path) -> None:
    page, heard = listen(browser)
    page.goto(sortable(tmp_path).as_uri())
    upwards = ["−4.2 %", "less than 0.1 %", "0.82 [0.7, 0.9]", "1,234", "none"]
    heads = page.locator("th")
    heads.nth(0).locator("button").click()
    assert column(page, 0) == upwards
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert column(page, 0) == [*upwards[3::-1], "none"]
    assert heads.nth(0).get_attribute("aria-sort") == "descending"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert column(page, 1) == ["N1", "N2", "N10", "T2-A", "–"]
    assert [heads.nth(i).get_attribute("aria-sort") for i in (0, 1)] == ["none", "ascending"]
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    assert column(page, 0) == SORTED["mean"]
    assert (heard.external, heard.failed, heard.errors) == ([], [], [])
    page.context.close()


def test_a_wide_table_scrolls_in_its_own_box_and_is_a_table_without_scripts(browser, tmp_path: Path) -> None:
    address = sortable(tmp_path).as_uri()
    page, _ = listen(browser, width=390)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.txray-scroll'))")
    page.context.close()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert plain.locator("th button").count() == 0
    assert plain.locator("tbody tr").count() == 5
    plain.context.close()


def test_tables_of_the_site_sort_and_no_page_is_wider_than_a_phone(browser, site: Path) -> None:
    tried = 0
    for path in pages(site):
        page, heard = listen(browser, width=390)
        page.goto(path.as_uri())
        if page.locator(".txray-table[data-sortable]").count():
            first = page.locator(".txray-table[data-sortable]").first
            before = first.locator("tbody tr").count()
            first.locator("th button").first.click()
            assert first.locator("th[aria-sort=ascending]").count() == 1, path
            assert first.locator("tbody tr").count() == before, path
            tried += 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert heard.ours() == [], path
        page.context.close()
    assert tried
