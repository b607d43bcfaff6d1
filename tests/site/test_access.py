"""Whether everybody can read the site: axe-core's rules of WCAG AA, the keyboard, no JavaScript, paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import draw_all, kinds, listen, pages

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
DARK = {"intro", "explorer", "rq3", "lab", "method", "audit", "glossary"}
"""Pages that are looked at in dark too; between them they hold every kind of thing that a page can."""


def violations(browser, path: Path, scheme: str) -> list[str]:
    page, _ = listen(browser, scheme=scheme)
    page.goto(path.as_uri())
    draw_all(page)
    found = Axe().run(page, options=RULES).response["violations"]
    page.context.close()
    return [f"{path.stem}, {scheme}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_kind_of_page(browser, site: Path, scheme: str) -> None:
    shown = [path for path in kinds(site) if scheme == "light" or path.stem in DARK]
    assert len(shown) >= 3
    assert [line for path in shown for line in violations(browser, path, scheme)] == []


def test_axe_would_find_something(browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text('<!doctype html><p style="color:#999;background:#aaa">faint</p><img src="x">')
    assert len(violations(browser, tmp_path / "bad.html", "light")) >= 2


def test_without_scripts_every_figure_has_its_words_and_every_table_is_there(browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    seen = 0
    for path in kinds(site):
        page.goto(path.as_uri())
        figures = page.locator(".txray-chart")
        for i in range(figures.count()):
            assert figures.nth(i).locator("figcaption").inner_text().strip(), path
        seen += figures.count()
    assert seen > 12
    page.goto(next(p for p in pages(site) if p.stem == "explorer").as_uri())
    assert page.locator(".txray-table tbody tr").count() > 1
    context.close()


@pytest.mark.parametrize("name", ["rq3", "explorer"])
def test_on_paper_the_figures_stand_and_the_menus_do_not(browser, site: Path, name: str) -> None:
    page, _ = listen(browser, width=800)
    page.goto(next(p for p in pages(site) if p.stem == name).as_uri())
    draw_all(page)
    page.emulate_media(media="print")
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert not page.locator(".txray-links").first.is_visible()
    assert page.locator(".txray-chart").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


def test_figures_can_be_taken_away_as_data_and_as_picture(browser, site: Path, tmp_path: Path) -> None:
    page, heard = listen(browser)
    page.goto(next(p for p in pages(site) if p.stem == "rq1").as_uri())
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
    page.context.close()
