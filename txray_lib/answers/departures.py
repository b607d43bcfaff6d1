"""Where the released code departs from the paper, from `departures.yaml`. May touch: errors, telling."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from IPython.display import HTML

import txray_lib
from txray_lib.errors import TxrayError, nearest
from txray_lib.telling import table

GROUPS = {
    "formulas": "What is computed and drawn",
    "text": "What text is read, and how",
    "weights": "Which weights are measured",
    "scores": "What is scored",
    "rest": "What remains",
}
_FIELDS = {"id", "group", "code", "paper", "effect", "switch"}


def departures(group: str | None = None) -> pd.DataFrame:
    """A row per departure: id, group, code, paper, effect, switch ("" where there is none). Raises TxrayError for an
    unknown group."""
    if group is not None and group not in GROUPS:
        raise TxrayError(f"the departures have no group {group!r}. {nearest(group, GROUPS)}")
    rows = pd.DataFrame(_read()).reindex(columns=["id", "group", "code", "paper", "effect", "switch"]).fillna("")
    return rows if group is None else rows[rows["group"] == group].reset_index(drop=True)


def departures_table(group: str) -> HTML:
    """One group of departures."""
    rows = departures(group)
    shown = pd.DataFrame(
        {
            "id": rows["id"],
            "the released code": rows["code"],
            "the paper": rows["paper"],
            "what it does to a number": rows["effect"],
            "switched here by": rows["switch"].where(rows["switch"] != "", "–"),
        }
    )
    return table(shown, GROUPS[group], words=list(shown.columns))


@cache
def _read() -> list[dict[str, str]]:
    path = Path(txray_lib.__file__).with_name("departures.yaml")
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    for row in rows:
        if set(row) - _FIELDS or _FIELDS - {"switch"} - set(row) or row["group"] not in GROUPS:
            raise TxrayError(f"{path.name}: the entry {row.get('id')!r} needs {', '.join(sorted(_FIELDS))} and a group")
    return rows
