"""What the last build on this machine took: the notebooks of the book, the steps of the demo. Nothing is run anew."""

from __future__ import annotations

import json
from statistics import median

from benchmarks.measuring import Measured, Row, Sizes
from txray_lib import places
from txray_lib.flow import Run
from txray_lib.profiles import load_profile


def notebooks(sizes: Sizes) -> Measured | None:
    found = {}
    for path in sorted((places.root() / "build" / "notebooks").rglob("*.ipynb")):
        told = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("papermill", {})
        if told.get("duration"):
            found[path.stem] = float(told["duration"])
    if not found:
        return None
    slowest = max(found, key=found.__getitem__)
    return Measured(
        found[slowest],
        {
            "slowest": slowest,
            "median seconds": median(found.values()),
            "notebooks": len(found),
            "sum": sum(found.values()),
        },
        "Two at a time, as the book executes them.",
    )


def demo(sizes: Sizes) -> Measured | None:
    done = Run(load_profile("demo")).done_steps()
    if "tables" not in done:
        return None
    slowest = max(done, key=lambda name: done[name]["seconds"])
    return Measured(
        sum(step["seconds"] for step in done.values()), {"slowest": slowest, "its seconds": done[slowest]["seconds"]}
    )


ROWS = (
    Row("notebook", "the slowest notebook of the last build of the book", "seconds", "at most", 30, notebooks),
    Row("demo", "all steps of the last run of demo", "seconds", "at most", 240, demo),
)
