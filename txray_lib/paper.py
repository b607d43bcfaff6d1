"""What the paper says, kept in one file, `paper.yaml`: its values and its claims. May touch: errors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from txray_lib.errors import TxrayError, nearest

UNITS = ("neurons", "share", "change", "features", "distance", "correlation", "number")
"""`neurons` are counts, compared as shares of all; a `change` is a signed share."""
STATUS = ("impossible", "not_stated", "not_tested")
PAPERS_NEURONS = 1500
_KEYS = {"what", "section", "unit", "parts", "also", "flag", "caution", *STATUS}
_DIRECTION = re.compile(r"(greater|less) than (\S+)")


@dataclass(frozen=True)
class Part:
    """One thing that a claim says: a value, a direction, or both.

    value      the paper's number in the claim's unit; NaN where it gives none
    direction  "", "greater" or "less", against `than`: a number, or the name of another part
    """

    name: str
    label: str
    value: float = math.nan
    direction: str = ""
    than: float | str = 0.0


@dataclass(frozen=True)
class Claim:
    """A testable sentence, number, figure or setting of the paper.

    what, section  in our words, and where it stands
    statuses       for a part: ("impossible" | "not_stated" | "not_tested", why)
    flag, caution  an inconsistency (I1–I9) or a departure (C1–C36) beside it; what a reader should know
    """

    id: str
    what: str
    section: str
    unit: str
    parts: dict[str, Part]
    statuses: dict[str, tuple[str, str]] = field(default_factory=dict)
    also: dict[str, float] = field(default_factory=dict)
    flag: str = ""
    caution: str = ""

    def compared(self, part: str) -> float:
        """The paper's value as it is compared: a count of neurons as a share of its 1500; NaN where it gives none."""
        value = self.parts[part].value
        return value / PAPERS_NEURONS if self.unit == "neurons" else value


def value(number: str, part: str) -> float:
    """One value of the paper by its id and part: `value("N7", "shared")`. Raises TxrayError for an unknown one."""
    its = claim(number)
    known = {**{name: part.value for name, part in its.parts.items() if not math.isnan(part.value)}, **its.also}
    if part not in known:
        raise TxrayError(f"the paper's {number} has no part {part!r}. {nearest(part, known)}")
    return known[part]


def claim(number: str) -> Claim:
    """A claim by its id. Raises TxrayError for an unknown one."""
    known = claims()
    if number not in known:
        raise TxrayError(f"the paper has no value with the id {number!r}. {nearest(number, known)}")
    return known[number]


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its id, in the order of the file."""
    text = Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    return {name: parse(name, entry) for name, entry in yaml.safe_load(text).items()}


def parse(name: str, entry: Mapping[str, Any]) -> Claim:
    """A claim from its entry in the file. Raises TxrayError that names the id and the key that is wrong."""
    if unknown := sorted(set(entry) - _KEYS):
        raise TxrayError(f"paper.yaml, {name}: no such key as {unknown[0]!r}. {nearest(unknown[0], _KEYS)}")
    if missing := sorted({"what", "section", "unit", "parts"} - set(entry)):
        raise TxrayError(f"paper.yaml, {name}: {', '.join(missing)} missing")
    if entry["unit"] not in UNITS:
        raise TxrayError(f"paper.yaml, {name}: no such unit as {entry['unit']!r}. {nearest(str(entry['unit']), UNITS)}")
    parts = {part: _part(name, part, row, entry["parts"]) for part, row in entry["parts"].items()}
    return Claim(
        name,
        entry["what"],
        entry["section"],
        entry["unit"],
        parts,
        _statuses(name, entry, parts),
        dict(entry.get("also", {})),
        entry.get("flag", ""),
        entry.get("caution", ""),
    )


def _part(name: str, part: str, row: list[Any], parts: Mapping[str, Any]) -> Part:
    if not isinstance(row, list) or not 2 <= len(row) <= 3:
        raise TxrayError(f"paper.yaml, {name}.{part}: a part is [value or null, label] or [value, label, direction]")
    number, label, *rest = row
    value = math.nan if number is None else float(number)
    direction, than = _direction(f"{name}.{part}", rest[0], parts) if rest else ("", 0.0)
    return Part(part, str(label), value, direction, than)


def _direction(where: str, text: str, parts: Mapping[str, Any]) -> tuple[str, float | str]:
    if text in ("positive", "negative"):
        return ("greater" if text == "positive" else "less"), 0.0
    found = _DIRECTION.fullmatch(text)
    if not found:
        raise TxrayError(
            f"paper.yaml, {where}: {text!r} is no direction (positive, negative, greater than X, less than X)"
        )
    word, than = found.groups()
    if than in parts:
        return word, than
    try:
        return word, float(than)
    except ValueError:
        raise TxrayError(
            f"paper.yaml, {where}: {than!r} is neither a number nor a part. {nearest(than, parts)}"
        ) from None


def _statuses(name: str, entry: Mapping[str, Any], parts: Mapping[str, Part]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for status in STATUS:
        given = entry.get(status, {})
        for part, why in (given if isinstance(given, dict) else dict.fromkeys(parts, given)).items():
            if part not in parts:
                raise TxrayError(f"paper.yaml, {name}: {status} names no part of it: {part!r}. {nearest(part, parts)}")
            if part in found:
                raise TxrayError(f"paper.yaml, {name}.{part} is both {found[part][0]} and {status}")
            found[part] = (status, str(why))
    return found
