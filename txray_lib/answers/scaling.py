"""What a larger corpus costs on more machines, and what breaks first, from measured rates. May touch: errors, speed, telling."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib import telling
from txray_lib.answers.speed import figure
from txray_lib.errors import TxrayError

_HOUR, _DAY, _YEAR = 3600, 24, 8766


@dataclass(frozen=True)
class Rates:
    """Tokens a second on the machine of the benchmarks, and bytes a token.

    tagged, collected  divide by the number of machines; summed does not: one process adds the records of a stage
    record             on disk; text and null are in memory, for each token of a whole text
    """

    tagged: float
    collected: float
    summed: float
    record: float
    text: float
    null: float


def rates(rows: pd.DataFrame) -> Rates:
    """The rates that the benchmarks measured. Raises TxrayError naming the benchmark that is missing."""
    return Rates(
        tagged=figure(rows, "tagging"),
        collected=figure(rows, "overhead", "collected tokens a second"),
        summed=2
        * figure(rows, "null-swap", "tokens a side")
        / figure(rows, "two-stages", "seconds of preferences, both stages"),
        record=figure(rows, "released-disk", "ours, bytes a token"),
        text=figure(rows, "memory", "bytes a token of a corpus held whole"),
        null=2 * figure(rows, "null-swap", "bytes a token of a side"),
    )


def cost_table(rows: pd.DataFrame, tokens: str, machines: str) -> HTML:
    """Tagging, collecting and summing of one stage of so many tokens (as "1e9,1e12") on so many machines (as "1,100")."""
    found, lines = rates(rows), []
    for size in _numbers("tokens", tokens):
        for number in _numbers("machines", machines):
            parts = (size / found.tagged / number, size / found.collected / number, size / found.summed)
            whole = sum(parts)
            lines.append(
                {
                    "tokens": f"{size:,.0f}",
                    "machines": telling.count(number),
                    "tagging": _time(parts[0]),
                    "collecting": _time(parts[1]),
                    "summing, on one": _time(parts[2]),
                    "in all": _time(whole),
                    "machine hours": telling.count(number * sum(parts[:2]) / _HOUR + parts[2] / _HOUR),
                    "records on disk": _bytes(size * found.record),
                }
            )
    return telling.table(pd.DataFrame(lines), "What one stage costs")


def machines_said(rows: pd.DataFrame, tokens: str) -> Markdown:
    """From how many machines on the part that does not divide takes longer than those that do."""
    found = rates(rows)
    divided, single = 1 / found.tagged + 1 / found.collected, 1 / found.summed
    sizes = telling.listed(f"{size:,.0f}" for size in _numbers("tokens", tokens))
    return telling.paragraph(
        f"One machine reads {telling.count(found.collected)} tokens a second and tags {telling.count(found.tagged)}; one process"
        f" sums {telling.count(found.summed)} records a second.",
        f"So from {telling.count(divided / single)} machines on, for {sizes} tokens as for any number, summing takes longer than"
        " all that is divided, and more machines hardly help.",
    )


def breaking_table(rows: pd.DataFrame, memory_gb: float, disk_tb: float) -> HTML:
    """What outgrows a machine's memory or disk, at how many tokens of a stage, the first to break first."""
    return telling.table(
        _breaking(rows, memory_gb, disk_tb).drop(columns="limit_tokens"),
        f"What breaks first with {memory_gb:g} GB of memory and {disk_tb:g} TB of disk",
        words=["part", "holds", "way out"],
    )


def breaking_said(rows: pd.DataFrame, memory_gb: float, disk_tb: float) -> Markdown:
    """The first to break, in a sentence."""
    first = _breaking(rows, memory_gb, disk_tb).iloc[0]
    return telling.paragraph(
        f"The first to break is {first['part']}: at {first['breaks at']} tokens it outgrows the machine, because it holds"
        f" {first['holds']}."
    )


def _breaking(rows: pd.DataFrame, memory_gb: float, disk_tb: float) -> pd.DataFrame:
    if memory_gb <= 0 or disk_tb <= 0:
        raise TxrayError(f"memory_gb and disk_tb must be above 0; they are {memory_gb} and {disk_tb}")
    found, memory, disk = rates(rows), memory_gb * 1e9, disk_tb * 1e12
    parts = [
        (
            "nulls",
            "the records of both stages",
            found.null,
            memory,
            "sum by block first; draw blocks instead of records",
        ),
        ("corpora, tags", "the whole text as words", found.text, memory, "read, sample and tag shard by shard"),
        (
            "collect",
            "records on disk",
            found.record,
            disk,
            "sum each shard and keep no records; nulls then need blocks' sums",
        ),
    ]
    table = pd.DataFrame(
        [
            {
                "part": part,
                "holds": holds,
                "bytes a token": f"{each:,.0f}" if each >= 10 else f"{each:.1f}",
                "breaks at": f"{limit / each:.1e}".replace("e+0", "e").replace("e+", "e"),
                "limit_tokens": limit / each,
                "way out": out,
            }
            for part, holds, each, limit, out in parts
        ]
    )
    return table.sort_values("limit_tokens", kind="stable", ignore_index=True)


def _numbers(name: str, given: str) -> list[float]:
    try:
        numbers = [float(part) for part in given.split(",")]
    except ValueError:
        raise TxrayError(f'{name} must be numbers with commas between, as "1e9,1e12"; it is {given!r}') from None
    if min(numbers) < 1:
        raise TxrayError(f"{name} must be 1 or more; there is {min(numbers):g}")
    return numbers


def _time(seconds: float) -> str:
    hours = seconds / _HOUR
    if hours < 1:
        return f"{seconds / 60:.1f} minutes"
    if hours < 2 * _DAY:
        return f"{hours:.1f} hours"
    return f"{hours / _DAY:,.1f} days" if hours < _YEAR else f"{hours / _YEAR:,.1f} years"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e6:,.1f} MB"
