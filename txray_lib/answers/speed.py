"""What the benchmarks measured, beside what was asked. May touch: errors, places, tables, results, telling."""

from __future__ import annotations

import html
import json

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib import places, telling
from txray_lib.errors import TxrayError
from txray_lib.results import benchmarks_file
from txray_lib.tables import read_table

_COLUMNS = ("name", "what", "unit", "sense", "limit", "value", "met", "note", "beside", "machine", "commit", "created")


def benchmarks(live: bool = False) -> pd.DataFrame:
    """A row for each benchmark: the frozen ones of the book, or those that `make bench` measured in this checkout.

    Columns: name, what, unit, sense, limit, value (missing where it was not at hand), met, note, beside (a dictionary),
    machine, commit, created. No row at all where none are frozen; raises TxrayError where `live` ones were not measured.
    """
    if not live:
        if not benchmarks_file().is_file():
            return pd.DataFrame(columns=_COLUMNS)
        rows = read_table(benchmarks_file())
        return rows.assign(beside=rows["beside"].map(json.loads))
    folder = places.root() / "build" / "benchmarks" / "cpu"
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    if not found:
        raise TxrayError("no benchmark was measured in this checkout: `make bench` measures them, in some 25 minutes")
    return pd.DataFrame(found)


def no_benchmarks(rows: pd.DataFrame) -> tuple[Markdown, ...]:
    """One sentence to display where no benchmark is frozen; none where some are."""
    if len(rows):
        return ()
    return (
        telling.paragraph(
            "No benchmark is frozen here, so nothing is shown: `make bench ARGS=--freeze` measures them all and keeps the table,"
            " in some 25 minutes on two cores."
        ),
    )


def speed_source(rows: pd.DataFrame) -> HTML:
    """The line under the table: machine, commit and day."""
    machines = telling.listed(dict.fromkeys(rows["machine"]))
    short = telling.listed(dict.fromkeys(map(telling.short_commit, rows["commit"])))
    day = max(rows["created"])[:10]
    line = f"Source: make bench on {machines}; commit {short}, {day}."
    return HTML(f'<p class="txray-provenance">{html.escape(line)}</p>')


def speed_table(rows: pd.DataFrame) -> HTML:
    """Every row with its limit, what was measured, and how far that is from it."""
    shown = pd.DataFrame(
        {
            "benchmark": rows["name"],
            "what is measured": rows["what"],
            "limit": [f"{row.sense} {_number(row.limit)} {row.unit}" for row in rows.itertuples()],
            "measured": [_value(row) for row in rows.itertuples()],
            "verdict": [_verdict(row) for row in rows.itertuples()],
        }
    )
    return telling.table(shown, "Each benchmark beside its limit", words=list(shown.columns))


def speed_beside(rows: pd.DataFrame) -> HTML:
    """What else was measured for each row."""
    told = [
        {
            "benchmark": row.name,
            "figure": name,
            "value": _number(value) if isinstance(value, int | float) else str(value),
        }
        for row in rows.itertuples(index=False)
        for name, value in row.beside.items()
    ]
    return telling.table(pd.DataFrame(told), "What stands behind each figure", words=["benchmark", "figure"])


def speed_said(rows: pd.DataFrame) -> Markdown:
    """How many limits are met, and by what each of the others falls short and why."""
    judged = rows[rows["value"].notna()]
    met = judged["met"].astype(bool)
    sentences = [f"{met.sum()} of {telling.plural(len(judged), 'benchmark')} meet their limit."]
    for row in judged[~met].itertuples():
        sentences.append(
            f"**{row.name}** falls short: {_value(row)}, asked was {row.sense} {_number(row.limit)}. {row.note}"
        )
    sentences += [f"{row.name}: {row.note}." for row in rows[rows["value"].isna()].itertuples()]
    return telling.paragraph(*sentences)


def speed_notes(rows: pd.DataFrame) -> Markdown:
    """What one should know of the rows that meet their limit, as a list."""
    kept = rows[rows["met"].eq(True) & rows["note"].ne("")]
    return Markdown("\n".join(f"- **{row.name}**: {row.note}" for row in kept.itertuples()))


def speed_points(rows: pd.DataFrame) -> pd.DataFrame:
    """[name, verdict, times, told]: how many times better each row is than its limit, from 0.01 to 1000, best first."""
    judged = rows[rows["value"].notna()]
    most, value = judged["sense"].eq("at most"), judged["value"].clip(lower=1e-9)
    times = (judged["limit"] / value).where(most, value / judged["limit"])
    points = pd.DataFrame(
        {
            "name": judged["name"],
            "verdict": judged["met"].map({True: "met", False: "falls short"}),
            "times": times.clip(lower=0.01, upper=1000),
            "told": [f"{_value(row)}, limit {row.sense} {_number(row.limit)}" for row in judged.itertuples()],
        }
    )
    return points.sort_values("times", ascending=False, kind="stable", ignore_index=True)


def figure(rows: pd.DataFrame, name: str, beside: str | None = None) -> float:
    """The figure of a row, or one that stands beside it. Raises TxrayError where it was not measured."""
    found = rows[rows["name"] == name]
    value = None if found.empty else found["value"].iloc[0] if beside is None else found["beside"].iloc[0].get(beside)
    if value is None or value != value:
        raise TxrayError(f"the benchmark {name!r} was not measured: `make bench ARGS={name}` measures it")
    return float(value)


def _value(row: object) -> str:
    if pd.isna(row.value):  # type: ignore[attr-defined]
        return "not at hand"
    said = _number(row.value)  # type: ignore[attr-defined]
    if not row.met and said == _number(row.limit):  # type: ignore[attr-defined]
        said = f"{row.value:,.4g}"  # as many digits as show that it is not the limit
    return f"{said} {row.unit}"  # type: ignore[attr-defined]


def _verdict(row: object) -> str:
    if pd.isna(row.value):  # type: ignore[attr-defined]
        return "–"
    most, value, limit = row.sense == "at most", row.value, row.limit  # type: ignore[attr-defined]
    if value <= 0:
        return "met"
    times = limit / value if most else value / limit
    return f"met, {_number(times)} times better" if row.met else f"falls short, {_number(times)} of it"  # type: ignore[attr-defined]


def _number(value: float) -> str:
    """A number to three digits, whole from a hundred on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}".replace("-", "−")
