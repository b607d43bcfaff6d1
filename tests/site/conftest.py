"""The browser and the site that tests look at.

Chromium is needed: without it tests skip loudly, except that with CI=true a missing browser fails. The site is the one that
`make book` left; where there is none yet, one is built from tables of hostile tokens, in which pages that hold
nothing new are empty. `.ci/run` looks at the whole book afterwards.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jupytext
import pytest
from browsing import ARGUMENTS
from telling_tables import write_benchmarks, write_study, write_tables

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("TXRAY_SITE") or ROOT / "_build" / "html")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
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


@pytest.fixture
def browser(chromium) -> Iterator[object]:
    """Chromium, in which what a test opens is closed after it."""
    before = {*chromium.contexts}
    yield chromium
    for context in {*chromium.contexts} - before:
        context.close()


@pytest.fixture(scope="session")
def site(chromium, make_once: Callable[..., Path]) -> Path:
    """The site that `make book` built, or one built now from hostile tables, once for all processes that run tests."""
    if (SITE / "index.html").exists():
        return SITE
    return make_once("compendium", build_from_hostile_tables) / "_build" / "html"


EMPTIED = {f"fig{number:02}" for number in range(1, 12)} - {"fig04", "fig08"}
EMPTIED |= {"tab1", "definitions", "chance", "epochs", "speed", "wrong", "limits"}
"""Pages that hold nothing that others do not hold too: only their titles stand in the small site."""


def build_from_hostile_tables(root: Path) -> None:
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, root / name, dirs_exist_ok=True)
    for name in EMPTIED:
        empty(root / "notebooks" / f"{name}.md")
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    for name in ("demo", "small", "minilm"):
        write_tables(root / "build" / "results" / name)
    write_study(root / "results" / "truth")
    write_benchmarks(root / "results" / "benchmarks.parquet")
    from txray_lib.book.building import build_book

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_ROOT", str(root))
        patch.setenv("TXRAY_PICTURES", "no")
        patch.delenv("TXRAY_RESULTS", raising=False)
        build_book("small")


def empty(path: Path) -> None:
    """Leave of a text notebook its title: it is no page to execute."""
    notebook = jupytext.read(path)
    title = notebook.cells[0]
    title.source = title.source.splitlines()[0]
    unexecuted = jupytext.reads('```{code-cell}\n:tags: [parameters]\n\ntrained = "tiny"\n```\n', fmt="md:myst")
    notebook.cells = [title, *unexecuted.cells]
    jupytext.write(notebook, path, fmt="md:myst")
