"""The paper's own values, kept in one file, `paper.yaml`. Below every room of the telling half; may touch: errors."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from txray_lib.errors import TxrayError, nearest


def value(number: str, part: str) -> float:
    """One value of the paper by its id and part: `value("N7", "shared")`. Raises TxrayError for an unknown one."""
    known = _values()
    if number not in known:
        raise TxrayError(f"the paper has no value with the id {number!r}. {nearest(number, known)}")
    if part not in known[number]:
        raise TxrayError(f"the paper's {number} has no part {part!r}. {nearest(part, known[number])}")
    return known[number][part]


@cache
def _values() -> dict[str, dict[str, float]]:
    return yaml.safe_load(Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8"))
