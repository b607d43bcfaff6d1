"""The book: its notebooks and its pages, made from the frozen tables of `small` in a folder of their own; the last demo."""

from __future__ import annotations

import gzip
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
from txray_lib.engine.run import Run
from txray_lib.explorer import write_shards
from txray_lib.profiles import load_profile
from txray_lib.results import Results
from txray_lib.steps import read_note

_PROFILE = "small"
_LARGEST = "paper-cpu"
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


def explorer_tables(sizes: Sizes) -> Measured | None:
    """Seconds to write the explorer's scripts of the paper's 1,500 units from frozen tables, their size and the largest one's."""
    if not (places.frozen_results(_LARGEST) / "transfer.parquet").is_file():
        return None
    results = Results(_LARGEST, places.frozen_results(_LARGEST), "frozen")
    with tempfile.TemporaryDirectory() as name:
        written: list[Path] = []
        taken = timed(lambda: written.extend(write_shards(results, Path(name) / _LARGEST)))
        sizes_of = [path.stat().st_size for path in written]
        largest = max(written, key=lambda path: path.stat().st_size)
        packed = len(gzip.compress(largest.read_bytes()))
    return Measured(
        taken,
        {"scripts": len(written), "MB in all": sum(sizes_of) / 1e6, "kB of the largest, compressed": packed / 1e3},
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


def demo(sizes: Sizes) -> Measured | None:
    """Seconds of the steps of the last run of demo in this checkout; nothing is run anew."""
    run = Run(load_profile("demo"))
    if not run.is_there("tables"):
        return None
    done = {name: read_note(run.place(name)) for name in run.steps}
    slowest = max(done, key=lambda name: done[name]["seconds"])
    return Measured(
        sum(step["seconds"] for step in done.values()), {"slowest": slowest, "its seconds": done[slowest]["seconds"]}
    )


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
        "explorer",
        "the explorer's tables of 1,500 neurons in six stages, written from the frozen tables of paper-cpu",
        "seconds",
        "at most",
        10,
        explorer_tables,
        "Every preference of every stage is written, grouped by neuron and by word.",
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
    Row(
        "demo",
        "all steps of the last run of demo, from text to tables",
        "seconds",
        "at most",
        240,
        demo,
        "The step that took longest stands behind the figure.",
    ),
)
