"""Looking at the built site: a browser, what a page asks for and complains of, what it weighs, whether all can read it."""

import gzip
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlparse

from axe_playwright_python.base import AXE_SCRIPT

from txray_lib.book import files

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
UPSTREAM = ("Cannot read properties of null (reading 'classList')",)
"""A message of the theme on pages without a second menu, known and not ours."""


WIDE, PHONE = 1280, 390


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

    def forget(self) -> None:
        for what in (self.asked, self.failed, self.errors):
            what.clear()

    def ours(self) -> list[str]:
        return [error for error in self.errors if not any(known in error for known in UPSTREAM)]


def file_of(address: str) -> Path:
    return Path(unquote(urlparse(address).path))


@cache
def packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


def pages(site: Path) -> list[Path]:
    return sorted(p for folder in ("book", "build") for p in (site / folder).rglob("*.html"))


def write_page(folder: Path, body: str, *more: str) -> Path:
    """A page of its own with the site's scripts for charts and tables, and more of them."""
    files.write_bundle(folder / "txray" / "vega-bundle.js")
    files.write_tables(folder / "txray")
    for path in files.STATIC.glob("txray-*"):
        shutil.copy(path, folder)
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="stylesheet" href="txray-charts.css">'
    names = ("txray/tables", "txray-tables", "txray-charts", *more)
    scripts = "".join(f'<script src="{name}.js"></script>' for name in names)
    (folder / "page.html").write_text(f"{head}<body>{body}{scripts}", encoding="utf-8")
    return folder / "page.html"


def listen(browser, address: str = "", width: int = WIDE, scheme: str = "light"):
    """A fresh page, at an address where one is given, and what it says."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(30_000)
    heard = Heard()
    page.on("request", lambda r: heard.asked.append(r.url))
    page.on("requestfailed", lambda r: heard.failed.append(r.url))
    page.on("pageerror", lambda e: heard.errors.append(str(e)))
    page.on("console", lambda m: heard.errors.append(m.text) if m.type == "error" else None)
    page.on("dialog", lambda d: (heard.errors.append(f"dialog: {d.message}"), d.dismiss()))
    if address:
        page.goto(address)
    return page, heard


def draw_all(page) -> int:
    """Bring every chart near the screen and wait until it is drawn; returns how many there are."""
    figures = page.query_selector_all(".txray-chart")
    for figure in figures:
        figure.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.txray-chart')].every(f => f.dataset.drawn)")
    return len(figures)


def turn(page, scheme: str) -> None:
    """Let the reader's system ask for other colours, and wait until the page and its charts are shown in them."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    drawn = "scheme => [...document.querySelectorAll('.txray-chart')].every(f => f.dataset.drawn === scheme)"
    page.wait_for_function(drawn, arg=scheme)


def narrow(page) -> None:
    """Make the window as wide as a phone, and wait until the charts are drawn anew."""
    page.evaluate("document.querySelectorAll('.txray-chart').forEach(f => delete f.dataset.drawn)")
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.wait_for_function("[...document.querySelectorAll('.txray-chart')].every(f => f.dataset.drawn)")


def is_painted(page) -> bool:
    """Whether every chart's canvas holds more than one colour."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.txray-chart canvas')].every(c => {
            const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
            return d.some(pixel => pixel !== d[0]);
        })"""
    )


AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"], "preload": False}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
ONE_OF_A_KIND = """() => {
    const hasText = node => node.checkVisibility({ visibilityProperty: true }) && (node.matches("input, select, textarea")
        || [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
    const seen = new Set();
    const walk = (node, above, apart) => {
        const s = getComputedStyle(node);
        const kind = [above, node.localName, s.color, s.backgroundColor, s.backgroundImage, s.opacity, s.fontSize,
            s.fontWeight, s.filter, s.mixBlendMode, s.textShadow, s.webkitTextFillColor, s.webkitTextStroke].join();
        apart ||= ["absolute", "fixed", "sticky"].includes(s.position) || s.transform !== "none";
        delete node.dataset.looked;
        if (hasText(node) && (apart || !seen.has(kind))) {
            seen.add(kind);
            node.dataset.looked = "";
        }
        for (const child of node.children) walk(child, kind, apart);
    };
    walk(document.documentElement, "", false);
    axe.configure({ rules: [{ id: "color-contrast", selector: "[data-looked]" }] });
}"""
"""axe computes for each text what lies below it, three quarters of its time: of texts whose styles and whose ancestors'
styles are the same it looks at one, and at every text that may lie elsewhere than on its ancestors."""

ARRIVE = "document.getAnimations().filter(each => each instanceof CSSTransition).forEach(each => each.finish())"
"""After a change of theme colours are on their way for some frames."""


def violations(page, options: dict = AXE) -> list[str]:
    """What axe-core finds wrong with the page as it is shown now; it judges no text on a ground that is an image."""
    page.add_style_tag(content=".txray-scroll { background-image: none !important }")
    page.evaluate(ARRIVE)
    page.evaluate(AXE_SCRIPT)
    page.evaluate(ONE_OF_A_KIND)
    found = page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [f"{rule['help']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
