"""The built site in a real browser, opened from disk: nothing is asked of another server, charts draw, tokens stay text.

Needs Chromium and skips loudly without it, except that with CI=true a missing browser fails. The site is the one that
`make book` left; where there is none yet, one is built from tables of hostile tokens.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from benchmark_tables import write_benchmarks
from telling_tables import HOSTILE, write_study, write_tables

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("TXRAY_SITE") or ROOT / "_build" / "html")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
UPSTREAM = (
    "THEBE_JS_URL",
    "Got invalid theme mode",
    "Cannot read properties of null (reading 'classList')",
)
"""Messages of the theme and of sphinx-thebe, known and not ours."""


@dataclass
class Heard:
    """What a page asked for and complained of."""

    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def external(self) -> list[str]:
        return [address for address in self.asked if not address.startswith(("file:", "data:", "blob:"))]

    def ours(self) -> list[str]:
        return [error for error in self.errors if not any(known in error for known in UPSTREAM)]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "no Chromium on this machine: the site was NOT looked at in a browser (apt-get install chromium)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that `make book` built, or one built now from hostile tables."""
    if (SITE / "index.html").exists():
        return SITE
    root = tmp_path_factory.mktemp("compendium")
    for name in ("book", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, root / name)
    (root / "profiles" / "course.yaml").write_text("base: tiny\nabout: In seconds.\n", encoding="utf-8")
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    write_tables(root / "results" / "demo")
    write_study(root / "results" / "truth")
    write_benchmarks(root / "results" / "benchmarks.parquet")
    from txray_lib.bookbuild import build_book

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_ROOT", str(root))
        patch.delenv("TXRAY_RESULTS", raising=False)
        return build_book(["demo"]).parent


def pages(site: Path) -> list[Path]:
    return sorted(p for folder in ("book", "build") for p in (site / folder).rglob("*.html"))


def listen(browser, width: int = 1280, scheme: str = "light"):
    """A fresh page and what it says."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(30_000)
    heard = Heard()
    page.on("request", lambda r: heard.asked.append(r.url))
    page.on("requestfailed", lambda r: heard.failed.append(r.url))
    page.on("pageerror", lambda e: heard.errors.append(str(e)))
    page.on("console", lambda m: heard.errors.append(m.text) if m.type == "error" else None)
    page.on("dialog", lambda d: (heard.errors.append(f"dialog: {d.message}"), d.dismiss()))
    return page, heard


def draw_all(page) -> int:
    """Bring every chart near the screen and wait until it is drawn; returns how many there are."""
    figures = page.query_selector_all(".txray-chart")
    for figure in figures:
        figure.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.txray-chart')].every(f => f.dataset.drawn)")
    return len(figures)


def is_painted(page) -> bool:
    """Whether every chart's canvas holds more than one colour."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.txray-chart canvas')].every(c => {
            const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
            return d.some(pixel => pixel !== d[0]);
        })"""
    )


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


def test_charts_and_formulas_have_words_and_shapes(browser, site: Path) -> None:
    page, _ = listen(browser)
    page.goto((site / "book" / "method.html").as_uri())
    page.wait_for_selector("mjx-container")
    page.goto(next(p for p in pages(site) if p.name == "rq1.html").as_uri())
    labels = page.evaluate("[...document.querySelectorAll('.txray-vega')].map(e => e.getAttribute('aria-label'))")
    assert labels
    assert all(re.search(r"\d", label) for label in labels)
    page.context.close()


def test_hostile_tokens_are_inert(browser, tmp_path: Path) -> None:
    """A page of figures and sentences made of hostile tokens: they are seen, and nothing runs."""
    from txray_lib import answers, charts
    from txray_lib.book import STATIC, _write_bundle, figure
    from txray_lib.results import Results

    results = Results("tiny", write_tables(tmp_path / "tiny"), "frozen")
    stages = [results.stage("zero-shot"), results.stage("supervised")]
    chart = charts.detail({s: results.preferences(s) for s in stages}, results.roles, neuron=2, top_tokens=80)
    _write_bundle(tmp_path / "txray" / "vega-bundle.js")
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
    from txray_lib.book import STATIC

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
