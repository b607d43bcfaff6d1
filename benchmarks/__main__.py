"""The command: python -m benchmarks [ROW...] [--quick] [--again] [--freeze] [--device cuda]."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from benchmarks import building, collecting, comparing, training
from benchmarks.measuring import QUICK, Measured, Row, Sizes, machine
from txray_lib import places
from txray_lib.provenance import commit, versions
from txray_lib.results import benchmarks_file
from txray_lib.tables import write_table

ROWS = {row.name: row for room in (collecting, comparing, training, building) for row in room.ROWS}


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
    if given.freeze and (given.quick or given.rows):
        parser.error("only a whole run at full size is kept: --freeze stands without rows and without --quick")
    sizes = replace(QUICK if given.quick else Sizes(), device=given.device)
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"warning: the machine is busy (load {load:.1f}); only ratios can be trusted", file=sys.stderr)
    folder = places.root() / "build" / "benchmarks" / ("quick" if given.quick else given.device.partition(":")[0])
    told = {name: measure_once(ROWS[name], sizes, folder, given.again) for name in given.rows or ROWS}
    for name, row in told.items():
        print(f"{name:15} {line(row)}")
    if given.freeze:
        path = benchmarks_file()
        write_table(table(list(told.values())), path, {"commit": commit(), "versions": versions()})
        print(f"kept in {path}")


def measure_once(row: Row, sizes: Sizes, folder: Path, again: bool = False) -> dict[str, object]:
    """A row's figure, written at once, or read where it was measured before; value None where nothing is at hand."""
    path = folder / f"{row.name}.json"
    if path.is_file() and not again:
        return json.loads(path.read_text(encoding="utf-8"))
    print(f"measuring {row.name}: {row.what}", file=sys.stderr, flush=True)
    began = datetime.now(UTC)
    measured = row.measure(sizes) or Measured(float("nan"), {}, "not at hand on this machine")
    met = None if measured.value != measured.value else row.is_met(measured.value)
    told = {
        **{name: getattr(row, name) for name in ("name", "what", "unit", "sense", "limit")},
        "value": measured.value if met is not None else None,
        "met": met,
        "note": " ".join(filter(None, [row.short if met is False else "", measured.note])),
        "beside": measured.beside,
        "sizes": asdict(sizes),
        "machine": machine(sizes.device),
        "commit": commit(),
        "created": began.isoformat(timespec="seconds"),
        "seconds": (datetime.now(UTC) - began).total_seconds(),
    }
    places.write_text(json.dumps(told, indent=1), path)
    return told


def table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """A line for each row; what stands beside a figure, and the sizes, as JSON text."""
    return pd.DataFrame(
        [{**row, "beside": json.dumps(row["beside"]), "sizes": json.dumps(row["sizes"])} for row in rows]
    )


def line(row: dict[str, object]) -> str:
    """A row as one line of text."""
    if row["value"] is None:
        return f"{row['note']}"
    verdict = "met" if row["met"] else "FALLS SHORT"
    return (
        f"{row['value']:12,.2f} {row['unit']:16} {row['sense']} {row['limit']:,.2f}: {verdict} ({row['seconds']:.0f} s)"
    )


if __name__ == "__main__":
    main()
