"""Looking at the built site: a browser, what a page asks for and complains of, what it weighs, whether it is drawn."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlparse

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
UPSTREAM = ("Cannot read properties of null (reading 'classList')",)
"""A message of the theme on pages without a second menu, known and not ours."""


@dataclass
class Heard:
    """What a page asked for and complained of."""

    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def external(self) -> list[str]:
        return [address for address in self.asked if not address.startswith(("file:", "data:", "blob:"))]

    @property
    def weight(self) -> int:
        """Compressed bytes of all files that the page asked for, each once."""
        return sum(packed(path) for path in {file_of(a) for a in self.asked if a.startswith("file:")})

    def ours(self) -> list[str]:
        return [error for error in self.errors if not any(known in error for known in UPSTREAM)]


def file_of(address: str) -> Path:
    return Path(unquote(urlparse(address).path))


@cache
def packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


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


def kinds(site: Path) -> list[Path]:
    """One page of each kind: those that several profiles have, of the first of these."""
    first: dict[str, Path] = {}
    for path in pages(site):
        first.setdefault(path.stem, path)
    return list(first.values())
