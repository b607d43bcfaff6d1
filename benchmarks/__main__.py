"""The command: python -m benchmarks [ROW...] [--freeze]."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import browsing, building, collecting, comparing, training, transforming
from benchmarks.measuring import Measured, Row, Sizes, machine
from txray_lib import places
from txray_lib.results import benchmarks_file
from txray_lib.tables import commit, versions, write_table

ROWS = {
    row.name: row for room in (collecting, transforming, comparing, training, building, browsing) for row in room.ROWS
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows; all by default: {', '.join(ROWS)}")
    parser.add_argument("--freeze", action="store_true", help="keep the table in results/ for the book")
    given = parser.parse_args()
    os.environ["TXRAY_QUIET"] = "1"
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if given.freeze and given.rows:
        parser.error("only the whole table is kept: --freeze stands without rows")
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"warning: the machine is busy (load {load:.1f}); only ratios can be trusted", file=sys.stderr)
    folder = places.root() / "build" / "benchmarks"
    told = [measure_once(ROWS[name], Sizes(), folder) for name in given.rows or ROWS]
    for row in told:
        print(say(row))
    if given.freeze:
        table = pd.DataFrame(told)
        for column in ("beside", "sizes"):
            table[column] = table[column].map(json.dumps)
        when = {"created": table["created"].max(), "machines": sorted(set(table["machine"]))}
        source = {"commit": commit(), "versions": versions(), "command": "make bench ARGS=--freeze", **when}
        write_table(table, benchmarks_file(), source)
        print(f"kept in {benchmarks_file()}")


def measure_once(row: Row, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """A row's figure, written at once, or read where it was measured before; value None where nothing is at hand.

    What the row says (its limit, its words) is that of today. Without its file in `folder` it is measured anew.
    """
    path = folder / f"{row.name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"value": None}
    if known["value"] is None:
        print(f"measuring {row.name}: {row.what}", file=sys.stderr, flush=True)
        began = datetime.now(UTC)
        measured = row.measure(sizes) or Measured(None, {}, "not at hand on this machine")
        known = {
            "value": measured.value,
            "beside": measured.beside,
            "sizes": asdict(sizes),
            "machine": machine(),
            "commit": commit(),
            "created": began.isoformat(timespec="seconds"),
            "seconds": (datetime.now(UTC) - began).total_seconds(),
            "note": measured.note,
        }
        places.write_text(json.dumps(known, indent=1), path)
    met = None if known["value"] is None else row.is_met(known["value"])
    said = {name: getattr(row, name) for name in ("name", "what", "unit", "sense", "limit")}
    note = f"{row.short} {known['note']}".strip() if met is False else known["note"]
    return {**said, **known, "met": met, "note": note}


def say(row: dict[str, Any]) -> str:
    """A row as lines of text: name, figure, limit, verdict; what it is; why it falls short, where it does."""
    if row["value"] is None:
        return f"{row['name']:15} {row['note']}"
    verdict = "met" if row["met"] else f"FALLS SHORT: {row['note']}"
    figure = (
        f"{row['value']:12,.2f} {row['unit']:16} {row['sense']} {row['limit']:,.2f} ({row['seconds']:.0f} s): {verdict}"
    )
    return f"{row['name']:15} {figure}\n{'':15}  {row['what']}"


if __name__ == "__main__":
    main()
