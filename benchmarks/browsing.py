"""The built site in headless Chromium, opened from disk: how soon the explorer can be used, how fast it answers, what it weighs."""

from __future__ import annotations

import gzip
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from benchmarks.measuring import Measured, Row, Sizes
from txray_lib import places

_PAGE = "build/notebooks/explorer.html"
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
_DETAIL = ".txray-explorer[data-part=detail]"
_READY = f"document.querySelector('{_DETAIL}')?.dataset.shown && document.querySelector('.txray-chart').dataset.drawn"
_CLICKS = """async () => {
  const list = document.querySelector('#txray-list'), detail = document.querySelector('.txray-explorer[data-part=detail]');
  const shown = n => new Promise(done => {
    const begun = performance.now();
    new MutationObserver((_, watch) => {
      if (detail.dataset.shown !== n || detail.dataset.took === undefined) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    }).observe(detail, { attributes: true });
    list.value = n;
    list.dispatchEvent(new Event('change'));
  });
  const wanted = [...list.options].slice(0, 24).map(option => option.value), times = { first: [], again: [] };
  for (const round of ['first', 'again']) for (const n of wanted) times[round].push(await shown(n));
  return times;
}"""


@contextmanager
def _page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def _site() -> Path | None:
    path = places.root() / "_build" / "html" / _PAGE
    return path if path.is_file() and (shutil.which("chromium") or shutil.which("google-chrome")) else None


def ready(sizes: Sizes) -> Measured | None:
    """Seconds from opening the page until a neuron is shown and the chart is drawn, the median of five fresh pages; its weight."""
    path = _site()
    if path is None:
        return None
    taken, asked = [], set()
    for _ in range(5 if sizes.few > 100 else 1):
        with _page() as page:
            page.on("request", lambda request: asked.add(request.url))
            page.goto(path.as_uri(), wait_until="commit")
            page.wait_for_function(_READY)
            taken.append(page.evaluate("performance.now()") / 1e3)
    files = {Path(unquote(urlparse(address).path)) for address in asked if address.startswith("file:")}
    weight = sum(len(gzip.compress(file.read_bytes())) for file in files)
    return Measured(statistics.median(taken), {"kB compressed": weight / 1e3, "files": len(files)})


def click(sizes: Sizes) -> Measured | None:
    """Milliseconds from choosing a neuron whose script is there until it is painted, the 95th percentile of 24; `first` loads it."""
    path = _site()
    if path is None:
        return None
    with _page() as page:
        page.goto(path.as_uri())
        page.wait_for_function(_READY)
        times = page.evaluate(_CLICKS)
    again, first = sorted(times["again"]), statistics.median(times["first"])
    return Measured(
        again[int(0.95 * len(again))], {"median": statistics.median(again), "median with loading its script": first}
    )


ROWS = (
    Row(
        "explorer-ready",
        "the explorer, opened from disk in headless Chromium, until a neuron is shown and the chart is drawn",
        "seconds",
        "at most",
        1.5,
        ready,
        "Vega is a third of a megabyte of script, which the browser has to read before it draws.",
    ),
    Row(
        "explorer-click",
        "the explorer: from choosing a neuron whose script is there until it is painted",
        "ms",
        "at most",
        100,
        click,
        "The chart's ring and two columns of bars are drawn anew.",
    ),
)
