"""The book: its notebooks and its pages, made from the frozen tables of `small` in a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measuring import Measured, Row, Sizes, timed
from txray_lib import places
from txray_lib.book.notebooks import execute, list_notebooks, parameters_of

_PROFILE = "small"
_WORLD = "demo"
"""The book shows the questions on this run too."""
_NOTEBOOKS = ("rq1", "rq3", "fig07", "tab2", "definitions", "chance", "audit", "truth")
"""The pages that have most to do."""
_COPIED = ("book", "notebooks", "profiles", "_config.yml", "_toc.yml", "requirements.lock")


def notebooks(sizes: Sizes) -> Measured | None:
    """Seconds of the slowest of some notebooks, executed one after the other; `few` below a hundred: of one alone."""
    if not (places.frozen_results(_PROFILE) / "transfer.parquet").is_file():
        return None
    found, sources = {}, list_notebooks()
    with tempfile.TemporaryDirectory() as name:
        for page in _NOTEBOOKS if sizes.few > 100 else _NOTEBOOKS[:1]:
            known, out = parameters_of(sources[page]), Path(name) / f"{page}.ipynb"
            given = {"profile": _PROFILE} if "profile" in known else {}
            found[page] = timed(
                lambda page=page, out=out, given=given: execute(sources[page], out, given, places.root())
            )
    slowest = max(found, key=found.__getitem__)
    return Measured(
        found[slowest],
        {"slowest": slowest, "median seconds": median(found.values()), "notebooks": len(found)},
    )


def book(sizes: Sizes) -> Measured | None:
    """Seconds of the whole book from its tables: as many notebooks at once as there are cores, then its pages."""
    home = places.root()
    folders = places.frozen_results(_PROFILE), places.live_results(_WORLD)
    if sizes.few <= 100 or not all((folder / "transfer.parquet").is_file() for folder in folders):
        return None
    with tempfile.TemporaryDirectory() as name:
        for part in _COPIED:
            (shutil.copytree if (home / part).is_dir() else shutil.copy)(home / part, Path(name) / part)
        shutil.copytree(home / "results", Path(name) / "results")
        shutil.copytree(places.live_results(_WORLD), Path(name) / "results" / _WORLD)
        command = [sys.executable, "-c", f"from txray_lib.book.building import build_book; build_book({_PROFILE!r})"]
        environment = {key: value for key, value in os.environ.items() if key != "TXRAY_RESULTS"}
        environment |= {"TXRAY_ROOT": name, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        taken = timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))
        pages = len([*(Path(name) / "_build" / "html").rglob("*.html")])
        executed = len([*(Path(name) / "build" / "notebooks").rglob("*.ipynb")])
    return Measured(taken, {"notebooks": executed, "pages": pages})


ROWS = (
    Row(
        "notebook",
        "the slowest of the notebooks that have most to do, executed alone on the frozen tables of small",
        "seconds",
        "at most",
        30,
        notebooks,
        "A kernel takes some seconds to start and to import; the rest is what that page computes itself.",
    ),
    Row(
        "book",
        "the book from its tables: every notebook executed, every page built",
        "seconds",
        "at most",
        240,
        book,
        "Each notebook starts a kernel of its own, and Sphinx reads every page in one process.",
    ),
)
