"""The browser and the site that tests look at.

Chromium is needed: without it tests skip loudly, except that with CI=true a missing browser fails. The site is the one that
`make book` left; where there is none yet, a smaller one is built from tables of hostile tokens: a page of every kind of
thing that a page can hold, without those that differ in words alone. `.ci/run` looks at the whole book afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from benchmark_tables import write_benchmarks
from browsing import ARGUMENTS
from filelock import FileLock
from telling_tables import write_study, write_tables

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("TXRAY_SITE") or ROOT / "_build" / "html")


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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
    """The site that `make book` built, or one built now from hostile tables, once for all processes that run tests."""
    if (SITE / "index.html").exists():
        return SITE
    root = tmp_path_factory.getbasetemp().parent / "compendium"
    with FileLock(f"{root}.lock"):
        built = root / "_build" / "html" / "index.html"
        if not built.exists():
            build_from_hostile_tables(root)
        return built.parent


LEFT_OUT = {f"fig{number:02}" for number in range(1, 12)} - {"fig04", "fig08"}
LEFT_OUT |= {"tab1", "definitions", "measures", "epochs", "scale", "wrong", "limits"}


@pytest.fixture(scope="session")
def left_out(site: Path) -> set[str]:
    """Names of pages that the site does not have, to which its pages may link."""
    return set() if site == SITE else LEFT_OUT


def build_from_hostile_tables(root: Path) -> None:
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, root / name, dirs_exist_ok=True)
    for name in LEFT_OUT:
        (root / "notebooks" / f"{name}.md").unlink()
    for name in ("_config.yml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        part["chapters"] = kept(part["chapters"])
    (root / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
    write_tables(root / "results" / "demo")
    write_study(root / "results" / "truth")
    write_benchmarks(root / "results" / "benchmarks.parquet")
    from txray_lib.bookbuild import build_book

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_ROOT", str(root))
        patch.delenv("TXRAY_RESULTS", raising=False)
        build_book(["demo"], strict=False)  # links to the pages that are left out are warnings


def kept(chapters: list[dict]) -> list[dict]:
    """The chapters without those left out; a chapter keeps the sections that are left."""
    found = []
    for chapter in chapters:
        if chapter["file"].split("/")[-1] in LEFT_OUT:
            continue
        sections = kept(chapter.get("sections", []))
        found.append(
            {key: value for key, value in chapter.items() if key != "sections"}
            | ({"sections": sections} if sections else {})
        )
    return found
