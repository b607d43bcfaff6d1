"""Every link inside the site leads somewhere, and every anchor is there."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.names.update(filter(None, (given.get("id"), given.get("name"))))
        target = given.get("href") if tag in ("a", "link") else given.get("src")
        if target:
            self.links.append(target)


@cache
def read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken(path: Path) -> list[str]:
    wrong = []
    for link in read(path).links:
        parts = urlparse(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not target.exists():
            wrong.append(f"{path.name}: {link}")
        elif anchor and target.suffix == ".html" and "=" not in anchor and anchor not in read(target).names:
            wrong.append(f"{path.name}: {link} (no such anchor)")
    return wrong


def test_every_internal_link_and_anchor_is_there(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert sum(len(read(path).links) for path in pages) > 500
    assert [line for path in pages if "_static" not in path.parts for line in broken(path)] == []


def test_a_broken_link_and_a_missing_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="x"></p><a href="b.html">b</a><a href="#y">y</a><a href="#x">x</a>')
    assert broken(tmp_path / "a.html") == ["a.html: b.html", "a.html: #y (no such anchor)"]
