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
from telling_tables import HOSTILE, write_tables

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
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    write_tables(root / "results" / "demo")
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
    assert draw_all(page) >= 5
    assert page.evaluate("[...document.querySelectorAll('.txray-chart')].map(f => f.dataset.drawn)").count(scheme) >= 5
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
    chart = charts.detail({s: results.preferences(s) for s in stages}, results.roles, neuron=2, top_n=80)
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
