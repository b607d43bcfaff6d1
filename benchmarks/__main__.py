"""The command: python -m benchmarks [ROW...] [--quick] [--again] [--freeze] [--device cuda]."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import browsing, building, collecting, comparing, training
from benchmarks.measuring import QUICK, Measured, Row, Sizes, machine
from txray_lib import places
from txray_lib.results import benchmarks_file
from txray_lib.tables import commit, versions, write_table

_MEASURED = ("value", "beside", "remark", "sizes", "machine", "commit", "created", "seconds")
ROWS = {row.name: row for room in (collecting, comparing, training, building, browsing) for row in room.ROWS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows; all by default: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="at sizes that say nothing, to see that it works")
    parser.add_argument("--again", action="store_true", help="measure rows anew that were measured before")
    parser.add_argument("--freeze", action="store_true", help="keep the table in results/ for the book")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    os.environ["TXRAY_QUIET"] = "1"
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if given.freeze and (given.quick or given.rows or given.device != "cpu"):
        parser.error("only a whole run at full size is kept: --freeze stands without rows, --quick and --device")
    sizes = replace(QUICK if given.quick else Sizes(), device=given.device)
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"warning: the machine is busy (load {load:.1f}); only ratios can be trusted", file=sys.stderr)
    folder = places.root() / "build" / "benchmarks" / ("quick" if given.quick else given.device.partition(":")[0])
    told = {name: measure_once(ROWS[name], sizes, folder, given.again) for name in given.rows or ROWS}
    for row in told.values():
        print(lines(row))
    if given.freeze:
        path = benchmarks_file()
        rows = list(told.values())
        machines = sorted({str(row["machine"]) for row in rows})
        when = {"created": max(str(row["created"]) for row in rows), "command": "make bench ARGS=--freeze"}
        write_table(table(rows), path, {"commit": commit(), "versions": versions(), "machines": machines, **when})
        print(f"kept in {path}")


def measure_once(row: Row, sizes: Sizes, folder: Path, again: bool = False) -> dict[str, object]:
    """A row's figure, written at once, or read where it was measured before; value None where nothing is at hand.

    What the row says (its limit, its words) is that of today, also of a figure that was measured before. A figure that was
    not at hand is asked for again.
    """
    path = folder / f"{row.name}.json"
    if path.is_file() and not again:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["value"] is not None:
            return _told(row, known)
    print(f"measuring {row.name}: {row.what}", file=sys.stderr, flush=True)
    began = datetime.now(UTC)
    measured = row.measure(sizes) or Measured(float("nan"), {}, "not at hand on this machine")
    told = _told(
        row,
        {
            "value": None if measured.value != measured.value else measured.value,
            "beside": measured.beside,
            "remark": measured.note,
            "sizes": asdict(sizes),
            "machine": machine(),
            "commit": commit(),
            "created": began.isoformat(timespec="seconds"),
            "seconds": (datetime.now(UTC) - began).total_seconds(),
        },
    )
    places.write_text(json.dumps(told, indent=1), path)
    return told


def _told(row: Row, measured: dict[str, Any]) -> dict[str, object]:
    """What was measured with what the row says of it. note: why it falls short, where it does, and what one should know."""
    met = None if measured["value"] is None else row.is_met(measured["value"])
    said = {name: getattr(row, name) for name in ("name", "what", "unit", "sense", "limit")}
    kept = {name: measured[name] for name in _MEASURED if name in measured}
    kept.setdefault("remark", str(measured.get("note", "")).removeprefix(row.short).strip())
    note = " ".join(filter(None, [row.short if met is False else "", kept["remark"]]))
    return {**said, **kept, "met": met, "note": note}


def table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """A line for each row; what stands beside a figure, and the sizes, as JSON text."""
    return pd.DataFrame(
        [
            {
                **{k: v for k, v in row.items() if k != "remark"},
                "beside": json.dumps(row["beside"]),
                "sizes": json.dumps(row["sizes"]),
            }
            for row in rows
        ]
    )


def lines(row: dict[str, Any]) -> str:
    """A row as lines of text: name, figure, limit, verdict; what it is; why it falls short, where it does."""
    if row["value"] is None:
        return f"{row['name']:15} {row['note']}"
    verdict = "met" if row["met"] else "FALLS SHORT"
    figure = f"{row['value']:12,.2f} {row['unit']:16} {row['sense']} {row['limit']:,.2f}: {verdict}"
    told = [f"{row['name']:15} {figure} ({row['seconds']:.0f} s)", f"{'':15}  {row['what']}"]
    return "\n".join([*told, *([] if row["met"] else [f"{'':15}  why: {row['note']}"])])


if __name__ == "__main__":
    main()
