"""Whether everybody can read the site: without scripts, on paper, as data and pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browsing import draw_all, listen, pages


def test_without_scripts_every_figure_has_its_words_and_every_table_is_there(browser, site: Path) -> None:
    """The words are in the file of every page; that they are shown, one page of figures tells for all."""
    seen = 0
    for path in pages(site):
        text = path.read_text(encoding="utf-8")
        figures = text.count('<figure class="txray-chart">')
        assert len(re.findall(r"<figcaption>[^<\s]", text)) == figures, path
        seen += figures
    assert seen > 12
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(next(p for p in pages(site) if p.stem == "rq3").as_uri())
    captions = page.locator(".txray-chart figcaption")
    assert all(captions.nth(i).inner_text().strip() for i in range(captions.count()))
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
