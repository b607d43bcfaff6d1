"""Students' answers as values, whatever form they have; a `Hint` where no sense can be made of one. May touch: checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from txray_lib.course.checked import Hint, Unanswered

TOLERANCE = 1e-6


def number(answer: Any, what: str = "the answer") -> float:
    """A single finite number, of whatever type holds one."""
    if isinstance(answer, bool | np.bool_ | str | bytes):
        raise Hint(f"{what} should be a number; this is {_kind(answer)}.")
    values = np.asarray(answer)
    if values.dtype.kind not in "iuf":
        raise Hint(f"{what} should be a number; this is {_kind(answer)}.")
    if values.size != 1:
        raise Hint(f"{what} should be one number; this holds {values.size}.")
    if not np.isfinite(value := float(values.reshape(-1)[0])):
        raise Hint(f"{what} is {value}: something was divided by nothing, or two indexes did not match.")
    return value


def whole(answer: Any, what: str = "the answer") -> int:
    """A single whole number."""
    value = number(answer, what)
    if value != int(value):
        raise Hint(f"{what} should be a whole number, and this has a fraction.")
    return int(value)


def numbers(answer: Any, what: str = "the answer", least: int = 1) -> np.ndarray:
    """At least so many finite numbers in a row, (numbers,)."""
    if isinstance(answer, str | bytes | Mapping):
        raise Hint(f"{what} should be a list or an array of numbers; this is {_kind(answer)}.")
    values = np.asarray(list(answer) if not isinstance(answer, np.ndarray | pd.Series) else answer)
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        raise Hint(f"{what} should be a list or an array of numbers, in one row; this is {_kind(answer)}.")
    if len(values) < least:
        raise Hint(f"{what} holds {len(values)} numbers; at least {least} are needed.")
    if not np.isfinite(values.astype(float)).all():
        raise Hint(f"{what} holds NaN or infinity: something was divided by nothing, or two indexes did not match.")
    return values.astype(float)


def series(answer: Any, what: str = "the answer") -> pd.Series:
    """Numbers by name: a Series, a dictionary, or a table of one column. Names as text, each once."""
    if isinstance(answer, pd.DataFrame) and answer.shape[1] == 1:
        answer = answer.iloc[:, 0]
    if isinstance(answer, Mapping):
        answer = pd.Series(dict(answer), dtype=object)
    if not isinstance(answer, pd.Series):
        raise Hint(f"{what} should be a Series with names for an index; this is {_kind(answer)}.")
    if not len(answer):
        raise Hint(f"{what} is empty: does your filter let anything through?")
    if answer.index.nlevels > 1:
        raise Hint(f"{what} has an index of {answer.index.nlevels} levels; one is wanted.")
    if any(isinstance(value, str | bool) for value in answer):
        raise Hint(f"{what} should hold numbers, and holds text or truth values.")
    values = pd.to_numeric(answer.astype(object), errors="coerce").astype(float)
    if values.isna().any():
        raise Hint(f"{what} holds NaN: something was divided by nothing, or two indexes did not match.")
    values.index = pd.Index([str(name) for name in answer.index], dtype=object)
    if values.index.has_duplicates:
        raise Hint(f"{what} holds a name more than once: were rows that belong together added up?")
    return values


def letters(answer: Any, known: Iterable[str], what: str = "the answer") -> frozenset[str]:
    """Letters of a menu: "ac", "a, c", ["a", "c"]. Raises Hint for a letter that the menu lacks."""
    parts = [answer] if isinstance(answer, str) else list(answer)
    if not all(isinstance(part, str) for part in parts):
        raise Hint(f"{what} should be letters in quotation marks; this is {_kind(answer)}.")
    found = frozenset(re.findall(r"[a-z]", " ".join(parts).lower()))
    if unknown := sorted(found - set(known)):
        raise Hint(f"{what} names {', '.join(unknown)}, which the list does not have.")
    if not found:
        raise Hint(f"{what} names no letter of the list.")
    return found


def frame(answer: Any, columns: Iterable[str], what: str = "the answer") -> pd.DataFrame:
    """A table that has at least these columns."""
    if not isinstance(answer, pd.DataFrame):
        raise Hint(f"{what} should be a DataFrame; this is {_kind(answer)}.")
    lacking = [name for name in answer.index.names if name in set(columns) - set(answer.columns)]
    flat = (answer.reset_index(lacking) if lacking else answer).reset_index(drop=True)
    if missing := [column for column in columns if column not in flat]:
        raise Hint(f"{what} has no column `{missing[0]}`. It has: {', '.join(map(str, flat.columns)) or 'none'}.")
    if not len(flat):
        raise Hint(f"{what} has no row.")
    return flat


def called(function: Any, *arguments: Any, what: str = "your function") -> Any:
    """What a student's function returns; raises Hint where it fails, Unanswered where it is still the starter's."""
    if not callable(function):
        raise Hint(f"{what} should be a function; this is {_kind(function)}.")
    try:
        value = function(*arguments)
    except Exception as error:
        raise Hint(f"{what} stopped with {type(error).__name__}: {str(error)[:160].rstrip('.')}.") from None
    if value is ...:
        raise Unanswered
    if value is None:
        raise Hint(f"{what} gives nothing back: it needs a `return`.")
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two numbers, or two series by name, are equal but for rounding."""
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        return set(a.index) == set(b.index) and bool(np.allclose(a, b.reindex(a.index), rtol=1e-5, atol=TOLERANCE))
    return bool(np.allclose(a, b, rtol=1e-5, atol=TOLERANCE))


def raise_known(answer: Any, mistakes: Mapping[str, Callable[[], Any] | Any]) -> None:
    """Raise the hint of the first mistake whose value the answer has."""
    for hint, value in mistakes.items():
        if same(answer, value() if callable(value) else value):
            raise Hint(hint)


def _kind(answer: Any) -> str:
    names = {"str": "text", "ellipsis": "still the dots", "function": "a function", "bool": "a truth value"}
    name = type(answer).__name__
    return names.get(name, f"of type {name}")
