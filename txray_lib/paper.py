"""What the paper says, kept in one file, `paper.yaml`: its values and its claims. May touch: errors.

An entry is one of three: a claim that is judged (it has a unit), a claim that only repeats others (`see`), or values alone.
"""

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

UNITS = ("share", "change", "features", "distance", "correlation", "number")
"""A `change` is a signed share; counts of neurons are shares of all."""
STATUS = ("impossible", "not_stated", "not_tested")
_TEXTS = ("claim", "short", "section", "unit", "against", "flag", "caution", *STATUS)
_KEYS = {*_TEXTS, "paper", "asked", "values", "see"}
_ASKED = re.compile(r"(more|less) than (chance|-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Claim:
    """A number or a sentence of the paper that is judged once, or one that points at such.

    claim, section    in our words, and where it stands
    paper             the paper's number in the claim's unit, NaN where it gives none
    asked             its direction in words: "positive", "negative", "more than X", "less than X", X a number or "chance"
    side, threshold   the same for the judge: 1 or −1 and the value beyond which the claim is true, NaN for chance; side 0
                      where only the number is claimed
    against           what gives the claim's number by chance, in words
    status, why       "impossible", "not_stated" or "not_tested" whatever a run gives, and the reason
    see               ids of the claims that this one repeats
    values            the paper's numbers, for `value`
    short             the claim in three words, for an axis
    flag, caution     an inconsistency (I1–I9) or a departure (C1–C36) beside it; what a reader should know
    """

    id: str
    claim: str = ""
    section: str = ""
    unit: str = ""
    paper: float = math.nan
    asked: str = ""
    side: int = 0
    threshold: float = math.nan
    against: str = ""
    status: str = ""
    why: str = ""
    see: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    flag: str = ""
    caution: str = ""
    short: str = ""

    @property
    def is_judged(self) -> bool:
        return bool(self.unit)


def value(number: str, part: str) -> float:
    """One value of the paper by its id and part: `value("N7", "shared")`. Raises TxrayError for an unknown one."""
    known = claim(number).values
    if part not in known:
        raise TxrayError(f"the paper's {number} has no part {part!r}. {nearest(part, known)}")
    return known[part]


def claim(number: str) -> Claim:
    """An entry by its id. Raises TxrayError for an unknown one."""
    known = claims()
    if number not in known:
        raise TxrayError(f"the paper has no value with the id {number!r}. {nearest(number, known)}")
    return known[number]


def judged(*ids: str) -> list[Claim]:
    """The claims that these ids name or point at, each once and in this order; without ids all, in the order of the file.

    Raises TxrayError for an unknown id, and for one of values alone.
    """
    if not ids:
        return [its for its in claims().values() if its.is_judged]
    found: dict[str, Claim] = {}
    for its in map(claim, ids):
        if not its.is_judged and not its.see:
            raise TxrayError(f"{its.id} is a setting of the paper, not a claim: there is nothing to judge.")
        found |= {target: claim(target) for target in its.see or (its.id,)}
    return list(found.values())


@cache
def claims() -> dict[str, Claim]:
    """Every entry by its id, in the order of the file."""
    text = Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8")
    found = {name: parse(name, entry) for name, entry in yaml.safe_load(text).items()}
    for name, its in found.items():
        if wrong := [target for target in its.see if target not in found or not found[target].is_judged]:
            raise TxrayError(f"paper.yaml, {name}: see names no claim that is judged: {wrong[0]!r}")
    return found


def parse(name: str, entry: Mapping[str, Any]) -> Claim:
    """An entry of the file. Raises TxrayError that names the id and the key that is wrong."""
    where = f"paper.yaml, {name}"
    if unknown := sorted(set(entry) - _KEYS):
        raise TxrayError(f"{where}: no such key as {unknown[0]!r}. {nearest(unknown[0], _KEYS)}")
    _check_kind(where, entry)
    statuses = [status for status in STATUS if status in entry]
    asked, (side, threshold) = str(entry.get("asked", "")), _direction(where, entry.get("asked", ""))
    return Claim(
        name,
        **{
            key: str(entry[key])
            for key in ("claim", "short", "section", "unit", "against", "flag", "caution")
            if key in entry
        },
        paper=_ratio(entry.get("paper", math.nan)),
        asked=asked,
        side=side,
        threshold=threshold,
        status=statuses[0] if statuses else "",
        why=str(entry[statuses[0]]) if statuses else "",
        see=tuple(entry["see"] if isinstance(entry.get("see"), list) else [entry["see"]] if "see" in entry else []),
        values={part: float(number) for part, number in entry.get("values", {}).items()},
    )


def _check_kind(where: str, entry: Mapping[str, Any]) -> None:
    """What each of the three kinds of entry needs, and what excludes what."""
    if "unit" in entry:
        if missing := sorted({"claim", "section"} - set(entry)):
            raise TxrayError(f"{where}: {', '.join(missing)} missing")
        if entry["unit"] not in UNITS:
            raise TxrayError(f"{where}: no such unit as {entry['unit']!r}. {nearest(str(entry['unit']), UNITS)}")
        if "see" in entry:
            raise TxrayError(f"{where}: it is judged (unit) and repeats another (see): it can be one of the two")
    elif not {"see", "values"} & set(entry):
        raise TxrayError(f"{where}: it needs a unit, see, or values")
    statuses = [status for status in STATUS if status in entry]
    if len(statuses) > 1:
        raise TxrayError(f"{where} is both {statuses[0]} and {statuses[1]}")
    if "unit" in entry and not statuses and not ({"paper", "asked"} & set(entry) and "against" in entry):
        raise TxrayError(f"{where}: a claim needs a paper's number or what is asked, and against what, or a status")


def _direction(where: str, text: str) -> tuple[int, float]:
    """The side and the threshold of a direction in words."""
    if text in ("", "positive", "negative"):
        return {"": (0, math.nan), "positive": (1, 0.0), "negative": (-1, 0.0)}[text]
    if not (found := _ASKED.fullmatch(str(text))):
        raise TxrayError(
            f"{where}: {text!r} is no direction (positive, negative, more than X, less than X; X a number or chance)"
        )
    word, than = found.groups()
    return (1 if word == "more" else -1), (math.nan if than == "chance" else float(than))


def _ratio(number: Any) -> float:
    """A number; of a pair the first by the second."""
    return float(number[0]) / float(number[1]) if isinstance(number, list) else float(number)
