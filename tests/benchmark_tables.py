"""A table of benchmarks as `make bench` writes it, with figures of round numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from txray_lib.tables import write_table

ROWS: list[dict[str, Any]] = [
    {
        "name": "overhead",
        "unit": "times",
        "sense": "at most",
        "limit": 1.05,
        "value": 1.26,
        "beside": {"collected tokens a second": 10_000.0, "threads": 2},
        "note": "The argmax <b>reads</b> all again.",
    },
    {"name": "released-disk", "unit": "times smaller", "sense": "at least", "limit": 500.0, "value": 5_000.0}
    | {"beside": {"ours, bytes a token": 4.0}},
    {"name": "memory", "unit": "% more", "sense": "at most", "limit": 5.0, "value": -1.0}
    | {"beside": {"bytes a token of a corpus held whole": 100.0}, "note": "Of 256 units."},
    {"name": "two-stages", "unit": "seconds", "sense": "at most", "limit": 1.0, "value": 0.5}
    | {"beside": {"seconds of preferences, both stages": 0.4}},
    {"name": "null-swap", "unit": "seconds", "sense": "at most", "limit": 600.0, "value": 20.0}
    | {"beside": {"tokens a side": 400_000, "bytes a token of a side": 200.0}},
    {"name": "tagging", "unit": "tokens a second", "sense": "at least", "limit": 13_333.0, "value": 20_000.0},
    {"name": "notebook", "unit": "seconds", "sense": "at most", "limit": 30.0, "value": None, "note": "not at hand"},
]


def write_benchmarks(path: Path) -> None:
    """A row for each, with what `make bench` adds."""
    same = {"what": "this over that", "machine": "a machine of 2 cores", "commit": "abc", "created": "2026-01-02T03:04"}
    rows = []
    for row in ROWS:
        value, most = row["value"], row["sense"] == "at most"
        met = None if value is None else (value <= row["limit"] if most else value >= row["limit"])
        beside = json.dumps(row.get("beside", {}))
        rows.append({"note": "", **same, **row, "beside": beside, "met": met})
    write_table(pd.DataFrame(rows), path)
